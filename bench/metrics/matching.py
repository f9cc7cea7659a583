"""Which found interval answers which true one: as many pairs as can be, and of those the ones that overlap most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray


def overlaps(first: ArrayLike, second: ArrayLike) -> NDArray[float64]:
    """Intersection over union of intervals, their last frames included: float64 [n, m].

    ``first``: int [n, 2], ``second``: int [m, 2], each row first and last frame, the first no later than the last.
    """
    import numpy as np

    a, b = np.asarray(first, np.int64).reshape(-1, 1, 2), np.asarray(second, np.int64).reshape(1, -1, 2)
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]) + 1
    lengths = (a[..., 1] - a[..., 0] + 1) + (b[..., 1] - b[..., 0] + 1)
    shared = np.maximum(shared, 0)
    return np.asarray(shared / (lengths - shared), np.float64)


def best_pairs(value: NDArray[float64]) -> list[tuple[int, int]]:
    """One-to-one pairs (row, column): the most that there can be, and of such sets one whose values sum highest.

    ``value``: float64 [n, m] in [0, 1]; 0 says that the two may not be paired. The Hungarian method with potentials
    (Kuhn 1955, Munkres 1957), a row at a time, each row having a column of its own that means "no partner".
    """
    import numpy as np

    rows, columns = np.flatnonzero(value.any(axis=1)), np.flatnonzero(value.any(axis=0))
    kept = value[np.ix_(rows, columns)]
    n, m = kept.shape
    cost = np.zeros((n, m + n))
    cost[:, :m] = np.where(kept > 0, -(n + 1 + kept), 0.0)  # another pair outweighs any sum of values
    row_of = _assigned(cost)
    paired = [(row_of[j], j) for j in range(m) if row_of[j] >= 0 and kept[row_of[j], j] > 0]
    return sorted((int(rows[i]), int(columns[j])) for i, j in paired)


def _assigned(cost: NDArray[Any]) -> list[int]:
    """The row assigned to each column, -1 for none, at the least total cost; there are no fewer columns than rows."""
    import numpy as np

    n, m = cost.shape
    u, v = np.zeros(n + 1), np.zeros(m + 1)
    row_of = np.full(m + 1, n)  # column m is where a new row starts; row n is none
    for i in range(n):
        row_of[m] = i
        column, least, came = m, np.full(m, np.inf), np.full(m, m)
        used = np.zeros(m + 1, bool)
        while row_of[column] != n:
            used[column] = True
            reached = cost[row_of[column]] - u[row_of[column]] - v[:m]
            closer = ~used[:m] & (reached < least)
            least[closer], came[closer] = reached[closer], column
            following = int(np.argmin(np.where(used[:m], np.inf, least)))
            step = least[following]
            u[row_of[used]] += step
            v[used] -= step
            least[~used[:m]] -= step
            column = following
        while column != m:
            row_of[column] = row_of[came[column]]
            column = int(came[column])
    return [int(row) if row != n else -1 for row in row_of[:m]]
