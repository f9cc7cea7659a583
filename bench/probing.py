"""One method under examination: real workers, small records drawn by code, and what it answered."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import samples
from bench.alignment import LANDMARKS
from bench.answering import ANSWER
from bench.answers import Table, joined
from bench.batches import Batches
from bench.checkpoints import check_snapshot, read_snapshot, write_snapshot
from bench.classifying import asking_for
from bench.contracts import Aligner, Answerer, Classifier, Embedder, Spotter
from bench.embedding import EMBED
from bench.errors import ContractBroken, FacebenchError, NeedsInstall
from bench.intervals import SPOT
from bench.method import Configured, Load
from bench.records import Clip, Face, Question, Snapshot
from bench.worker import Raised, Worker, require

Size = tuple[int, int]
PLAIN, EXAMPLES = 8, 12
PATIENCE = 600  # seconds that a call may take
LABELS = ("negative", "positive", "surprise")  # what a Classifier is asked for,
LABELS_OF = {"expression": ("happiness", "sadness", "surprise")}  # where these are not all of a task's own
CLIP = "clip"  # the inputs of a method that takes Clips
RAISED = "It raised "  # how bench.worker tells what a method raised
GUARD = """import sys

def refuse(event, arguments):
    names = ("socket.getaddrinfo", "socket.gethostbyname")
    if event in names or event == "socket.connect" and isinstance(arguments[1], tuple):
        raise OSError(f"the network was asked for ({arguments[0] if event in names else arguments[1][0]})")

sys.addaudithook(refuse)
"""


class Broken(AssertionError):
    """The method breaks a rule; the text names the mistake and what to change."""


class NotAsked(Exception):
    """A check that could not be made here; the text says what would enable it."""


class Unproven(Exception):
    """The method answered nothing, so nothing is shown."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How a contract is probed: ``records(count, size, seed)``; ``odd(size, any_size)`` names odd records.

    ``labels(count)``: what is learned of that many examples.
    """

    batches: Batches
    records: Callable[[int, Size, int], list[Any]]
    odd: Callable[[Size, bool], dict[str, Any]]
    labels: Callable[[int], Any]


def clips(count: int, size: Size, seed: int) -> list[Clip]:
    """Plain clips."""
    return samples.clips(count, size=size, seed=seed)


def questions(count: int, size: Size, seed: int) -> list[Question]:
    """A question about each of plain faces."""
    return [_about(face) for face in samples.faces(count, size, seed)]


def _odd_questions(size: Size, any_size: bool) -> dict[str, Question]:
    return {name: _about(face) for name, face in samples.odd_faces(size, any_size).items()}


def _about(face: Face) -> Question:
    return Question(face.key, "In a single word, what is the facial expression of the person?", (), face)


def _thirds(count: int) -> Any:
    import numpy as np

    return np.arange(count, dtype=np.int64) // 3


def _classes(count: int) -> Any:
    return _thirds(count) % len(LABELS)


def _intervals(count: int) -> Any:
    return [[[2, 5, 9, LABELS[i % len(LABELS)], "micro"]] for i in range(count)]


PROBES: dict[type, Probe] = {
    Embedder: Probe(EMBED, samples.faces, samples.odd_faces, _thirds),
    Aligner: Probe(LANDMARKS, samples.faces, samples.odd_faces, _thirds),
    Classifier: Probe(asking_for(LABELS), samples.faces, samples.odd_faces, _classes),
    Spotter: Probe(SPOT, clips, samples.odd_clips, _intervals),
    Answerer: Probe(ANSWER, questions, _odd_questions, _classes),
}


def probe_of(contract: type, tasks: Sequence[str]) -> Probe:
    """How a contract is probed for some tasks; a Classifier of one task is asked for that task's labels."""
    probe = PROBES[contract]
    labels = LABELS_OF.get(tasks[0]) if contract is Classifier and len(tasks) == 1 else None
    return replace(probe, batches=asking_for(labels)) if labels else probe


