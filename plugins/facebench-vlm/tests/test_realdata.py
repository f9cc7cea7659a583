"""The tiny trained model, asked as its card says, answers the same however its options are scored."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.records import Face, Question

WORDS = ("neutral", "happy", "surprised", "sad", "angry", "disgusted", "afraid", "contemptuous")
TEXT = "In a single word, what is the facial expression of the person?"
NEAR: dict[str, Any] = {"rtol": 0, "atol": 1e-4}
pytestmark = pytest.mark.realdata_smoke


@pytest.fixture(scope="module")
def root() -> Path:
    """Real weights; skips where they are not at hand."""
    pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
    pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    root = Path(os.environ.get("FACEBENCH_MODELS") or "-")
    if not (root / "tiny-fer-vlm").is_dir():
        pytest.skip("needs real weights: point FACEBENCH_MODELS at a folder that holds tiny-fer-vlm")
    return root.resolve()


def load(root: Path, **options: Any) -> Any:
    from facebench_vlm import facebench_methods

    method = next(method for method in facebench_methods() if method.name == "tiny-fer-vlm")
    assert method.weights is not None
    defaults = {option.name: option.default for option in method.options}
    return method.load(bench.Load(method.weights.find(root, method.name), options={**defaults, **options}))


def noise(count: int) -> list[Question]:
    generator = np.random.default_rng(5)
    faces = [Face(f"k{i}", generator.integers(0, 256, (48, 48, 3), np.uint8)) for i in range(count)]
    return [Question(face.key, TEXT + " Look well." * (i % 2), (), face) for i, face in enumerate(faces)]


def test_shared_prefix_batch_padding_and_order_change_no_score(root: Path) -> None:
    asked, model = noise(6), load(root)
    found = model.loglik(asked, WORDS)
    assert found["joint"] == "direct" and (found["tokens"] == 2).all()
    for other in (load(root, prefix="full"), load(root, padding="right")):
        np.testing.assert_allclose(other.loglik(asked, WORDS)["sums"], found["sums"], **NEAR)
    singles = np.concatenate([model.loglik([one], WORDS[::-1])["sums"] for one in asked])
    np.testing.assert_allclose(singles[:, ::-1], found["sums"], **NEAR)
    bare = [Question(one.key, one.text) for one in asked[:2]]
    assert abs(model.loglik(bare, WORDS)["sums"] - found["sums"][:2]).max() > 0.01
    # Its words are one token each, so the likeliest is what it says first.
    assert model.answer(asked) == [WORDS[place] for place in found["sums"].argmax(1)]


def test_pictures_of_the_test_split_are_mostly_answered_rightly(root: Path) -> None:
    """79 of 100 by its own card; with 60 pictures three standard errors are 16 points."""
    data = Path(os.environ.get("FACEBENCH_DATA") or "-") / "ferplus"
    if not data.is_dir():
        pytest.skip("needs real data: point FACEBENCH_DATA at a folder that holds ferplus")
    from PIL import Image

    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    asked, truth = [], []
    with (data / "fer2013new.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Usage"] == "PrivateTest" and row["Image name"]]
    clear = [row for row in rows if max(int(row[name]) for name in columns) > 5]
    for row in clear[:60]:
        name = row["Image name"]
        pixels = np.asarray(Image.open(data / "FER2013Test" / name).convert("RGB"))
        asked.append(Question(name, TEXT, (), Face(name, pixels)))
        truth.append(WORDS[[int(row[column]) > 5 for column in columns].index(True)])
    said = load(root).answer(asked)
    assert np.mean([one == other for one, other in zip(said, truth, strict=True)]) >= 0.63
