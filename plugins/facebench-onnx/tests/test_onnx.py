"""An ONNX file gives the numbers that its card declares, and one that is not as declared is refused by name."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import facebench_onnx
import numpy as np
import pytest

import bench

onnx = pytest.importorskip("onnx", reason="needs onnx, which makes the small models: pip install onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install onnxruntime")

SIDE, WIDE = 8, 5
DRAW = np.random.default_rng(0)
WEIGHT = DRAW.normal(size=(3 * SIDE * SIDE, WIDE)).astype(np.float32)
BIAS = DRAW.normal(size=WIDE).astype(np.float32)
FIRST, NHWC = ("n", 3, SIDE, SIDE), ("n", SIDE, SIDE, 3)
NEAR = 1e-4


def made(
    shape: Any = FIRST, weight: Any = WEIGHT, kind: str = "FLOAT", more: Any = (), out: str = "FLOAT", at: str = ""
) -> bytes:
    """A model: its input flattened, times a matrix, and a bias; ``at``: the other file that the matrix lies in."""
    h, types = onnx.helper, onnx.TensorProto
    nodes = [
        h.make_node("Cast", ["image"], ["cast"], to=types.FLOAT),
        h.make_node("Flatten", ["cast"], ["flat"]),
        h.make_node("Gemm", ["flat", "W", "b"], ["row"]),
        h.make_node("Cast", ["row"], ["embedding"], to=types.DataType.Value(out)),
        h.make_node("Add", ["row", "row"], ["twice"]),
        h.make_node("ReduceSum", ["row"], ["all"], keepdims=1),
    ]
    constants = [onnx.numpy_helper.from_array(weight, "W"), onnx.numpy_helper.from_array(BIAS, "b")]
    if at:
        Path(at).write_bytes(constants[0].raw_data)
        constants[0].ClearField("raw_data")
        constants[0].data_location = types.EXTERNAL
        constants[0].external_data.add(key="location", value=at)
    inputs = [h.make_tensor_value_info("image", types.DataType.Value(kind), shape)]
    inputs += [h.make_tensor_value_info(name, types.FLOAT, [1]) for name in more]
    outputs = [h.make_tensor_value_info("embedding", types.DataType.Value(out), None)]
    outputs += [h.make_tensor_value_info(name, types.FLOAT, None) for name in ("twice", "all")]
    graph = h.make_graph(nodes, "toy", inputs, outputs, constants)
    return bytes(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString())


def faces(count: int, side: int = SIDE, seed: int = 1) -> list[bench.Face]:
    images = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)
    return [bench.Face(f"k{i}", pixels) for i, pixels in enumerate(images)]


def expected(
    asked: Any, channels: str = "RGB", mean: Any = 127.5, std: Any = 127.5, layout: str = "", flip: str = ""
) -> Any:
    """The toy's rows, channel by channel in double precision."""
    mean, std = np.broadcast_to(mean, 3), np.broadcast_to(std, 3)
    rows = []
    for pixels in [face.pixels.astype(float) for face in asked]:
        row = np.zeros(WIDE)
        for image in [pixels, pixels[:, ::-1]] if flip == "sum" else [pixels]:
            planes = [(image[:, :, "RGB".index(c)] - mean[i]) / std[i] for i, c in enumerate(channels)]
            row += np.stack(planes, 2 if layout == "NHWC" else 0).ravel() @ WEIGHT.astype(float) + BIAS
        rows.append(row)
    return np.stack(rows)


# Numbers.


@pytest.mark.parametrize("flip", ["none", "sum"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("mean", "std"), [(127.5, 128), (0, 1), ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), ([1, 2, 3.5], 50.0)]
)
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_the_embedding_is_what_the_card_declares(
    channels: str, mean: Any, std: Any, layout: str, flip: str, place: Any
) -> None:
    declared = {"channels": channels, "mean": mean, "std": std, "layout": layout, "flip": flip}
    place.write(made(FIRST if layout == "NCHW" else NHWC), **declared)
    rows = place.load().embed(faces(7))
    assert (rows.dtype, rows.shape) == (np.float32, (7, WIDE))
    assert rows == pytest.approx(expected(faces(7), **declared), rel=NEAR, abs=0.01 if std == 1 else NEAR)


@pytest.mark.parametrize("batch", [1, 3, 7, 10])
def test_a_model_of_a_fixed_batch_gives_the_rows_of_one_of_any_batch(batch: int, place: Any) -> None:
    place.write(made((batch, *FIRST[1:])))
    assert place.load().embed(faces(7)) == pytest.approx(expected(faces(7)), rel=NEAR, abs=NEAR)


def test_the_flip_option_goes_before_the_cards_and_a_named_output_before_the_first(place: Any) -> None:
    place.write(made())
    first, summed = (place.load(flip=flip).embed(faces(2)) for flip in ("none", "sum"))
    assert summed == pytest.approx(expected(faces(2), flip="sum"), rel=NEAR, abs=NEAR)
    place.write(made(), output="twice")
    assert np.array_equal(place.load().embed(faces(2)), 2 * first)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_given_number_of_threads_is_used(threads: int, place: Any) -> None:
    place.write(made())
    options = place.load(threads).session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)
    assert options.execution_mode.name == "ORT_SEQUENTIAL"


