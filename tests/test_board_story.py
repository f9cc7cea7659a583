"""From a method's folder to a board that a stranger audits, all over the Hub, by commands alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from board_copies import FACES, LFW
from conftest import Command
from hub_plugin import REPO, write_plugin
from loopback_hub import LoopbackHub

BOARDS = "lab/boards"
PLUGINS = Path(__file__).parent.parent / "plugins"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own pins are not this test's."""
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user-pins.toml"))


def told(done: object) -> str:
    """Standard output of a command that ended well."""
    assert done.returncode == 0, done.stdout + done.stderr  # type: ignore[attr-defined]
    return str(done.stdout)  # type: ignore[attr-defined]


def run(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """'facebench run' without a models root; over real faces it takes longer than commands of tests may."""
    command = [sys.executable, "-m", "bench", "run", *map(str, words)]
    env = {**os.environ, "FACEBENCH_MODELS": ""}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=3600)


def story(hub: LoopbackHub, facebench: Command, tmp_path: Path, repo: str, *question: str | Path) -> str:
    """Pin a published method, run it, publish the result, merge it, audit it elsewhere; the result's path there."""
    from huggingface_hub import HfApi

    told(facebench("pin", repo, "--yes"))
    commit = hub.store.repositories["model", repo].refs["refs/heads/main"]
    name = f"{repo.partition('/')[2]}@{commit[:7]}"
    assert name in told(facebench("list", "methods"))
    told(run(tmp_path, *question, "--method", name))
    hub.store.create("dataset", BOARDS, "owner")
    told(facebench("publish", "results", "runs", "--to", BOARDS, "--yes", HF_TOKEN="hf_guest"))
    HfApi().merge_pull_request(BOARDS, 1, repo_type="dataset")
    told(facebench("publish", "pages", "--to", BOARDS, "--yes"))
    shutil.rmtree(tmp_path / "hf-home")
    found = json.loads(told(facebench("audit", BOARDS, "--json", HF_TOKEN="")))
    assert "accuracy is what the trials give" in [finding["check"] for finding in found]
    assert not [finding for finding in found if finding["skipped"]]
    held = hub.store.repositories["dataset", BOARDS].resolve("main").files
    (path,) = [path for path in held if path.endswith(".json")]
    assert json.loads(held[path].data)["cards"][name]["version"] == commit
    return path


def test_a_pinned_methods_result_is_published_and_asked_again_from_its_pin(
    hub: LoopbackHub, facebench: Command, tmp_path: Path
) -> None:
    told(facebench("publish", "method", write_plugin(tmp_path / "plugin"), "--to", REPO, "--yes"))
    path = story(hub, facebench, tmp_path, REPO, FACES)
    assert path.startswith(f"{FACES}/grey-")
    (again,) = [
        f for f in json.loads(told(facebench("audit", BOARDS, "--rerun", "1", "--json"))) if "again" in f["check"]
    ]
    assert (again["fault"], again["skipped"]) == ("", "")
    told(facebench("pin", REPO, "--remove"))
    left = [
        f["skipped"] for f in json.loads(told(facebench("audit", BOARDS, "--rerun", "1", "--json"))) if f["skipped"]
    ]
    assert f"is not here: facebench pin {REPO} --revision " in left[0]


@pytest.mark.realdata
def test_mobilefacenet_goes_the_whole_way_over_real_faces(
    hub: LoopbackHub, facebench: Command, data_root: Path, models_root: Path, tmp_path: Path
) -> None:
    repo = "owner/mobilefacenet"
    folder = PLUGINS / "facebench-mobilefacenet"
    told(facebench("publish", "method", folder, "--to", repo, "--models", models_root, "--yes"))
    path = story(hub, facebench, tmp_path, repo, LFW, "--data", data_root)
    result = json.loads(hub.store.repositories["dataset", BOARDS].resolve("main").files[path].data)
    assert result["scores"][0]["value"] == pytest.approx(0.9948333, abs=1e-3)
