"""What tests share: a synthetic data set in LFW's layout, toy methods, the command, and the way to real data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from loopback_hub import LoopbackHub, lead
from PIL import Image

import bench
from bench.cli import main
from bench.plugins import discover
from bench.protocols import lfw
from bench.tasks import verification

settings.register_profile("facebench", deadline=None)  # a loaded machine is no fault
settings.load_profile("facebench")
VARIABLES = ("FACEBENCH_DATA", "FACEBENCH_MODELS")
HERE = Path(__file__).parent
FOLDS, EACH = 4, 6
ALIGNED = "verification/lfw/view2-arcface112"
RAW = "verification/lfw/view2"
OFFICIAL, PRIVATE = "verification/toy/pairs", "verification/toy/private"
DRAWS = 100  # enough to tell the toys from the floors, and ten times as fast as the official number


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
    """The toy methods are plugged in, no repository is pinned, and discovery begins anew."""
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(HERE / "toys"))
    monkeypatch.setenv("FACEBENCH_PINS", str(HERE / "no-pins.toml"))
    discover.cache_clear()
    yield
    discover.cache_clear()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A Hub on loopback that the clients here and in processes begun here are led to, with an empty cache."""
    served = LoopbackHub()
    lead(monkeypatch, {**served.environment(), "HF_HOME": str(tmp_path / "hf-home")})
    yield served
    served.stop()


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def facebench(tmp_path: Path) -> Command:
    """The command line, in a folder of the test's own."""

    def call(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", *map(str, words)]
        env = {**os.environ, "COLUMNS": "160", **environment}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)

    return call


TOY_PROTOCOLS = """
from dataclasses import replace
import bench
from bench.protocols.lfw import PROTOCOLS

@bench.hookimpl
def facebench_protocols():
    pairs = replace(PROTOCOLS[1], name={official!r}, trials_sha256={trials!r})
    return [pairs, replace(pairs, name={private!r}, data=replace(pairs.data, trials_publishable=False))]
"""


@pytest.fixture(scope="session")
def toy_protocols(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """FACEBENCH_PLUGINS with the toys and two protocols whose official trials are the synthetic ones."""
    folder = tmp_path_factory.mktemp("toy-protocols")
    trials = lfw.read_view2(synthetic, ("aligned_112",), (112, 112), "").trials_sha256
    code = TOY_PROTOCOLS.format(official=OFFICIAL, private=PRIVATE, trials=trials)
    (folder / "toy_protocols.py").write_text(code)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "toy-protocols"\nversion = "1"\n'
        '[project.entry-points.facebench]\ntoy-protocols = "toy_protocols"\n'
    )
    return os.pathsep.join([str(HERE / "toys"), str(folder)])


@pytest.fixture
def official(toys: None, toy_protocols: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two toy protocols are plugged in beside the toys; scoring draws as often as the runs did."""
    monkeypatch.setenv("FACEBENCH_PLUGINS", toy_protocols)
    monkeypatch.setattr(verification, "REPLICATES", DRAWS)
    discover.cache_clear()


@pytest.fixture(scope="session")
def runs(synthetic: Path, toy_protocols: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished cells that no test changes: five of the official toy protocol, one limited, one of the private one."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEBENCH_PLUGINS", toy_protocols)
        patch.setattr(verification, "REPLICATES", DRAWS)
        discover.cache_clear()
        bench.run(OFFICIAL, ["perfect", "toy", "fails-some", "random", "constant"], data=synthetic, out=out)
        bench.run(OFFICIAL, "toy", data=synthetic, out=out, limit=16)
        bench.run(PRIVATE, "toy", data=synthetic, out=out)
    discover.cache_clear()
    return out


Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """The command line in this process: words to exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path, columns: int = 160) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "argv", ["facebench", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


AnsweredBy = Callable[..., bench.Result]


@pytest.fixture
def answered_by(synthetic: Path, tmp_path: Path) -> AnsweredBy:
    """Run a method that answers by ``embed(vectors, faces)``, ``vectors`` being honest ones, into ``out``."""

    def call(
        embed: Callable[..., object], out: str = "out", data: Path = synthetic, **settings: object
    ) -> bench.Result:
        def load(given: bench.Load) -> object:
            class Made:  # made here, so that it goes to the worker by value
                def embed(self, faces):  # type: ignore[no-untyped-def]
                    grey = [face.pixels[::8, ::8].mean(axis=2, dtype=np.float32).reshape(-1) for face in faces]
                    return embed(np.stack(grey), faces)

            return Made()

        card = bench.Method("made-here", frozenset({"verification"}), load, inputs=frozenset({"arcface-112"}), batch=8)
        (result,) = bench.run(ALIGNED, card, data=data, out=tmp_path / out, **settings)
        return result

    return call
