"""Fits are made once, and handed on as a repository of folds."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from loopback_hub import LoopbackHub
from safetensors.numpy import load

import bench
from bench.checkpoints import learned_from, read_snapshot
from bench.errors import NotAResult, NotPublished
from bench.fits import pack_fits, publish_fits

PROTOCOL, OTHER, REPO = "verification/toy/pairs", "verification/lfw/view2-arcface112", "owner/fits"
HEADER = {
    "roles": {"method": [{"method": "m", "code": "c", "weights": {}}]},
    "data": "d",
    "seed": 0,
    "settings": {"batch_size": 4, "threads": 1, "device": "cpu"},
}


pytestmark = pytest.mark.usefixtures("official")


def run(data: Path, out: Path, method: str = "steps", protocol: str = PROTOCOL, **settings: int) -> Path:
    bench.run(protocol, method, data=data, out=out, **settings)
    return max(out.rglob("header.json"), key=lambda path: path.stat().st_mtime).parent


def test_a_fit_that_another_cell_made_is_not_made_again(synthetic: Path, tmp_path: Path) -> None:
    first = run(synthetic, tmp_path)
    marks = {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").iterdir()}
    assert len(marks) == 4, "one a fold"
    kept = {path.parent.name: path.read_bytes() for path in first.glob("*/checkpoint.safetensors")}
    for path in sorted(first.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    again = run(synthetic, tmp_path)
    assert {path.parent.name: path.read_bytes() for path in again.glob("*/checkpoint.safetensors")} == kept
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").iterdir()} == marks
    run(synthetic, tmp_path, seed=1)
    assert len(list((tmp_path / "fits").iterdir())) == 8, "another seed is another fit"


@pytest.mark.parametrize(
    "other",
    [
        {"header": {**HEADER, "data": "e"}},
        {"header": {**HEADER, "settings": {**HEADER["settings"], "threads": 2}}},  # type: ignore[dict-item]
        {"fold": "g"},
        {"names": ["b", "a"]},
        {"labels": np.array([1, 0])},
    ],
)
def test_what_a_fit_follows_from_is_in_its_name(other: dict[str, object]) -> None:
    told = {"header": HEADER, "role": "method", "fold": "f", "names": ["a", "b"], "labels": np.array([0, 1])}
    assert learned_from(**told) == learned_from(**{**told, "labels": [0, 1]})  # type: ignore[arg-type]
    assert learned_from(**told) != learned_from(**{**told, **other})  # type: ignore[arg-type]


def test_a_run_becomes_a_repository_of_folds(hub: LoopbackHub, synthetic: Path, tmp_path: Path) -> None:
    cell = run(synthetic, tmp_path)
    publish_fits(pack_fits(cell, REPO))
    files = hub.store.repositories["model", REPO].resolve("main").files
    table = json.loads(files["facebench-fits.json"].data)
    assert sorted(table["files"]) == [f"fold-{k}/model.safetensors" for k in range(4)]
    for name, digest in table["files"].items():
        assert sha256(files[name].data).hexdigest() == digest
        weights, kept = (
            load(files[name].data),
            read_snapshot(cell / Path(name).parent / "checkpoint.safetensors").weights,
        )
        assert weights.keys() == kept.keys() and all(np.array_equal(weights[key], kept[key]) for key in kept)
    page = files["README.md"].data.decode()
    assert "fitted 4 times" in page and "deployment on people" in page


def test_folds_of_another_fit_do_not_stay_beside_new_ones(hub: LoopbackHub, synthetic: Path, tmp_path: Path) -> None:
    stale = {"fold-9/model.safetensors": b"old", "fold-9/notes.md": b"mine", "weights.safetensors": b"mine"}
    hub.store.put("model", REPO, stale)
    publish_fits(pack_fits(run(synthetic, tmp_path), REPO))
    held = set(hub.store.repositories["model", REPO].resolve("main").files)
    assert sorted(name for name in held if name.endswith("model.safetensors")) == [
        f"fold-{k}/model.safetensors" for k in range(4)
    ]
    assert {"fold-9/notes.md", "weights.safetensors"} <= held


def test_fits_of_another_question_are_not_sent(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="It answers digest"):
        pack_fits(run(synthetic, tmp_path, protocol=OTHER), REPO)


def test_what_was_not_fitted_is_no_repository_of_folds(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(NotAResult, match="no result of a method that was fitted"):
        pack_fits(tmp_path, REPO)
    cell = run(synthetic, tmp_path, "constant")
    with pytest.raises(NotAResult, match="no result of a method that was fitted"):
        pack_fits(cell, REPO)


def test_fits_of_part_of_the_question_are_not_sent(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="part of the data only"):
        pack_fits(run(synthetic, tmp_path, limit=24), REPO)
