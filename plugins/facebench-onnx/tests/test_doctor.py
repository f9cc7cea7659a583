"""The doctor names what is wrong on a card, with figures, and finds nothing on a right one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench_onnx import doctor
from facebench_onnx.cards import Card, read_card

import bench

PEOPLE, SIDE = 60, 4
IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
FAULTS: list[dict[str, Any]] = [
    {"channels": "BGR"},
    {"mean": (0.0,) * 3, "std": (1.0,) * 3},
    {"similarity": "euclidean"},
]
NAMED = ["channels", "mean and std", "similarity"]


@pytest.fixture
def card(place: Any) -> Card:
    return read_card(place.card())


def model() -> tuple[Callable[[Card], Any], doctor.Pairs]:
    """What a model makes of two pictures a person: red tells who, blue is noise; lengths differ by the picture."""
    draw = np.random.default_rng(0)
    people = np.repeat(draw.normal(0, 40, (PEOPLE, SIDE * SIDE)), 2, axis=0)
    noise = draw.normal(0, 40, (2, 2 * PEOPLE, SIDE * SIDE))
    red, blue = 127.5 + people + noise[0] / 4, 127.5 + noise[1]
    pixels = np.clip(np.stack([red, red, blue], axis=-1), 0, 255)
    weight, lengths = draw.normal(size=(SIDE * SIDE, 32)), draw.uniform(0.3, 3, (2 * PEOPLE, 1))

    def embed(card: Card) -> Any:
        x = pixels if card.channels == "RGB" else pixels[..., ::-1]
        x = (x - np.array(card.mean)) / np.array(card.std)
        return (lengths * np.tanh(x[..., 0] @ weight / 2 + 0.5 * x[..., 1].mean(1, keepdims=True))).astype(np.float32)

    first = np.arange(0, 2 * PEOPLE, 2)
    pairs = doctor.Pairs(
        np.concatenate([first, first]), np.concatenate([first + 1, np.roll(first, 2)]), np.arange(2 * PEOPLE) < PEOPLE
    )
    return embed, pairs


def test_nothing_is_found_on_a_right_card(card: Card) -> None:
    report = doctor.examine(card, *model())
    assert report.findings == ()
    assert "Nothing found" in str(report)


@pytest.mark.parametrize(("fault", "named"), list(zip(FAULTS, NAMED, strict=True)), ids=NAMED)
def test_each_fault_is_named_with_figures_and_what_to_try(card: Card, fault: Any, named: str) -> None:
    wrong = replace(card, **fault)
    report = doctor.examine(wrong, *model())
    assert [finding.keys for finding in report.findings] == [named]
    (finding,) = report.findings
    assert finding.after.separation > finding.before.separation
    assert 0 < finding.gain[0] <= finding.after.separation - finding.before.separation <= finding.gain[1]
    assert finding.before == report.plain
    assert f"the card says {finding.said}" in str(report)
    assert f"try {finding.try_}" in str(report)
    assert report.card is wrong


def test_two_faults_are_both_named(card: Card) -> None:
    report = doctor.examine(replace(card, **FAULTS[0], **FAULTS[2]), *model())
    assert {finding.keys for finding in report.findings} == {"channels", "similarity"}


def test_preparations_that_the_pairs_do_not_tell_apart_are_said_to_be_so(card: Card) -> None:
    report = doctor.examine(replace(card, **FAULTS[1]), *model())
    assert {"mean = 127.5, std = 127.5", "mean = 127.5, std = 128"} <= {
        report.findings[0].try_,
        *report.findings[0].alike,
    }
    assert "do not tell it from" in str(report)


def test_embeddings_of_one_length_separate_alike_by_cosine_and_by_distance() -> None:
    _, pairs = model()
    rows = np.random.default_rng(1).normal(size=(2 * PEOPLE, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    one, other = (doctor.figures(doctor.scores(rows, pairs, kind), pairs.mated) for kind in ("cosine", "euclidean"))
    assert one.separation == pytest.approx(other.separation, abs=1e-4)
    assert one.eer == pytest.approx(other.eer)


def test_the_separation_is_the_difference_of_means_in_standard_deviations() -> None:
    mated = np.arange(50) < 20
    score = np.random.default_rng(2).normal(size=50) + 2 * mated
    spread = np.sqrt((score[mated].var() + score[~mated].var()) / 2)
    expected = (score[mated].mean() - score[~mated].mean()) / spread
    assert doctor.figures(score, mated).separation == pytest.approx(expected)


def test_a_card_whose_embeddings_are_not_finite_separates_nothing(card: Card) -> None:
    embed, pairs = model()

    def broken(other: Card) -> Any:
        return embed(other) * (np.nan if other.std[0] == 1 else 1)

    report = doctor.examine(replace(card, **FAULTS[1]), broken, pairs)
    assert report.plain.separation == 0
    assert [finding.keys for finding in report.findings] == ["mean and std"]


def test_the_command_says_which_card_is_not_there(place: Any) -> None:
    place.card()
    words = [sys.executable, "-m", "facebench_onnx", "other"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=place.cards, timeout=300)
    assert done.returncode == 2
    assert "no card 'other'" in done.stderr
    assert "toy" in done.stderr


# An export of MobileFaceNet on LFW.


@pytest.mark.realdata_smoke
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_on_an_export_of_mobilefacenet_each_wrong_card_is_found_out(place: Any) -> None:
    from facebench_onnx.session import OnnxEmbedder

    from bench.plugins import discover
    from bench.suite import read_content

    torch = pytest.importorskip("torch")
    network = pytest.importorskip("facebench_mobilefacenet.network")
    weights = Path(os.environ["FACEBENCH_MODELS"]) / "mobilefacenet-112"
    if not weights.is_dir():
        pytest.skip("needs the weights: point FACEBENCH_MODELS at the folder that holds mobilefacenet-112")
    plain = network.MobileFaceNetEmbedder.load(bench.Load(weights)).network.to(memory_format=torch.contiguous_format)
    names = {"input_names": ["image"], "output_names": ["row"], "dynamic_axes": {"image": {0: "n"}, "row": {0: "n"}}}
    try:
        torch.onnx.export(plain, torch.zeros(2, 3, 112, 112), str(place.model), dynamo=False, **names)
    except (ImportError, TypeError) as error:
        pytest.skip(f"torch's TorchScript exporter is not at hand: {error}")
    sha256 = hashlib.sha256(place.model.read_bytes()).hexdigest()
    right = read_card(place.card(sha256=sha256, size=None, inputs=None, **IMAGENET))
    question = discover().protocol("verification/lfw/view2-arcface112")
    content = question.task.limit(read_content(question), 300)
    faces = [sample.read(sample.key) for sample in content.samples]
    truth = content.truth
    pairs = doctor.Pairs(truth.reference, truth.probe, truth.mated)
    loaded = place.load()

    @lru_cache
    def answers(channels: str, mean: Any, std: Any) -> Any:
        asked = OnnxEmbedder(loaded.session, replace(right, channels=channels, mean=mean, std=std), "none", "export")
        return np.concatenate([asked.embed(faces[start : start + 32]) for start in range(0, len(faces), 32)])

    def examined(wrong: Card) -> doctor.Report:
        report = doctor.examine(wrong, lambda card: answers(card.channels, card.mean, card.std), pairs)
        print(report)
        return report

    assert examined(right).findings == ()
    for fault, named in zip(FAULTS, NAMED, strict=True):
        assert [finding.keys for finding in examined(replace(right, **fault)).findings] == [named]
