"""What an oracle answered, on disk in whole parts: an attack that was stopped is started anew and gets it again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from bench.answers import Table, joined, read_table, write_table
from bench.errors import ContractBroken


class QueryLog:
    """Answered calls in the order they came, ``rows`` queries or a few more a part.

    A call is known by a ``digest`` of what was asked; what was answered is a table, a row a query.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self._parts = self._calls = self._held = 0
        self._kept: list[Table] = []
        self._logged = self._read()
        self._next = next(self._logged, None)

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:05d}.parquet"

    def _read(self) -> Iterator[Table]:
        """The calls on disk, one after the other."""
        import numpy as np

        for number in itertools.count():
            path = self._part(number)
            if not path.exists():
                return
            table = read_table(path)
            self._parts = number + 1
            edges = np.flatnonzero(np.diff(table["call"])) + 1
            for rows in np.split(np.arange(len(table["call"])), edges):
                yield {name: column[rows[0] : rows[-1] + 1] for name, column in table.items()}

    @property
    def replaying(self) -> bool:
        """Whether the next call was answered before."""
        return self._next is not None

    def again(self, digest: int, count: int) -> Table:
        """What the next call, of ``count`` queries, was answered before.

        Raises ContractBroken where another one was asked then.
        """
        table = self._next
        assert table is not None
        if table["digest"][0] != digest or len(table["digest"]) != count or table["call"][0] != self._calls:
            raise ContractBroken(
                "A stopped attack was started anew, with the same seed and the same answers.",
                f"Its call {self._calls} asked other queries than the first time.",
                "Draw from numpy.random.Generator(PCG64([given.seed, target])) alone: no clock, no order of threads. "
                f"To begin anew, remove {self.folder}.",
            )
        self._calls += 1
        self._next = next(self._logged, None)
        return {name: column for name, column in table.items() if name not in ("call", "digest")}

    def add(self, digest: int, answered: Table) -> None:
        """Keep a new call; on disk once a part is full."""
        import numpy as np

        count = len(next(iter(answered.values())))
        known = {"call": np.full(count, self._calls, np.int64), "digest": np.full(count, digest, np.int64)}
        self._kept.append({**known, **answered})
        self._calls += 1
        self._held += count
        if self._held >= self.rows:
            self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet as a part."""
        if self._kept:
            write_table(self._part(self._parts), joined(self._kept))
            self._parts += 1
            self._held = 0
            self._kept.clear()
