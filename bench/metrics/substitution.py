"""Verification after reconstructions took the place of images: k-fold accuracy by refitted and by frozen thresholds."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.metrics import biometric
from bench.metrics.biometric import Comparisons
from bench.metrics.clean_pairs import CleanPairs
from bench.metrics.metric import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

MERGED = 10  # pairs of a kind that a fold has at the least
DRAWN_BY = 0  # the seed of the non-mated pairs


class Substitution:
    """Pairs of a protocol of which the first image of each attacked mated one was replaced.

    ``score``: float64 [n], NaN where a pair is no attacked mated one; ``owner``: int [n], who is on the first image. If
    every mated pair was attacked it is over all pairs in their folds; else it is *partial*: over the attacked pairs
    and, fold by fold, as many non-mated ones, drawn.
    """

    def __init__(self, clean: CleanPairs, score: NDArray[Any], owner: NDArray[Any]) -> None:
        import numpy as np

        mated = clean.comparisons.mated
        replaced = ~np.isnan(score)
        self.partial = bool((mated & ~replaced).any())
        fold, _ = clean.comparisons.folds()
        kept = _drawn(fold, mated, replaced) if self.partial else np.arange(len(mated))
        self.mated, self.owner = mated[kept], owner[kept]
        self.score = np.where(replaced, score, clean.comparisons.score)[kept]
        self.fold = _merged(fold[kept], self.mated) if self.partial else fold[kept]
        self._frozen = clean.fold_thresholds[kept]

    @property
    def note(self) -> str:
        """What is to be known of a partial one; "" where it is not."""
        if not self.partial:
            return ""
        return f"partial: {int(self.mated.sum())} attacked pairs, {int((~self.mated).sum())} drawn non-mated ones"

    def weights(self, draw: NDArray[Any]) -> NDArray[Any]:
        """How much each pair counts where ``draw[owner]`` is how often a person was drawn; a non-mated one once."""
        import numpy as np

        return np.where(self.mated, draw[self.owner], 1.0)

    @cached_property
    def _comparisons(self) -> Comparisons:
        return Comparisons(self.score, self.mated, self.fold)

    def refit(self, draw: NDArray[Any] | None) -> Estimate:
        """Each fold's threshold is the best one on the other folds, replaced pairs included; NaN where there is one."""
        if self.fold.max(initial=0) == 0:
            return Estimate(float("nan"))
        found = biometric.accuracy(self._comparisons, None if draw is None else self.weights(draw))
        return Estimate(found.value, found.folds, resolution=found.resolution, note=self.note)

    def frozen(self, draw: NDArray[Any] | None) -> Estimate:
        """Each pair is decided at the threshold that is the best on the clean pairs of the other folds."""
        import numpy as np

        right = (self.score > self._frozen) == self.mated
        weights = np.ones(len(right)) if draw is None else self.weights(draw)
        shares = []
        for fold in range(int(self.fold.max(initial=0)) + 1):
            inside = self.fold == fold
            kinds = [inside & self.mated, inside & ~self.mated]
            # A fold keeps its share of mated pairs, which the protocol fixes.
            sums = [(weights[kind].sum(), (weights * right)[kind].sum(), kind.sum()) for kind in kinds]
            if all(total > 0 for total, *_ in sums):
                shares.append(sum(r / total * count for total, r, count in sums) / inside.sum())
        value = float(np.mean(shares)) if shares else float("nan")
        return Estimate(value, tuple(map(float, shares)), resolution=len(right), note=self.note)


def _drawn(fold: NDArray[Any], mated: NDArray[Any], replaced: NDArray[Any]) -> NDArray[Any]:
    """The attacked pairs, and fold by fold as many of the non-mated ones, or all where there are fewer."""
    import numpy as np

    generator, kept = np.random.default_rng(DRAWN_BY), [np.flatnonzero(replaced)]
    for number in range(int(fold.max()) + 1):
        inside = np.flatnonzero((fold == number) & ~mated)
        count = int(replaced[fold == number].sum())
        kept.append(generator.permutation(inside)[:count])
    return np.sort(np.concatenate(kept))


def _merged(fold: NDArray[Any], mated: NDArray[Any]) -> NDArray[Any]:
    """Folds from 0, neighbours put together until each has MERGED pairs of both kinds; the rest goes to the last."""
    import numpy as np

    made, number, held = np.zeros(len(fold), np.int64), 0, np.zeros(2, np.int64)
    for old in np.unique(fold).tolist():
        inside = fold == old
        held += [int(mated[inside].sum()), int((~mated[inside]).sum())]
        made[inside] = number
        if held.min() >= MERGED:
            number, held = number + 1, np.zeros(2, np.int64)
    made[made == number] = max(number - 1, 0)
    return made
