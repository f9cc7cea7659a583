"""Asking: records go to a method in batches of one size, answers are kept in parts, a stopped run goes on."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.alignment import inputs_of
from bench.answers import Cell, Table, check_length, read_table, write, write_table
from bench.batches import Answered, Batches, Desk
from bench.checkpoints import check_snapshot, learned_from, read_snapshot, write_snapshot
from bench.errors import ContractBroken, DataDamaged, MethodFailed, RunDamaged
from bench.images import Unreadable
from bench.method import Configured, Load
from bench.protocol import Content, Protocol, Sample
from bench.records import Snapshot
from bench.worker import Worker

PART = 256
Choose = Callable[[list[Path]], Path]  # one of the files of snapshots
FITS = "fits"  # beside the protocols of a folder of runs
ALL = "all"  # the one fold of a method that is not fitted


@dataclass(frozen=True, slots=True)
class Settings:
    """What one may set on a run. None leaves the choice to facebench, which notes it in the header."""

    batch_size: int | None = None
    threads: int | None = None
    device: str = "cpu"
    workers: int = 1
    memory: int | None = None
    patience: float | None = None
    seed: int = 0
    limit: int | None = None


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
        progress: Callable[[str, int, int], None],
    ) -> None:
        self.protocol, self.roles, self.content, self.cell = protocol, roles, content, cell
        self.settings, self.models, self.progress = settings, models, progress
        self.folds: dict[str, Sequence[Sample]] = {}

    def open_worker(
        self, configured: Configured, log: Path, fold: str = ALL, inputs: str = "", seed: int | None = None
    ) -> Worker:
        """Load a method in a process of its own; one that was fitted on ``fold`` gets its weights.

        ``inputs``: what it is given, where that is no image of the protocol; ``seed``: another one than the run's.
        """
        weights = configured.method.weights
        folder = weights.find(self.models, str(configured)) if weights else None
        given = Load(
            weights=folder,
            device=self.settings.device,
            threads=self.settings.threads or 1,
            seed=self.settings.seed if seed is None else seed,
            options=configured.options,
            inputs=inputs_of(inputs or self.protocol.inputs, configured),
        )
        worker = Worker(configured, given, log, self.settings.memory, self.settings.patience)
        try:
            if (checkpoint := self.cell.checkpoint(fold)).exists():
                worker.restore(read_snapshot(checkpoint).weights)
        except BaseException:
            worker.close()
            raise
        return worker

    def fit(self, role: str, fold: str, samples: Sequence[Sample], labels: Any, choose: Choose | None = None) -> None:
        """Fit the one method of ``role`` on a fold's training split and keep its last snapshot, or the chosen one.

        A fit that was stopped goes on from the last snapshot on disk; a finished one is not done again, nor one that
        another cell has made of the same. An example in
        which an aligner found no face is left out. With ``choose`` the weights of every snapshot lie on disk until it
        was called with their files, in order. Raises DataDamaged where an example cannot be read.
        """
        checkpoint, kept = self.cell.checkpoint(fold), self.cell.folder / fold / "snapshots"
        stopped = self.cell.folder / fold / "stopped.safetensors"
        if checkpoint.exists():
            _clear(stopped, kept)
            return
        (configured,) = self.roles[role]
        there = [i for i, sample in enumerate(samples) if not sample.absent]
        samples = [samples[i] for i in there]
        labels = [labels[i] for i in there] if isinstance(labels, list) else labels[there]
        known = self._known_fit(role, fold, samples, labels)
        if known is not None and known.exists():
            write_snapshot(checkpoint, read_snapshot(known))
            _clear(stopped, kept)
            return
        begun = read_snapshot(stopped) if stopped.exists() else None
        read = 0

        def fetch(positions: list[int]) -> list[Any]:
            nonlocal read
            read = min(read + len(positions), len(samples))  # it may read them more than once
            self.progress(_stage("fit", fold), read, len(samples))
            return [_example(samples[position]) for position in positions]

        with self.open_worker(configured, self.cell.log) as worker:
            step = begun.step - 1 if begun is not None else -1
            for given in worker.fit(labels, fetch, begun):
                snapshot = check_snapshot(given, str(configured))
                if choose is not None:
                    step = _counted_up(snapshot, step, configured)
                    write_snapshot(kept / f"{step:09d}.safetensors", replace(snapshot, state={}))
                write_snapshot(stopped, snapshot)
        if not stopped.exists():
            do = "yield bench.Snapshot(step, weights) at least once."
            raise ContractBroken(f"{configured} was fitted.", "It yielded no snapshot.", do)
        chosen = stopped if choose is None else choose(sorted(kept.glob("*.safetensors")))
        if known is not None:
            write(known, chosen.read_bytes())
        os.replace(chosen, checkpoint)
        _clear(stopped, kept)

    def _known_fit(self, role: str, fold: str, samples: Sequence[Sample], labels: Any) -> Path | None:
        """Where the weights of this very fit lie, if some cell under the same folder of runs has made it.

        None for a method that was made in a script: its code is not known.
        """
        if self.roles[role][0].origin.kind == "script":
            return None
        name = learned_from(self.cell.header() or {}, role, fold, [sample.name for sample in samples], labels)
        return self.runs / FITS / f"{name}.safetensors"

    def ask_all(
        self,
        role: str,
        batches: Batches,
        fold: str = ALL,
        samples: Sequence[Sample] | None = None,
        configured: Configured | None = None,
    ) -> None:
        """Put every sample, or some, to the one method of ``role`` and keep the answers of ``fold``, in parts.

        Parts on disk are kept; the others are shared out among the workers. A part's bytes do not
        depend on which worker answered it or when. ``configured``: which, of a role that has several.
        """
        size, samples = self.part_size, self.content.samples if samples is None else samples
        self.folds[fold] = samples
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
        self.progress(_stage("ask", fold), done, len(samples))
        if todo.empty():
            return
        if configured is None:
            (configured,) = self.roles[role]
        _Crew(self, configured, batches, fold, pieces, todo, done).work()

    @property
    def runs(self) -> Path:
        """The folder of runs that the cell is of."""
        return self.cell.folder.parents[self.protocol.name.count("/") + 1]

    @property
    def part_size(self) -> int:
        """Samples a part: a multiple of the batch size, so that only the last batch of all is padded."""
        batch = self.settings.batch_size or 1
        return -(-PART // batch) * batch

    def answers(self) -> Answers:
        """The answers on disk by fold, each in the order its samples were asked in; read when asked for."""
        size = self.part_size
        return Answers(self.cell, size, {fold: [s.key for s in asked] for fold, asked in self.folds.items()})


def _counted_up(snapshot: Snapshot, before: int, configured: Configured) -> int:
    """A snapshot's step; raises ContractBroken where it would take the place of an earlier snapshot."""
    if snapshot.step <= before:
        found = f"Its snapshot {snapshot.step} came after step {before}."
        raise ContractBroken(f"{configured} was fitted.", found, "Let the step of each snapshot count up from 0.")
    return snapshot.step


