"""A prior is read in the scale that the published constants are for, and what is fitted is PCA."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import facebench_darkerbb
import numpy as np
import pytest
from facebench_darkerbb import __main__ as command
from facebench_darkerbb.cards import read_cards
from facebench_darkerbb.fitting import read_faces, save_prior
from facebench_darkerbb.pca import components
from facebench_darkerbb.prior import Prior
from PIL import Image
from safetensors.numpy import load_file, save_file

import bench

CARD: dict[str, Any] = {"name": "drawn", "licence": "CC0-1.0", "trained_on": ["drawn"], "withdrawn": []}


def drawn(count: int, side: int = 112, seed: int = 0) -> Any:
    """Smooth pictures, not of faces, that differ in a dozen directions and a little noise."""
    draw = np.random.default_rng(seed)
    shapes = np.kron(draw.standard_normal((12, 4, 4, 3)), np.ones((1, side // 4, side // 4, 1)))
    weights = draw.standard_normal((count, 12)) * np.geomspace(30, 4, 12)
    pixels = 128 + np.tensordot(weights, shapes, 1) + draw.normal(0, 1, (count, side, side, 3))
    return pixels.clip(0, 255).round().astype("uint8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces on disk, one of another size and one that is no image."""
    root = tmp_path_factory.mktemp("faces")
    for i, face in enumerate(drawn(30)):
        (root / str(i % 3)).mkdir(exist_ok=True)
        Image.fromarray(face).save(root / str(i % 3) / f"{i:03}.png")
    Image.new("RGB", (64, 64)).save(root / "small.png")
    (root / "broken.jpg").write_bytes(b"no image")
    (root / "notes.txt").write_text("no face")
    return root


