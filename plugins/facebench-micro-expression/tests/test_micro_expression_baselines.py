"""The network is the one described, the regression has found its minimum, and both go on from where they stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import facebench_micro_expression
import numpy as np
import pytest
import torch
from facebench_micro_expression.images import class_weights
from facebench_micro_expression.logistic import block_means, probabilities
from facebench_micro_expression.network import drawn, forward
from torch.nn.functional import avg_pool2d, conv2d, linear, max_pool2d

import bench

METHODS = {method.name: method for method in facebench_micro_expression.facebench_methods()}
LABELS = ("negative", "positive", "surprise")
BOTH = pytest.mark.parametrize("name", sorted(METHODS))


def load(name: str, seed: int = 0, **options: Any) -> Any:
    defaults = {option.name: option.default for option in METHODS[name].options}
    return METHODS[name].load(bench.Load(options={**defaults, **options}, seed=seed, threads=1))


def drawn_faces(count: int, seed: int = 0) -> tuple[list[bench.Face], Any]:
    """Noise in which another channel is bright for each class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = generator.integers(0, 200, (count, 28, 28, 3))
    pixels[np.arange(count), :, :, labels] += 55
    return [bench.Face(f"k{i}", image.astype(np.uint8)) for i, image in enumerate(pixels)], labels


def examples(count: int = 24) -> bench.Examples:
    faces, labels = drawn_faces(count)
    return bench.Examples(labels, lambda positions: [faces[i] for i in positions])


@bench.parametrize_with_checks(sorted(METHODS))
def test_it_plays_by_the_rules(check: Any) -> None:
    check()


def test_the_joined_streams_are_three_streams_side_by_side() -> None:
    weights, images = drawn(3, seed=1), torch.randn(4, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    weights["stream1.bias"] += 0.2
    streams = [
        max_pool2d(
            torch.relu(conv2d(images, weights[f"stream{i}.weight"], weights[f"stream{i}.bias"], padding=1)),
            3,
            3,
            ceil_mode=True,
        )
        for i in range(3)
    ]
    pooled = avg_pool2d(torch.cat(streams, dim=1), 2).flatten(1)
    assert pooled.shape == (4, 400)
    assert [stream.shape[1] for stream in streams] == [3, 5, 8]
    expected = linear(pooled, weights["out.weight"], weights["out.bias"])
    assert torch.allclose(forward(images, weights), expected, atol=1e-5)
    assert sum(weight.numel() for weight in weights.values()) == 1651, "what the card says"


@BOTH
def test_it_learns_what_can_be_learned(name: str) -> None:
    method = load(name)
    *_, last = method.fit(examples(), None)
    method.restore(last.weights)
    faces, labels = drawn_faces(30, seed=1)
    scores = method.classify(faces, LABELS)
    assert scores.dtype == np.float32 and scores.sum(axis=1) == pytest.approx(np.ones(30), abs=1e-5)
    assert (scores.argmax(axis=1) == labels).all()


@BOTH
def test_going_on_from_any_snapshot_ends_with_the_same_bytes(name: str) -> None:
    options = {"every": 2, "epochs" if name == "ststnet-size" else "steps": 7}
    snapshots = list(load(name, **options).fit(examples(), None))
    assert [snapshot.step for snapshot in snapshots] == [2, 4, 6, 7]
    for begun in snapshots[:-1]:
        *_, last = load(name, **options).fit(examples(), begun)
        for key, weight in snapshots[-1].weights.items():
            assert np.array_equal(last.weights[key], weight)
    assert not list(load(name, **options).fit(examples(), snapshots[-1])), "a finished fit has nothing to add"


def test_the_network_begins_elsewhere_under_another_seed() -> None:
    one, same, other = (list(load("ststnet-size", s, epochs=1).fit(examples(), None))[-1].weights for s in (0, 0, 1))
    assert np.array_equal(one["out.weight"], same["out.weight"])
    assert not np.array_equal(one["out.weight"], other["out.weight"])


def test_the_regression_ends_where_its_loss_is_flat() -> None:
    faces, labels = drawn_faces(24)
    method = load("flow-logistic", steps=5000, every=5000, penalty=0.1)
    (snapshot,) = method.fit(examples(), None)
    method.restore(snapshot.weights)
    features, found = method._scaled(block_means(faces)), snapshot.weights["coefficients"]
    error = probabilities(features, found) - (labels[:, None] == np.arange(3))
    slope = features.T @ (error * class_weights(labels, 3, True)[:, None]) / 24
    slope[:-1] += 0.1 * found[:-1]
    assert abs(slope).max() < 1e-6


def test_block_means_are_those_of_a_plain_loop() -> None:
    (face,), _ = drawn_faces(1)
    plain = [
        face.pixels[4 * y : 4 * y + 4, 4 * x : 4 * x + 4, channel].mean() / 255
        for y in range(7)
        for x in range(7)
        for channel in range(3)
    ]
    assert block_means([face])[0] == pytest.approx(plain, abs=1e-6)


def test_balanced_classes_weigh_alike() -> None:
    labels = np.array([0, 0, 0, 0, 0, 2])
    weights = class_weights(labels, 3, True)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 2].sum()) == pytest.approx(3)
    assert class_weights(labels, 3, False).tolist() == [1] * 6


@BOTH
def test_a_class_without_examples_has_probability_zero_and_too_few_labels_are_refused(name: str) -> None:
    method = load(name)
    *_, last = method.fit(examples(), None)
    method.restore(last.weights)
    faces, _ = drawn_faces(2)
    assert (method.classify(faces, [*LABELS, "fourth"])[:, 3] == 0).all()
    with pytest.raises(ValueError, match="3 classes and is asked about 2"):
        method.classify(faces, LABELS[:2])


@pytest.mark.parametrize(
    ("name", "options"),
    [("ststnet-size", {"epochs": 0}), ("flow-logistic", {"penalty": 0.0}), ("flow-logistic", {"every": 0})],
)
def test_options_that_fit_nothing_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        load(name, **options)


@pytest.mark.realdata_smoke
def test_it_is_fitted_and_asked_on_some_flow_images(tmp_path: Path) -> None:
    root = Path(os.environ.get("FACEBENCH_DATA") or "-")
    if not (root / "micro_expression" / "megc2019_flow").is_dir():
        pytest.skip("needs FACEBENCH_DATA with micro_expression/megc2019_flow")
    (result,) = bench.run(
        "micro_expression/megc2019-flow/loso", "flow-logistic:steps=20", data=root, out=tmp_path, limit=6
    )
    assert (result.samples, result.failures, result.official) == (6, 0, False)
