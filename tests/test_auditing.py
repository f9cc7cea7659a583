"""What a result says beside its numbers, and which trials it was scored from, is held against what is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_copies import FACES, change, copy

from bench import boards
from bench.answers import contents_sha256, read_table, write_table
from bench.errors import NotAResult
from bench.plugins import discover
from bench.results import from_data
from bench.trials import other_trials


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Three results of one question, as if they had been run here with the plugins as they are."""
    return copy(tmp_path / "boards", FACES, "constant", "hog", "random") / FACES


def faults(path: Path) -> dict[str, str]:
    return {what: fault for what, fault in boards.audit(path) if fault}


def eer(data: dict[str, Any]) -> dict[str, Any]:
    return next(score for score in data["scores"] if score["metric"] == "eer")


TOLD: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("nothing", lambda d: d, ""),
    ("the headline", lambda d: d["scores"].sort(key=lambda s: s["metric"] != "eer"), "its metrics are in their order"),
    ("a metric twice", lambda d: d["scores"].append(d["scores"][0]), "its metrics are in their order"),
    ("a direction", lambda d: eer(d).update(better="higher"), "eer is what the trials give"),
    ("a unit", lambda d: d["scores"][0].update(unit="s"), "accuracy is what the trials give"),
    ("a bound", lambda d: d["scores"][0].update(bound="at least"), "accuracy is what the trials give"),
    ("a note", lambda d: d["scores"][0].update(note="best of all"), "accuracy is what the trials give"),
    ("a fold", lambda d: d["scores"][0]["folds"].__setitem__(0, 1.0), "accuracy is what the trials give"),
    ("a curve", lambda d: d["curves"][0]["points"].__setitem__(1, [0.0, 0.0]), "its curves are what the trials give"),
    ("a lost curve", lambda d: d.update(curves=[]), "its curves are what the trials give"),
    ("a licence", lambda d: d["cards"]["random"].update(licence="CC0"), "the card of random is its plugin's"),
    ("training data", lambda d: d["cards"]["random"].update(trained_on=["X"]), "the card of random is its plugin's"),
    ("a withdrawal", lambda d: d["cards"]["random"].update(withdrawn=["X"]), "the card of random is its plugin's"),
    ("a floor", lambda d: d["cards"]["random"].update(floor=False), "the card of random is its plugin's"),
]


@pytest.mark.parametrize(("how", "check"), [t[1:] for t in TOLD], ids=[t[0] for t in TOLD])
def test_all_that_a_result_tells_is_audited(how: Callable[[dict[str, Any]], Any], check: str, board: Path) -> None:
    assert list(faults(change(board / "random.json", how))) == ([check] if check else [])


def test_a_card_of_another_version_is_not_held_against_the_plugin_here(board: Path) -> None:
    change(board / "random.json", lambda data: data["cards"]["random"].update(version="0.0.9", licence="CC0"))
    assert faults(board / "random.json") == {}


# Which trials.


def fewer(path: Path, kept: Callable[[dict[str, Any]], Any]) -> None:
    """Drop trials of a result, and score what is left as its own."""
    protocol, trials = discover().protocols[FACES], read_table(path.with_suffix(".trials.parquet"))
    rows = np.flatnonzero(kept(trials))
    trials = {n: [c[i] for i in rows] if isinstance(c, list) else c[rows] for n, c in trials.items()}
    write_table(path.with_suffix(".trials.parquet"), trials)
    scored = protocol.task.score(protocol, trials)

    def told(data: dict[str, Any]) -> None:
        data.update(trials_sha256=contents_sha256(trials), samples=scored.samples, reasons=dict(scored.reasons))
        data.update(failures=sum(scored.reasons.values()))
        data["scores"] = [asdict(score) for score in scored.scores]
        data["curves"] = [asdict(curve) for curve in scored.curves]

    change(path, told)


def test_a_result_whose_trials_were_dropped_and_scored_again_is_the_odd_one_out(board: Path) -> None:
    root = board.parents[2]
    assert other_trials(boards.read_results([root])) == []
    fewer(board / "random.json", lambda trials: (trials["score"] > 0) == trials["mated"])
    assert faults(board / "random.json") == {}, "alone nothing is wrong with it"
    (odd,) = other_trials(boards.read_results([root]))
    assert odd[0].path.name == "random.json" and odd[1] == "its trials are not those of 2 other results"
    boards.write_boards(root)
    assert boards.check_boards(root) == [f"{board / 'random.json'}: {odd[1]}"]


def test_without_a_majority_all_are_named(board: Path) -> None:
    (board / "hog.json").unlink()
    fewer(board / "random.json", lambda trials: trials["fold"] < 8)
    odd = other_trials(boards.read_results([board.parents[2]]))
    assert [entry.path.stem for entry, _ in odd] == ["constant", "random"]


def test_the_boards_of_this_repository_have_the_same_trials_each(board: Path) -> None:
    entries = boards.read_results([Path(__file__).resolve().parent.parent / "leaderboards"])
    assert len(entries) > 50 and other_trials(entries) == []


# Cards and roles.


def odd_cards(path: Path, how: Callable[[dict[str, Any]], Any]) -> str:
    data = json.loads(path.read_text())
    from_data(data)
    how(data)
    with pytest.raises(NotAResult) as refused:
        from_data(data)
    return refused.value.found


def test_a_method_without_a_card_and_a_card_without_a_method_are_refused(board: Path) -> None:
    path = board / "random.json"
    assert "lacks 'secret-script'" in odd_cards(path, lambda d: d["roles"].update(method=["secret-script"]))
    assert "lacks 'random'" in odd_cards(path, lambda d: d["cards"].clear())
    assert "has ['else']" in odd_cards(path, lambda d: d["cards"].update({"else": d["cards"]["random"]}))


def test_an_aligner_may_have_a_card_and_nothing_else(board: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(board / "random.json", tmp_path / "aligned.json"))

    def name(data: dict[str, Any]) -> None:
        data["roles"]["method"] = ["random:align=finder"]
        data["cards"] = {"random:align=finder": data["cards"]["random"], "finder": data["cards"]["random"]}

    change(path, name)
    assert "has ['else', 'finder']" in odd_cards(path, lambda d: d["cards"].update({"else": d["cards"]["finder"]}))


def test_answers_made_elsewhere_have_no_cards(board: Path) -> None:
    data = json.loads((board / "random.json").read_text())
    data["provenance"]["external"], data["cards"] = True, {}
    assert from_data(data).cards == {}
