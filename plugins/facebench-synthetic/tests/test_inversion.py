"""Attacks on synthetic people: what CI runs of the inversion task."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import bench
from bench.plugins import discover
from bench.tasks import inversion

cloudpickle.register_pickle_by_value(sys.modules[__name__])
ACCESS = ("", "-embedding", "-gradient")


class Grey:
    """Shows what it asks: one grey image for all."""

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        image = np.full((oracle.targets, oracle.height, oracle.width, 3), 0.5, np.float32)
        oracle.similarity(image, np.arange(oracle.targets))
        yield image


def load(given: bench.Load) -> Any:
    return Grey()


def test_there_is_a_protocol_a_kind_of_access_over_the_same_pairs() -> None:
    pairs = discover().protocol("verification/synthetic/faces")
    for suffix in ACCESS:
        protocol = discover().protocol(f"inversion/synthetic/faces{suffix}")
        assert protocol.trials_sha256 == pairs.trials_sha256
        assert protocol.settings["access"] == (suffix[1:] or "similarity")
    assert len({discover().protocol(f"inversion/synthetic/faces{suffix}").digest for suffix in ACCESS}) == 3


def test_a_grey_image_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inversion, "REPLICATES", 20)
    attack = bench.Method("grey", frozenset({"inversion"}), load, inputs=frozenset({"arcface-112"}), floor=True)
    roles = {"attack": attack, "target": "hog", "critics": ["hog"]}
    (result,) = bench.run("inversion/synthetic/faces", roles=roles, out=tmp_path, limit=40)
    figures = {score.metric: score for score in result.scores}
    assert result.samples == 20
    assert figures["queries"].value == 1
    assert figures["outside"].value == 0
    assert figures["best.type1_tar@far=1e-2"].value == figures["last.type1_tar@far=1e-2"].value == 0
    assert not any(name.startswith("transfer.") for name in figures)  # its one critic is the target
