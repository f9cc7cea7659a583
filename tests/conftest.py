"""What tests share: a synthetic data set in LFW's layout, toy methods, the command, and the way to real data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.plugins import discover

VARIABLES = ("FACEBENCH_DATA", "FACEBENCH_MODELS")
HERE = Path(__file__).parent
FOLDS, EACH = 4, 6
ALIGNED = "verification/lfw/view2-arcface112"
RAW = "verification/lfw/view2"


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


def picture(person: int, shot: int, side: int = 112) -> Image.Image:
    """A synthetic picture: on the left the person's number in stripes, on the right what differs a shot."""
    generator = np.random.default_rng([person, shot])
    bits = [(person + 1) >> bit & 1 for bit in range(8)]
    stripes = np.repeat(np.array(bits) * 160 + 48, -(-side // 8))[:side]
    pixels = np.repeat(stripes[:, None], side, axis=1).astype(float)
    coarse = np.kron(generator.normal(128, 60, (8, 8)), np.ones((side // 8 + 1, side // 8 + 1)))[:side, :side]
    pixels[:, 40:] = 0.25 * pixels[:, 40:] + 0.75 * coarse[:, 40:]
    pixels[:8, :8] = 255 if (person + shot) % 5 else 0
    colours = pixels[:, :, None] + generator.normal(0, 4, (side, side, 3))
    return Image.fromarray(colours.clip(0, 255).astype(np.uint8))


def write_lfw(root: Path, folds: int = FOLDS, each: int = EACH) -> Path:
    """A data root with a synthetic data set in LFW's layout, aligned and raw."""
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        people = [fold * each + i for i in range(each)]
        lines += [f"Person_{p}\t1\t2" for p in people]
        lines += [f"Person_{p}\t1\tPerson_{people[(i + 1) % each]}\t2" for i, p in enumerate(people)]
    for folder, side in (("aligned_112", 112), ("original", 250)):
        for person in range(folds * each):
            place = root / "lfw" / folder / f"Person_{person}"
            place.mkdir(parents=True)
            for shot in (1, 2):
                picture(person, shot, side).save(place / f"Person_{person}_{shot:04d}.jpg", quality=95)
    (root / "lfw" / "pairs.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root that no test changes."""
    return write_lfw(tmp_path_factory.mktemp("data"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A data root of the test's own."""
    return write_lfw(tmp_path / "data", folds=2, each=4)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy methods are plugged in, and discovery begins anew."""
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(HERE / "toys"))
    discover.cache_clear()
    yield
    discover.cache_clear()


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def facebench(tmp_path: Path) -> Command:
    """The command line, in a folder of the test's own."""

    def call(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", *map(str, words)]
        env = {**os.environ, "COLUMNS": "160", **environment}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)

    return call
