"""Asking: records go to a method in batches of one size, answers are kept in parts, a stopped run goes on."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.answers import Cell, Table, check_length, read_table, write_table
from bench.errors import ContractBroken, MethodFailed
from bench.images import Unreadable
from bench.method import Configured, Load
from bench.protocol import Content, Protocol, Sample
from bench.worker import Raised, Worker

PART = 256
ALL = "all"  # the one fold of a method that is not fitted


@dataclass(frozen=True, slots=True)
class Settings:
    """What one may set on a run. None leaves the choice to facebench, which notes it in the header."""

    batch_size: int | None = None
    threads: int | None = None
    device: str = "cpu"
    workers: int = 1
    memory: int | None = None
    seed: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Batches:
    """How a task puts records to a method.

    ``call``: the contract call; ``check(value, n)`` returns the answers' columns for n records and
    raises ContractBroken; ``missing(columns)`` gives a reason a row ("" where answered); ``empty(columns, n)``
    makes the columns of n records that have no answer; ``same(a, b)`` tells whether two answers agree.
    """

    call: str
    check: Callable[[Any, int], Table]
    missing: Callable[[Table], list[str]]
    empty: Callable[[Table, int], Table]
    same: Callable[[Table, Table], bool]


class Asking:
    """One cell being asked: its protocol, methods, content, settings in force and folder."""

    def __init__(
        self,
        protocol: Protocol,
        roles: Mapping[str, tuple[Configured, ...]],
        content: Content,
        cell: Cell,
        settings: Settings,
        models: Path | None,
        progress: Callable[[int, int], None],
    ) -> None:
        self.protocol, self.roles, self.content, self.cell = protocol, roles, content, cell
        self.settings, self.models, self.progress = settings, models, progress

    def open_worker(self, configured: Configured, log: Path, fold: str | None = None) -> Worker:
        """Load a method in a process of its own."""
        weights = configured.method.weights
        folder = weights.find(self.models, str(configured)) if weights else None
        given = Load(
            weights=folder,
            device=self.settings.device,
            threads=self.settings.threads or 1,
            seed=self.settings.seed,
            fold=fold,
            options=configured.options,
        )
        return Worker(configured, given, log, self.settings.memory)

    def ask_all(self, role: str, batches: Batches, fold: str = ALL) -> None:
        """Put every sample to the one method of ``role`` and keep the answers of ``fold``, in parts.

        Parts on disk are kept; the others are shared out among the workers. A part's bytes do not
        depend on which worker answered it or when.
        """
        size, samples = self.part_size, self.content.samples
        pieces = [samples[i : i + size] for i in range(0, len(samples), size)]
        todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        done = 0
        for number, piece in enumerate(pieces):
            path = self.cell.part(fold, number)
            if path.exists():
                check_length(path, read_table(path), len(piece))
                done += len(piece)
            else:
                todo.put(number)
        self.progress(done, len(samples))
        if todo.empty():
            return
        (configured,) = self.roles[role]
        _Crew(self, configured, batches, fold, pieces, todo, done).work()

    @property
    def part_size(self) -> int:
        """Samples a part: a multiple of the batch size, so that only the last batch of all is padded."""
        batch = self.settings.batch_size or 1
        return -(-PART // batch) * batch

    def answers(self) -> Answers:
        """The answers on disk by fold, each in the samples' order; read when asked for."""
        total, size = len(self.content.samples), self.part_size
        return Answers(self.cell, {ALL: [min(size, total - i) for i in range(0, total, size)]})


class Answers(Mapping[str, Table]):
    """The answers of a cell by fold, one fold in memory at a time. ``sizes`` are the rows of each fold's parts."""

    def __init__(self, cell: Cell, sizes: Mapping[str, list[int]]) -> None:
        self.cell, self.sizes = cell, sizes

    def __getitem__(self, fold: str) -> Table:
        return self.cell.read(fold, self.sizes[fold])

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)


