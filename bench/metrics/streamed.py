"""TAR, FNMR and EER of comparisons that do not fit in memory, to the last digit those of ``biometric`` and ``roc``.

A pass counts the scores in intervals of the real line; the few intervals in which a metric's answer lies are divided
in the next one, in at most four passes. Memory does not grow with the data: for up to ten rates it stays below 250 MB,
a block of the caller's apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bench.errors import WrongUse
from bench.metrics.biometric import Weight
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Blocks = Callable[[], Iterable[tuple[ArrayLike, ArrayLike]]]
    Pieces = Iterable[tuple[NDArray[Any], NDArray[Any], Any]]  # keys, which are mated, in which interval they lie

FAMILIES = ("tar@far", "fnmr@fmr", "tar_nearest@far", "tar_interpolated@far", "eer")
# Bits of a score's key, and of those that the first and a later pass tell apart; 12 keep the failed by themselves.
KEY, FIRST, DIGIT = 64, 20, 16
CHUNK, KEPT = 1 << 20, 1 << 20  # comparisons looked at in one go, and scores few enough to be collected


def estimates(blocks: Blocks, metrics: Iterable[Metric]) -> tuple[Estimate, ...]:
    """Each metric's value, bound and note, as ``metric.compute`` gives them of all comparisons at once.

    ``blocks()`` begins a pass and gives (score, mated) a block: float64 or float32 [b] and bool [b], of any length, the
    same comparisons in each pass; scores as in ``biometric.Comparisons``. ``metrics``: of the families in ``FAMILIES``.
    Raises WrongUse for another metric, unequal lengths, +inf, where a kind is absent, or where two passes differ.
    """
    metrics = tuple(metrics)
    parsed = [(metric.name, *metric.name.partition("=")[::2]) for metric in metrics]
    for name, family, _ in parsed:
        if family not in FAMILIES:
            known = f"Scores are streamed for {', '.join(FAMILIES)}."
            raise WrongUse(f"The metric {name} of streamed scores was asked for.", known)
    rates = {Fraction(rate) for *_, rate in parsed if rate}
    counted = _Counted.all(blocks)
    while (wanted := counted.wanted(rates)).any():
        counted = counted.divided(wanted, blocks)
    streamed = _Streamed(counted)
    return tuple(metric.compute(streamed) for metric in metrics)


class _Streamed:
    """Counted comparisons in the place of ``biometric.Comparisons``."""

    def __init__(self, counted: _Counted) -> None:
        values = _scores(counted.first)
        non_mated, mated = (_Side(values, count) for count in counted.count.T)
        self.sides = mated, non_mated


class _Side:
    """One kind in the place of ``biometric.Side``; where many scores share an interval its first stands for all."""

    def __init__(self, values: NDArray[Any], counts: NDArray[Any]) -> None:
        there = counts > 0
        self.values, self._counts, self.count = values[there], counts[there], int(counts.sum())

    def weight(self, weights: None) -> Weight:
        """The side, each comparison counted once."""
        return Weight(self.values, self._counts)


class _Counted:
    """How many comparisons of each kind lie in disjoint intervals of keys, none of them empty.

    ``first``, ``last``: uint64 [m], an interval's ends, ascending; ``count``: int64 [m, 2], non-mated and mated.
    """

    def __init__(self, first: NDArray[Any], last: NDArray[Any], count: NDArray[Any]) -> None:
        there = count.any(axis=1)
        self.first, self.last, self.count = first[there], last[there], count[there]

    @classmethod
    def all(cls, blocks: Blocks) -> _Counted:
        """Every comparison, by the first bits of its key."""
        import numpy as np

        whole = ((key, mated, 0) for key, mated in _chunks(blocks))
        counted = cls(*_digits(np.zeros(1, np.uint64), KEY, FIRST, whole))
        others, mated = counted.count.sum(axis=0).tolist()
        if not (others and mated):
            found = f"{mated:,} are mated, {others:,} are not."
            raise WrongUse("Streamed comparisons were given.", found, "Give both kinds.")
        return counted

    def wanted(self, rates: Iterable[Fraction]) -> NDArray[Any]:
        """Which intervals have to be divided, bool [m]: where a threshold lies, and the next score below it."""
        import numpy as np

        upto, present = self.count.cumsum(axis=0), self.count > 0
        others, mated = upto[-1].tolist()
        chosen = np.zeros(len(self.first), bool)

        def choose(place: int, scored: Any) -> None:
            chosen[place] = True
            chosen[np.flatnonzero(scored[:place])[-1:]] = True

        for rate in rates:
            rank = others - 1 - int(others * rate)
            if rank >= 0:
                choose(int(upto[:, 0].searchsorted(rank, side="right")), present[:, 0])
        # The first score at which FNMR is not below FMR; there is one, as FMR ends at 0.
        crossed = upto[:, 1] / mated >= (others - upto[:, 0]) / others
        choose(int(np.argmax(crossed)), present.any(axis=1))
        chosen &= (self.first < self.last) & np.isfinite(_scores(self.first))
        return chosen

    def divided(self, wanted: NDArray[Any], blocks: Blocks) -> _Counted:
        """The wanted intervals in parts: one a score where there are few of them, else by the next bits of the key."""
        import numpy as np

        first, last, expected = self.first[wanted], self.last[wanted], int(self.count[wanted].sum())
        inside = _inside(first, last, expected, blocks)
        if expected <= KEPT:
            parts = _singly(inside)
        else:
            parts = _digits(first, int(last[0] - first[0]).bit_length(), DIGIT, inside)
        kept = (self.first[~wanted], self.last[~wanted], self.count[~wanted])
        joined = [np.concatenate(both) for both in zip(kept, parts, strict=True)]
        order = np.argsort(joined[0])
        return _Counted(*(column[order] for column in joined))


def _digits(
    first: NDArray[Any], width: int, digit: int, pieces: Pieces
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Intervals of ``width`` bits from ``first`` on, divided by the next ``digit`` bits, and what lies in the parts."""
    import numpy as np

    step = max(width - digit, 0)
    parts = 1 << (width - step)
    count = np.zeros(len(first) * parts * 2, np.int64)
    for key, mated, place in pieces:
        part = ((key - first[place]) >> step).view(np.int64) + place * parts
        count += np.bincount(2 * part + mated, minlength=len(count))
    starts = (first[:, None] + (np.arange(parts, dtype=np.uint64) << step)).ravel()
    return starts, starts + ((1 << step) - 1), count.reshape(-1, 2)


