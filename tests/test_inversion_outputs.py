"""What an attack leaves behind: plots for anyone, a sheet for its owner, both gone or refused where they should be."""

from __future__ import annotations

import io
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bench
from bench import attacking, cleaning, contact_sheet, plots, results, submission
from bench.answers import Cell, read_table
from bench.conformance import checks
from bench.errors import NotPublished, RunDamaged, WrongUse
from bench.leaderboard import Entry
from bench.plugins import discover
from bench.tasks import inversion

HERE = Path(__file__).parent
PROTOCOL = "inversion/lfw/view2-arcface112"


@pytest.fixture(autouse=True)
def attacks(toys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_PLUGINS", os.pathsep.join([str(HERE / "toys"), str(HERE / "attacks")]))
    discover.cache_clear()


@pytest.fixture(scope="module")
def attacked(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run that no test changes but the last one."""
    out = tmp_path_factory.mktemp("attacked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEBENCH_PLUGINS", os.pathsep.join([str(HERE / "toys"), str(HERE / "attacks")]))
        patch.setattr(inversion, "REPLICATES", 20)
        discover.cache_clear()
        roles = {"attack": "guesses:budget=25,targets=3", "target": "toy", "critics": ["toy-crops", "perfect"]}
        bench.run(PROTOCOL, roles=roles, data=synthetic, out=out)
    discover.cache_clear()
    (header,) = (out / PROTOCOL).glob("*/header.json")
    yield header.parent


def test_plots_are_drawn_of_trials_and_curves(attacked: Path, tmp_path: Path) -> None:
    written = plots.plot([attacked], tmp_path)
    assert {path.stem for path in written} == {"queries", "transfer", "privacy-utility"}
    drawn = {path.stem: path.read_text("utf-8") for path in written}
    assert "queries a target" in drawn["queries"]
    for name in ("toy-crops", "perfect"):
        assert name in drawn["transfer"]
    assert "aligned again" in drawn["transfer"]


def test_trials_hold_scores_and_short_words_alone(attacked: Path, synthetic: Path) -> None:
    trials = read_table(attacked / "trials.parquet")
    for name, column in trials.items():
        assert isinstance(column, list) or (column.ndim == 1 and column.dtype.kind in "biuf"), name
    words = {word for column in trials.values() if isinstance(column, list) for word in column}
    assert not any("Person" in word for word in words)
    assert len(words) < 20


def test_the_sheet_shows_each_target_beside_what_was_made_of_it(attacked: Path) -> None:
    path = attacked / "reconstructions" / "sheet.png"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    sheet = np.array(Image.open(path))
    wide = 112 + contact_sheet.BORDER
    assert sheet.shape[1] == contact_sheet.BORDER + (6 + 2) * wide  # 1, 2, 5, 10, 20 and 25 queries
    assert sheet.shape[0] > 3 * 112
    stored = read_table(attacked / "reconstructions" / "group-00000.parquet")
    (row,) = [
        i
        for i, (target, budget, image) in enumerate(
            zip(stored["target"], stored["budget"], stored["image"], strict=True)
        )
        if (target, budget, image) == (stored["target"][0], 25, "best")
    ]
    top, left = contact_sheet.LINE + contact_sheet.BORDER, contact_sheet.BORDER + 6 * wide
    assert np.array_equal(sheet[top : top + 112, left : left + 112], stored["pixels"][row].reshape(112, 112, 3))


def test_a_sheet_leaves_blank_what_there_is_none_of() -> None:
    original = np.zeros((8, 8, 3), np.uint8)
    drawn = contact_sheet.draw([(original, {}, None)], [1, 2])
    assert np.array(Image.open(io.BytesIO(drawn)))[-8:, -8:].min() == 255


@pytest.mark.parametrize("inside", ["reconstructions", "reconstructions/group-00000.parquet"])
def test_reconstructions_are_not_published(attacked: Path, inside: str) -> None:
    with pytest.raises(NotPublished, match="never sent"):
        submission.pack_results(attacked / inside, "someone/boards")


def test_what_is_published_of_a_run_holds_no_picture(attacked: Path) -> None:
    path = attacked / "result.json"
    faults = [*submission.unfit(Entry(results.read(path), path))]
    assert not [fault for fault in faults if "pictures" in fault or "texts" in fault]


@pytest.mark.parametrize("name", ["guesses", "climbs", "strict"])
def test_an_attack_and_a_protection_that_follow_the_rules_pass_their_checks(name: str) -> None:
    outcomes = {bound.check.name: bound.outcome() for bound in checks(name)}
    own = {"protects"} if name == "strict" else {"calls", "shows", "replays"}
    assert {check: outcomes[check].state for check in own} == dict.fromkeys(own, "passed")


@pytest.mark.parametrize(
    ("name", "check", "text"),
    [
        ("shows-nan", "shows", "yielded NaN"),
        ("raises", "shows", "it needs more than gradient"),
        ("unrepeatable-climbs", "replays", "asked other queries"),
        ("tells-nan", "protects", "NaN or infinity"),
    ],
)
def test_one_that_breaks_a_rule_is_told_which(name: str, check: str, text: str) -> None:
    (outcome,) = [bound.outcome() for bound in checks(name) if bound.check.name in (check, "card")][1:]
    assert outcome.state == "failed"
    assert text in outcome.message


def test_cleaning_finds_reconstructions_whose_run_lost_its_header(attacked: Path, tmp_path: Path, said: Any) -> None:
    copy = shutil.copytree(attacked, tmp_path / "runs" / "one")
    (copy / "header.json").unlink()
    assert said("clean", tmp_path / "runs", "--yes")[0] == 0
    assert not (copy / "reconstructions").exists()


def test_cleaning_leaves_a_run_alone_that_is_at_work(attacked: Path, said: Any) -> None:
    with Cell(attacked).locked():
        status, _, err = said("clean", attacked, "--yes")
    assert status == 1 and "Another run is at work" in err
    assert list((attacked / "reconstructions").glob("group-*.parquet"))


def test_reconstructions_are_their_owners_alone_although_their_folder_went_meanwhile(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(cell: str, stage: str, done: int, total: int) -> None:
        if stage == "attack 2":
            shutil.rmtree(next(tmp_path.rglob("reconstructions")), ignore_errors=True)

    monkeypatch.setattr(attacking, "GROUP", 1)
    roles = {"attack": "blind:budget=2,targets=2", "target": "toy", "critics": "toy-crops"}
    with pytest.raises(RunDamaged, match=r"group-00000\.parquet"):
        bench.run(PROTOCOL, roles=roles, data=synthetic, out=tmp_path, progress=tell)
    (folder,) = tmp_path.rglob("reconstructions")
    assert [path.name for path in folder.iterdir()] == ["group-00001.parquet"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_cleaning_removes_reconstructions_and_leaves_the_result(attacked: Path, said: Any) -> None:
    root = attacked.parents[len(PROTOCOL.split("/")) - 1]
    (root / "elsewhere" / "reconstructions").mkdir(parents=True)  # of no run
    (found,) = cleaning.find(root)
    assert found.folder == attacked / "reconstructions"
    assert found.size > 0
    status, out, _ = said("clean", root, "--yes")
    assert status == 0
    assert "MB" in out
    assert not (attacked / "reconstructions").exists()
    assert (attacked / "result.json").exists()
    assert (root / "elsewhere" / "reconstructions").exists()
    assert cleaning.find(root) == []
    with pytest.raises(WrongUse, match="no folder"):
        cleaning.find(root / "absent")