class _Crew:
    """Workers that share the open parts of one fold; the first failure stops all."""

    def __init__(
        self,
        asking: Asking,
        configured: Configured,
        batches: Batches,
        fold: str,
        pieces: list[Sequence[Sample]],
        todo: queue.SimpleQueue[int],
        done: int,
    ) -> None:
        self.asking, self.configured, self.batches, self.fold = asking, configured, batches, fold
        self.pieces, self.todo, self.done = pieces, todo, done
        self.total = sum(map(len, pieces))
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.errors: list[BaseException] = []

    def work(self) -> None:
        count = min(self.asking.settings.workers, self.todo.qsize())
        threads = [threading.Thread(target=self._guarded, args=(n,), daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():  # a join without a limit would not let Ctrl-C through
                    thread.join(0.2)
        finally:
            self.stopped.set()
        if self.errors:
            raise self.errors[0]

    def _guarded(self, number: int) -> None:
        try:
            name = "worker.log" if number == 0 else f"worker-{number}.log"
            with self.asking.open_worker(self.configured, self.asking.cell.folder / name) as worker:
                self._parts(_Desk(worker, self.batches, self.asking.settings.batch_size or 1))
        except BaseException as error:  # handed to the thread that waits
            self.errors.append(error)
            self.stopped.set()

    def _parts(self, desk: _Desk) -> None:
        """Answer open parts until none is left, reading one batch ahead of the method."""
        batches: list[Answered] = []
        for answered in desk.answer(self._open_batches(desk.size)):
            batches.append(answered)
            with self.lock:
                self.done += len(answered.reasons)
                self.asking.progress(self.done, self.total)
            if answered.last:
                self._keep(answered.number, batches, desk)
                batches = []

    def _open_batches(self, size: int) -> Iterator[tuple[int, bool, Sequence[Sample]]]:
        while not self.stopped.is_set():
            try:
                number = self.todo.get_nowait()
            except queue.Empty:
                return
            piece = self.pieces[number]
            for start in range(0, len(piece), size):
                yield number, start + size >= len(piece), piece[start : start + size]

    def _keep(self, number: int, batches: list[Answered], desk: _Desk) -> None:
        import numpy as np

        reasons = [reason for answered in batches for reason in answered.reasons]
        like = desk.like
        if like is None:
            raise MethodFailed(
                f"{self.configured} was asked about {len(reasons)} samples of {self.asking.protocol.name}.",
                f"None could be answered: {'; '.join(sorted(set(reasons)))[:300]}.{desk.first_raised}",
                f"What it printed is in {self.asking.cell.folder}.",
            )
        filled = [desk.batches.empty(like, len(b.reasons)) if b.columns is None else b.columns for b in batches]
        table: Table = {"key": [sample.key for sample in self.pieces[number]]}
        for name in like:
            table[name] = np.concatenate([columns[name] for columns in filled])
        table["failure"] = reasons
        write_table(self.asking.cell.part(self.fold, number), table)


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


class _Desk:
    """One worker and its batches, each padded to the same size, at most two on their way."""

    def __init__(self, worker: Worker, batches: Batches, size: int) -> None:
        self.worker, self.batches, self.size = worker, batches, size
        self.like: Table | None = None
        self.first_raised = ""
        self._early: deque[Any] = deque()  # answers taken off the pipe before their turn

    def answer(self, open_batches: Iterator[tuple[int, bool, Sequence[Sample]]]) -> Iterator[Answered]:
        """Answer batches in order, reading the next one's images while the method is at work."""
        waiting: deque[_Asked] = deque()
        for number, last, samples in open_batches:
            asked = self._read(number, last, samples)
            if asked.records:
                self.worker.send(self.batches.call, self._padded(asked.records))
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
                first = self.like is None
                columns = self._checked(value)
                if first:
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
        return self.worker.call(self.batches.call, records)

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
