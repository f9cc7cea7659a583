"""Embeddings, as every task with an Embedder asks for them, checks them, compares them and takes a stranger's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.answers import Table
from bench.batches import Batches
from bench.errors import ContractBroken, WrongUse
from bench.protocol import Content

MOST_DIMENSIONS = 65_536
AGREE = 1e-4  # of the vectors' length: how far the same face's vectors may lie apart in two batches


def _check(value: Any, count: int) -> Table:
    import numpy as np

    asked = f"embed() was called with {count} faces."
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        kind = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
        raise ContractBroken(
            asked, f"It returned a {kind}.", "Return a numpy array of float32: result.astype(np.float32)."
        )
    if value.ndim != 2 or value.shape[0] != count or not 1 <= value.shape[1] <= MOST_DIMENSIONS:
        raise ContractBroken(asked, f"It returned shape {list(value.shape)}.", f"Return [{count}, d], one row a face.")
    return {"embedding": value}


def _missing(columns: Table) -> list[str]:
    import numpy as np

    return ["" if finite else "no embedding" for finite in np.isfinite(columns["embedding"]).all(axis=1)]


def _empty(like: Table, count: int) -> Table:
    import numpy as np

    return {"embedding": np.full((count, like["embedding"].shape[1]), np.nan, np.float32)}


def _same(one: Table, other: Table) -> bool:
    import numpy as np

    a, b = one["embedding"].astype(np.float64), other["embedding"].astype(np.float64)
    gone = ~np.isfinite(a).all(axis=1)
    if not np.array_equal(gone, ~np.isfinite(b).all(axis=1)):
        return False
    a, b = a[~gone], b[~gone]
    apart = np.linalg.norm(a - b, axis=1)
    return bool((apart <= AGREE * np.maximum(np.linalg.norm(a, axis=1), 1e-12)).all())


EMBED = Batches("embed", _check, _missing, _empty, _same)


def embed_as(known: Table) -> Batches:
    """EMBED of a method whose embeddings are known from other images, so that all of some may fail and be counted."""
    return replace(EMBED, empty=lambda _, count: _empty(known, count), shaped=True)


def given_embeddings(content: Content, table: Table, wanted: str) -> Table:
    """Embeddings made elsewhere, in the samples' order; what is absent is a failure.

    ``table`` has ``name`` (the images' names as their owner writes them) and ``embedding`` (a list column) or number
    columns, one a dimension. Raises WrongUse, saying what is ``wanted``.
    """
    import numpy as np

    if "name" not in table:
        found = f"Its columns are {', '.join(list(table)[:8])}."
        raise WrongUse("A table of answers was read.", found, f"Give {wanted}.")
    vectors = _vectors(table)
    embedding = np.full((len(content.samples), vectors.shape[1]), np.nan, np.float32)
    embedding[places(table["name"], {s.name: i for i, s in enumerate(content.samples)}, "name")] = vectors
    return {"embedding": embedding, "failure": _missing({"embedding": embedding})}


def _vectors(table: Table) -> Any:
    """The vectors of a table, [n, d]; raises WrongUse where there are none, or of unequal length."""
    import numpy as np

    vectors = table.get("embedding")
    if vectors is None:
        columns = [numbers(column) for name, column in table.items() if name != "name"]
        vectors = np.column_stack(columns) if columns else None
    elif isinstance(vectors, np.ndarray) and vectors.dtype.kind == "O" and len({np.shape(row) for row in vectors}) == 1:
        vectors = np.stack(list(vectors))
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        found = "Its embedding is no list column of one length, or there are no number columns."
        raise WrongUse("A table of answers was read.", found, "Give embedding as a list column (parquet), or columns.")
    return vectors


def numbers(column: Any) -> Any:
    import numpy as np

    try:
        return np.asarray([float("nan") if cell in (None, "") else cell for cell in column], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WrongUse("A table of answers was read.", f"A cell is no number: {error}.") from None


def places(names: Any, known: dict[str, int], column: str) -> list[int]:
    """Where each row belongs; raises WrongUse for names that are unknown or come twice."""
    rows = [str(name.item() if hasattr(name, "item") else name) for name in names]
    unknown = sorted(set(rows) - set(known))
    if unknown or len(set(rows)) < len(rows):
        found = f"It has unknown ones, such as {unknown[0]!r}." if unknown else "Some come twice."
        example = next(iter(known))
        raise WrongUse(f"The column {column!r} of the answers was read.", found, f"One is written {example!r}.")
    return [known[row] for row in rows]
