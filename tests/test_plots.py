"""Plots: which files there are, what stands in them, that they are the same twice, and that no name breaks them."""

from __future__ import annotations

import json
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_trials import made_trials
from PIL import Image

import bench
from bench import boards, plots
from bench.answers import contents_sha256, write_table
from bench.errors import Mismatch, NeedsInstall, NotAResult, UnknownName, WrongUse
from bench.leaderboard import Entry
from bench.metrics.biometric import Comparisons, tar_at_far
from bench.plots import Line

OFFICIAL = "verification/toy/pairs"
Said = Callable[..., tuple[int, str, str]]
VERIFICATION, IDENTIFICATION = ["det", "roc", "scores"], ["cmc", "fnir"]
ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.usefixtures("official")


def cell(runs: Path, method: str) -> Path:
    found = runs.joinpath(*OFFICIAL.split("/")).glob(f"{method}-????????/result.json")
    (path,) = (p for p in found if '"limit": null,' in p.read_text())
    return path.parent


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """A run that a test may change and draw into."""
    return Path(shutil.copytree(cell(runs, "fails-some"), tmp_path / "copied"))


def retold(folder: Path, **changes: object) -> Path:
    """Change a result's file."""
    data = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**data, **changes}))
    return folder


def refilled(folder: Path, seed: int, **given: object) -> Path:
    """Give a run other trials, which its result names as its own."""
    trials = made_trials(seed, **given)  # type: ignore[arg-type]
    write_table(folder / "trials.parquet", trials)
    return retold(folder, trials_sha256=contents_sha256(trials))


def texts(path: Path) -> str:
    """All text in a picture, which is XML."""
    return "\n".join(ET.parse(path).getroot().itertext())


# Files.


def test_one_run_is_drawn_into_its_own_folder(said: Said, copied: Path) -> None:
    status, out, err = said("plot", copied)
    assert status == 0, err
    assert out.split() == [str(copied / f"{name}.svg") for name in VERIFICATION]
    assert OFFICIAL in texts(copied / "det.svg") and "not resolved" in texts(copied / "roc.svg")
    assert "failed comparisons are not shown" in texts(copied / "scores.svg")


def test_several_results_are_drawn_over_each_other_elsewhere(runs: Path, tmp_path: Path) -> None:
    methods = ("perfect", "toy", "constant")
    written = plots.plot([cell(runs, method) for method in methods], tmp_path / "out")
    assert [path.name for path in written] == [f"{name}.svg" for name in VERIFICATION]
    assert all(method in texts(path) for path in written for method in methods)


def test_a_search_has_a_cmc_and_fnir_over_fpir(synthetic: Path, tmp_path: Path) -> None:
    bench.run("identification/synthetic/faces", "hog", limit=40, out=tmp_path)
    (folder,) = (path.parent for path in tmp_path.rglob("result.json"))
    assert [path.stem for path in plots.plot([folder])] == IDENTIFICATION
    assert "rank" in texts(folder / "cmc.svg") and "FPIR" in texts(folder / "fnir.svg")


def test_png_is_an_option(copied: Path) -> None:
    for path in plots.plot([copied], form="png"):
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG" and picture.width > 600 and len(np.unique(np.asarray(picture))) > 5


