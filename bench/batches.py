"""Records to one worker in batches of one size, its answers checked and failures found."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.answers import Table
from bench.errors import ContractBroken
from bench.images import Unreadable
from bench.protocol import Sample
from bench.worker import Raised, Worker


@dataclass(frozen=True, slots=True)
class Batches:
    """How a task puts records to a method.

    ``call``: the contract call; ``check(value, n)`` returns the answers' columns for n records and
    raises ContractBroken; ``missing(columns)`` gives a reason a row ("" where answered); ``empty(columns, n)``
    makes the columns of n records that have no answer; ``same(a, b)`` tells whether two answers agree.
    ``arguments``: what the call takes after the records; ``single``: it takes one record, not a list, so a batch is
    of one; ``shaped``: ``empty`` needs no other answers to go by.
    """

    call: str
    check: Callable[[Any, int], Table]
    missing: Callable[[Table], list[str]]
    empty: Callable[[Table, int], Table]
    same: Callable[[Table, Table], bool]
    arguments: tuple[Any, ...] = ()
    single: bool = False
    shaped: bool = False

    def given(self, records: list[Any]) -> list[Any]:
        """What the call is given for some records."""
        return [records[0] if self.single else records, *self.arguments]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A batch on its way: which part it is of, and which of its samples could be read."""

    number: int
    last: bool
    reasons: list[str]
    rows: list[int]
    records: list[Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """A batch answered: its columns (None where nothing was), and a reason a sample."""

    number: int
    last: bool
    columns: Table | None
    reasons: list[str]


class Desk:
    """One worker and its batches, each padded to the same size, at most two on their way."""

    def __init__(self, worker: Worker, batches: Batches, size: int) -> None:
        self.worker, self.batches, self.size = worker, batches, 1 if batches.single else size
        self.like: Table | None = None
        self.probed = False
        self.first_raised = ""
        self._early: deque[Any] = deque()  # answers taken off the pipe before their turn

    def answer(self, open_batches: Iterator[tuple[int, bool, Sequence[Sample]]]) -> Iterator[Answered]:
        """Answer batches in order, reading the next one's images while the method is at work."""
        waiting: deque[_Asked] = deque()
        for number, last, samples in open_batches:
            asked = self._read(number, last, samples)
            if asked.records:
                self.worker.send(self.batches.call, *self.batches.given(self._padded(asked.records)))
            waiting.append(asked)
            while not self.worker.room or len(waiting) > 2:
                yield self._take(waiting.popleft())
        while waiting:
            yield self._take(waiting.popleft())

    def _read(self, number: int, last: bool, samples: Sequence[Sample]) -> _Asked:
        reasons, rows, records = [""] * len(samples), [], []
        for row, sample in enumerate(samples):
            try:
                records.append(sample.read(sample.key))
                rows.append(row)
            except Unreadable as error:
                reasons[row] = error.reason
        return _Asked(number, last, reasons, rows, records)

    def _padded(self, records: list[Any]) -> list[Any]:
        """As many records as every batch has, since a network's last bits may depend on that."""
        return records + [records[-1]] * (self.size - len(records))

    def _take(self, asked: _Asked) -> Answered:
        columns = None
        if asked.records:
            value = self._early.popleft() if self._early else self.worker.receive()
            if isinstance(value, Raised):
                columns = self._one_by_one(asked)
            else:
                columns = self._checked(value)
                if not self.probed:
                    self.probed = True
                    self._probe(asked, columns)
            if columns is not None:
                for row, reason in zip(asked.rows, self.batches.missing(columns), strict=False):
                    asked.reasons[row] = asked.reasons[row] or reason
                columns = self._spread(asked, columns)
        return Answered(asked.number, asked.last, columns, asked.reasons)

    def _call(self, records: list[Any]) -> Any:
        """A call out of turn; answers already on their way are put aside for theirs."""
        while self.worker.outstanding:
            self._early.append(self.worker.receive())
        return self.worker.call(self.batches.call, *self.batches.given(records))

    def _checked(self, value: Any) -> Table:
        columns = self.batches.check(value, self.size)
        if self.like is None:
            self.like = columns
        if any(self.like[name].shape != column.shape for name, column in columns.items()):
            raise ContractBroken(
                f"{self.worker.name} was called.", "Its answers changed their length between two calls."
            )
        return columns

    def _probe(self, asked: _Asked, columns: Table) -> None:
        """Ask the first batch once more in another order: row i must answer record i, and twice alike."""
        import numpy as np

        turned = self._padded(asked.records)
        again = self._call(turned[1:] + turned[:1])
        back = None if isinstance(again, Raised) else self._checked(again)
        if back is None or not self.batches.same(columns, {name: np.roll(c, 1, axis=0) for name, c in back.items()}):
            raise ContractBroken(
                f"{self.worker.name} was asked the same {len(asked.records)} records in another order.",
                "Its answers to them were other ones.",
                "Row i must answer record i, the same each time: seed what is random from Load.seed and the record.",
            )

    def _one_by_one(self, asked: _Asked) -> Table | None:
        """A batch in which the method raised: find the records that made it raise, and count only those."""
        import numpy as np

        singles: list[Table | None] = []
        for row, record in zip(asked.rows, asked.records, strict=True):
            value = self._call([record] * self.size)
            if isinstance(value, Raised):
                asked.reasons[row] = f"raised {value.type}"
                self.first_raised = self.first_raised or f" The first: {value.text[:300]}."
                singles.append(None)
            else:
                singles.append({name: column[:1] for name, column in self._checked(value).items()})
        if self.like is None:
            return None
        filled = [self.batches.empty(self.like, 1) if single is None else single for single in singles]
        return {name: np.concatenate([columns[name] for columns in filled]) for name in self.like}

    def _spread(self, asked: _Asked, columns: Table) -> Table:
        """The rows of records that could be read, among rows for those that could not."""
        full = self.batches.empty(columns, len(asked.reasons))
        for name, column in columns.items():
            full[name][asked.rows] = column[: len(asked.rows)]
        return full