@pytest.fixture(scope="module")
def fitted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prior of those faces, their coordinates kept."""
    out = tmp_path_factory.mktemp("priors") / "drawn"
    faces, _ = read_faces(folder)
    save_prior(out, components(faces, 10), CARD, faces)
    return out


@pytest.mark.parametrize("mirror", [False, True])
def test_the_components_are_those_of_scikit_learn(mirror: bool) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    faces = drawn(40, side=8)
    rows = np.concatenate([faces, faces[:, :, ::-1]]) if mirror else faces
    exact = decomposition.PCA(8, svd_solver="full").fit(rows.reshape(len(rows), -1) / 127.5 - 1)
    found = components(faces, 8, mirror=mirror)
    cosines = np.linalg.svd(found.axes @ exact.components_.T)[1]  # of the angles between the two spaces
    assert cosines == pytest.approx(np.ones(8), abs=1e-3)
    assert found.axes @ found.axes.T == pytest.approx(np.eye(8), abs=1e-5)
    assert found.std == pytest.approx(np.sqrt(exact.explained_variance_), rel=1e-3)
    assert found.explained == pytest.approx(exact.explained_variance_ratio_.cumsum(), rel=1e-3)


def test_the_same_seed_gives_the_same_components() -> None:
    faces = drawn(20, side=16)
    assert np.array_equal(components(faces, 5).axes, components(faces, 5).axes)


def test_whitened_coordinates_of_the_faces_have_unit_variance() -> None:
    faces = drawn(30, side=16)
    found = components(faces, 10, mirror=False).coordinates(faces)
    assert found.std(axis=0, ddof=1) == pytest.approx(np.ones(10), rel=1e-2)


def test_coordinates_that_are_kept_bring_the_faces_back(folder: Path, fitted: Path) -> None:
    faces, _ = read_faces(folder)
    prior = Prior.read(fitted)
    assert prior.faces is not None and prior.faces.shape == (30, 10)
    back = prior.images(prior.decode(prior.faces))
    assert np.abs(back - faces / 255).mean() < 0.5 * np.abs(faces.mean(axis=0) - faces).mean() / 255


def test_the_file_is_in_minus_one_to_one_and_the_prior_in_zero_to_one(fitted: Path) -> None:
    tensors, prior = load_file(fitted / "model.safetensors"), Prior.read(fitted)
    z = np.random.default_rng(0).standard_normal((1, 10))
    x = tensors["mean"] + np.tensordot(z[0] * tensors["std"], tensors["components"].astype(float), 1)
    assert prior.images(prior.decode(z))[0] == pytest.approx((x.transpose(1, 2, 0) + 1) / 2, abs=1e-5)
    assert prior.decode(z).dtype == np.float32 and prior.mean.shape == (37_632,)


def test_a_row_does_not_depend_on_the_others(fitted: Path) -> None:
    prior = Prior.read(fitted)
    many = np.random.default_rng(0).standard_normal((21, 10))
    together = prior.decode(many)
    for rows in ([3], [20, 3], list(range(20, -1, -1))):
        assert np.array_equal(prior.decode(many[rows]), together[rows])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"std": None}, "has no tensor 'std'; it has coefficients, components, mean"),
        ({"mean": np.zeros((3, 64, 64), "float32")}, r"mean is \[3, 64, 64\], expected \[3, 112, 112\]"),
        ({"std": np.zeros(4, "float32")}, r"std is \[4\], expected \[10\]"),
        ({"std": np.full(10, np.nan, "float32")}, "std holds numbers that are not finite"),
    ],
)
def test_a_file_that_is_no_prior_is_refused(fitted: Path, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    tensors = {**load_file(fitted / "model.safetensors"), **change}
    save_file({name: value for name, value in tensors.items() if value is not None}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=said):
        Prior.read(tmp_path)


def test_a_file_that_is_cut_off_is_refused(fitted: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((fitted / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        Prior.read(tmp_path)


def test_the_command_fits_reports_and_says_how_to_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", folder, tmp_path / "mine", "-q", "6", "--licence", "CC0-1.0", "--trained-on", "drawn"]
    monkeypatch.setattr("sys.argv", ["facebench_darkerbb", *map(str, words)])
    assert command.main() == 0
    said = capsys.readouterr().out
    assert "30 faces, 2 left out" in said and "small.png: image is not 112x112" in said
    assert "6 components explain" in said and "darkerbb-mine" in said
    assert Prior.read(tmp_path / "mine").faces is None
    assert tomllib.loads((tmp_path / "mine" / "prior.toml").read_text())["trained_on"] == ["drawn"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-q", "60"], "60 components were asked for; 60 faces allow 1 to 59"),
        (["--name", "Mine"], "'Mine' is not lower-case"),
        (["--withdrawn", "other"], "'other' is not in trained_on"),
    ],
)
def test_a_fit_that_cannot_be_is_refused(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    asked = ["fit", folder, tmp_path / "mine", "-q", "6", "--licence", "CC0-1.0", "--trained-on", "drawn", *words]
    monkeypatch.setattr("sys.argv", ["facebench_darkerbb", *map(str, asked)])
    assert command.main() == 2
    assert said in capsys.readouterr().err and not (tmp_path / "mine").exists()


def test_a_folder_without_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds 0 images of 112x112"):
        read_faces(tmp_path)


def test_a_fitted_prior_is_five_methods_with_its_own_card(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {method.name for method in facebench_darkerbb.facebench_methods()}
    monkeypatch.setenv("FACEBENCH_DARKERBB", str(fitted))
    methods = {method.name: method for method in facebench_darkerbb.facebench_methods()}
    assert set(methods) - shared == {f"{name}-drawn" for name in shared - {"blobs"}}
    method = methods["darkerbb-drawn"]
    assert (method.licence, method.trained_on) == ("CC0-1.0", ("drawn",))
    assert method.weights is not None and method.weights.find(None, "darkerbb-drawn") == fitted.resolve()
    options = {option.name: option.default for option in method.options}
    assert method.load(bench.Load(weights=fitted, options=options)).prior.size == 10


def test_a_prior_whose_bytes_changed_is_refused(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("model.safetensors", "prior.toml"):
        (tmp_path / name).write_bytes((fitted / name).read_bytes())
    with (tmp_path / "model.safetensors").open("ab") as file:
        file.write(b" ")
    monkeypatch.setenv("FACEBENCH_DARKERBB", str(tmp_path))
    *_, card = read_cards()
    with pytest.raises(bench.FacebenchError, match="expected"):
        card.weights.find(None, "darkerbb-drawn")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "key 'name' is missing"),
        ("name = 'a'\nsha256 = 'b'\nlicence = 'c'\ntrained_on = ['d']\nwithdrawn = []", "key 'sha256'"),
        ("name =", "it is no TOML"),
    ],
)
def test_a_card_that_is_wrong_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    (tmp_path / "prior.toml").write_text(text)
    monkeypatch.setenv("FACEBENCH_DARKERBB", str(tmp_path))
    with pytest.raises(ValueError, match=said):
        read_cards()


@pytest.mark.parametrize(
    ("named", "said"), [("relative/path", "write the whole path"), ("/nowhere/at/all", "cannot be")]
)
def test_a_folder_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, named: str, said: str) -> None:
    monkeypatch.setenv("FACEBENCH_DARKERBB", named)
    with pytest.raises(ValueError, match=said):
        read_cards()


def test_two_priors_of_one_name_are_refused(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prior.toml").write_bytes((fitted / "prior.toml").read_bytes())
    monkeypatch.setenv("FACEBENCH_DARKERBB", os.pathsep.join([str(fitted), str(tmp_path)]))
    with pytest.raises(ValueError, match="another prior"):
        read_cards()


def test_every_method_loads_and_says_which_access_it_needs(fitted: Path) -> None:
    for method in facebench_darkerbb.facebench_methods():
        options = {option.name: option.default for option in method.options}
        loaded = method.load(bench.Load(weights=fitted, options=options))
        assert callable(loaded.invert)
        assert "access similarity" in method.about or "access embedding" in method.about


def test_a_method_without_its_prior_says_so() -> None:
    method = next(m for m in facebench_darkerbb.facebench_methods() if m.name == "darkerbb")
    with pytest.raises(ValueError, match="loaded without weights"):
        method.load(bench.Load(options={option.name: option.default for option in method.options}))


@pytest.mark.realdata_smoke
def test_the_shared_prior_is_orthonormal_and_halved() -> None:
    methods = {method.name: method for method in facebench_darkerbb.facebench_methods()}
    weights = methods["darkerbb"].weights
    root = Path(os.environ["FACEBENCH_MODELS"])
    if not (root / "eigenfaces-lfw").is_dir():
        pytest.skip("needs the shared prior: point FACEBENCH_MODELS at the folder that holds eigenfaces-lfw")
    assert weights is not None
    prior = Prior.read(weights.find(root, "darkerbb"))
    std = load_file(root / "eigenfaces-lfw" / "model.safetensors")["std"]
    assert prior.size == 512
    assert np.linalg.norm(prior.basis, axis=1) == pytest.approx(std / 2, rel=1e-3)
    assert prior.mean.min() >= 0 and prior.mean.max() <= 1


@bench.parametrize_with_checks(["blobs"])
def test_blobs_play_by_the_rules(check: Any) -> None:
    check()
