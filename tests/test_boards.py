"""Boards on disk: pages that follow from results, checks that find what was edited, comparisons and audits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import boards, results, suite
from bench.answers import contents_sha256, read_table, write_table
from bench.errors import FacebenchError, Mismatch, NotAResult, NotWritten, RunDamaged

OFFICIAL, PRIVATE = "verification/toy/pairs", "verification/toy/private"

pytestmark = pytest.mark.usefixtures("official")


def cell(runs: Path, method: str, protocol: str = OFFICIAL, limit: str = "null") -> Path:
    """The folder of a method's run."""
    found = runs.joinpath(*protocol.split("/")).glob(f"{method}-????????/result.json")
    (path,) = (p for p in found if f'"limit": {limit},' in p.read_text())
    return path.parent


@pytest.fixture
def board(runs: Path, tmp_path: Path) -> Path:
    """A folder of boards of the test's own, its pages written."""
    folder = tmp_path / "boards"
    boards.into_boards(boards.read_results([runs / "verification" / "toy" / "pairs"]), folder)
    boards.write_boards(folder)
    return folder


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def rescored(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a run's trials and let its result name them as its own."""
    trials = read_table(folder / "trials.parquet")
    trials = change(trials) or trials
    write_table(folder / "trials.parquet", trials)
    edit(folder / "result.json", lambda data: data.update(trials_sha256=contents_sha256(trials)))


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """A run that a test may change."""
    return Path(shutil.copytree(cell(runs, "toy"), tmp_path / "copied"))


def faults(path: Path) -> dict[str, str]:
    return {what: fault for what, fault in boards.audit(path) if fault}


# Ranking.


def test_runs_are_ranked_by_protocol_with_what_is_limited_kept_apart(runs: Path) -> None:
    ranked = boards.rank(boards.read_results([runs]))
    assert list(ranked) == [OFFICIAL, PRIVATE]
    rows = [row.entry.result.name for row in ranked[OFFICIAL].rows]
    assert rows[0] == "perfect" and sorted(rows) == ["constant", "fails-some", "perfect", "random", "toy"]
    assert [why for _, why in ranked[OFFICIAL].apart] == ["limited to 16 trials"]


def test_ties_come_from_the_paired_comparison_of_trials(runs: Path, tmp_path: Path) -> None:
    rows = {r.entry.result.name: r for r in boards.rank(boards.read_results([runs]))[OFFICIAL].rows}
    for one in rows.values():
        for other in rows.values():
            p = boards.compare(one.entry.path, other.entry.path)[0].p_value
            apart = one.last < other.first or other.last < one.first
            assert not (apart and p > 0.05), "who is told apart differs by the paired test"
    assert rows["perfect"].last < rows["random"].first, "the floors are told apart from the best"


def test_ranking_is_the_same_twice(board: Path) -> None:
    pages = {p: p.read_bytes() for p in board.rglob("README.md")}
    assert boards.write_boards(board) == []
    for page in pages:
        page.unlink()
    assert sorted(boards.write_boards(board)) == sorted(pages)
    assert {p: p.read_bytes() for p in pages} == pages


def test_a_readme_of_somebodys_own_is_not_written_over(board: Path) -> None:
    (board / "README.md").write_text("# My project\n")
    (board / OFFICIAL / "README.md").unlink()
    with pytest.raises(NotWritten, match="facebench did not write it"):
        boards.write_boards(board)
    assert (board / "README.md").read_text() == "# My project\n"
    assert not (board / OFFICIAL / "README.md").exists(), "none of the pages is written"
    (board / "README.md").write_text("---\nlicense: mit\n---\n")
    assert board / "README.md" in boards.write_boards(board)


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_results_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotAResult, match=name):
        boards.read_results([tmp_path / name])


def test_one_file_that_is_no_result_is_named(board: Path) -> None:
    (board / "verification" / "toy" / "pairs" / "notes.json").write_text("{}")
    with pytest.raises(NotAResult, match=r"notes\.json"):
        boards.read_results([board])


# Into boards.


def test_only_official_results_made_here_go_on_boards_with_their_trials(board: Path) -> None:
    names = {p.relative_to(board).as_posix() for p in board.rglob("*") if p.is_file()}
    methods, ends = ("constant", "fails-some", "perfect", "random", "toy"), (".json", ".trials.parquet")
    assert names == {"README.md", f"{OFFICIAL}/README.md", *(f"{OFFICIAL}/{m}{e}" for m in methods for e in ends)}
    assert boards.check_boards(board) == []


def test_two_settings_of_one_method_get_files_of_their_own(runs: Path) -> None:
    result = results.read(cell(runs, "toy") / "result.json")
    methods = ("toy", "toy:gain=2.0", "toy:gain-2.0", "a/toy", "../toy")
    others = [replace(result, roles={"method": (name,)}) for name in methods]
    others += [replace(result, provenance=replace(result.provenance, seed=1))]
    names = [boards.file_name(other) for other in others]
    assert names[0] == "toy" and len(set(names)) == 6
    assert not any(set(name) & set("/\\:") or name.startswith(".") for name in names)


