"""What tests share: a small synthetic data set in LFW's layout, toy methods, and the way to real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLES = ("FACEBENCH_DATA", "FACEBENCH_MODELS")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests on real data, saying what to set, where it is not at hand."""
    absent = [name for name in VARIABLES if not Path(os.environ.get(name) or "-").is_dir()]
    if absent:
        reason = f"needs real data: point {' and '.join(absent)} at it"
        for item in items:
            if any(item.iter_markers("realdata")) or any(item.iter_markers("realdata_smoke")):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def data_root() -> Path:
    """Real data sets."""
    return Path(os.environ["FACEBENCH_DATA"]).resolve()


@pytest.fixture
def models_root() -> Path:
    """Real weights."""
    return Path(os.environ["FACEBENCH_MODELS"]).resolve()
