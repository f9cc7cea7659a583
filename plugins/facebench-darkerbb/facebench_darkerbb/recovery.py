"""A bound with stronger access: the template by least squares, then coordinates by linear regression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy import float32
from numpy.typing import NDArray

import bench
from facebench_darkerbb.asking import generators, need
from facebench_darkerbb.prior import Prior

AT_ONCE = 8  # probes of a target in a call
# How far the regressed coordinates are gone along. A regression shrinks them; one query each tells which is best.
REACHES = (1.0, 2.0, 4.0, 8.0, 16.0)
RIDGE = 1e-3  # of the mean square of the embeddings' numbers, against probes that are nearly dependent


class TemplateRecovery:
    """An Inverter that also sees the embeddings of its own probes, so it is no row beside similarity-only attacks.

    With as many independent probes as the embedding has numbers the template is solved for; with fewer the estimate of
    least norm is taken. ``probes`` draws of the prior, then five queries.
    """

    def __init__(self, prior: Prior, probes: int, seed: int) -> None:
        if probes < 2:
            raise ValueError(f"probes={probes} is below 2")
        self.prior, self.probes, self.seed = prior, probes, seed

    def invert(self, oracle: Any) -> Iterator[NDArray[float32]]:
        """Yield the mean face, and the answer once all has been asked."""
        need(oracle, self.prior.side, "embedding", "template-recovery")
        draws = generators(self.seed, oracle.targets)
        shown = self.prior.images(self.prior.decode(np.zeros((oracle.targets, self.prior.size))))
        yield shown
        try:
            places, scores, embeddings = self._ask(oracle, draws)
        except bench.BudgetSpent:
            yield shown  # too few queries to learn from
            return
        told = zip(places, scores, embeddings, oracle.lengths, strict=True)
        found = [self._coordinates(*one) for one in told]
        best, highest = shown, np.full(oracle.targets, -np.inf)
        for reach in REACHES:
            made = self.prior.images(self.prior.decode(reach * np.stack(found)))
            try:
                answers = oracle.similarity(made, np.arange(oracle.targets))
            except bench.BudgetSpent:
                break
            best = np.where((answers > highest)[:, None, None, None], made, best)
            highest = np.maximum(highest, answers)
        yield best

    def _coordinates(
        self, places: NDArray[Any], scores: NDArray[Any], embeddings: NDArray[Any], length: float
    ) -> NDArray[np.float64]:
        there = np.isfinite(embeddings).all(axis=1)  # not those of which the target made nothing
        if there.sum() < 2:
            return np.zeros(self.prior.size)
        seen = embeddings[there].astype(np.float64)
        return invert_linearly(places[there], seen, recover(scores[there], seen, length))

    def _ask(self, oracle: Any, draws: list[np.random.Generator]) -> tuple[Any, Any, Any]:
        """Coordinates [t, m, k], scores [t, m] and embeddings [t, m, d] of every target's own probes."""
        t = oracle.targets
        parts = []
        for start in range(0, self.probes, AT_ONCE):
            many = min(AT_ONCE, self.probes - start)
            places = np.stack([draw.standard_normal((many, self.prior.size)) for draw in draws])
            made = self.prior.images(self.prior.decode(places.reshape(t * many, -1)))
            scores, embeddings = oracle.embedding(made, np.repeat(np.arange(t), many))
            parts.append((places, scores.reshape(t, many), embeddings.reshape(t, many, -1)))
        whole = [np.concatenate(column, axis=1) for column in zip(*parts, strict=True)]
        return whole[0], whole[1], whole[2]


def recover(scores: NDArray[Any], embeddings: NDArray[Any], length: float) -> NDArray[np.float64]:
    """The unit template float64 [d] from scores [m] of images with embeddings [m, d], by least squares.

    ``length``: of the template. Scores are cosines, or minus distances, whichever leaves the smaller residual: a cosine
    is linear in the template of length 1, and (|e|^2 + |t|^2 - distance^2) / 2 = e . t in the template itself.
    """
    lengths = np.linalg.norm(embeddings, axis=1)
    forms = (
        (embeddings / np.maximum(lengths, 1e-12)[:, None], scores),
        (embeddings, (lengths**2 + length**2 - scores**2) / 2),
    )
    solved: list[tuple[float, NDArray[Any]]] = []
    for rows, values in forms:
        solution = np.linalg.lstsq(rows, values, rcond=None)[0]
        left = np.linalg.norm(rows @ solution - values) / max(float(np.linalg.norm(values)), 1e-12)
        solved.append((float(left), solution))
    _, template = min(solved, key=lambda one: one[0])
    found: NDArray[np.float64] = template / max(float(np.linalg.norm(template)), 1e-12)
    return found


def invert_linearly(places: NDArray[Any], embeddings: NDArray[Any], template: NDArray[Any]) -> NDArray[np.float64]:
    """Coordinates [k] of a face with a unit template: ridge regression of places [m, k] on unit embeddings [m, d]."""
    rows = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    middle, level = rows.mean(axis=0), places.mean(axis=0)
    centred = rows - middle
    ridge = RIDGE * float((centred**2).mean()) * len(rows) + 1e-12
    weights = np.linalg.solve(centred.T @ centred + ridge * np.eye(centred.shape[1]), centred.T @ (places - level))
    found: NDArray[np.float64] = (template - middle) @ weights
    return found
