"""A method of the Hub is run from its pinned commit only, each byte checked, and after one fetch without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ALIGNED, DRAWS, Said
from hub_plugin import MODULE, REPO, write_plugin
from hub_store import Blob
from loopback_hub import LoopbackHub, lead

from bench import results
from bench.plugins import discover
from bench.publish import pack_method, publish_method
from bench.tasks import verification


@pytest.fixture
def agreed(hub: LoopbackHub, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Pin the repository and return its commit; the user's own pins are elsewhere."""
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user-pins.toml"))
    monkeypatch.setattr(verification, "REPLICATES", DRAWS)

    def pin() -> str:
        status, _, err = said("pin", REPO, "--yes")
        assert status == 0, err
        return hub.store.repositories["model", REPO].refs["refs/heads/main"]

    return pin


@pytest.fixture
def pinned(agreed: Callable[[], str], tmp_path: Path) -> str:
    """The plugin, published and pinned; its commit."""
    publish_method(pack_method(write_plugin(tmp_path / "plugin"), REPO))
    return agreed()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(said: Said, synthetic: Path) -> Run:
    """Ask a method: exit status and what was said."""

    def call(method: str, out: str = "runs") -> tuple[int, str]:
        discover.cache_clear()
        words = ("run", ALIGNED, "--method", method, "--data", synthetic, "--limit", "16", "--out", out)
        status, _, err = said(*words)
        return status, err

    return call


def change(hub: LoopbackHub, commit: str, path: str, data: bytes) -> None:
    """Serve other bytes at the same commit, which git would not."""
    held = hub.store.repositories["model", REPO].commits[commit].files
    held[path] = Blob(data, held[path].large)  # type: ignore[index]


def result_of(tmp_path: Path, out: str = "runs") -> results.Result:
    (path,) = (tmp_path / out).rglob("result.json")
    return results.read(path)


def test_it_runs_with_the_figures_of_the_local_folder(
    run: Run, tmp_path: Path, pinned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"grey@{pinned[:7]}"
    status, said = run(name)
    assert status == 0, said
    result = result_of(tmp_path)
    assert result.name == name
    card = result.cards[name]
    assert (card.distribution, card.version, card.licence) == (REPO, pinned, "MIT")
    assert set(card.weights) == {"w.safetensors"}
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(tmp_path / "plugin"))
    assert run("grey", "local")[0] == 0
    assert result_of(tmp_path, "local").scores == result.scores


@pytest.mark.parametrize("name", [REPO, "grey", f"{REPO}@1", "grey:flip=on"])
def test_it_is_named_by_its_repository_or_its_bare_name(pinned: str, name: str) -> None:
    found = discover().method(name.replace("@1", f"@{pinned[:5]}"))
    assert str(found) == f"grey@{pinned[:7]}" + (":flip=on" if "flip" in name else "")
    assert str(discover().method(str(found))) == str(found)


def test_it_is_listed_from_its_card(said: Said, pinned: str, hub: LoopbackHub) -> None:
    hub.stop()
    discover.cache_clear()
    listed = said("list", "methods")[1]
    assert f"grey@{pinned[:7]}" in listed and "grey rows & columns" in listed
    plugins = said("list", "plugins")[1]
    assert REPO in plugins and "hub" in plugins


def test_after_one_fetch_it_needs_no_network(
    run: Run, tmp_path: Path, pinned: str, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("grey")[0] == 0
    hub.stop()
    lead(monkeypatch, {**hub.environment(), "HF_HOME": str(tmp_path / "hf-home"), "HF_HUB_OFFLINE": "1"})
    status, said = run("grey", "offline")
    assert status == 0, said
    assert result_of(tmp_path, "offline").scores == result_of(tmp_path).scores
    shutil.rmtree(tmp_path / "hf-home")
    status, said = run("grey", "empty")
    assert status == 1 and "HF_HUB_OFFLINE" in said


def test_one_byte_of_code_changed_on_the_hub_is_refused(
    run: Run, said: Said, tmp_path: Path, pinned: str, hub: LoopbackHub
) -> None:
    shutil.rmtree(tmp_path / "hf-home")
    data = hub.store.repositories["model", REPO].commits[pinned].files[f"{MODULE}/network.py"].data
    change(hub, pinned, f"{MODULE}/network.py", data.replace(b"axis=2", b"axis=1"))
    status, told = run("grey")
    assert status == 1 and f"{MODULE}/network.py was changed after it was pinned" in told
    status, out, _ = said("pin", "--check")
    assert status == 1 and "fault" in out


def test_one_byte_of_code_changed_in_the_cache_is_refused(run: Run, tmp_path: Path, pinned: str) -> None:
    (held,) = (tmp_path / "hf-home").rglob(f"snapshots/*/{MODULE}/network.py")
    text = held.read_bytes()
    held.resolve().write_bytes(text[:-1] + b" ")
    status, said = run("grey")
    assert status == 1 and "was changed after it was pinned" in said


def test_weights_of_other_bytes_are_refused(run: Run, pinned: str, hub: LoopbackHub) -> None:
    change(hub, pinned, "w.safetensors", b"x" * 864)
    status, said = run("grey")
    assert status == 1 and "w.safetensors has SHA-256" in said


def test_a_moved_branch_changes_nothing(run: Run, tmp_path: Path, pinned: str, hub: LoopbackHub) -> None:
    hub.store.put("model", REPO, {f"{MODULE}/network.py": b"raise SystemExit(3)\n"})
    shutil.rmtree(tmp_path / "hf-home")
    status, said = run("grey")
    assert status == 0, said
    assert result_of(tmp_path).cards[f"grey@{pinned[:7]}"].version == pinned


def test_code_that_is_not_what_its_card_says_is_refused(
    run: Run, tmp_path: Path, hub: LoopbackHub, agreed: Callable[[], str]
) -> None:
    shipment = pack_method(write_plugin(tmp_path / "plugin"), REPO)
    files = {path: data if isinstance(data, bytes) else data.read_bytes() for path, data in shipment.files.items()}
    files["facebench.toml"] = files["facebench.toml"].replace(b'licence = "MIT"', b'licence = "Apache-2.0"')
    hub.store.put("model", REPO, files)
    agreed()
    status, said = run("grey")
    assert status == 1 and "licence is 'MIT' in its code and 'Apache-2.0' on its card" in said


def test_a_missing_package_is_named_and_nothing_is_installed(run: Run, tmp_path: Path, pinned: str) -> None:
    place = tmp_path / "pins.toml"
    place.write_text(place.read_text().replace('needs = ["numpy"', 'needs = ["no_such_package"'))
    status, said = run("grey")
    assert status == 1 and "pip install no_such_package" in said


def test_its_worker_gets_no_token_and_its_module_a_name_of_its_own(
    run: Run, tmp_path: Path, agreed: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, work = tmp_path / "told", tmp_path / "tmp"
    first = f"import os; open({str(told)!r}, 'w').write(__name__ + ' ' + os.environ.get('HF_TOKEN', 'none'))"
    publish_method(pack_method(write_plugin(tmp_path / "plugin", first=first), REPO))
    agreed()
    work.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(work))
    assert run("grey")[0] == 0
    name, token = told.read_text().split()
    assert name.startswith("facebench_hub_") and name.endswith(MODULE) and token == "none"
    assert not [name for name in os.listdir(work) if name.startswith("facebench-code-")]


def test_it_may_be_checked(said: Said, pinned: str) -> None:
    discover.cache_clear()
    status, out, err = said("check", "grey", "--json")
    assert status == 0, out[-2000:] + err
    assert '"failed"' not in out