@pytest.mark.parametrize("form", plots.FORMATS)
def test_the_same_results_give_the_same_bytes_whatever_the_users_style(
    form: str, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    once = [path.read_bytes() for path in plots.plot([copied], tmp_path / "once", form)]
    monkeypatch.setitem(matplotlib.rcParams, "axes.facecolor", "red")
    monkeypatch.setitem(matplotlib.rcParams, "svg.hashsalt", None)
    assert [path.read_bytes() for path in plots.plot([copied], tmp_path / "again", form)] == once
    assert matplotlib.rcParams["axes.facecolor"] == "red", "the user's style is left as it was"
    assert not any(b"<dc:date>" in data for data in once)


# What is drawn.


def test_models_fitted_by_fold_have_a_curve_each_and_no_threshold(copied: Path, tmp_path: Path) -> None:
    plots.plot([refilled(copied, 0, fitted=True, pairs=700)], tmp_path / "fitted")
    assert "(3 folds)" in texts(tmp_path / "fitted" / "det.svg")
    shown = texts(tmp_path / "fitted" / "scores.svg")
    assert "scores of 3 models" in shown and "threshold" not in shown
    plots.plot([refilled(copied, 0, pairs=700)], tmp_path / "one")
    shown = texts(tmp_path / "one" / "scores.svg")
    assert "threshold of FMR 1e-2" in shown and "threshold of FMR 1e-3" not in shown, "1e-3 is not resolved"


def test_comparisons_without_folds_are_drawn_too(copied: Path) -> None:
    trials = {name: column for name, column in made_trials(0).items() if name in ("score", "mated")}
    write_table(copied / "trials.parquet", trials)
    assert len(plots.plot([retold(copied, trials_sha256=contents_sha256(trials))])) == 3


def test_a_curve_is_parted_where_it_is_resolved_at_the_level_that_the_scores_have() -> None:
    generator = np.random.default_rng(0)
    mated = np.arange(800) < 400
    comparisons = Comparisons(np.round(generator.normal(mated, 1), 1), mated)
    line = plots._det(comparisons)
    assert line.resolved == 3 / 400
    (before, _), (after, level) = plots._parted(line)
    assert before[-1] == after[0] == 3 / 400
    assert 1 - level[0] == pytest.approx(tar_at_far("3/400").compute(comparisons).value, abs=1e-6)


def test_a_curve_with_nothing_resolved_is_dotted_throughout() -> None:
    (x, _), (after, _) = plots._parted(Line(np.array([0.0, 1.0]), np.array([1.0, 0.0]), 1.5))
    assert x.tolist() == [0, 1, 1.5] and after.tolist() == [1.5]


@pytest.mark.parametrize("method", ["constant", "perfect", "random"])
def test_flat_and_perfect_scores_can_be_drawn(method: str, runs: Path, tmp_path: Path) -> None:
    assert len(plots.plot([cell(runs, method)], tmp_path)) == 3


# Names and files of strangers.

NAMES = ["<b>&\"'", "$\\frac{$", "_hidden", "bell\x07\nline", "日本", "x" * 500, "", "]]>"]


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name[:10]) for name in NAMES])
def test_no_name_breaks_a_picture(name: str, copied: Path) -> None:
    (card,) = json.loads((copied / "result.json").read_text())["cards"].values()
    plots.plot([retold(copied, roles={"method": [name]}, cards={name: card})])
    shown = "".join("?" if not c.isprintable() else c for c in name)[:40]
    assert all(shown in texts(copied / f"{stem}.svg") for stem in VERIFICATION)


def test_a_result_without_its_trials_or_with_others_is_refused(copied: Path, runs: Path) -> None:
    shutil.copy(cell(runs, "toy") / "trials.parquet", copied / "trials.parquet")
    with pytest.raises(NotAResult, match="not what it was scored from"):
        plots.plot([copied])
    (copied / "trials.parquet").unlink()
    with pytest.raises(NotAResult, match="does not exist"):
        plots.plot([copied])
    assert not list(copied.glob("*.svg"))


def test_trials_that_cannot_be_drawn_are_refused_and_nothing_is_written(copied: Path) -> None:
    trials = {**made_trials(0), "mated": np.zeros(180, bool)}
    write_table(copied / "trials.parquet", trials)
    with pytest.raises((NotAResult, WrongUse)):
        plots.plot([retold(copied, trials_sha256=contents_sha256(trials))])
    assert not list(copied.glob("*.svg"))


# Wrong use.


def test_what_cannot_be_drawn_together_is_refused(runs: Path, tmp_path: Path) -> None:
    one, board = cell(runs, "toy"), ROOT / "leaderboards" / "identification" / "synthetic" / "faces" / "hog.json"
    with pytest.raises(Mismatch, match="no plot in common"):
        plots.plot([one, board], tmp_path)
    for several in ([one, one], [board]):
        with pytest.raises(WrongUse, match="--out DIR"):
            plots.plot(several)
    with pytest.raises(WrongUse, match="From 1 to 8"):
        plots.plot([one] * 9, tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'svg'"):
        plots.plot([one], tmp_path, "svgz")


def test_results_of_several_protocols_are_told_apart(runs: Path) -> None:
    entries = [boards.entry(path) for path in sorted(runs.rglob("result.json")) if "toy-" in path.parent.name]
    names = list(plots._names(entries))
    assert len({entry.result.protocol for entry in entries}) == 2
    assert all(entry.result.protocol in name for entry, name in zip(entries, names, strict=True))
    assert list(plots._names([Entry(entries[0].result, entries[0].path)])) == ["toy"]


def test_without_matplotlib_the_line_that_installs_it_is_shown(
    copied: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NeedsInstall, match="pip install matplotlib -c "):
        plots.plot([copied])
    status, _, err = said("plot", copied)
    assert status == 1 and "pip install matplotlib" in err
