"""A card's model comes from a pinned repository once, and then without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import facebench_vlm
import numpy as np
import pytest

import bench
from bench import pinning
from bench.errors import NeedsInstall
from bench.plugins import discover

pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
import tiny

TESTS = Path(__file__).resolve().parents[3] / "tests"
REPO = "lab/tiny"
CARD = f"""name = "own"
repo = "{REPO}"
prompt_format = "Q: {{image}}{{question}} A:"
image_text = "<image>"
licence = "Apache-2.0"
trained_on = []
cite = "none: a test"
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Hub on loopback of facebench's own tests, which lie beside this plugin in its repository."""
    if not (TESTS / "loopback_hub.py").exists():
        pytest.skip("needs tests/loopback_hub.py of facebench's repository")
    monkeypatch.syspath_prepend(str(TESTS))
    import loopback_hub

    served = loopback_hub.LoopbackHub()
    loopback_hub.lead(monkeypatch, {**served.environment(), "HF_HOME": str(tmp_path / "hf-home")})
    (tmp_path / "cards").mkdir()
    monkeypatch.setenv("FACEBENCH_VLM", str(tmp_path / "cards"))
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user" / "pins.toml"))
    monkeypatch.chdir(tmp_path)
    discover.cache_clear()
    yield served
    served.stop()
    discover.cache_clear()


def method() -> bench.Method:
    return next(each for each in facebench_vlm.facebench_methods() if each.name == "own")


def load() -> Any:
    weights = method().weights
    assert weights is not None
    return method().load(bench.Load(weights.find(None, "own"), options={}))


def test_a_pinned_repository_is_fetched_once_and_then_needs_no_network(hub: Any, models: Path, tmp_path: Path) -> None:
    (tmp_path / "cards" / "own.toml").write_text(CARD, "utf-8")
    files = {path.name: path.read_bytes() for path in (models / "smolvlm").iterdir()}
    hub.store.put("model", REPO, {**files, "pytorch_model.bin": b"a pickle", "modeling.py": b"raise SystemExit"})
    with pytest.raises(NeedsInstall, match=f"facebench pin {REPO}$"):
        load()
    pinning.pin(pinning.inspect(REPO, "main"), Path("pins.toml"))
    assert {"own.toml", "model.safetensors", "config.json"} <= set(method().weights.files)
    found = load().loglik(tiny.questions(2), tiny.WORDS)
    hub.stop()
    np.testing.assert_array_equal(load().loglik(tiny.questions(2), tiny.WORDS)["sums"], found["sums"])
    asked = [request for request in hub.requests if "resolve" in request]
    assert asked and not [request for request in asked if ".bin" in request or ".py" in request]
