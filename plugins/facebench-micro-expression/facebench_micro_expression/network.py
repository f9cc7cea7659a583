"""The shallow network of three streams: its layers, its recipe, and what facebench calls on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy, linear, max_pool2d

import bench
from facebench_micro_expression.images import as_scores, class_weights, stacked

FILTERS, KERNEL, FEATURES = (3, 5, 8), 3, 400  # 16 maps of 5x5
DEAD = 1e-6  # below this deviation a channel says nothing and is not scaled
Weights = dict[str, Tensor]


def forward(images: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Logits [n, classes] of standardised images [n, 3, 28, 28].

    The streams read the same channels and are pooled alike, so they are one convolution whose maps stand side by side.
    """
    names = range(len(FILTERS))
    kernels = torch.cat([weights[f"stream{i}.weight"] for i in names])
    biases = torch.cat([weights[f"stream{i}.bias"] for i in names])
    maps = max_pool2d(conv2d(images, kernels, biases, padding=1), 3, 3, ceil_mode=True)
    # ReLU after the maximum is ReLU before it, over a ninth of the values.
    joined = avg_pool2d(torch.relu(maps), 2)
    return linear(joined.flatten(1), weights["out.weight"], weights["out.bias"])


def drawn(classes: int, seed: int) -> Weights:
    """Weights to begin with: uniform within one over the root of the inputs of a unit, biases 0."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        bound = float(np.prod(shape[1:])) ** -0.5
        return torch.rand(shape, generator=generator) * (2 * bound) - bound

    weights = {}
    for i, filters in enumerate(FILTERS):
        weights[f"stream{i}.weight"] = uniform(filters, 3, KERNEL, KERNEL)
        weights[f"stream{i}.bias"] = torch.zeros(filters)
    return weights | {"out.weight": uniform(classes, FEATURES), "out.bias": torch.zeros(classes)}


class Network:
    """The network, fitted or restored; the same seed and threads give the same weights."""

    def __init__(self, seed: int, threads: int, epochs: int, every: int, rate: float, balance: bool) -> None:
        if epochs < 1 or every < 1 or rate <= 0:
            raise ValueError("epochs and every are 1 or more, rate is above 0.")
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        self.seed, self.epochs, self.every, self.rate, self.balance = seed, epochs, every, rate, balance

    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        """Minimise the cross-entropy by Adam, each step over all examples; a snapshot every some epochs and at the end.

        Nothing is drawn but the first weights, so weights and Adam's moments are all there is to go on from.
        """
        pixels = stacked(examples)
        classes = int(examples.labels.max()) + 1
        mean, deviation = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
        scale = {"mean": mean, "deviation": np.where(deviation > DEAD, deviation, 1).astype(np.float32)}
        images, labels = _standardised(pixels, scale), torch.from_numpy(examples.labels.copy())
        shares = torch.from_numpy(class_weights(examples.labels, classes, self.balance).astype(np.float32))
        weights = drawn(classes, self.seed) if last is None else _tensors(last.weights, drawn(classes, self.seed))
        parameters = {name: weight.requires_grad_() for name, weight in weights.items()}
        adam = torch.optim.Adam(parameters.values(), lr=self.rate)
        if last is not None:
            _take_moments(adam, parameters, last)
        for epoch in range(last.step + 1 if last else 1, self.epochs + 1):
            adam.zero_grad()
            loss = (cross_entropy(forward(images, parameters), labels, reduction="none") * shares).mean()
            loss.backward()
            adam.step()
            if epoch % self.every == 0 or epoch == self.epochs:
                yield bench.Snapshot(epoch, scale | _arrays(parameters), _moments(adam, parameters))

    def restore(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take the weights and the mean and deviation of each channel."""
        self.scale = {name: weights[name] for name in ("mean", "deviation")}
        self.weights = {name: torch.from_numpy(array.copy()) for name, array in weights.items() if "." in name}

    def classify(self, records: Sequence[bench.Face], labels: Sequence[str]) -> NDArray[np.float32]:
        """float32 [n, k]: the probability of each label."""
        with torch.no_grad():
            logits = forward(_standardised(stacked(records), self.scale), self.weights)
        return as_scores(logits.softmax(dim=1).numpy(), len(labels))


def _standardised(pixels: NDArray[np.float32], scale: Mapping[str, NDArray[Any]]) -> Tensor:
    """[n, 3, 28, 28], each channel of mean 0 and deviation 1 over the training split; its layout is the faster one."""
    return torch.from_numpy((pixels - scale["mean"]) / scale["deviation"]).permute(0, 3, 1, 2)


def _tensors(arrays: Mapping[str, NDArray[Any]], like: Weights) -> Weights:
    return {name: torch.from_numpy(arrays[name].copy()) for name in like}


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def _moments(adam: torch.optim.Adam, parameters: Weights) -> dict[str, NDArray[Any]]:
    """Adam's two moments of each parameter."""
    kept = {}
    for name, parameter in parameters.items():
        kept[f"first.{name}"] = adam.state[parameter]["exp_avg"].numpy().copy()
        kept[f"second.{name}"] = adam.state[parameter]["exp_avg_sq"].numpy().copy()
    return kept


def _take_moments(adam: torch.optim.Adam, parameters: Weights, last: bench.Snapshot) -> None:
    for name, parameter in parameters.items():
        adam.state[parameter] = {
            "step": torch.tensor(float(last.step)),
            "exp_avg": torch.from_numpy(last.state[f"first.{name}"].copy()),
            "exp_avg_sq": torch.from_numpy(last.state[f"second.{name}"].copy()),
        }
