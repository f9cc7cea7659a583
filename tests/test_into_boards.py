"""Results copied into a folder of boards: all of them or none, and no file there hides another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from board_copies import change

from bench import boards, results
from bench.errors import MixedProtocols, NotAResult, NotWritten

OFFICIAL, PRIVATE = "verification/toy/pairs", "verification/toy/private"

pytestmark = pytest.mark.usefixtures("official")


def cell(runs: Path, method: str, protocol: str = OFFICIAL) -> Path:
    """The folder of a method's whole run."""
    found = runs.joinpath(*protocol.split("/")).glob(f"{method}-????????/result.json")
    (path,) = (p for p in found if '"limit": null,' in p.read_text())
    return path.parent


@pytest.fixture
def mine(runs: Path, tmp_path: Path) -> Path:
    """A folder of runs that a test may change, with one in it."""
    shutil.copytree(cell(runs, "toy"), tmp_path / "mine" / "toy")
    return tmp_path / "mine"


@pytest.fixture
def board(runs: Path, tmp_path: Path) -> Path:
    """A folder of boards of the test's own, its pages written."""
    folder = tmp_path / "boards"
    boards.into_boards(boards.read_results([runs / "verification" / "toy" / "pairs"]), folder)
    boards.write_boards(folder)
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def into(source: Path, folder: Path) -> list[Path]:
    return boards.into_boards(boards.read_results([source]), folder)


def test_two_cells_of_one_name_are_refused_and_nothing_is_written(mine: Path, tmp_path: Path) -> None:
    shutil.copytree(mine / "toy", mine / "other")
    assert len(into(mine, tmp_path / "same")) == 1, "the same bytes twice are one result"
    change(mine / "other" / "result.json", lambda data: data["provenance"].update(batch_size=7))
    with pytest.raises(NotWritten, match=r"would both be verification/toy/pairs/toy\.json"):
        into(mine, tmp_path / "boards")
    assert not (tmp_path / "boards").exists()


def test_a_result_of_an_older_question_is_refused_before_anything_is_written(board: Path, mine: Path) -> None:
    before = held(board)
    change(mine / "toy" / "result.json", lambda data: data.update(digest="0" * 64))
    with pytest.raises(MixedProtocols, match="digest 000000000000"):
        into(mine, board)
    assert held(board) == before


def test_a_readme_of_ones_own_is_refused_before_anything_is_written(mine: Path, tmp_path: Path) -> None:
    own = tmp_path / "boards" / "README.md"
    own.parent.mkdir()
    own.write_text("# My project\n")
    with pytest.raises(NotWritten, match="facebench did not write it"):
        into(mine, own.parent)
    assert held(own.parent) == {"README.md": b"# My project\n"}


def test_boards_are_copied_onto_themselves_and_no_link_is_written_through(board: Path, tmp_path: Path) -> None:
    before, elsewhere = held(board), tmp_path / "elsewhere"
    elsewhere.write_bytes(b"of somebody")
    trials = board / OFFICIAL / "toy.trials.parquet"
    assert len(into(board, board)) == 5 and held(board) == before
    kept = Path(shutil.copytree(board, tmp_path / "kept"))
    trials.unlink()
    trials.symlink_to(elsewhere)
    into(kept, board)
    assert elsewhere.read_bytes() == b"of somebody" and held(board) == before


def test_trials_that_may_not_be_passed_on_are_a_fault_on_a_board_and_go(runs: Path, tmp_path: Path) -> None:
    source, folder = cell(runs, "toy", PRIVATE), tmp_path / "boards"
    into(source, folder)
    boards.write_boards(folder)
    left = folder / PRIVATE / "toy.trials.parquet"
    shutil.copy(source / "trials.parquet", left)
    assert boards.check_boards(folder) == [f"{left}: its data set lets no trials be published"]
    into(source, folder)
    assert not left.exists() and boards.check_boards(folder) == []


# No file hides another.


@pytest.mark.parametrize("names", [["result"], ["header"], ["header", "result"]])
def test_a_file_called_as_those_of_runs_hides_no_board(names: list[str], board: Path) -> None:
    (board / "x").mkdir()
    for name in names:
        shutil.copy(board / OFFICIAL / "random.json", board / "x" / f"{name}.json")
    results_there = [path.stem for path in (board / OFFICIAL).glob("*.json")]
    page = boards.pages(board)[board / OFFICIAL / "README.md"]
    assert all(name in page for name in results_there)
    faults = "\n".join(boards.check_boards(board))
    assert all(f"{board / 'x' / name}.json belongs into" in faults for name in names)


def test_a_header_among_boards_is_named_and_hides_nothing(board: Path) -> None:
    (board / "x").mkdir()
    (board / "x" / "header.json").write_text("{}")
    for read in (lambda: boards.read_results([board]), lambda: boards.pages(board)):
        with pytest.raises(NotAResult, match=r"x/header\.json"):
            read()


def test_runs_that_ended_before_a_result_hold_none(mine: Path) -> None:
    (mine / "toy" / "result.json").unlink()
    (mine / "prepared.json").write_text("{}")
    assert boards.holds_runs(mine)
    with pytest.raises(NotAResult, match="no result in it"):
        boards.read_results([mine])


@pytest.mark.parametrize("name", boards.OF_RUNS)
def test_a_method_called_as_a_file_of_runs_gets_another_file(name: str, mine: Path, board: Path) -> None:
    def rename(data: dict[str, dict[str, object]]) -> None:
        data["roles"]["method"] = [name]
        data["cards"][name] = data["cards"].pop("toy")

    found = results.read(change(mine / "toy" / "result.json", rename))
    assert boards.file_name(found).startswith(f"{name}-")
    into(mine, board)
    assert len(boards.read_results([board])) == 6


def test_an_eval_yaml_of_ones_own_is_not_written_over(board: Path) -> None:
    (board / "eval.yaml").write_text("name: my benchmark\ntasks: []\n")
    with pytest.raises(NotWritten, match=r"eval\.yaml among them"):
        boards.write_boards(board)
    (board / "eval.yaml").write_text("")
    assert board / "eval.yaml" in boards.write_boards(board)
    (board / OFFICIAL / "toy.json").unlink()
    assert boards.write_boards(board), "our own is written anew"
