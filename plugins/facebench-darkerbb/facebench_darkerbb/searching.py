"""Floors: the best of faces that were drawn or that the prior was fitted on, without a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy import float32
from numpy.typing import NDArray

import bench
from facebench_darkerbb.asking import generators, need
from facebench_darkerbb.prior import Prior

AT_ONCE = 8  # faces of a target in a call
# Draws of a Gaussian prior look like faces where the small components are left out and the large ones are toned down.
LARGEST, TONE = 64, 0.7


class Best:
    """An Inverter that asks about ``count`` faces of a prior and answers with the best, one query each.

    ``own``: the faces that the prior was fitted on, in a random order; where the prior holds none, draws of its 64
    largest components at 0.7 of their deviation stand in for them. Else draws of all components, N(0, I).
    """

    def __init__(self, prior: Prior, own: bool, count: int, seed: int) -> None:
        if count < 1:
            raise ValueError(f"{count} faces were to be asked about; it takes 1 or more")
        self.prior, self.own, self.seed = prior, own, seed
        self.count = min(count, len(prior.faces)) if own and prior.faces is not None else count

    def invert(self, oracle: Any) -> Iterator[NDArray[float32]]:
        """Yield the best images so far, at first the mean face."""
        need(oracle, self.prior.side, "similarity", "nearest-prior" if self.own else "random-search")
        best = self.prior.decode(np.zeros((oracle.targets, self.prior.size)))
        highest = np.full(oracle.targets, -np.inf)
        yield self.prior.images(best)
        for parts in zip(*map(self._faces, generators(self.seed, oracle.targets)), strict=True):
            pixels, many = self.prior.decode(np.concatenate(parts)), len(parts[0])
            try:
                scores = oracle.similarity(self.prior.images(pixels), np.repeat(np.arange(oracle.targets), many))
            except bench.BudgetSpent:
                return
            scores = scores.reshape(oracle.targets, many)
            better = scores.max(axis=1) > highest
            rows = np.arange(oracle.targets) * many + scores.argmax(axis=1)
            best, highest = np.where(better[:, None], pixels[rows], best), np.maximum(scores.max(axis=1), highest)
            yield self.prior.images(best)

    def _faces(self, draw: np.random.Generator) -> Iterator[NDArray[Any]]:
        """Coordinates of the faces that one target is compared with, [some, k] a call."""
        own = self.prior.faces if self.own else None
        order = draw.permutation(self.count if own is None else len(own))
        for start in range(0, self.count, AT_ONCE):
            many = min(AT_ONCE, self.count - start)
            if own is not None:
                yield own[order[start : start + many]]
                continue
            faces = draw.standard_normal((many, self.prior.size))
            if self.own:
                faces[:, :LARGEST] *= TONE
                faces[:, LARGEST:] = 0
            yield faces
