"""Hill climbs with a population, the ancestors of DarkerBB: Gaussian blobs (2007.13635) and eigenfaces (2106.14290).

In each iteration the most fit of a population, all made of the present image, becomes the present image, whether or not
it is better than that was. Several short climbs come first, and the best is gone on with.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import float32
from numpy.typing import NDArray

import bench
from facebench_darkerbb.asking import generators, need
from facebench_darkerbb.prior import SIDE, Prior

MOST = 256  # images a call, unless one target's population has more


@dataclass(frozen=True, slots=True)
class Climb:
    """``restarts`` climbs of ``restart_iterations``, then ``iterations`` from the best; ``population`` queries each."""

    population: int
    restarts: int
    restart_iterations: int
    iterations: int

    def __post_init__(self) -> None:
        if self.population < 1 or min(self.restarts, self.restart_iterations, self.iterations) < 0:
            raise ValueError("population is 1 or more; restarts, restart_iterations and iterations are 0 or more")

    @property
    def queries(self) -> int:
        """Queries a target; the choice among the restarts costs none."""
        return self.population * (self.restarts * self.restart_iterations + self.iterations)


class Proposals(typing.Protocol):
    """How a climb's images are made and judged."""

    name: str
    access: str
    side: int

    def start(self) -> NDArray[float32]:
        """The image to begin with, in the climb's own form."""
        ...

    def propose(
        self, image: NDArray[float32], score: float, early: bool, count: int, draw: np.random.Generator
    ) -> NDArray[float32]:
        """``count`` images made of one whose score is known; ``early``: in one of the restarts."""
        ...

    def show(self, made: NDArray[float32]) -> NDArray[float32]:
        """Images of that form as the oracle takes them: float32 [n, 112, 112, 3] in [0, 1]."""
        ...

    def judge(self, oracle: Any, shown: NDArray[float32], targets: NDArray[Any]) -> tuple[Any, Any]:
        """Ask: scores and fitness, float64 [n] each."""
        ...


