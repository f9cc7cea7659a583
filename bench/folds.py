"""Leave one subject out: what a fitted method learns from and answers, a subject at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.asking import Asking
from bench.batches import Batches
from bench.errors import RunDamaged, WrongUse

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ask_leaving_out(asking: Asking, batches: Batches, subjects: NDArray[Any], labels: Any) -> None:
    """Ask about every sample once; of a trainable method, each subject's by a model that never saw that subject.

    ``subjects``: int [samples], an opaque number for the person of each; ``labels``: what is learned of each sample, an
    array or a list.
    """
    import numpy as np

    samples = asking.content.samples
    if not any(configured.method.trainable for configured in asking.roles["method"]):
        asking.ask_all("method", batches)
        return
    for subject in np.unique(subjects).tolist():
        fold = f"subject-{subject:04d}"
        learned, tested = (np.flatnonzero(side).tolist() for side in (subjects != subject, subjects == subject))
        known = labels[learned] if isinstance(labels, np.ndarray) else [labels[i] for i in learned]
        asking.fit("method", fold, [samples[i] for i in learned], known)
        asking.ask_all("method", batches, fold, [samples[i] for i in tested])


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