class Subject:
    """A method whose worker, fitted weights and plain answers are shared by its checks; ``close`` ends the worker."""

    def __init__(self, configured: Configured, tasks: list[str], probe: Probe | None, models: Path | None) -> None:
        self.configured, self.method, self.models = configured, configured.method, models
        self._tasks, self._probe = tasks, probe
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._worker: Worker | None = None
        self._fitted: list[Snapshot] = []
        self._plain: tuple[list[Any], Table] | NotAsked | Unproven | None = None

    @property
    def probe(self) -> Probe:
        """How it is asked; raises NotAsked where this version has no contract for the tasks."""
        if self._probe is None:
            raise NotAsked(f"This version has no contract for {', '.join(self._tasks) or 'no task'}.")
        if self.inputs == CLIP:
            return replace(self._probe, records=clips, odd=samples.odd_clips)
        return self._probe

    @property
    def inputs(self) -> str:
        """Which of its ``inputs`` it is asked with: one of a fixed size, as arcface-112, where it takes one."""
        return min(self.method.inputs, key=lambda name: (not name[-1:].isdigit(), name), default="")

    @property
    def size(self) -> Size:
        """Height and width of its plain pictures: those that ``inputs`` ends with."""
        side = re.search(r"\d+$", self.inputs)
        return (int(side[0]), int(side[0])) if side else (120, 100)

    @property
    def folder(self) -> Path:
        """A folder of its own for logs and snapshots."""
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="facebench-check-")
        return Path(self._folder.name)

    def records(self, count: int = PLAIN, seed: int = 0) -> list[Any]:
        """Plain records, of other people under another seed."""
        return self.probe.records(count, self.size, seed)

    def close(self) -> None:
        """End the worker and remove the folder; asking again opens another."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def open(self, fitted: bool = True, offline: bool = False) -> Worker:
        """A fresh worker, as a run opens one; raises Broken where it does not load, NotAsked where something lacks."""
        try:
            require(self.configured)
            weights = self.method.weights.find(self.models, str(self.configured)) if self.method.weights else None
            given = Load(weights=weights, options=self.configured.options, inputs=self.inputs)
            with self._offline() if offline else contextlib.nullcontext():
                worker = Worker(self.configured, given, self.folder / "log", patience=PATIENCE)
        except NeedsInstall as error:
            raise NotAsked(f"{error.found} {error.do}") from None
        except FacebenchError as error:
            raise Broken(error.found) from None
        if fitted and self.method.trainable:
            try:
                worker.restore(self.fitted()[-1].weights)
            except FacebenchError as error:
                worker.close()
                raise Broken(f"restore() was given the snapshot's weights. {error.found}") from None
            except BaseException:
                worker.close()
                raise
        return worker

    @contextlib.contextmanager
    def _offline(self) -> Iterator[None]:
        """Workers opened meanwhile cannot look up or reach a host."""
        guard = self.folder / "guard"
        guard.mkdir(exist_ok=True)
        (guard / "sitecustomize.py").write_text(GUARD, "utf-8")
        path = os.pathsep.join(filter(None, [str(guard), os.environ.get("PYTHONPATH")]))
        changed = {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def worker(self) -> Worker:
        """The shared worker; raises NotAsked where there can be none."""
        self._worker = self._worker or self.lend()
        return self._worker

    def lend(self, fitted: bool = True) -> Worker:
        """As ``open``, for every check but 'loads': raises NotAsked, saying where the cause is told."""
        try:
            return self.open(fitted)
        except (Broken, NotAsked):
            where = ("loads", "fits", "restores") if fitted and self.method.trainable else ("loads",)
            raise NotAsked(f"It cannot be asked: see {' or '.join(map(repr, where))}.") from None

    def ask(self, records: list[Any], worker: Worker | None = None) -> Table:
        """Its checked answers; raises Broken where it raised, ended, or answered in another shape."""
        asked, batches = worker or self.worker(), self.probe.batches
        try:
            answers = []
            for part in [[record] for record in records] if batches.single else [records]:
                value = asked.call(batches.call, *batches.given(part))
                if isinstance(value, Raised):
                    raise Broken(self.told(value))
                answers.append(batches.check(value, len(part)))
            return joined(answers)
        except ContractBroken as error:
            raise Broken(f"{batches.call}(): {error.found} {error.do}".strip()) from None
        except FacebenchError as error:
            if asked is self._worker:
                asked.close()
                self._worker = None
            raise Broken(f"{batches.call}(): {error.found}") from None

    def told(self, raised: Raised) -> str:
        """What it raised, where, and for the commonest mistake what to change."""
        call, said = self.probe.batches.call, f"{raised.type}: {raised.text}"
        if "read-only" in said:
            return f"{call}() writes into its input{self._line(said)}. Copy first: pixels = face.pixels.copy()."
        return f"{call}() raised {said[:250]}{self._line(said)}."

    def _line(self, said: str) -> str:
        """The innermost line of a plugin's own file in the log's last traceback, which ends with ``said``."""
        for _ in range(20):  # what was printed may still be on its way
            time.sleep(0.05)
            log = (self.folder / "log").read_text("utf-8", "replace") if (self.folder / "log").exists() else ""
            trace = log.rpartition("Traceback (most recent call last)")[2]
            if said.split("\n")[0] in trace:
                break
        places = re.findall(r'File "([^"<>]+)", line (\d+)', trace)
        own = [(file, line) for file, line in places if "site-packages" not in file and "worker_process" not in file]
        return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""

    def plain(self) -> tuple[list[Any], Table]:
        """Plain records and its answers to them; raises NotAsked or Unproven where there are none."""
        if self._plain is None:
            records = self.records()
            try:
                columns = self.ask(records)
                self._plain = (records, columns)
                if not self.probe.batches.same(columns, self.ask(records)):
                    self._plain = NotAsked("It answers the same call in two ways: see 'repeats'.")
                if all(self.probe.batches.missing(columns)):
                    self._plain = Unproven(f"It answered none of {len(records)} drawn faces, so nothing is shown.")
            except Broken:
                self._plain = NotAsked("It does not answer plain records: see 'shape'.")
        if isinstance(self._plain, Exception):
            raise self._plain
        return self._plain

    def fitted(self) -> list[Snapshot]:
        """The snapshots of a fit on a few examples; raises Broken where it gives none."""
        self._fitted = self._fitted or self.fit()
        return self._fitted

    def fit(self, last: Snapshot | None = None) -> list[Snapshot]:
        """Fit in a fresh worker; every snapshot as it comes back from disk."""
        examples, labels = self.records(EXAMPLES, seed=1), self.probe.labels(EXAMPLES)
        kept = []
        with self.open(fitted=False) as worker:
            try:
                for given in worker.fit(labels, lambda places: [examples[i] for i in places], last):
                    write_snapshot(self.folder / "snapshot.safetensors", check_snapshot(given, str(self.configured)))
                    kept.append(read_snapshot(self.folder / "snapshot.safetensors"))
            except FacebenchError as error:
                raised = error.found.startswith(RAISED)
                where = self._line(error.found.removeprefix(RAISED)) if raised else f" {error.do}"
                raise Broken(f"fit(): {error.found}{where}".strip()) from None
            except ValueError as error:
                raise Broken(f"fit(): a snapshot cannot be kept: {error}. Give arrays of numbers only.") from None
        if not kept and last is None:
            raise Broken("fit() yielded no snapshot: end it with `yield bench.Snapshot(step, weights)`.")
        return kept


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. ``run(subject)`` raises bench.probing's Broken, NotAsked or Unproven, or returns."""

    name: str
    about: str
    run: Callable[[Subject], None]
