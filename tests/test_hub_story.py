"""From a folder to a repository of the Hub and back into another person's run, by commands alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ALIGNED, Command
from loopback_hub import LoopbackHub

from bench import results

PLUGINS = Path(__file__).parent.parent / "plugins"


def told(done: object) -> str:
    """Standard output of a command that ended well."""
    assert done.returncode == 0, done.stdout + done.stderr  # type: ignore[attr-defined]
    return str(done.stdout)  # type: ignore[attr-defined]


def scores(folder: Path) -> results.Result:
    (path,) = folder.rglob("result.json")
    return results.read(path)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own pins are not this test's."""
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user-pins.toml"))


def test_a_new_method_is_published_pinned_listed_and_run(
    hub: LoopbackHub, facebench: Command, synthetic: Path, tmp_path: Path
) -> None:
    told(facebench("new", "method", "tiny-grey", "--hub"))
    assert "SameCommit" in (tmp_path / "tiny-grey/facebench_tiny_grey.py").read_text()
    assert "facebench publish method" in (tmp_path / "tiny-grey/README.md").read_text()
    assert facebench("publish", "method", "tiny-grey", "--to", "owner/tiny-grey").returncode == 2  # nobody to ask
    assert ("model", "owner/tiny-grey") not in hub.store.repositories
    address = told(facebench("publish", "method", "tiny-grey", "--to", "owner/tiny-grey", "--yes"))
    commit = hub.store.repositories["model", "owner/tiny-grey"].refs["refs/heads/main"]
    assert address.strip().endswith(commit)
    told(facebench("pin", "owner/tiny-grey", "--yes"))
    assert f"tiny-grey@{commit[:7]}" in told(facebench("list", "methods"))
    told(facebench("run", ALIGNED, "--method", f"tiny-grey@{commit[:7]}", "--data", synthetic, "--limit", "16"))
    assert scores(tmp_path / "runs").failures == 0


def test_a_guest_proposes_a_method_by_pull_request(hub: LoopbackHub, facebench: Command) -> None:
    told(facebench("new", "method", "tiny-grey", "--hub"))
    send = ("publish", "method", "tiny-grey", "--to", "lab/tiny-grey", "--yes")
    told(facebench(*send))
    refused = facebench(*send, HF_TOKEN="hf_guest")
    assert refused.returncode == 1 and "refused the token" in refused.stderr
    hub.store.repositories["model", "lab/tiny-grey"].commit("refs/heads/main", {}, "emptied", "owner")
    assert told(facebench(*send, "--pull", HF_TOKEN="hf_guest")).strip().endswith("/discussions/1")
    told(facebench("pin", "lab/tiny-grey", "--revision", "refs/pr/1", "--yes"))


@pytest.mark.realdata_smoke
def test_mobilefacenet_from_the_hub_has_the_figures_of_the_local_folder(
    hub: LoopbackHub, facebench: Command, data_root: Path, models_root: Path, tmp_path: Path
) -> None:
    repo, folder = "owner/mobilefacenet", PLUGINS / "facebench-mobilefacenet"
    told(facebench("publish", "method", folder, "--to", repo, "--models", models_root, "--yes"))
    told(facebench("pin", repo, "--yes"))
    commit = hub.store.repositories["model", repo].refs["refs/heads/main"]
    name = f"mobilefacenet@{commit[:7]}"
    assert name in told(facebench("list", "methods"))
    question = ("verification/lfw/view2-arcface112", "--limit", "200", "--data", data_root)
    # The pinned one finds its weights beside its code: no models root is given.
    told(facebench("run", *question, "--method", name, "--out", "hub", FACEBENCH_MODELS=""))
    told(facebench("run", *question, "--method", "mobilefacenet", "--out", "local", "--models", models_root))
    ours, theirs = scores(tmp_path / "hub"), scores(tmp_path / "local")
    assert ours.scores == theirs.scores and ours.failures == theirs.failures == 0
    assert ours.trials_sha256 == theirs.trials_sha256
    card = ours.cards[name]
    assert (card.distribution, card.version) == (repo, commit)
    assert card.weights == theirs.cards["mobilefacenet"].weights
    hub.stop()
    told(facebench("run", *question, "--method", name, "--out", "offline", FACEBENCH_MODELS="", HF_HUB_OFFLINE="1"))
    assert scores(tmp_path / "offline").to_json() == ours.to_json()
