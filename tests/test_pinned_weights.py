"""A repository of weights without code is pinned by the hashes of its files, and becomes a folder."""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path

import pytest
from conftest import Said
from loopback_hub import LoopbackHub

from bench import hub as door
from bench import pinning, pins
from bench.errors import DataDamaged, NeedsInstall, NotPinnable, PinBroken
from bench.method import Repository

REPO = "lab/weights"
FILES = {
    "config.json": b'{"model_type": "vit"}',
    "vocab.txt": b"a\nb\n",
    "model.safetensors": os.urandom(200_000),
    "README.md": b"a page",
    "pytorch_model.bin": b"a pickle",
    "modeling.py": b"raise SystemExit",
    "onnx/config.json": b"{}",
}
KEPT = {name: hashlib.sha256(FILES[name]).hexdigest() for name in ("config.json", "vocab.txt", "model.safetensors")}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the test's own to work in, and the user's pins elsewhere; no wait between attempts."""
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user" / "pins.toml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(door, "WAITS", (0.0, 0.0))


@pytest.fixture
def commit(hub: LoopbackHub) -> str:
    return hub.store.put("model", REPO, FILES)


def test_a_repository_of_weights_is_shown_and_kept_with_its_hashes(hub: LoopbackHub, commit: str, said: Said) -> None:
    status, out, err = said("pin", REPO, "--yes")
    assert (status, out) == (0, "")
    for shown in (commit, "model.safetensors", "weights", "vocab.txt", "settings", "a pickle, not read"):
        assert shown in err
    (kept,) = tomllib.loads(Path("pins.toml").read_text())["pin"]
    assert (kept["repo"], kept["revision"], kept["files"]) == (REPO, commit, KEPT)
    (pinned,) = pins.read_all()
    assert pinned.files == KEPT and not pinned.methods and pinned.size == sum(len(FILES[name]) for name in KEPT)
    assert said("pin", "--check")[0] == 0


def test_what_is_pinned_is_fetched_and_its_bytes_are_checked(hub: LoopbackHub, commit: str) -> None:
    pinned = pinning.inspect(REPO).pinned
    folder = Repository(REPO, pinned.files, pinned.pin, pinned.size).find(None, "a method")
    assert {path.name for path in folder.iterdir()} == set(KEPT)
    hub.stop()
    assert Repository(REPO, pinned.files, pinned.pin, pinned.size).find(None, "a method") == folder
    (folder / "vocab.txt").resolve().write_bytes(b"b\na\n")
    with pytest.raises(DataDamaged, match=r"vocab\.txt has SHA-256"):
        Repository(REPO, pinned.files, pinned.pin, pinned.size).find(None, "a method")
    with pytest.raises(NeedsInstall, match=f"not pinned\\.\nfacebench pin {REPO}"):
        Repository(REPO, {}).find(None, "a method")


def test_an_update_says_which_files_are_others(hub: LoopbackHub, commit: str, said: Said) -> None:
    pins.put(Path("pins.toml"), pinning.inspect(REPO).pinned)
    hub.store.put("model", REPO, {"config.json": b"{}", "merges.txt": b"", "README.md": b"another page"})
    assert pinning.inspect_update(REPO).changes[1:] == ("config.json is another", "merges.txt is new")
    err = said("pin", REPO, "--update", "--yes")[2]
    assert "changed: config.json is another" in err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.safetensors": None}, r"Its weights are pickles, .*: pytorch_model\.bin"),
        ({"model.safetensors": None, "pytorch_model.bin": None}, "It has no safetensors"),
        ({"config.json": None}, "no pyproject.toml, so it is no plugin"),
        ({"a b.json": b"{}"}, "not plain"),
    ],
)
def test_what_holds_no_weights_to_be_read_is_refused(
    hub: LoopbackHub, changes: dict[str, bytes | None], message: str
) -> None:
    hub.store.put("model", REPO, {name: data for name, data in {**FILES, **changes}.items() if data is not None})
    with pytest.raises(NotPinnable, match=message):
        pinning.inspect(REPO)


@pytest.mark.parametrize("line", ['"../x" = "' + "0" * 64 + '"', '"model.safetensors" = "abc"'])
def test_a_pin_with_other_files_than_plain_names_and_hashes_is_refused(line: str) -> None:
    keys = f'repo = "{REPO}"\nkind = "model"\nrevision = "{"0" * 40}"\nfollows = "main"\nsize = 1'
    Path("pins.toml").write_text(f"facebench = 1\n[[pin]]\n{keys}\n[pin.files]\n{line}\n")
    with pytest.raises(PinBroken, match="files is no table of plain file names"):
        pins.read_all()
