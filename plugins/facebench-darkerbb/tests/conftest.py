"""A small prior and an oracle in plain numpy: embeddings are linear in the pixels, scores their cosine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from facebench_darkerbb.prior import Prior

import bench

SIDE = 8
PIXELS = 3 * SIDE * SIDE


class ToyOracle:
    """What bench.Oracle offers, answered here; ``asked`` are the images of each call, if they are kept."""

    def __init__(
        self, faces: Any, access: str = "similarity", budget: int = 10**9, score: Callable[..., Any] | None = None
    ) -> None:
        self.height = self.width = faces.shape[1]
        # Smooth maps of what differs from a grey.
        coarse = np.random.default_rng(7).standard_normal((12, 4, 4, 3)).astype("float32")
        smooth = np.kron(coarse, np.ones((1, self.height // 4, self.width // 4, 1), "float32"))
        self.maps = smooth.reshape(12, -1).T / self.height**2
        self.templates = self._embed(faces)
        self.targets, self.access, self.budget, self.score = len(faces), access, budget, score
        self.lengths = None if access == "similarity" else np.linalg.norm(self.templates, axis=1)
        self.used = np.zeros(self.targets, int)
        self.sizes: list[int] = []
        self.asked: list[Any] = []
        self.keep = False

    def similarity(self, images: Any, targets: Any) -> Any:
        return self.embedding_of(images, targets)[0]

    def embedding(self, images: Any, targets: Any) -> Any:
        assert self.access != "similarity"
        return self.embedding_of(images, targets)

    def embedding_of(self, images: Any, targets: Any) -> Any:
        assert images.dtype == np.float32 and images.shape == (len(targets), self.height, self.width, 3)
        after = self.used + np.bincount(targets, minlength=self.targets)
        if (after > self.budget).any():
            raise bench.BudgetSpent("a call", "too much", "end")
        self.used = after
        self.sizes.append(len(images))
        if self.keep:
            self.asked.append((images.copy(), np.array(targets)))
        if self.score is not None:
            return self.score(images, targets), None
        # One product a row: its last bits do not depend on the others.
        embeddings = self._embed(images)
        return (_unit(embeddings) * _unit(self.templates[targets])).sum(axis=1), embeddings

    def cosines(self, images: Any) -> Any:
        """The score of each target's image, not counted."""
        return (_unit(self._embed(images)) * _unit(self.templates)).sum(axis=1)

    def _embed(self, images: Any) -> Any:
        return np.stack([(image.reshape(-1) - np.float32(0.45)) @ self.maps for image in np.asarray(images, "float32")])


def _unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def prior() -> Prior:
    """Sixteen smooth directions about a grey face of 8x8."""
    coarse = np.random.default_rng(3).standard_normal((16, 4, 4, 3))
    basis = np.kron(coarse, np.ones((1, 2, 2, 1))).reshape(16, -1).astype("float32")
    basis *= np.linspace(0.12, 0.03, 16, dtype="float32")[:, None]
    return Prior(np.full(PIXELS, 0.5, "float32"), basis)


@pytest.fixture(scope="session")
def against(prior: Prior) -> Callable[..., ToyOracle]:
    """An oracle of so many targets, draws of the prior; those of more targets begin with those of fewer."""

    def made(count: int, side: int = SIDE, **settings: Any) -> ToyOracle:
        draws = np.stack([np.random.default_rng([5, i]).standard_normal(prior.size) for i in range(count)])
        small = prior.decode(draws).reshape(count, SIDE, SIDE, 3)
        large = np.kron(small, np.ones((1, side // SIDE, side // SIDE, 1), "float32"))
        return ToyOracle(large, **settings)

    return made
