"""Multinomial logistic regression on block means of flow images, by accelerated gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bench
from facebench_micro_expression.images import as_scores, class_weights, stacked

BLOCK, SIDE = 4, 28
DEAD = 1e-6  # below this deviation a feature says nothing and is not scaled


def block_means(faces: Iterable[bench.Face]) -> NDArray[np.float64]:
    """float64 [n, 147]: the mean of each channel over each of 7x7 blocks."""
    pixels, blocks = stacked(faces).astype(np.float64), SIDE // BLOCK
    return pixels.reshape(-1, blocks, BLOCK, blocks, BLOCK, 3).mean(axis=(2, 4)).reshape(len(pixels), -1)


def probabilities(features: NDArray[Any], coefficients: NDArray[Any]) -> NDArray[Any]:
    """[n, k]: softmax of ``features`` [n, d + 1] times ``coefficients`` [d + 1, k], whose last row is the intercept."""
    logits = features @ coefficients
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Logistic:
    """The regression, fitted or restored. The loss is convex: coefficients begin at 0, without a seed."""

    def __init__(self, steps: int, every: int, penalty: float, balance: bool) -> None:
        if steps < 1 or every < 1 or penalty <= 0:
            raise ValueError("steps and every are 1 or more, penalty is above 0.")
        self.steps, self.every, self.penalty, self.balance = steps, every, penalty, balance

    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        """Minimise the weighted mean cross-entropy plus the penalty; the intercept is not penalised."""
        plain = block_means(examples)
        deviation = plain.std(axis=0)
        self.mean, self.deviation = plain.mean(axis=0), np.where(deviation > DEAD, deviation, 1)
        features, classes = self._scaled(plain), int(examples.labels.max()) + 1
        shares = class_weights(examples.labels, classes, self.balance)[:, None] / len(features)
        truth = (examples.labels[:, None] == np.arange(classes)).astype(np.float64)
        shrunk = np.full((features.shape[1], 1), self.penalty)
        shrunk[-1] = 0
        # Half the largest eigenvalue of the weighted products bounds the curvature of softmax (Boehning 1992).
        curvature = np.linalg.eigvalsh((features * shares).T @ features)[-1] / 2 + self.penalty
        found = np.zeros((features.shape[1], classes)) if last is None else last.weights["coefficients"]
        ahead = found if last is None else last.state["ahead"]
        for step in range(last.step + 1 if last else 1, self.steps + 1):
            slope = features.T @ (shares * (probabilities(features, ahead) - truth)) + shrunk * ahead
            before, found = found, ahead - slope / curvature
            ahead = found + (step - 1) / (step + 2) * (found - before)  # Nesterov 1983
            if step % self.every == 0 or step == self.steps:
                weights = {"mean": self.mean, "deviation": self.deviation, "coefficients": found}
                yield bench.Snapshot(step, weights, {"ahead": ahead})

    def restore(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take mean, deviation and coefficients."""
        self.mean, self.deviation = weights["mean"], weights["deviation"]
        self.coefficients = weights["coefficients"]

    def classify(self, records: Sequence[bench.Face], labels: Sequence[str]) -> NDArray[np.float32]:
        """float32 [n, k]: the probability of each label."""
        return as_scores(probabilities(self._scaled(block_means(records)), self.coefficients), len(labels))

    def _scaled(self, plain: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised over the training split, with a column of ones."""
        scaled = (plain - self.mean) / self.deviation
        return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
