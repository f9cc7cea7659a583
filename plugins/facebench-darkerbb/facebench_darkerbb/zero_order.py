"""DarkerBB: antithetic zero-order steps in the coordinates of a face prior (2506.09777 and its official code)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy import float32
from numpy.typing import NDArray

import bench
from facebench_darkerbb.asking import generators, need
from facebench_darkerbb.prior import Prior

SIGMA = 0.3  # deviation of a direction, in whitened coordinates
RATE = 1e-5
PIXELS = 3 * 112 * 112  # scales the estimate, as published, although the search is over coordinates
SHOWN = 25  # steps from one yield to the next, and from one decoding of the coordinates to the next


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the queries are spent; the defaults are those of the official code, 40,010 queries a target.

    ``restarts`` runs of ``restart_steps`` from the mean face, one selection query each, then ``steps`` from the best.
    Deviations, off by default: ``momentum`` in [0, 1) keeps that part of the last move; ``sign`` above 0 moves every
    coordinate by that length in the direction of the estimate; ``gain`` multiplies the rate, and over the main phase
    goes geometrically to ``last_gain``.
    """

    restarts: int = 10
    restart_steps: int = 500
    steps: int = 15_000
    momentum: float = 0.0
    sign: float = 0.0
    gain: float = 1.0
    last_gain: float = 1.0

    def __post_init__(self) -> None:
        if min(self.restarts, self.restart_steps, self.steps) < 0:
            raise ValueError("restarts, restart_steps and steps are 0 or more")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum} is not in [0, 1)")
        if self.sign < 0:
            raise ValueError(f"sign={self.sign} is below 0; it is the length of a coordinate's step")

    @property
    def queries(self) -> int:
        """Queries a target, those of the selection counted."""
        return 2 * (self.restarts * self.restart_steps + self.steps) + self.restarts


OFFICIAL = Schedule()
# Five thousand queries: no restarts, which would take them all, and a rate that begins high and ends as published.
SHORT = Schedule(restarts=0, restart_steps=0, steps=2500, gain=6.0)


def chosen(schedule: str, restarts: int, restart_steps: int, steps: int, momentum: float, sign: float) -> Schedule:
    """The schedule that options ask for; raises ValueError where they contradict each other."""
    official = schedule == "official"
    if not official and (restarts, restart_steps, steps) != (OFFICIAL.restarts, OFFICIAL.restart_steps, OFFICIAL.steps):
        raise ValueError(f"schedule={schedule} has its own restarts and steps: leave restarts, restart_steps and steps")
    plan = replace(OFFICIAL, restarts=restarts, restart_steps=restart_steps, steps=steps) if official else SHORT
    return replace(plan, momentum=momentum, sign=sign)


class DarkerBB:
    """An Inverter that needs one similarity score a query and nothing else."""

    def __init__(self, prior: Prior, schedule: Schedule, seed: int) -> None:
        self.prior, self.schedule, self.seed = prior, schedule, seed

    def invert(self, oracle: Any) -> Iterator[NDArray[float32]]:
        """Yield the present images float32 [t, 112, 112, 3], unclipped; two queries a target and step, in one call.

        During the restarts the best of those that are finished is shown. Where the budget ends, the last is the answer.
        """
        need(oracle, self.prior.side, "similarity", "darkerbb")
        best = Walk(self.prior, generators(self.seed, oracle.targets))
        yield self.prior.images(best.pixels)
        try:
            yield from self._select(oracle, best)
            yield from self._follow(oracle, best)
        except bench.BudgetSpent:
            yield self.prior.images(best.pixels)

    def _select(self, oracle: Any, best: Walk) -> Iterator[NDArray[float32]]:
        """Walk from the mean face several times; ``best`` ends where the best of them ended, each target its own."""
        highest = np.full(oracle.targets, -np.inf)
        for number in range(self.schedule.restarts):
            walk = Walk(self.prior, best.draws) if number else best
            for _ in range(self.schedule.restart_steps):
                walk.step(oracle, self.schedule, self.schedule.gain)
                if walk.taken % SHOWN == 0:
                    yield self.prior.images(best.pixels)
            walk.settle()
            scores = oracle.similarity(self.prior.images(walk.pixels), np.arange(oracle.targets))
            if number:
                best.take(walk, scores > highest)
            highest = np.maximum(highest, scores)
            yield self.prior.images(best.pixels)

    def _follow(self, oracle: Any, best: Walk) -> Iterator[NDArray[float32]]:
        plan = self.schedule
        best.velocity[:] = best.drift[:] = 0
        for step in range(plan.steps):
            fall = (plan.last_gain / plan.gain) ** (step / max(plan.steps - 1, 1))
            best.step(oracle, plan, plan.gain * fall)
            if (step + 1) % SHOWN == 0:
                yield self.prior.images(best.pixels)
        best.settle()
        yield self.prior.images(best.pixels)


class Walk:
    """Where the search stands: coordinates float64 [t, k], their images float32 [t, D], and how it moved last."""

    def __init__(self, prior: Prior, draws: list[np.random.Generator]) -> None:
        self.prior, self.draws, self.taken = prior, draws, 0
        self.place, self.velocity = np.zeros((2, len(draws), prior.size))
        self.settle()
        self.drift = np.zeros_like(self.pixels)

    def settle(self) -> None:
        """Decode the coordinates, so that roundings do not add up over many steps."""
        self.pixels = self.prior.decode(self.place)

    def step(self, oracle: Any, plan: Schedule, gain: float) -> None:
        """One antithetic pair a target: c <- c - rate * g * n with g = -D * (s(c + n) - s(c - n)) / (2 sigma)."""
        t = len(self.draws)
        noise = SIGMA * np.stack([draw.standard_normal(self.prior.size) for draw in self.draws])
        side = self.prior.offsets(noise)
        both = np.concatenate([self.pixels + side, self.pixels - side])
        scores = oracle.similarity(self.prior.images(both), np.tile(np.arange(t), 2))
        g = -PIXELS * (scores[:t] - scores[t:]) / (2 * SIGMA)
        factor = (-RATE * gain * g)[:, None]
        self.velocity = plan.momentum * self.velocity + factor * noise
        self.place += plan.sign * np.sign(self.velocity) if plan.sign else self.velocity
        self.taken += 1
        # The image moves along the offset that was decoded for the pair, which spares decoding the new coordinates.
        self.drift = float32(plan.momentum) * self.drift + factor.astype(float32) * side
        if plan.sign or self.taken % SHOWN == 0:
            self.settle()
        else:
            self.pixels = self.pixels + self.drift

    def take(self, other: Walk, where: NDArray[np.bool_]) -> None:
        """Stand where another walk stands, for the targets ``where``."""
        self.place[where] = other.place[where]
        self.pixels = np.where(where[:, None], other.pixels, self.pixels)