def test_trials_of_a_data_set_that_forbids_it_are_not_published_and_the_board_holds(runs: Path, tmp_path: Path) -> None:
    boards.into_boards(boards.read_results([runs]), tmp_path)
    boards.write_boards(tmp_path)
    private = {p.name for p in tmp_path.joinpath(*PRIVATE.split("/")).iterdir()}
    assert private == {"README.md", "toy.json"}
    assert boards.check_boards(tmp_path) == []


def test_nothing_of_a_person_is_published(board: Path, synthetic: Path) -> None:
    published = b"".join(p.read_bytes() for p in board.rglob("*") if p.suffix in (".md", ".json"))
    trials = [read_table(p) for p in board.rglob("*.parquet")]
    assert trials
    for text in ("Person_", str(synthetic)):
        assert text.encode() not in published
        assert text not in repr([[list(column) for column in table.values()] for table in trials])
    assert all(not column.ndim > 1 for table in trials for column in table.values() if not isinstance(column, list))


@pytest.mark.parametrize("name", ["../../../outside", "verification/../../../outside", "..", "/outside", ""])
def test_a_protocol_name_leads_nowhere_out_of_the_folder(name: str, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "boards"
    shutil.copytree(cell(runs, "toy"), folder / "hostile")
    edit(folder / "hostile" / "result.json", lambda data: data.update(protocol=name))
    before = set(tmp_path.rglob("*"))
    with suppress(FacebenchError):
        boards.into_boards(boards.read_results([folder]), folder)
        boards.write_boards(folder)
    assert all(folder in path.parents for path in set(tmp_path.rglob("*")) - before)


# rank --check.


def results_of(board: Path) -> Path:
    return board.joinpath(*OFFICIAL.split("/"))


def better(data: Any) -> None:
    data["scores"][0]["value"] += 0.001


TAMPERED: list[tuple[str, Callable[[Path], Any], str]] = [
    ("a score", lambda p: edit(p / "toy.json", better), "accuracy is what the trials give"),
    ("an interval", lambda p: edit(p / "toy.json", lambda d: d["scores"][0].update(low=0.7)), "accuracy is what"),
    ("a failure", lambda p: edit(p / "fails-some.json", lambda d: d.update(failures=0)), "no failure is left out"),
    ("a reason", lambda p: edit(p / "fails-some.json", lambda d: d.update(reasons={"a": 9})), "no failure is left out"),
    ("a metric", lambda p: edit(p / "toy.json", lambda d: d["scores"].pop()), "no metric is left out"),
    ("a digest", lambda p: edit(p / "toy.json", lambda d: d.update(digest="0" * 64, official=False)), "official quest"),
    ("a page", lambda p: (p / "README.md").write_text((p / "README.md").read_text() + "and more\n"), "is not what"),
    ("the index", lambda p: (p.parents[2] / "README.md").unlink(), "is not what"),
    ("a lost result", lambda p: (p / "random.json").unlink(), "is not what"),
    ("a licence", lambda p: edit(p / "toy.json", lambda d: d["cards"]["toy"].update(licence="MIT")), "is not what"),
    ("lost trials", lambda p: (p / "toy.trials.parquet").unlink(), "trials are at hand"),
    (
        "other trials",
        lambda p: shutil.copy(p / "random.trials.parquet", p / "toy.trials.parquet"),
        "trials are at hand",
    ),
    ("reported", lambda p: (p / "reported.toml").write_text(REPORTED), "is not what"),
    ("a place", lambda p: shutil.move(p / "toy.json", p.parent / "toy.json"), "belongs into"),
]
REPORTED = '[[row]]\nmethod = "Net"\ntrained_on = "x"\nvalue = "99"\nsource = "a paper"\n'


@pytest.mark.parametrize(("change", "fault"), [t[1:] for t in TAMPERED], ids=[t[0] for t in TAMPERED])
def test_a_check_finds_what_was_edited(change: Callable[[Path], Any], fault: str, board: Path) -> None:
    change(results_of(board))
    assert any(fault in found for found in boards.check_boards(board))


def test_a_check_names_trials_that_are_cut_off(board: Path) -> None:
    trials = results_of(board) / "toy.trials.parquet"
    trials.write_bytes(trials.read_bytes()[:-50])
    try:
        found = "\n".join(boards.check_boards(board))
    except RunDamaged as error:
        found = str(error)
    assert str(trials) in found


def test_a_page_left_of_a_board_that_is_gone_is_found(board: Path, runs: Path) -> None:
    boards.into_boards(boards.read_results([runs / "verification" / "toy" / "private"]), board)
    boards.write_boards(board)
    left = board.joinpath(*PRIVATE.split("/"))
    (left / "toy.json").unlink()
    boards.write_boards(board)
    assert not (left / "README.md").exists() or any(str(left) in fault for fault in boards.check_boards(board))


def test_reported_figures_of_a_folder_stand_on_its_page(board: Path) -> None:
    (results_of(board) / "reported.toml").write_text(REPORTED)
    boards.write_boards(board)
    assert "a paper" in (results_of(board) / "README.md").read_text()
    assert boards.check_boards(board) == []


# Audits.


def test_an_honest_run_holds_in_every_check(runs: Path) -> None:
    for path in runs.rglob("result.json"):
        assert faults(path) == {}
        assert len(boards.audit(path)) > 10


def test_a_limited_run_that_calls_itself_official_is_found(runs: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(cell(runs, "toy", limit="16"), tmp_path / "copied"))
    edit(copied / "result.json", lambda data: data.update(official=True))
    assert faults(copied)


def test_a_result_of_an_unknown_protocol_is_a_fault_not_a_crash(copied: Path) -> None:
    edit(copied / "result.json", lambda data: data.update(protocol="verification/no/such"))
    assert list(faults(copied)) == ["the protocol is known here"]


@pytest.mark.parametrize("column", ["fold", "score", "probe_failure"])
def test_trials_without_a_column_are_a_fault_not_a_crash(column: str, copied: Path) -> None:
    rescored(copied, lambda trials: {name: values for name, values in trials.items() if name != column})
    assert faults(copied)


def test_trials_whose_scores_were_changed_give_other_scores(copied: Path) -> None:
    rescored(copied, lambda trials: trials.update(score=np.where(trials["mated"], 1.0, 0.0)))
    assert "accuracy is what the trials give" in faults(copied)


# Comparisons.


def test_a_comparison_is_first_minus_second_with_an_interval_around_it(runs: Path) -> None:
    one, other = cell(runs, "perfect"), cell(runs, "constant")
    rows, back = boards.compare(one, other), boards.compare(other, one)
    assert [row.metric for row in rows][:2] == ["accuracy", "accuracy_insightface"]
    for row, reverse in zip(rows, back, strict=True):
        assert row.difference == row.first - row.second == -reverse.difference
        if row.bound:
            assert row.low is row.high is row.p_value is None, "two bounds have no difference to estimate"
            continue
        assert (row.low, row.high, row.p_value) == pytest.approx((-reverse.high, -reverse.low, reverse.p_value))
    assert rows[0].first == 1 and rows[0].second == 0.5 and rows[0].p_value < 0.05


def test_a_result_does_not_differ_from_itself(runs: Path) -> None:
    rows = boards.compare(*[cell(runs, "toy")] * 2)
    assert {(r.difference, r.low, r.high, r.p_value) for r in rows if not r.bound} == {(0, 0, 0, 1)}
    assert {r.metric for r in rows if r.bound} == {"tar@far=1e-2", "tar@far=1e-3", "fnmr@fmr=1e-3", "fnmr@fmr=1e-4"}


def test_results_of_other_questions_or_trials_are_not_compared(runs: Path, copied: Path) -> None:
    for other in (cell(runs, "toy", PRIVATE), cell(runs, "toy", limit="16")):
        with pytest.raises(Mismatch, match="digest, limit or both differ"):
            boards.compare(cell(runs, "toy"), other)
    rescored(copied, lambda trials: trials.update(fold=trials["fold"][::-1].copy()))
    with pytest.raises(Mismatch, match="not the same ones"):
        boards.compare(cell(runs, "toy"), copied)


def test_a_comparison_needs_the_trials_that_each_was_scored_from(runs: Path, copied: Path) -> None:
    trials = copied / "trials.parquet"
    shutil.copy(cell(runs, "random") / "trials.parquet", trials)
    with pytest.raises(NotAResult, match="not what it was scored from"):
        boards.compare(cell(runs, "toy"), copied)
    trials.unlink()
    with pytest.raises(NotAResult, match="does not exist"):
        boards.compare(copied, cell(runs, "toy"))


def test_scores_made_elsewhere_are_compared_with_a_run(runs: Path, synthetic: Path, tmp_path: Path) -> None:
    trials = read_table(cell(runs, "toy") / "trials.parquet")
    rows = [f"{i},{score}" for i, score in enumerate(trials["score"].tolist())]
    (tmp_path / "answers.csv").write_text("\n".join(["trial,score", *rows]) + "\n")
    _, folder = suite.score_answers(OFFICIAL, tmp_path / "answers.csv", data=synthetic, out=tmp_path / "out")
    rows_of = {row.metric: row for row in boards.compare(folder, cell(runs, "toy"))}
    assert rows_of["accuracy"].difference == 0 and "fte" not in rows_of
