"""The real Hub, read only, where FACEBENCH_TEST_REAL_HUB=1 asks for it; never in continuous integration."""

from __future__ import annotations

import json
import os

import pytest

from bench.hub import fetch, resolve

REPO = "google-bert/bert-base-uncased"


@pytest.mark.skipif(
    os.environ.get("FACEBENCH_TEST_REAL_HUB") != "1", reason="set FACEBENCH_TEST_REAL_HUB=1 to ask the Hub"
)
def test_a_public_repository_is_resolved_and_a_file_of_it_fetched_at_its_commit() -> None:
    listing = resolve(REPO)
    assert len(listing.pin.revision) == 40 and "config.json" in {file.path for file in listing.files}
    folder = fetch(listing.pin, ["config.json"])
    assert json.loads((folder / "config.json").read_text("utf-8"))["model_type"] == "bert"
