"""Mini-Xception gives the original graph's numbers, and knows its classes by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import facebench_mini_xception
import numpy as np
import pytest

import bench

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
network = pytest.importorskip("facebench_mini_xception.network")

(METHOD,) = facebench_mini_xception.facebench_methods()
NEAR = 1e-5
FOLDER = "mini-xception-fer"


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """The number of threads is the process's, so a test puts it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def models() -> Path:
    """The folder that holds the weights."""
    root = Path(os.environ.get("FACEBENCH_MODELS") or "-")
    if not (root / FOLDER).is_dir():
        pytest.skip(f"needs the weights: point FACEBENCH_MODELS at the folder that holds {FOLDER}")
    return root


def faces(images: Any) -> list[bench.Face]:
    """Grey pictures as RGB faces."""
    return [bench.Face(f"k{i}", np.repeat(image[:, :, None], 3, axis=2)) for i, image in enumerate(images)]


def noise(count: int, side: int = 48) -> list[bench.Face]:
    return faces(np.random.default_rng(0).integers(0, 256, (count, side, side), np.uint8))


@pytest.fixture(scope="module")
def classifier() -> Any:
    """A network with weights drawn at random."""
    torch.manual_seed(0)
    return network.MiniXceptionClassifier(network.MiniXception())


def test_the_network_has_the_tensors_and_parameters_of_its_source() -> None:
    tensors = network.MiniXception().state_dict()
    assert len(tensors) == 22
    assert sum(t.numel() for t in tensors.values()) == 205_127


def test_columns_follow_the_labels_asked_for_by_name(classifier: Any) -> None:
    asked = noise(3)
    told = classifier.classify(asked, network.CLASSES)
    assert told.dtype == np.float32
    np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(classifier.classify(asked, ["neutral", "anger"]), told[:, [6, 0]], atol=NEAR)


def test_contempt_is_never_answered_and_another_word_is_refused(classifier: Any) -> None:
    assert (classifier.classify(noise(2), [*network.CLASSES, "contempt"])[:, -1] == 0).all()
    with pytest.raises(ValueError, match="has no class 'happy'; it has anger, disgust"):
        classifier.classify(noise(1), ["happy"])


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (48, 48), (64, 64), (250, 250)])
def test_a_flat_picture_of_any_size_stays_flat(shape: tuple[int, int]) -> None:
    made = network.prepare(np.full((*shape, 3), 200, np.uint8))
    assert made.shape == (64, 64)
    np.testing.assert_allclose(made, (200 / 255 - 0.5) * 2, atol=1e-6)


def test_a_picture_of_its_own_size_is_taken_as_it_is() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
    made = network.prepare(np.repeat(grey[:, :, None], 3, axis=2))
    np.testing.assert_allclose((made / 2 + 0.5) * 255, grey, atol=1e-3)


def test_a_weight_file_that_does_not_fit_is_refused_by_the_tensors_name(tmp_path: Path) -> None:
    tensors = network.MiniXception().state_dict()
    del tensors["block1.shortcut.bias"]
    safetensors.save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"(?s)does not hold the tensors.*block1\.shortcut\.bias"):
        METHOD.load(bench.Load(weights=tmp_path))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        METHOD.load(bench.Load())


@pytest.mark.realdata_smoke
@pytest.mark.parametrize("name", ["reference.npz", "reference_synthetic.npz"])
def test_inputs_and_probabilities_are_the_references(name: str, models: Path) -> None:
    given = np.load(models / FOLDER / name)
    asked = faces(given["images"])
    prepared = np.stack([network.prepare(face.pixels) for face in asked])[:, None]
    np.testing.assert_allclose(prepared, given["inputs"], rtol=0, atol=1e-6)
    told = METHOD.load(bench.Load(weights=models / FOLDER)).classify(asked, network.CLASSES)
    np.testing.assert_allclose(told, given["probabilities"], rtol=0, atol=NEAR)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("rule", "count", "accuracy", "uar"),
    [("majority-raw-7", 2720, 0.7132, 0.7355), ("unique-mode-7", 3350, 0.6427, 0.6364)],
)
def test_the_figures_on_fer_plus_are_those_that_come_with_the_weights(
    rule: str, count: int, accuracy: float, uar: float, models: Path, tmp_path: Path
) -> None:
    if not Path(os.environ.get("FACEBENCH_DATA") or "-", "ferplus").is_dir():
        pytest.skip("needs FER+: point FACEBENCH_DATA at the folder that holds ferplus")
    (result,) = bench.run(f"expression/ferplus/{rule}", "mini-xception", out=tmp_path)
    assert result.official and result.samples == count
    found = {score.metric: score.value for score in result.scores}
    assert found["accuracy"] == pytest.approx(accuracy, abs=1e-3)
    assert found["uar"] == pytest.approx(uar, abs=1e-3)


@pytest.mark.realdata_smoke
@bench.parametrize_with_checks(["mini-xception"])
def test_it_plays_by_the_rules(check: Any, models: Path) -> None:
    check()