def test_a_face_of_another_size_is_refused_by_its_size(place: Any) -> None:
    place.write(made())
    with pytest.raises(ValueError, match="toy takes faces of 8x8x3, one is 9x9x3"):
        place.load().embed([*faces(1), *faces(1, 9)])


def test_the_card_is_part_of_what_a_run_is_known_by(place: Any) -> None:
    path = place.write(made())
    (method,) = facebench_onnx.facebench_methods()
    assert method.weights is not None
    assert method.weights.files["toy.toml"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_facebench_check_passes(place: Any) -> None:
    weight = DRAW.normal(size=(3 * 112 * 112, WIDE)).astype(np.float32)
    place.write(made(("n", 3, 112, 112), weight), size=None, inputs=None, flip="sum")
    words = [sys.executable, "-m", "bench", "check", "toy", "--models", str(place.models)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=place.cards, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not {"failed", "skipped", "unproven"} & set(done.stdout.split()), done.stdout


# Models.


def test_a_model_of_another_sha256_is_refused(place: Any) -> None:
    place.write(made(), sha256="0" * 64)
    with pytest.raises(bench.FacebenchError, match=rf"SHA-256 [0-9a-f]{{64}}, expected {'0' * 64}"):
        place.load()


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "ROOT/toy/weights.bin"])
def test_a_model_whose_weights_lie_in_other_files_is_refused(
    location: str, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.model.parent)
    place.write(made(at=location.replace("ROOT", str(place.models))))
    with pytest.raises(ValueError, match=r"toy\.onnx: its weights lie in other files"):
        place.load()


@pytest.mark.parametrize(
    ("model", "card", "message"),
    [
        ({"shape": ("n", 3, 16, 16), "weight": np.tile(WEIGHT, (4, 1))}, {}, "nx3x16x16; .* size 8 .* ask for nx3x8x8"),
        ({"shape": ("n", 1, SIDE, SIDE), "weight": WEIGHT[:64]}, {}, "has the shape nx1x8x8"),
        ({"shape": NHWC}, {}, "layout NCHW ask for nx3x8x8"),
        ({"shape": ("n", 192)}, {}, "has the shape nx192"),
        ({"shape": ("n", 3, "h", "w"), "weight": WEIGHT[:-3]}, {}, "does not take two pictures of 8x8"),
        ({"kind": "DOUBLE"}, {}, r"input 'image' is a tensor\(double\)"),
        ({"more": ["scale"]}, {}, "it has 2 inputs, 'image', 'scale'"),
        ({"out": "INT64"}, {}, r"output 'embedding' is a tensor\(int64\)"),
        ({}, {"output": "feature"}, "no output 'feature'; it has 'embedding', 'twice', 'all'"),
        ({}, {"output": "all"}, "output 'all' has the shape 1x1 for 2 images"),
    ],
)
def test_a_model_that_does_not_fit_its_card_is_refused(model: Any, card: Any, message: str, place: Any) -> None:
    place.write(made(**model), **card)
    with pytest.raises(ValueError, match=rf"toy\.onnx: .*{message}"):
        place.load()


def test_a_file_that_is_no_model_and_another_device_are_refused(place: Any) -> None:
    place.write(b"no model")
    with pytest.raises(ValueError, match=r"toy\.onnx: onnxruntime does not open it"):
        place.load()
    with pytest.raises(ValueError, match="toy runs on the device cpu; cuda was given"):
        place.load(device="cuda")


# An export of MobileFaceNet.


@pytest.mark.parametrize("weights", ["random", pytest.param("real", marks=pytest.mark.realdata_smoke)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_export_of_mobilefacenet_gives_its_embeddings(weights: str, place: Any) -> None:
    torch = pytest.importorskip("torch")
    network = pytest.importorskip("facebench_mobilefacenet.network")
    folder = Path(os.environ.get("FACEBENCH_MODELS") or "-") / "mobilefacenet-112"
    if weights == "real" and not folder.is_dir():
        pytest.skip("needs the weights: point FACEBENCH_MODELS at the folder that holds mobilefacenet-112")
    asked, given = faces(5, 112), None
    if weights == "real":
        embedder, given = network.MobileFaceNetEmbedder.load(bench.Load(folder)), np.load(folder / "reference.npz")
        asked = [bench.Face(f"k{i}", pixels) for i, pixels in enumerate(given["images"])]
    else:
        torch.manual_seed(0)
        drawn = network.MobileFaceNet().eval()
        for module in drawn.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # so that numbers reach some height
                torch.nn.init.uniform_(module.running_var, 0.1, 0.5)
        embedder = network.MobileFaceNetEmbedder(drawn)
    want, plain = embedder.embed(asked), embedder.network.to(memory_format=torch.contiguous_format)
    names = {"input_names": ["image"], "output_names": ["row"], "dynamic_axes": {"image": {0: "n"}, "row": {0: "n"}}}
    try:
        torch.onnx.export(plain, torch.zeros(2, 3, 112, 112), str(place.model), dynamo=False, **names)
    except (ImportError, TypeError) as error:
        pytest.skip(f"torch's TorchScript exporter is not at hand: {error}")
    imagenet = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
    place.write(place.model.read_bytes(), size=None, inputs=None, flip="sum", **imagenet)
    assert np.abs(want).max() > 0.1
    assert place.load().embed(asked) == pytest.approx(want, rel=0, abs=NEAR)
    if given:
        assert place.load(flip="none").embed(asked) == pytest.approx(given["embeddings"], rel=0, abs=NEAR)
