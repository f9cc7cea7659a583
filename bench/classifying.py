"""Classes, as every task with a Classifier asks for them, checks them and takes a stranger's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.batches import Batches
from bench.embedding import places
from bench.errors import ContractBroken, WrongUse
from bench.protocol import Content

if TYPE_CHECKING:
    from numpy.typing import NDArray

AGREE = 1e-4  # of the largest score: how far the same record's scores may lie apart in two batches
UNANSWERED = "no class"


def asking_for(labels: Sequence[str]) -> Batches:
    """How a Classifier is asked which of ``labels`` records are of; its answers are ``scores``, float32 [n, k]."""
    size = len(labels)

    def check(value: Any, count: int) -> Table:
        import numpy as np

        asked = f"classify() was called with {count} records and {size} labels."
        if not isinstance(value, np.ndarray) or value.dtype != np.float32:
            kind = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
            do = "Return a numpy array of float32: result.astype(np.float32)."
            raise ContractBroken(asked, f"It returned a {kind}.", do)
        if value.shape != (count, size):
            do = f"Return [{count}, {size}], one row a record and one column a label."
            raise ContractBroken(asked, f"It returned shape {list(value.shape)}.", do)
        return {"scores": value}

    def empty(like: Table, count: int) -> Table:
        import numpy as np

        return {"scores": np.full((count, size), np.nan, np.float32)}

    return Batches("classify", check, _missing, empty, _same, (list(labels),), shaped=True)


def _missing(columns: Table) -> list[str]:
    import numpy as np

    return ["" if finite else UNANSWERED for finite in np.isfinite(columns["scores"]).all(axis=1)]


def _same(one: Table, other: Table) -> bool:
    import numpy as np

    a, b = one["scores"].astype(np.float64), other["scores"].astype(np.float64)
    gone = ~np.isfinite(a).all(axis=1)
    if not np.array_equal(gone, ~np.isfinite(b).all(axis=1)):
        return False
    a, b = a[~gone], b[~gone]
    return bool((abs(a - b).max(axis=1) <= AGREE * np.maximum(abs(a).max(axis=1), 1e-12)).all())


def answered(table: Table) -> NDArray[Any]:
    """The class of each row, int64 [n]: that of its highest score, the first of equal ones; -1 where it failed."""
    import numpy as np

    gone = np.array([bool(reason) for reason in table["failure"]])
    scores = np.where(np.isfinite(table["scores"]), table["scores"], -np.inf)
    return np.where(gone, -1, scores.argmax(axis=1))


def given_classes(content: Content, table: Table, labels: Sequence[str]) -> Table:
    """Classes named elsewhere, in the samples' order; what is absent or empty is a failure.

    ``table`` has ``name`` (the samples' names as their owner writes them) and ``answer`` (a class's name). Raises
    WrongUse for another class.
    """
    import numpy as np

    if "name" not in table or "answer" not in table:
        found = f"Its columns are {', '.join(list(table)[:8])}."
        raise WrongUse("A table of answers was read.", found, "Give the columns name and answer.")
    scores = np.full((len(content.samples), len(labels)), np.nan, np.float32)
    rows = places(table["name"], {s.name: i for i, s in enumerate(content.samples)}, "name")
    for row, cell in zip(rows, table["answer"], strict=True):
        name = str(cell or "").strip()
        if name and name not in labels:
            found = f"{name!r} is no class of this protocol."
            raise WrongUse("The column 'answer' was read.", found, f"The classes are {', '.join(labels)}.")
        if name:
            scores[row] = [float(name == label) for label in labels]
    return {"key": [s.key for s in content.samples], "scores": scores, "failure": _missing({"scores": scores})}