def _clear(stopped: Path, kept: Path) -> None:
    """Remove what only an open fit needs."""
    stopped.unlink(missing_ok=True)
    if kept.exists():
        shutil.rmtree(kept)


def _stage(what: str, fold: str) -> str:
    return what if fold == ALL else f"{what} {fold}"


def _example(sample: Sample) -> Any:
    try:
        return sample.read(sample.key)
    except Unreadable as error:
        found = f"Its {sample.name} is to be learned from and cannot be read: {error.reason}."
        raise DataDamaged("A training split was read.", found, "Get the data set again, or mend this file.") from None


class Answers(Mapping[str, Table]):
    """The answers of a cell by fold, one fold in memory at a time.

    ``size`` is that of a part, ``keys`` each fold's in their order. Raises RunDamaged for other order.
    """

    def __init__(self, cell: Cell, size: int, keys: Mapping[str, list[str]]) -> None:
        self.cell, self.size, self.keys_of = cell, size, keys

    def __getitem__(self, fold: str) -> Table:
        order = self.keys_of[fold]
        table = self.cell.read(fold, [min(self.size, len(order) - i) for i in range(0, len(order), self.size)])
        if table["key"] != order:
            found = "Its parts are of other samples, or in another order."
            raise RunDamaged(f"{self.cell.folder / fold} was read.", found, "Remove it and run the same command again.")
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_of)

    def __len__(self) -> int:
        return len(self.keys_of)


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
        self.unanswered: dict[int, list[str]] = {}

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
        for number, reasons in self.unanswered.items():  # shaped like part 0, whoever answered that and when
            like = read_table(self.asking.cell.part(self.fold, 0))
            self._write(number, self.batches.empty(like, len(reasons)), reasons)

    def _guarded(self, number: int) -> None:
        try:
            name = "worker.log" if number == 0 else f"worker-{number}.log"
            with self.asking.open_worker(self.configured, self.asking.cell.folder / name, self.fold) as worker:
                self._parts(Desk(worker, self.batches, self.asking.settings.batch_size or 1))
        except BaseException as error:  # handed to the thread that waits
            self.errors.append(error)
            self.stopped.set()

    def _parts(self, desk: Desk) -> None:
        """Answer open parts until none is left, reading one batch ahead of the method."""
        batches: list[Answered] = []
        for answered in desk.answer(self._open_batches(desk.size)):
            batches.append(answered)
            with self.lock:
                self.done += len(answered.reasons)
                self.asking.progress(_stage("ask", self.fold), self.done, self.total)
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

    def _keep(self, number: int, batches: list[Answered], desk: Desk) -> None:
        import numpy as np

        reasons = [reason for answered in batches for reason in answered.reasons]
        like = desk.like
        if like is None and desk.batches.shaped and self.fold != ALL:
            like = desk.batches.empty({}, 0)  # such a fold may be a single sample: that it failed is counted
        if like is None and number:
            self.unanswered[number] = reasons
            return
        if like is None:
            raise MethodFailed(
                f"{self.configured} was asked about {len(reasons)} samples of {self.asking.protocol.name}.",
                f"None could be answered: {'; '.join(sorted(set(reasons)))[:300]}.{desk.first_raised}",
                f"What it printed is in {self.asking.cell.folder}.",
            )
        filled = [desk.batches.empty(like, len(b.reasons)) if b.columns is None else b.columns for b in batches]
        self._write(number, {name: np.concatenate([columns[name] for columns in filled]) for name in like}, reasons)

    def _write(self, number: int, columns: Table, reasons: list[str]) -> None:
        table = {"key": [sample.key for sample in self.pieces[number]], **columns, "failure": reasons}
        write_table(self.asking.cell.part(self.fold, number), table)
