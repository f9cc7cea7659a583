"""Weights of a card come from a pinned repository once, and then without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import pinning, pins
from bench.conformance import checks
from bench.errors import NeedsInstall, NotPinnable
from bench.hub import Pin
from bench.plugins import discover
from bench.runner import card
from bench.submission import unavailable

pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
REPO = "lab/tiny"
BY_REPO = {"repo": REPO, "folder": None}


def put(hub: Any, place: Any, **more: bytes | None) -> str:
    """Lay the model's folder into its repository, with other files beside it or some left out."""
    files = {path.name: path.read_bytes() for path in place.model.iterdir()}
    files |= {name.replace("__", "."): data for name, data in more.items()}  # type: ignore[misc]
    commit: str = hub.store.put("model", REPO, {name: data for name, data in files.items() if data is not None})
    return commit


def pin(revision: str = "main") -> Pin:
    """What 'facebench pin lab/tiny' does after a person agreed."""
    found = pinning.inspect(REPO, revision)
    pinning.pin(found, Path("pins.toml"))
    return found.pinned.pin


def test_a_pinned_repository_is_fetched_once_and_then_needs_no_network(hub: Any, place: Any) -> None:
    place.save("vit")
    put(hub, place, pytorch_model__bin=b"a pickle", modeling__py=b"raise SystemExit", adapter_config__json=b"{}")
    place.card(**BY_REPO)
    with pytest.raises(NeedsInstall, match=f"facebench pin {REPO}$"):
        place.load()
    agreed = pin()
    weights = place.method().weights
    assert weights.pin == agreed and str(weights.pin) == f"{REPO}@{agreed.revision}"
    local = place.sha256("config.json", "model.safetensors", "preprocessor_config.json")
    assert set(weights.files) == {*local, "tiny.toml"} and local.items() <= weights.files.items()
    found = place.load().embed(place.faces(2))
    hub.stop()
    np.testing.assert_array_equal(place.load().embed(place.faces(2)), found)
    loads = next(bound for bound in checks("tiny", place.models) if bound.check.name == "loads")
    assert loads.outcome().state == "passed"  # in a worker, which sees no pins of this folder
    asked = [request for request in hub.requests if "resolve" in request]
    assert asked and not [request for request in asked if ".bin" in request or ".py" in request]


def test_a_moved_branch_changes_nothing_and_a_card_may_ask_for_a_commit(hub: Any, place: Any) -> None:
    place.save("vit")
    first = put(hub, place)
    place.card(**BY_REPO, revision=first)
    pin()
    rows = place.load().embed(place.faces(2))
    place.save("vit-classes")
    second = put(hub, place)
    np.testing.assert_array_equal(place.load().embed(place.faces(2)), rows)
    assert pin().revision == second
    with pytest.raises(NeedsInstall, match=f"facebench pin {REPO} --revision {first}"):
        place.load()
    assert "model.safetensors is another" in pinning._changes(pins.read_all()[0], pinning.inspect(REPO, first).pinned)


def test_a_folder_counts_as_the_repository_where_its_files_are_the_pins(hub: Any, place: Any) -> None:
    place.save("vit")
    put(hub, place)
    place.card(repo=REPO)
    assert place.method().weights.source == ""
    assert unavailable("tiny", card(discover().method("tiny"))) == "nobody hands out the weights of tiny"
    agreed = pin()
    assert place.method().weights.source == str(agreed)
    discover.cache_clear()
    assert unavailable("tiny", card(discover().method("tiny"))) == ""
    (place.model / "config.json").write_text((place.model / "config.json").read_text() + "\n")
    place.card(repo=REPO)
    assert place.method().weights.source == ""


def test_a_repository_of_pickles_is_not_pinned(hub: Any, place: Any) -> None:
    place.save("vit")
    put(hub, place, model__safetensors=None, pytorch_model__bin=b"a pickle")
    with pytest.raises(NotPinnable, match=r"pickles, which run code when they are read: pytorch_model\.bin"):
        pin()
