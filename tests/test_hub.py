"""The door to the Hub: a pin becomes a path or a data set, and every refusal says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_store import Blob, pretending, symlink
from huggingface_hub import hf_hub_download
from loopback_hub import GUEST, LoopbackHub, lead

from bench import hub as door
from bench.errors import NotFetched, NotPinnable, Unpinned, WrongUse
from bench.hub import Pin, fetch, resolve

REPO = "lab/faces"
WEIGHTS = os.urandom(200_000)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as ever, without a wait between them."""
    monkeypatch.setattr(door, "WAITS", (0.0, 0.0))


@pytest.fixture
def commit(hub: LoopbackHub) -> str:
    """A repository with a module and weights."""
    return hub.store.put("model", REPO, {"a/b.py": b"x = 1\n", "w.safetensors": WEIGHTS})


@pytest.mark.parametrize("revision", ["main", "1a2b3c4", "0" * 39, "0" * 41, "G" * 40, "A" * 40])
def test_only_a_whole_commit_is_a_pin(revision: str) -> None:
    with pytest.raises(Unpinned, match="facebench pin lab/faces"):
        Pin(REPO, revision)


@pytest.mark.parametrize(
    "repo",
    ["faces", "a/b/c", "../x", "a/..", "a/$(id)", "a/<b>", "a b/c", "-a/b", "a--b/c", "/a/b", "a/b\n", "a/" + "b" * 97],
)
def test_a_repository_has_a_plain_name(repo: str) -> None:
    for call in (lambda: Pin(repo, "0" * 40), lambda: resolve(repo)):
        with pytest.raises(WrongUse, match="OWNER/NAME"):
            call()


def test_a_revision_is_resolved_with_its_files_and_nothing_is_downloaded(hub: LoopbackHub, commit: str) -> None:
    listing = resolve(REPO)
    assert listing.pin == Pin(REPO, commit)
    assert {(f.path, f.size) for f in listing.files} == {
        ("a/b.py", 6),
        ("w.safetensors", 200_000),
        (".gitattributes", 0),
    }
    assert listing.odd == ()
    assert not [asked for asked in hub.requests if "resolve" in asked]


def test_a_pin_becomes_a_folder_once(hub: LoopbackHub, commit: str) -> None:
    folder = fetch(Pin(REPO, commit), ["a/b.py", "*.safetensors"])
    assert (folder / "w.safetensors").read_bytes() == WEIGHTS
    assert (folder / "a/b.py").read_text() == "x = 1\n"
    hub.requests.clear()
    assert fetch(Pin(REPO, commit), ["a/b.py", "*.safetensors"]) == folder
    assert not hub.requests


def test_only_what_is_named_is_fetched(hub: LoopbackHub, commit: str) -> None:
    folder = fetch(Pin(REPO, commit), ["a/b.py"])
    assert not (folder / "w.safetensors").exists()
    assert (fetch(Pin(REPO, commit), ["w.safetensors"]) / "w.safetensors").exists()


def test_a_pattern_is_not_taken_to_be_cached_because_another_program_fetched_a_file(
    hub: LoopbackHub, commit: str
) -> None:
    hf_hub_download(REPO, "a/b.py", revision=commit)
    folder = fetch(Pin(REPO, commit), ["*"])
    assert (folder / "w.safetensors").exists()


def test_a_moved_branch_changes_nothing(hub: LoopbackHub, commit: str) -> None:
    hub.store.put("model", REPO, {"a/b.py": b"x = 2\n"})
    assert (fetch(Pin(REPO, commit), ["a/b.py"]) / "a/b.py").read_text() == "x = 1\n"
    assert resolve(REPO).pin.revision != commit


