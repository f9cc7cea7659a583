"""MobileFaceNet gives the reference's numbers, the same to the last bit wherever a face stands in its batch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import facebench_mobilefacenet
import numpy as np
import pytest

import bench

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
network = pytest.importorskip("facebench_mobilefacenet.network")

(METHOD,) = facebench_mobilefacenet.facebench_methods()
NEAR = 1e-4  # numbers reach 5 with the real weights and 30 with random ones
FLIP = pytest.mark.parametrize("flip", [False, True], ids=["image only", "with mirror image"])


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """The number of threads is the process's, so a test puts it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def models() -> Path:
    """The folder that holds mobilefacenet-112."""
    root = Path(os.environ.get("FACEBENCH_MODELS") or "-")
    if not (root / "mobilefacenet-112").is_dir():
        pytest.skip("needs the weights: point FACEBENCH_MODELS at the folder that holds mobilefacenet-112")
    return root


def plain(seed: int = 0) -> Any:
    """A network with random weights, whose batch normalisations change something."""
    torch.manual_seed(seed)
    made = network.MobileFaceNet().eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.5)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.1, 0.5)
    return made


def embedder(flip: bool = True) -> Any:
    return network.MobileFaceNetEmbedder(plain(), flip)


def faces(images: Any) -> list[bench.Face]:
    return [bench.Face(f"k{i}", pixels) for i, pixels in enumerate(images)]


def noise(count: int, seed: int = 0) -> list[bench.Face]:
    return faces(np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8))


def stored(folder: Path, **changes: Any) -> bench.Load:
    """A weight file of a random network, with tensors replaced, or left out where the change is None."""
    tensors = {name: t for name, t in plain().state_dict().items() if not name.endswith("num_batches_tracked")}
    tensors |= changes
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    safetensors.save_file(kept, folder / "model.safetensors")
    return bench.Load(weights=folder, options={"flip": False})


# The card.


def test_the_card_says_what_it_was_trained_on_and_that_this_was_withdrawn() -> None:
    assert METHOD.name == "mobilefacenet"
    assert METHOD.tasks == {"verification", "identification"}
    assert METHOD.inputs == {"arcface-112"}
    assert METHOD.similarity == "cosine"
    assert METHOD.licence == "Apache-2.0"
    assert METHOD.trained_on == METHOD.withdrawn == ("MS-Celeb-1M (refined)",)
    assert METHOD.needs == ("torch", "safetensors")
    assert "1804.07573" in METHOD.cite
    assert not METHOD.floor


def test_the_mirror_image_is_an_option_that_is_on_by_default() -> None:
    (flip,) = METHOD.options
    assert (flip.name, flip.default, flip.parse("off")) == ("flip", True, False)


def test_the_weights_are_named_by_content_and_by_a_commit_of_their_source() -> None:
    assert METHOD.weights is not None
    assert [len(digest) for digest in METHOD.weights.files.values()] == [64]
    assert "https://github.com/foamliu/MobileFaceNet" in METHOD.weights.source
    assert "a6cc9032a659b615f477833e1a70b5e7931bcccc" in METHOD.weights.source


def test_listing_the_method_loads_no_torch() -> None:
    code = (
        "import sys, facebench_mobilefacenet as plugin; plugin.facebench_methods()\n"
        "print({'torch', 'safetensors', 'numpy'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"


# The network, with random weights.


def test_the_network_has_999936_parameters_in_256_tensors() -> None:
    made = network.MobileFaceNet()
    assert sum(parameter.numel() for parameter in made.parameters()) == 999_936
    assert sum(not name.endswith("num_batches_tracked") for name in made.state_dict()) == 256


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("stem", (64, 56, 56)),
        ("separable", (64, 56, 56)),
        ("stage1", (64, 28, 28)),
        ("stage2", (128, 14, 14)),
        ("stage3", (128, 14, 14)),
        ("stage4", (128, 7, 7)),
        ("stage5", (128, 7, 7)),
        ("head", (512, 7, 7)),
        ("gdconv", (512, 1, 1)),
        ("embedding", (128, 1, 1)),
    ],
)
def test_a_layer_gives_the_shape_of_the_layer_table(layer: str, shape: tuple[int, ...]) -> None:
    made, seen = plain(), []
    made.get_submodule(layer).register_forward_hook(lambda *given: seen.append(tuple(given[2].shape)))
    with torch.inference_mode():
        made(torch.zeros(1, 3, 112, 112))
    assert seen == [(1, *shape)]


