"""An attack being run: a group of targets at a time, each going on from its log, and what it reconstructed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import Table, joined, read_table, write, write_table
from bench.asking import Asking
from bench.counting import CountingOracle, Terms
from bench.errors import MethodFailed, Mismatch, WrongUse
from bench.method import Configured
from bench.oracle import GRADIENT
from bench.protecting import Protected
from bench.protocol import Sample
from bench.query_log import QueryLog
from bench.records import Face
from bench.target import Target, best_batch
from bench.worker import Worker

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

GROUP = 32  # targets that one oracle stands for
LOGGED = 2048  # queries a part of the log
SHOWN = "reconstructions"  # the folder of them
ATTACK = "attack"  # the fold of what each took
EIGHT_BIT = "8bit"


@dataclass(frozen=True, slots=True)
class Guard:
    """A protection at work; ``threshold``: the score above which its embedder accepts."""

    protected: Protected
    threshold: float

    def tell(self, scores: NDArray[Any]) -> NDArray[Any]:
        """What is told in place of scores."""
        return self.protected.tell(scores, self.threshold)


def budget_of(attack: Configured) -> int:
    """The queries that each target may be asked; raises WrongUse for fewer than one."""
    budget = int(attack.asked["budget"])
    if budget < 1:
        raise WrongUse(f"A budget of {budget} queries was given.", "It is 1 or more.")
    return budget


@dataclass(frozen=True, slots=True)
class Raid:
    """One attack on some targets of a cell.

    ``places``: int [t], of the targets among the samples; ``templates``: float32 [t, d]; ``euclidean``: how the target
    compares; ``guard``: what protects it.
    """

    asking: Asking
    attack: Configured
    target: Configured
    places: NDArray[Any]
    templates: NDArray[float32]
    euclidean: bool
    guard: Guard | None = None

    def run(self) -> list[Sample]:
        """Attack the groups that were not yet; all that was reconstructed.

        Raises MethodFailed where there is no template to attack.
        """
        if not len(self.places):
            raise MethodFailed("Faces were to be attacked.", f"{self.target} has a template of none of them.")
        starts = range(0, len(self.places), GROUP)
        paths = [self.asking.cell.folder / SHOWN / f"group-{number:05d}.parquet" for number in range(len(starts))]
        todo = [number for number, path in enumerate(paths) if not path.exists()]
        if todo:
            terms = self._terms()
            with self.asking.open_worker(self.target, self.asking.cell.folder / "target.log") as worker:
                batch = self._batch(worker, terms)
                for number in todo:
                    rows = slice(number * GROUP, (number + 1) * GROUP)
                    table = self._group(terms, self._behind(worker, batch, rows), number)
                    table["target"] = self.places[rows][table["target"]].astype("int32")
                    paths[number].parent.mkdir(mode=0o700, exist_ok=True)  # each time: someone may have removed it
                    write_table(paths[number], table)
        return self._reconstructions(paths)

    def _face(self) -> Face:
        sample = self.asking.content.samples[self.places[0]]
        face: Face = sample.read(sample.key)
        return face

    def _terms(self) -> Terms:
        budget, access = budget_of(self.attack), self.asking.protocol.settings["access"]
        if self.guard is not None:
            if access == GRADIENT:
                raise Mismatch("A protected target was to be attacked by its gradient.", "No protection passes it on.")
            budget = min(budget, self.guard.protected.most_queries() or budget)
        height, width = self._face().pixels.shape[:2]
        return Terms(access, budget, self.attack.asked["queries"] == EIGHT_BIT, height, width)

    def _batch(self, worker: Worker, terms: Terms) -> int:
        """How many queries a call of the target has: measured once, then what the cell's header says."""
        import numpy as np

        header = self.asking.cell.header() or {}
        if "query_batch" not in header["settings"]:
            self.asking.progress("measure calls", 0, 1)
            pixels = self._face().pixels if terms.eight_bit else self._face().pixels.astype(np.float32)
            header["settings"]["query_batch"] = best_batch(worker, pixels, 2 * min(GROUP, len(self.places)))
            write(self.asking.cell.folder / "header.json", json.dumps(header, indent=2) + "\n")
        return int(header["settings"]["query_batch"])

    def _behind(self, worker: Worker, batch: int, rows: slice) -> Target:
        protect = None if self.guard is None else self.guard.protected.protect
        return Target(worker, self.templates[rows], batch, self.euclidean, protect)

    def _group(self, terms: Terms, target: Target, number: int) -> Table:
        """One group's attack, going on from what its log holds."""
        folder, total = self.asking.cell.folder, terms.budget * len(target)
        tell = None if self.guard is None else self.guard.tell
        oracle = CountingOracle(
            terms, target, QueryLog(folder / f"queries-{number:05d}", LOGGED), str(self.attack), tell
        )

        def answer(question: Any) -> Any:
            told = oracle.answer(question)
            self.asking.progress(f"attack {number + 1}", int(oracle.reached.queries.sum()), total)
            return told

        # No two groups draw alike; the first draws as an attack with this seed alone would.
        seed = self.asking.settings.seed + (number << 32)
        with self.asking.open_worker(self.attack, folder / "attack.log", seed=seed) as attacker:
            for images in attacker.invert(oracle.about(), answer):
                oracle.show(images)
        return oracle.finish()

    def _reconstructions(self, paths: Sequence[Path]) -> list[Sample]:
        """What was reconstructed as samples, and beside them what each took, as the answers ``attack``."""
        shape = self._face().pixels.shape
        samples, tables = [], []
        for number, path in enumerate(paths):
            table = {name: column for name, column in _stored(path).items() if name != "pixels"}
            keys = [f"{number:05d}-{row:05d}" for row in range(len(table["target"]))]
            samples += [Sample(key, key, partial(_read, path, row, shape)) for row, key in enumerate(keys)]
            tables.append({"key": keys, **table, "failure": [""] * len(keys)})
        keep(self.asking, ATTACK, samples, lambda: joined(tables))
        return samples


def keep(asking: Asking, fold: str, samples: Sequence[Sample], make: Callable[[], Table]) -> None:
    """Keep what the harness itself makes as the answers of a fold, in parts, unless all are on disk."""
    asking.folds[fold], size = samples, asking.part_size
    starts = range(0, len(samples), size)
    if all(asking.cell.part(fold, number).exists() for number in range(len(starts))):
        return
    table = make()
    for number, start in enumerate(starts):
        write_table(
            asking.cell.part(fold, number), {name: column[start : start + size] for name, column in table.items()}
        )


@lru_cache(2)
def _stored(path: Path) -> Table:
    return read_table(path)


def _read(path: Path, row: int, shape: tuple[int, ...], key: str) -> Face:
    return Face(key, _stored(path)["pixels"][row].reshape(shape))