def test_what_is_cached_needs_no_network(
    hub: LoopbackHub, commit: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fetch(Pin(REPO, commit), ["a/b.py"])
    hub.stop()
    assert fetch(Pin(REPO, commit), ["a/b.py"])
    with pytest.raises(NotFetched, match="could not be reached"):
        fetch(Pin(REPO, commit), ["w.safetensors"])
    lead(monkeypatch, {**hub.environment(), "HF_HOME": str(tmp_path / "hf-home"), "HF_HUB_OFFLINE": "1"})
    assert fetch(Pin(REPO, commit), ["a/b.py"])
    with pytest.raises(NotFetched, match="HF_HUB_OFFLINE"):
        fetch(Pin(REPO, commit), ["w.safetensors"])


def test_a_download_that_is_cut_goes_on(hub: LoopbackHub, commit: str) -> None:
    hub.fault("resolve/.*/w.safetensors", method="GET", cut=70_000, times=2)
    folder = fetch(Pin(REPO, commit), ["w.safetensors"])
    assert (folder / "w.safetensors").read_bytes() == WEIGHTS
    assert sum(fault.times for fault in hub.faults) == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_hub_is_asked_again_and_then_reported(hub: LoopbackHub, commit: str, status: int) -> None:
    hub.fault("/revision/", status=status, times=2, headers={"Retry-After": "0"})
    assert resolve(REPO).pin.revision == commit
    hub.fault("/revision/", status=status, times=99)
    with pytest.raises(NotFetched, match=rf"answered {status} to 3 attempts(.|\n)*the same command goes on"):
        resolve(REPO)
    assert hub.faults[-1].times == 96


def test_a_dropped_connection_is_tried_again(hub: LoopbackHub, commit: str) -> None:
    hub.fault("/tree/", drop="before")
    hub.fault("/revision/", drop="before")
    assert resolve(REPO).pin.revision == commit


def test_what_may_not_be_had_is_said_with_what_to_do(
    hub: LoopbackHub, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFetched, match=r"does not exist, or is private(.|\n)*hf auth login"):
        resolve("lab/none")
    with pytest.raises(NotFetched, match="no such revision"):
        resolve(REPO, "v9")
    with pytest.raises(NotFetched, match="no such revision"):
        fetch(Pin(REPO, "0" * 40), ["a/b.py"])
    with pytest.raises(NotFetched, match=r"no file a/c\.py"):
        fetch(Pin(REPO, commit), ["a/c.py"])
    monkeypatch.setenv("HF_TOKEN", GUEST)
    hub.store.repositories["model", REPO].gated = True
    with pytest.raises(NotFetched, match=r"is gated(.|\n)*Ask for access"):
        fetch(Pin(REPO, commit), ["a/b.py"])
    hub.store.repositories["model", REPO].private = True
    with pytest.raises(NotFetched, match="is private"):
        resolve(REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    with pytest.raises(NotFetched, match="refused the token"):
        resolve(REPO)


def test_no_error_tells_the_token(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_mine")
    with pytest.raises(NotFetched) as refused:
        resolve("lab/none")
    assert "secret" not in str(refused.value)


def test_what_is_too_large_is_refused_before_it_is_downloaded(hub: LoopbackHub) -> None:
    commit = hub.store.put("model", REPO, {"w.safetensors": pretending(b"x", 10 << 30)})
    with pytest.raises(NotPinnable, match=r"declares 10\.7 GB(.|\n)*--max-size"):
        fetch(Pin(REPO, commit), ["w.safetensors"])
    assert not [asked for asked in hub.requests if "resolve/" in asked]


@pytest.mark.parametrize(
    "name", ["../up.py", "a/../../up.py", "/up.py", "a b.py", "a;b.py", "<b>.py", "a$(id).py", "-r.py", "a\n.py"]
)
def test_a_file_has_a_plain_name(hub: LoopbackHub, name: str, tmp_path: Path) -> None:
    commit = hub.store.put("model", REPO, {name: b"x"})
    with pytest.raises(NotPinnable, match="is not plain"):
        fetch(Pin(REPO, commit), ["*"])
    assert not list(tmp_path.rglob("*up.py"))


def test_a_link_is_told_from_a_folder(hub: LoopbackHub) -> None:
    hub.store.put("model", REPO, {"a/b.py": b"x", "a/link": symlink("/etc/hostname"), "sub": Blob(b"", kind="commit")})
    assert set(resolve(REPO).odd) == {"a/link", "sub"}


def test_a_cache_that_was_tampered_with_does_not_lead_out(hub: LoopbackHub, commit: str, tmp_path: Path) -> None:
    folder = fetch(Pin(REPO, commit), ["a/b.py"])
    (tmp_path / "own.py").write_text("mine")
    (folder / "a/b.py").unlink()
    (folder / "a/b.py").symlink_to(tmp_path / "own.py")
    with pytest.raises(NotFetched, match="leads out of"):
        fetch(Pin(REPO, commit), ["a/b.py"])


def test_a_repository_with_too_many_files_is_refused(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_FILES", 5)
    hub.store.put("model", REPO, {f"{i}.txt": b"x" for i in range(6)})
    with pytest.raises(NotPinnable, match="over 5 files"):
        resolve(REPO)


DATA = """
import datasets, sys
from huggingface_hub import HfApi
from bench.hub import Pin, load_dataset, resolve
if sys.argv[1] == "make":
    datasets.Dataset.from_dict({"x": [1, 2, 3]}).push_to_hub("owner/table")
    pin = resolve("owner/table", kind="dataset").pin
    datasets.Dataset.from_dict({"x": [9]}).push_to_hub("owner/table")
    print(pin.revision)
else:
    pin = Pin("owner/table", sys.argv[1], "dataset")
for streaming in (False, True) if sys.argv[1] == "make" else (False,):
    print([row["x"] for row in load_dataset(pin, split="train", streaming=streaming)])
"""


def test_a_data_set_is_read_at_its_commit_and_again_without_a_network(hub: LoopbackHub) -> None:
    pytest.importorskip("datasets")

    def run(word: str, **variables: str) -> list[str]:
        env = {**os.environ, **variables}
        done = subprocess.run([sys.executable, "-c", DATA, word], capture_output=True, text=True, env=env, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.split("\n")[:-1]

    revision, *rows = run("make")[-3:]
    assert rows == ["[1, 2, 3]"] * 2
    hub.stop()
    assert run(revision, HF_HUB_OFFLINE="1") == ["[1, 2, 3]"]


def test_a_data_set_is_no_model(hub: LoopbackHub, commit: str) -> None:
    with pytest.raises(WrongUse, match="--kind dataset"):
        door.load_dataset(Pin(REPO, commit))