@FLIP
@pytest.mark.parametrize("count", [1, 9, 17, 33])
def test_every_face_gets_128_float32_numbers(count: int, flip: bool) -> None:
    vectors = embedder(flip).embed(noise(count))
    assert vectors.shape == (count, 128)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == count


def test_folding_in_the_normalisation_does_not_change_the_embedding() -> None:
    asked = noise(5)
    x = np.stack([face.pixels for face in asked]) / np.float32(255)
    x = (x - np.array(network.MEAN, np.float32)) / np.array(network.STD, np.float32)
    with torch.inference_mode():
        expected = plain()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    assert np.abs(expected).max() > 0.1
    assert embedder(flip=False).embed(asked) == pytest.approx(expected, rel=0, abs=NEAR)


def test_the_embedding_with_flip_is_the_sum_of_image_and_mirror_image() -> None:
    asked = noise(5)
    mirrored = faces([face.pixels[:, ::-1] for face in asked])
    alone = embedder(flip=False)
    expected = alone.embed(asked) + alone.embed(mirrored)
    assert embedder(flip=True).embed(asked) == pytest.approx(expected, rel=0, abs=NEAR)


@FLIP
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [8, 17, 32])
def test_a_row_is_the_same_to_the_last_bit_in_any_order_place_and_company(batch: int, threads: int, flip: bool) -> None:
    torch.set_num_threads(threads)
    method, draw = embedder(flip), np.random.default_rng(1)
    pool = noise(2 * batch)
    first = {face.key: row.tobytes() for half in (pool[:batch], pool[batch:]) for face, row in _rows(method, half)}
    orders = [np.roll(np.arange(batch), 1), np.arange(batch)[::-1], np.zeros(batch, int)]
    orders += [draw.choice(len(pool), batch) for _ in range(3)]
    for order in orders:
        for face, row in _rows(method, [pool[i] for i in order]):
            assert row.tobytes() == first[face.key]


def _rows(method: Any, asked: list[bench.Face]) -> Iterator[tuple[bench.Face, Any]]:
    return zip(asked, method.embed(asked), strict=True)


@pytest.mark.parametrize("shape", [(112, 96, 3), (112, 112), (112, 112, 4)])
def test_a_face_of_another_size_is_refused_by_its_size(shape: tuple[int, ...]) -> None:
    asked = [*noise(1), bench.Face("odd", np.zeros(shape, np.uint8))]
    with pytest.raises(ValueError, match="112x112x3, one is " + "x".join(map(str, shape))):
        embedder().embed(asked)
    with pytest.raises(ValueError, match="112x112x3"):
        embedder().gradient(np.zeros((1, *shape), np.float32), np.zeros((1, 128), np.float32))


def test_an_output_that_is_not_a_number_stays_so() -> None:
    broken = plain()
    broken.stem.bn.bias.data[:] = torch.nan
    assert np.isnan(network.MobileFaceNetEmbedder(broken).embed(noise(2))).all()


def test_embedding_changes_neither_the_faces_nor_the_next_answer() -> None:
    asked, method = noise(3), embedder()
    before = [face.pixels.copy() for face in asked]
    for face in asked:
        face.pixels.flags.writeable = False
    assert np.array_equal(method.embed(asked), method.embed(asked))
    assert all(np.array_equal(face.pixels, pixels) for face, pixels in zip(asked, before, strict=True))


# The gradient.


