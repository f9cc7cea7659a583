"""Leave one subject out: what a fitted method learns from and answers, a subject at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import Table, write
from bench.asking import Asking, Choose
from bench.batches import Answered, Batches, Desk
from bench.checkpoints import read_snapshot
from bench.errors import RunDamaged, WrongUse
from bench.protocol import Sample
from bench.records import Snapshot
from bench.selection import LAST, SELECT, VALIDATION, held_back

if TYPE_CHECKING:
    from numpy.typing import NDArray

Measure = Callable[[Table, Any], float]  # of answers and the labels of what was asked about; higher is better


def ask_leaving_out(
    asking: Asking, batches: Batches, subjects: NDArray[Any], labels: Any, measure: Measure | None = None
) -> None:
    """Ask about every sample once; of a trainable method, each subject's by a model that never saw that subject.

    ``subjects``: int [samples], an opaque number for the person of each; ``labels``: what is learned of each sample, an
    array or a list; ``measure``: what a snapshot is chosen by, where the protocol's ways say that one is. Raises
    WrongUse for a choice among the snapshots of a method that is not fitted.
    """
    import numpy as np

    samples = asking.content.samples
    (configured,) = asking.roles["method"]
    way = configured.asked.get(SELECT.name, LAST)
    if not configured.method.trainable:
        if way != LAST:
            found = f"{configured.method.name} is not fitted, so it has no snapshots."
            raise WrongUse(f"{configured} was asked for.", found, f"Leave {SELECT.name} out.")
        asking.ask_all("method", batches)
        return
    for subject in np.unique(subjects).tolist():
        fold = f"subject-{subject:04d}"
        tested = subjects == subject
        # A snapshot is chosen on what the fit does not see, but the oracle, which is marked, chooses on the test.
        chosen_on = tested
        if way == VALIDATION:
            held = held_back(subjects[~tested].tolist(), subject, asking.settings.seed)
            chosen_on = np.isin(subjects, sorted(held))
        learned = ~tested & ~chosen_on
        choose = None
        if way != LAST:
            assert measure is not None, "a task whose protocols let snapshots be chosen says by what"
            choose = _chooser(asking, batches, fold, *_taken(samples, labels, chosen_on), measure)
        asking.fit("method", fold, *_taken(samples, labels, learned), choose)
        asking.ask_all("method", batches, fold, _taken(samples, labels, tested)[0])


def _taken(samples: Sequence[Sample], labels: Any, which: NDArray[Any]) -> tuple[list[Sample], Any]:
    """The samples of a mask, and their labels."""
    import numpy as np

    places = np.flatnonzero(which).tolist()
    known = labels[places] if isinstance(labels, np.ndarray) else [labels[i] for i in places]
    return [samples[i] for i in places], known


def _chooser(
    asking: Asking, batches: Batches, fold: str, samples: Sequence[Sample], labels: Any, measure: Measure
) -> Choose:
    """How the snapshot of a fold is chosen: each is asked about the same samples in a worker that fitted none.

    The one of the highest measure is taken, the earliest of equal ones; ``selection.json`` in the fold's folder says
    what each had.
    """
    (configured,) = asking.roles["method"]
    size = asking.settings.batch_size or 1

    def choose(snapshots: list[Path]) -> Path:
        found: dict[int, float] = {}
        with asking.open_worker(configured, asking.cell.log) as worker:
            for path in snapshots:
                snapshot = _whole(path)
                worker.restore(snapshot.weights)
                desk = Desk(worker, batches, size)
                pieces = [samples[i : i + size] for i in range(0, len(samples), size)]
                answered = list(desk.answer((0, False, piece) for piece in pieces))
                found[snapshot.step] = measure(_table(answered, batches), labels)
        best = max(found, key=lambda step: (found[step], -step))
        told = {"chosen": best, "measured_on": len(samples), "steps": [*found], "measures": [*found.values()]}
        write(asking.cell.folder / fold / "selection.json", json.dumps(told, indent=2) + "\n")
        return snapshots[list(found).index(best)]

    return choose


def _whole(path: Path) -> Snapshot:
    """A snapshot among others; raises RunDamaged, and without it the choice would be another one."""
    try:
        return read_snapshot(path)
    except RunDamaged as error:
        do = f"Nothing else is lost: remove {path.parent.parent}, and the same command fits this fold again."
        raise RunDamaged(error.asked, error.found, do) from None


def _table(answered: Sequence[Answered], batches: Batches) -> Table:
    """The answers of batches in their order, as parts on disk have them."""
    import numpy as np

    filled = [batches.empty({}, len(b.reasons)) if b.columns is None else b.columns for b in answered]
    columns = {name: np.concatenate([one[name] for one in filled]) for name in filled[0]}
    return {**columns, "failure": [reason for batch in answered for reason in batch.reasons]}


def by_key(answers: Mapping[str, Table], keys: Sequence[str]) -> Table:
    """The answers of all folds in the order of ``keys``; raises RunDamaged where one was not answered."""
    import numpy as np

    rows: dict[str, Any] = {}
    for table in answers.values():
        names = [name for name in table if name != "key"]
        for row, key in enumerate(table["key"]):
            rows[key] = {name: table[name][row] for name in names}
    absent = [key for key in keys if key not in rows]
    if absent:
        found = f"{len(absent)} samples were not answered in any fold."
        raise RunDamaged("The answers of all folds were put together.", found, "Run the same command again.")
    first = rows[keys[0]]
    return {
        name: [rows[key][name] for key in keys]
        if isinstance(cell, str)
        else np.stack([rows[key][name] for key in keys])
        for name, cell in first.items()
    }


def some_of_each(subjects: NDArray[Any], count: int) -> list[int]:
    """The positions of ``count`` samples, of as many subjects as can be, in order; raises WrongUse for fewer than two.

    Of each subject the first ones are kept.
    """
    if count < 2:
        do = "Give --limit 2 or more."
        raise WrongUse(f"--limit {count} was asked for.", "One subject is left out and another learned from.", do)
    turn: dict[int, int] = {}
    ranks = []
    for place, subject in enumerate(subjects.tolist()):
        turn[subject] = turn.get(subject, 0) + 1
        ranks.append((turn[subject], place))
    return sorted(place for _, place in sorted(ranks)[:count])