def _singly(pieces: Pieces) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """An interval for each distinct score."""
    import numpy as np

    key, mated = (np.concatenate(column) for column in zip(*((key, mated) for key, mated, _ in pieces), strict=True))
    distinct, place = np.unique(key, return_inverse=True)
    return distinct, distinct, np.bincount(2 * place + mated, minlength=2 * len(distinct)).reshape(-1, 2)


def _inside(first: NDArray[Any], last: NDArray[Any], expected: int, blocks: Blocks) -> Pieces:
    """The comparisons of some intervals; raises WrongUse where they are not as many as an earlier pass counted."""
    import numpy as np

    rest = KEY - FIRST
    near = np.zeros(1 << FIRST, bool)
    near[(first >> rest).view(np.int64)] = True
    seen = 0
    for key, mated in _chunks(blocks):
        close = np.flatnonzero(near[(key >> rest).view(np.int64)])
        key, mated = key[close], mated[close]
        place = first.searchsorted(key, side="right") - 1
        within = (place >= 0) & (key <= last[place])
        seen += int(within.sum())
        if seen > expected:
            break
        yield key[within], mated[within], place[within]
    if seen != expected:
        found = "A pass over them saw others than the one before."
        raise WrongUse("Streamed comparisons were given.", found, "Give a function that begins anew at each call.")


def _chunks(blocks: Blocks) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Keys and kinds of one pass, blocks parted or put together; good until the next is asked for."""
    import numpy as np

    score, mated, filled = np.empty(CHUNK), np.empty(CHUNK, bool), 0
    for block in blocks():
        values, kinds = (np.asarray(column) for column in block)
        if values.ndim != 1 or values.shape != kinds.shape:
            found = f"A block has scores of shape {values.shape} and kinds of shape {kinds.shape}."
            raise WrongUse("Streamed comparisons were given.", found, "Give equally long rows.")
        at = 0
        while at < len(values):
            taken = min(CHUNK - filled, len(values) - at)
            score[filled : filled + taken] = values[at : at + taken]
            mated[filled : filled + taken] = kinds[at : at + taken]
            at, filled = at + taken, filled + taken
            if filled == CHUNK:
                yield _keys(score), mated
                filled = 0
    if filled:
        yield _keys(score[:filled]), mated[:filled]


def _keys(score: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers, uint64 [n], that compare as the scores do; a failed one as -inf, both zeros the same."""
    import numpy as np

    score = score + 0.0
    np.copyto(score, -np.inf, where=np.isnan(score))
    if score.max() == np.inf:
        raise WrongUse("Comparison scores were given.", "One is +inf.", "A failed comparison is NaN or -inf.")
    bits = score.view(np.int64)
    return (bits ^ ((bits >> 63) | np.iinfo(np.int64).min)).view(np.uint64)


def _scores(key: NDArray[Any]) -> NDArray[Any]:
    """The scores of keys, float64 [n]; -inf for the keys of no number, as only the interval of the failed has them."""
    import numpy as np

    bits = key.view(np.int64)
    score = (bits ^ (~(bits >> 63) | np.iinfo(np.int64).min)).view(np.float64)
    return np.where(np.isnan(score), -np.inf, score)