@FLIP
def test_the_gradient_is_the_slope_along_any_way(flip: bool) -> None:
    method, draw = embedder(flip), np.random.default_rng(2)
    method.network.double()
    images, direction = draw.random((2, 112, 112, 3)), draw.standard_normal((2, 128))
    _, slope = method.gradient(images, direction)
    for _ in range(3):
        way, step = draw.standard_normal(images.shape), 1e-8  # so small that no ReLU turns
        ahead, _ = method.gradient(images + step * way, direction)
        behind, _ = method.gradient(images - step * way, direction)
        expected = ((ahead - behind) * direction).sum() / (2 * step)
        assert (slope * way).sum() == pytest.approx(expected, rel=1e-5)


@FLIP
def test_the_gradient_comes_with_the_embeddings_and_is_each_images_own(flip: bool) -> None:
    method, asked = embedder(flip), noise(9)
    images = np.stack([face.pixels for face in asked]).astype(np.float32) / np.float32(255)
    direction = np.random.default_rng(3).standard_normal((9, 128)).astype(np.float32)
    vectors, slope = method.gradient(images, direction)
    assert (vectors.dtype, slope.dtype, slope.shape) == (np.float32, np.float32, images.shape)
    assert vectors == pytest.approx(method.embed(asked), rel=0, abs=NEAR)
    direction[1:] = 0
    _, alone = method.gradient(images, direction)
    assert alone[0] == pytest.approx(slope[0], rel=0, abs=NEAR)
    assert not alone[1:].any()


# Weight files.


def test_a_weight_file_gives_back_the_network_that_was_stored(tmp_path: Path) -> None:
    asked = noise(2)
    assert np.array_equal(METHOD.load(stored(tmp_path)).embed(asked), embedder(flip=False).embed(asked))


def test_the_given_number_of_threads_is_used(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    METHOD.load(stored(tmp_path))
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("name", "tensor"),
    [("stage3.block6.project.weight", None), ("prelu.weight", torch.ones(64)), ("head.bn.bias", torch.ones(128))],
    ids=["missing", "unexpected", "misshapen"],
)
def test_a_weight_file_that_does_not_fit_is_refused_by_the_tensors_name(name: str, tensor: Any, tmp_path: Path) -> None:
    given = stored(tmp_path, **{name: tensor})
    with pytest.raises(ValueError, match=rf"(?s)model\.safetensors does not hold the tensors of MobileFaceNet.*{name}"):
        METHOD.load(given)


def test_loading_without_weights_says_which_file_is_needed() -> None:
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        METHOD.load(bench.Load())


# The real weights.


@pytest.mark.realdata_smoke
@pytest.mark.parametrize("name", ["reference.npz", "reference_synthetic.npz"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [8, 32])
def test_the_embeddings_are_the_references(batch: int, threads: int, name: str, models: Path) -> None:
    folder = models / "mobilefacenet-112"
    given = np.load(folder / name)
    method = METHOD.load(bench.Load(weights=folder, threads=threads, options={"flip": False}))
    expected = np.tile(given["embeddings"], (batch // 8, 1))
    assert method.embed(faces(given["images"]) * (batch // 8)) == pytest.approx(expected, rel=0, abs=NEAR)


@pytest.mark.realdata_smoke
def test_the_weights_on_disk_are_those_the_card_names(models: Path) -> None:
    assert METHOD.weights is not None
    assert METHOD.weights.find(models, METHOD.name) == models.resolve() / "mobilefacenet-112"


@pytest.mark.realdata_smoke
def test_by_default_the_references_mirror_image_is_added(models: Path) -> None:
    folder = models / "mobilefacenet-112"
    images = np.load(folder / "reference_synthetic.npz")["images"]
    with_flip = METHOD.load(bench.Load(weights=folder)).embed(faces(images))
    alone = METHOD.load(bench.Load(weights=folder, options={"flip": False}))
    expected = alone.embed(faces(images)) + alone.embed(faces(images[:, :, ::-1]))
    assert with_flip == pytest.approx(expected, rel=0, abs=NEAR)
