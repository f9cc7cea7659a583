"""Flow images as numbers, and the weights of classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bench


def stacked(faces: Iterable[bench.Face]) -> NDArray[np.float32]:
    """float32 [n, 28, 28, 3] in [0, 1]: horizontal flow, vertical flow, optical strain."""
    return np.stack([face.pixels for face in faces]).astype(np.float32) / np.float32(255)


def class_weights(labels: NDArray[Any], classes: int, balance: bool) -> NDArray[np.float64]:
    """float64 [n], a weight an example, their mean 1; balanced, each class that is there weighs the same in all."""
    if not balance:
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=classes)
    return len(labels) / (np.count_nonzero(counts) * counts[labels])


def as_scores(probabilities: NDArray[Any], labels: int) -> NDArray[np.float32]:
    """float32 [n, labels]: the probability of each label, 0 of one that no training example had."""
    if probabilities.shape[1] > labels:
        raise ValueError(f"It was fitted on {probabilities.shape[1]} classes and is asked about {labels}.")
    scores = np.zeros((len(probabilities), labels), np.float32)
    scores[:, : probabilities.shape[1]] = probabilities
    return scores
