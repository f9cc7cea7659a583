"""A plugin's folder becomes a repository of the Hub: all of it in one commit, or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_plugin import MODULE, REPO, write_plugin
from loopback_hub import LoopbackHub

from bench.errors import DataDamaged, NeedsInstall, NotPublished, WrongUse
from bench.method import SameCommit
from bench.publish import Shipment, pack_method, publish_method


def packed(folder: Path) -> Shipment:
    return pack_method(write_plugin(folder), REPO)


@pytest.fixture
def published(hub: LoopbackHub, tmp_path: Path) -> str:
    """The commit of the plugin, as its author published it."""
    publish_method(packed(tmp_path / "plugin"))
    return hub.store.repositories["model", REPO].refs["refs/heads/main"]


def test_what_is_sent_is_code_weights_card_and_page(hub: LoopbackHub, published: str) -> None:
    files = hub.store.repositories["model", REPO].resolve("main").files
    code = {"pyproject.toml", "facebench_grey_hub/__init__.py", "facebench_grey_hub/network.py"}
    assert set(files) == code | {"w.safetensors", "facebench.toml", "README.md", ".gitattributes"}
    assert files["w.safetensors"].large and not files["facebench.toml"].large
    page = files["README.md"].data.decode()
    assert page.startswith("---\nlicense: mit\n") and "facebench pin owner/grey" in page and "&amp; columns" in page


def test_publishing_again_changes_nothing_and_code_that_went_goes(
    hub: LoopbackHub, published: str, tmp_path: Path
) -> None:
    shipment = pack_method(tmp_path / "plugin", REPO)
    publish_method(shipment)
    repository = hub.store.repositories["model", REPO]
    assert repository.refs["refs/heads/main"] == published
    hub.store.put("model", REPO, {"old.py": b"x", "notes.md": b"x"})
    publish_method(shipment)
    assert "old.py" not in repository.resolve("main").files and "notes.md" in repository.resolve("main").files


@pytest.mark.parametrize("path", ["/preupload/", "/objects/batch", "PUT", "/commit/"])
@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_publication_that_is_cut_leaves_all_or_nothing(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, drop: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between its attempts
    shipment = packed(tmp_path / "plugin")
    hub.store.create("model", REPO, "owner")
    hub.fault("/objects/" if path == "PUT" else path, method="PUT" if path == "PUT" else "", drop=drop, times=99)
    with pytest.raises(NotPublished):
        publish_method(shipment)
    files = set(hub.store.repositories["model", REPO].resolve("main").files) - {".gitattributes"}
    assert files == (set(shipment.files) if (path, drop) == ("/commit/", "after") else set())
    hub.faults.clear()
    publish_method(shipment)
    assert set(shipment.files) <= set(hub.store.repositories["model", REPO].resolve("main").files)


def test_a_licence_goes_along_and_what_is_not_the_plugin_stays(tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "plugin")
    for name in (
        "LICENSE",
        "notes.md",
        "tests/test_it.py",
        ".env",
        f"{MODULE}/__pycache__/network.pyc",
        f"{MODULE}/x.png",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    sent = set(pack_method(folder, REPO).files)
    assert "LICENSE" in sent
    assert not sent & {"notes.md", "tests/test_it.py", ".env", f"{MODULE}/__pycache__/network.pyc", f"{MODULE}/x.png"}


def test_a_folder_that_is_no_plugin_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongUse, match=r"no pyproject\.toml(.|\n)*--hub"):
        pack_method(tmp_path / "empty", REPO)
    with pytest.raises(WrongUse, match="OWNER/NAME"):
        pack_method(tmp_path / "empty", "$(id)/x")
    folder = write_plugin(tmp_path / "broken", first="raise RuntimeError('my mistake')")
    with pytest.raises(NotPublished, match=r"my mistake(.|\n)*facebench check"):
        pack_method(folder, REPO)


def test_links_and_odd_names_are_not_sent(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x = 1")
    folder = write_plugin(tmp_path / "linked")
    (folder / MODULE / "secret.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(NotPublished, match="symbolic link"):
        pack_method(folder, REPO)
    folder = write_plugin(tmp_path / "odd")
    (folder / MODULE / "a b.py").write_text("x = 1")
    with pytest.raises(NotPublished, match="not plain"):
        pack_method(folder, REPO)


@pytest.mark.parametrize(
    "name", [".env.json", ".ipynb_checkpoints/network-checkpoint.py", "made/.hidden/a.py", "reconstructions/a.csv"]
)
def test_what_is_hidden_or_reconstructed_is_not_sent(name: str, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "plugin")
    (folder / MODULE / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / MODULE / name).write_text("x = 1")
    with pytest.raises(NotPublished, match=r"not sent|never sent"):
        pack_method(folder, REPO)


def test_a_folder_with_reconstructions_at_any_depth_is_not_sent(tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "plugin")
    (folder / "notes" / "of-mine" / "reconstructions").mkdir(parents=True)
    with pytest.raises(NotPublished, match="never sent"):
        pack_method(folder, REPO)


def test_weights_beside_the_code_are_what_the_card_says(tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "plugin")
    (folder / "w.safetensors").write_bytes(b"other")
    with pytest.raises(DataDamaged, match=r"w\.safetensors has SHA-256"):
        pack_method(folder, REPO)
    (folder / "w.safetensors").unlink()
    with pytest.raises(NeedsInstall, match="Put them there"):
        pack_method(folder, REPO)
    with pytest.raises(NeedsInstall, match="facebench list methods"):
        SameCommit({"w.safetensors": "0" * 64}).find(None, "it")
