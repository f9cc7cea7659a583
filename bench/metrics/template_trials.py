"""Trials between templates as the metrics take them: millions of comparisons, people drawn anew at little cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.metrics import biometric
from bench.metrics.biometric import Weight
from bench.metrics.metric import Estimate, Metric
from bench.results import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAILED = "_failed:"  # in a column's name, between the side and the reason


class Images:
    """The images in the templates of a table of trials, each template counted once.

    The table has for both sides, reference and probe: ``SIDE`` (a template's number, -1 for none), ``SIDE_subject``,
    ``SIDE_images`` (how many images it has) and, for each reason, ``SIDE_failed:REASON`` (how many failed so).
    """

    def __init__(self, trials: dict[str, Any]) -> None:
        self._count = 1 + max(int(trials[side].max(initial=-1)) for side in ("reference", "probe"))
        names = {name.partition(FAILED)[2] for name in trials if FAILED in name}
        self._images = self._of(trials, "_images")
        self._failed = {reason: self._of(trials, FAILED + reason) for reason in sorted(names)}
        self._subject = self._of(trials, "_subject")

    def _of(self, trials: dict[str, Any], column: str) -> NDArray[Any]:
        """A column's value of each template, 0 where a template is in no trial."""
        import numpy as np

        found = np.zeros(self._count, np.int64)
        for side in ("reference", "probe"):
            there = trials[side] >= 0
            found[trials[side][there]] = trials[side + column][there]
        return found

    @property
    def count(self) -> int:
        """How many images there are."""
        return int(self._images.sum())

    @property
    def reasons(self) -> dict[str, int]:
        """How many failed for which reason."""
        return {reason: int(failed.sum()) for reason, failed in self._failed.items()}

    def fte(self, metric: Metric, drawn: NDArray[Any] | None = None) -> Estimate:
        """A metric of images that failed; ``drawn``: how often each person counts."""
        import numpy as np

        gone = sum(self._failed.values(), 0 * self._images)
        each = np.stack([gone, self._images - gone], axis=1)
        failed = np.repeat(np.tile([True, False], self._count), each.ravel())
        weights = None if drawn is None else np.repeat(drawn[self._subject].astype(np.float64), self._images)
        return metric.compute(failed, weights)


class TemplateTrials:
    """Trials of bench.tasks.templates, sorted once.

    A draw of people costs two passes over the comparisons, whatever the number of metrics.
    """

    def __init__(self, trials: dict[str, Any], replicates: int, seed: int) -> None:
        self._replicates, self._seed = replicates, seed
        self.images = Images(trials)
        self._sides = (_Side.of(trials, trials["mated"]), _Side.of(trials, ~trials["mated"]))

    def weights(self) -> Iterator[Draw]:
        """Draws of people, the same for the same trials: n of n, those that leave both kinds of comparison.

        As in bench.metrics.resampling a comparison within one person counts as often as that person was drawn, another
        one as the product of its two.
        """
        import numpy as np

        columns = [column for side in self._sides for column in (side.first, side.second)]
        people = np.unique(np.concatenate([np.unique(column) for column in columns]))
        chance = np.full(len(people), 1 / len(people))
        generator = np.random.default_rng(self._seed)
        made = 0
        while made < self._replicates:
            drawn = np.zeros(int(people[-1]) + 1, np.int32)
            drawn[people] = generator.multinomial(len(people), chance)
            left, right = (side.drawn(drawn) for side in self._sides)
            if left.total and right.total:
                made += 1
                yield Draw((Weighted(left, self._sides[0].count), Weighted(right, self._sides[1].count)), drawn)

    def compute(self, metric: Metric, draw: Draw | None = None) -> Estimate:
        """A metric's value, under one draw of people where ``draw`` is given."""
        if metric.name == biometric.FTE.name:
            return self.images.fte(metric, None if draw is None else draw.people)
        return metric.compute(draw or self._observed())

    def _observed(self) -> Draw:
        left, right = (Weighted(Weight(side.values, None), side.count) for side in self._sides)
        return Draw((left, right), None)

    def curves(self) -> tuple[Curve, ...]:
        """The DET curve."""
        return (Curve("det", "fmr", "fnmr", biometric.det_points(self._observed())),)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Side:
    """The comparisons of one kind in ascending order of score, and the two people in each."""

    values: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]

    @classmethod
    def of(cls, trials: dict[str, Any], chosen: NDArray[Any]) -> _Side:
        import numpy as np

        where = np.flatnonzero(chosen)
        where = where[np.argsort(trials["score"][where], kind="stable")]
        return cls(trials["score"][where], trials["reference_subject"][where], trials["probe_subject"][where])

    @property
    def count(self) -> int:
        return len(self.values)

    def drawn(self, people: NDArray[Any]) -> Weight:
        """The side where each person counts as often as given, whole numbers."""
        import numpy as np

        times = people[self.first]
        times *= np.where(self.first == self.second, np.int32(1), people[self.second])
        return Weight(self.values, times)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A side under one weighting, in the place of bench.metrics.biometric.Side."""

    under: Weight
    count: int

    @property
    def values(self) -> NDArray[Any]:
        """The scores in ascending order."""
        return self.under.values

    def weight(self, weights: None) -> Weight:
        """The side as it is weighted."""
        return self.under


@dataclass(frozen=True, slots=True)
class Draw:
    """Comparisons under one draw of people, in the place of bench.metrics.biometric.Comparisons."""

    sides: tuple[Weighted, Weighted]
    people: NDArray[Any] | None
