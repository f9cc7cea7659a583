"""Uncertainty of comparisons that share identities: the vertex bootstrap, intervals and paired p-values.

Pairs of one person depend on each other, so identities are drawn, not pairs: n of n with replacement. A comparison
within one identity counts as often as that identity was drawn, one between two as the product of their draws
(Snijders and Borgatti 1999 for networks; for 1:1 matching see Fogliato, Patil and Perona, arXiv 2306.01198). Two who
are compared with each other and with nobody else are drawn as one: their comparison depends on no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.metrics.metric import Estimate

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.05


def identity_weights(
    first: ArrayLike, second: ArrayLike, replicates: int, seed: int, compared: int | None = None
) -> Iterator[NDArray[float64]]:
    """Yield, one draw at a time, how often each comparison counts: float64 [n], whole numbers.

    ``first``, ``second``: int [n], the two identities of each comparison, equal where it is mated. A draw that leaves
    no mated or no non-mated comparison is drawn again, where there are both. ``compared``: only so many, the first,
    are comparisons; what follows (single samples, say) is weighed but asks for no draw again.
    """
    import numpy as np

    inverse = np.unique(np.concatenate([first, second]), return_inverse=True)[1]
    a, b = inverse[: len(inverse) // 2], inverse[len(inverse) // 2 :]
    mated = (a == b)[:compared]
    kinds = [kind for kind in (mated, ~mated) if kind.any()]
    a, b = _couples_as_one(a, b, compared)
    within, count = a == b, int(max(a.max(), b.max())) + 1
    generator = np.random.default_rng(seed)
    chance = np.full(count, 1 / count)
    for _ in range(replicates):
        while True:
            drawn = generator.multinomial(count, chance).astype(np.float64)
            weights = np.where(within, drawn[a], drawn[a] * drawn[b])
            if all(weights[:compared][kind].any() for kind in kinds):
                break
        yield weights


def _couples_as_one(a: NDArray[Any], b: NDArray[Any], compared: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Identities numbered anew, those that are compared with each other alone under one number."""
    import numpy as np

    met = np.bincount(np.concatenate([a[:compared], b[:compared]]), minlength=int(max(a.max(), b.max())) + 1)
    couple = (a != b)[:compared] & (met[a[:compared]] == 1) & (met[b[:compared]] == 1)
    known_as = np.arange(len(met))
    known_as[b[:compared][couple]] = a[:compared][couple]
    number = np.unique(known_as, return_inverse=True)[1]
    return number[a], number[b]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of a metric's draws; NaN is a draw that left nothing to compute."""
    import numpy as np

    low, high = np.nanquantile(np.asarray(values), [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def bounded_interval(estimate: Estimate, low: float, high: float) -> tuple[float, float]:
    """The interval of a rate; where no draw can move it off an end (0 or 1), the exact binomial limit takes that side.

    With nothing seen in n trials the limit is 1 - 0.05^(1/n), about 3/n, of the way from end to end.
    """
    if not estimate.resolution:
        return low, high
    (least, most), limit = estimate.ends, LEVEL ** (1 / estimate.resolution)
    if estimate.value == least:
        high = max(high, least + (1 - limit) * (most - least))
    if estimate.value == most:
        low = min(low, least + limit * (most - least))
    return low, high


def standard_error(folds: Sequence[float]) -> float:
    """Sample deviation (n - 1) of the folds over the root of their number."""
    import numpy as np

    return float(np.std(folds, ddof=1) / np.sqrt(len(folds)))


def population_std(folds: Sequence[float]) -> float:
    """Deviation (n) of the folds, as InsightFace prints it."""
    import numpy as np

    return float(np.std(folds))


def paired_p_value(differences: Sequence[float]) -> float:
    """Two-sided p-value, against no difference, of the draws of a paired difference.

    It is 1 where all are 0. A draw that left nothing to compute, NaN, is left out.
    """
    import numpy as np

    values: Any = np.asarray(differences)
    values = values[~np.isnan(values)]
    least = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2 * (1 + least) / (len(values) + 1))
