"""Identification metrics over one search a probe: rank-k, FNIR at an FPIR, CMC.

A search compares a probe with every person of the gallery. A failed probe, or one whose person could not be enrolled,
finds nobody: it misses where mated, raises no false alarm, and stays in every denominator. Ties count against the
method. Identification rates as in ISO/IEC 19795-1, candidate lists without a limit on their length.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.errors import WrongUse
from bench.metrics.biometric import ISO, RULE_OF_THREE
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Weights = NDArray[float64] | None

MOST_RANK = 50


class Searches:
    """One search a probe.

    ``mated``: bool [n], whether the probe's person is in the gallery; ``rank``: int [n], from 1, that of the person,
    larger than the gallery where it was not found; ``mated_score``: float64 [n], that of the person, -inf where there
    is none; ``best_non_mated``: float64 [n], the best score of anyone else. Raises WrongUse where no probe is mated.
    """

    def __init__(self, mated: Any, rank: Any, mated_score: Any, best_non_mated: Any) -> None:
        import numpy as np

        self.mated = np.asarray(mated, bool)
        self.rank, self.mated_score, self.best_non_mated = (np.asarray(a) for a in (rank, mated_score, best_non_mated))
        if not self.mated.any():
            raise WrongUse("Searches were given.", "None is mated.", "Give probes of people in the gallery.")

    def share(self, hit: NDArray[Any], weights: Weights) -> float:
        """The weighted share of mated probes for which ``hit`` holds."""
        drawn = self.mated.astype(float) if weights is None else weights * self.mated
        return float((drawn * hit).sum() / drawn.sum())


def rank_k(searches: Searches, weights: Weights = None, *, k: int) -> Estimate:
    """The share of mated probes whose person is among the ``k`` best: closed-set identification rate."""
    return Estimate(searches.share(searches.rank <= k, weights), resolution=int(searches.mated.sum()))


def fnir(searches: Searches, weights: Weights = None, *, rate: str) -> Estimate:
    """The share of mated probes not above the threshold that at most ``rate`` of the non-mated probes pass with anyone.

    The threshold is a non-mated probe's best score, so ties never let more pass. With fewer than three expected false
    alarms (Hanley and Lippman-Hand 1983) the value is a lower bound.
    """
    import numpy as np

    alarms = searches.best_non_mated[~searches.mated]
    if not len(alarms):
        raise WrongUse("FNIR at an FPIR was asked for.", "No probe is non-mated.", "The protocol must be open-set.")
    order = np.argsort(alarms, kind="stable")
    drawn = np.ones(len(alarms)) if weights is None else weights[~searches.mated][order]
    upto = np.cumsum(drawn)
    enough = upto[-1] * (1 - float(Fraction(rate))) - 1e-9 * max(upto[-1], 1)
    threshold = alarms[order][min(int(np.searchsorted(upto, enough, side="left")), len(alarms) - 1)]
    needed = math.ceil(RULE_OF_THREE / Fraction(rate))
    short = f"an FPIR of {rate} needs {needed:,} non-mated probes, there are {len(alarms):,}"
    short = short if len(alarms) < needed else ""
    return Estimate(
        searches.share(~(searches.mated_score > threshold), weights),
        bound="at least" if short else None,
        resolution=int(searches.mated.sum()),
        note=short,
    )


def cmc_points(searches: Searches, most: int = MOST_RANK) -> tuple[tuple[float, float], ...]:
    """The cumulative match characteristic: (rank, share of mated probes found up to it), to six significant digits."""
    last = min(most, int(searches.rank.max(initial=1)))
    return tuple((float(k), float(f"{searches.share(searches.rank <= k, None):.6g}")) for k in range(1, last + 1))


def at_rank(k: int) -> Metric:
    """Rank-k as a metric."""
    return Metric(f"rank-{k}", "higher", "%", partial(rank_k, k=k), ISO, f"mated probes found among the {k} best")


def fnir_at_fpir(rate: str) -> Metric:
    """FNIR at an FPIR as a metric."""
    about = f"mated probes missed where {rate} of the others raise an alarm"
    return Metric(f"fnir@fpir={rate}", "lower", "%", partial(fnir, rate=rate), ISO, about)