class HillClimb:
    """An Inverter of one kind of proposals."""

    def __init__(self, proposals: Proposals, plan: Climb, seed: int) -> None:
        self.proposals, self.plan, self.seed = proposals, plan, seed

    def invert(self, oracle: Any) -> Iterator[NDArray[float32]]:
        """Yield the present images; during the restarts those of the best climb that is finished."""
        need(oracle, self.proposals.side, self.proposals.access, self.proposals.name)
        draws = generators(self.seed, oracle.targets)
        best = self._begin(oracle.targets)
        try:
            for number in range(self.plan.restarts):
                present = self._begin(oracle.targets) if number else best
                for _ in range(self.plan.restart_iterations):
                    yield self.proposals.show(best.made)
                    self._iterate(oracle, present, draws, early=True)
                best.take(present)
            for _ in range(self.plan.iterations):
                yield self.proposals.show(best.made)
                self._iterate(oracle, best, draws, early=False)
        except bench.BudgetSpent:
            pass  # what was reached is shown
        yield self.proposals.show(best.made)

    def _begin(self, targets: int) -> Present:
        return Present(np.stack([self.proposals.start()] * targets))

    def _iterate(self, oracle: Any, present: Present, draws: list[np.random.Generator], early: bool) -> None:
        many = max(MOST // self.plan.population, 1)
        for start in range(0, len(draws), many):
            group = range(start, min(start + many, len(draws)))
            made = [
                self.proposals.propose(present.made[i], present.scores[i], early, self.plan.population, draws[i])
                for i in group
            ]
            shown = self.proposals.show(np.concatenate(made))
            scores, fitness = self.proposals.judge(oracle, shown, np.repeat(group, self.plan.population))
            for position, i in enumerate(group):
                own = slice(position * self.plan.population, (position + 1) * self.plan.population)
                fittest = int(np.argmax(fitness[own]))
                present.made[i] = made[position][fittest]
                present.scores[i], present.fitness[i] = scores[own][fittest], fitness[own][fittest]


class Present:
    """The present image of each target, its score, 0 while it is not known, and its fitness."""

    def __init__(self, made: NDArray[float32]) -> None:
        self.made, self.scores = made, np.zeros(len(made))
        self.fitness = np.full(len(made), -np.inf)

    def take(self, other: Present) -> None:
        """Become the other's where that is fitter."""
        better = other.fitness > self.fitness
        self.made[better], self.scores[better] = other.made[better], other.scores[better]
        self.fitness[better] = other.fitness[better]


class Blobs:
    """Grey images [112, 112] in [0, 1], from black; a Gaussian blob and its mirror image are added (2007.13635)."""

    def __init__(self, fitness: str) -> None:
        self.name = f"blobs:fitness={fitness}" if fitness == "cosine" else "blobs"
        self.access, self.side = "similarity" if fitness == "cosine" else "embedding", SIDE

    def start(self) -> NDArray[float32]:
        return np.zeros((SIDE, SIDE), float32)

    def propose(
        self, image: NDArray[float32], score: float, early: bool, count: int, draw: np.random.Generator
    ) -> NDArray[float32]:
        amplitude = 0.02 * draw.uniform(-0.5, 0.5, count)
        column, row = draw.uniform(20, 92, count), draw.uniform(5, 112, count)
        early_on = max(300 - 550 * max(score, 0.0) ** 0.3, 0.0)  # blobs shrink as the score rises
        width = 0.5 * np.sqrt(10 + 150 * draw.uniform(0, 1, count) + early_on)
        along = np.arange(SIDE)
        across = np.exp(-((along - column[:, None]) ** 2) / (2 * width[:, None] ** 2))
        down = np.exp(-((along - row[:, None]) ** 2) / (2 * width[:, None] ** 2))
        both = across + across[:, ::-1]
        blobs = (amplitude[:, None] * down)[:, :, None] * both[:, None, :]
        made: NDArray[float32] = np.clip(image + blobs.astype(float32), 0, 1)
        return made

    def show(self, made: NDArray[float32]) -> NDArray[float32]:
        return np.repeat(made[:, :, :, None], 3, axis=3)

    def judge(self, oracle: Any, shown: NDArray[float32], targets: NDArray[Any]) -> tuple[Any, Any]:
        if self.access == "similarity":
            scores = oracle.similarity(shown, targets)
            return scores, scores
        scores, embeddings = oracle.embedding(shown, targets)
        lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
        fitness = scores - (oracle.lengths[targets] - lengths) ** 2 / 400
        return scores, np.where(np.isfinite(fitness), fitness, -np.inf)  # an image of which nothing was made is not fit


class Eigenfaces:
    """Images [D] in [-1, 1], from half the mean face; a standardised draw of the prior is added (2106.14290)."""

    name, access = "eigenface-climb", "similarity"
    early_rate, rate = 0.005, 0.001

    def __init__(self, prior: Prior) -> None:
        self.prior, self.side = prior, prior.side

    def start(self) -> NDArray[float32]:
        return self.prior.mean - float32(0.5)  # half of 2 * mean - 1

    def propose(
        self, image: NDArray[float32], score: float, early: bool, count: int, draw: np.random.Generator
    ) -> NDArray[float32]:
        faces = self.prior.offsets(draw.standard_normal((count, self.prior.size)))
        faces -= faces.mean(axis=1, keepdims=True)
        faces /= faces.std(axis=1, keepdims=True)
        rates = (self.early_rate if early else self.rate) * draw.choice([-1.0, 1.0], count)
        made: NDArray[float32] = np.clip(image + rates.astype(float32)[:, None] * faces, -1, 1)
        return made

    def show(self, made: NDArray[float32]) -> NDArray[float32]:
        return self.prior.images(made) * float32(0.5) + float32(0.5)

    def judge(self, oracle: Any, shown: NDArray[float32], targets: NDArray[Any]) -> tuple[Any, Any]:
        scores = oracle.similarity(shown, targets)
        return scores, scores
