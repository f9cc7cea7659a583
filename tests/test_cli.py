"""The command line: what is printed, in JSON and in 80 columns, and how it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bench import results
from bench.plugins import discover

OFFICIAL, PRIVATE = "verification/toy/pairs", "verification/toy/private"
ALIGNED = "verification/lfw/view2-arcface112"
Said = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("official")


def cell(runs: Path, method: str, limit: str = "null") -> Path:
    found = runs.joinpath(*OFFICIAL.split("/")).glob(f"{method}-????????/result.json")
    (path,) = (p for p in found if f'"limit": {limit},' in p.read_text())
    return path.parent


def parsed(said: Said, *words: str | Path, status: int = 0) -> Any:
    ended, out, err = said(*words, "--json")
    assert ended == status, err
    return json.loads(out)


def is_result(data: Any) -> bool:
    return jsonschema.Draft202012Validator(results.schema()).is_valid(data)


# list and show.

KEYS = {
    "tasks": {"name", "about"},
    "protocols": {"name", "inputs", "about"},
    "methods": {"name", "inputs", "licence", "about"},
    "plugins": {"name", "kind", "state"},
    "metrics": {"name", "better", "about"},
}
KNOWN = {"tasks": "verification", "protocols": OFFICIAL, "methods": "toy-option", "metrics": "eer"}


@pytest.mark.parametrize("kind", KEYS)
def test_a_listing_names_everything_of_its_kind_in_text_and_json(kind: str, said: Said) -> None:
    rows = parsed(said, "list", kind)
    assert rows and all(set(row) == KEYS[kind] and all(isinstance(v, str) for v in row.values()) for row in rows)
    status, out, _ = said("list", kind)
    assert status == 0 and all(row["name"] in out for row in rows)
    assert KNOWN.get(kind, "toy-protocols 1") in [row["name"] for row in rows]


def test_a_bare_list_shows_every_kind_that_is_run_with_its_number(said: Said) -> None:
    found, out = parsed(said, "list"), said("list")[1]
    assert set(found) == {"tasks", "protocols", "methods", "plugins", "suites"}
    assert all(f"{kind} ({len(rows)})" in out for kind, rows in found.items())


def test_suites_are_listed_with_what_they_are_for(said: Said) -> None:
    assert [row["name"] for row in parsed(said, "list", "suites")] == ["quick"]
    assert "synthetic people" in said("list", "suites")[1]


@pytest.mark.parametrize("name", [*KNOWN.values(), "toy-protocols", "facebench-floors"])
def test_everything_listed_is_shown_in_text_and_json(name: str, said: Said) -> None:
    card, (status, out, _) = parsed(said, "show", name), said("show", name)
    assert status == 0 and name in card.values() and all(key in out for key in card)


def test_a_protocols_card_says_digest_metrics_licence_and_limits(said: Said) -> None:
    card = parsed(said, "show", ALIGNED)
    assert len(card["digest"]) == len(card["official trials"]) == 64
    assert card["metrics"][0] == "accuracy" and card["task"] == "verification"
    assert card["data"]["licence"] and card["data"]["source"] and card["limits"]


@pytest.mark.parametrize("name", [*KNOWN.values(), ALIGNED])
def test_a_card_says_nothing_of_this_process(name: str, said: Said) -> None:
    assert " at 0x" not in said("show", name)[1] + said("show", name, "--json")[1]


def test_a_broken_plugin_is_listed_and_shown_with_its_cause(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("raise OSError('[bold]no luck[/] [x]')\n")
    head = '[project]\nname = "broken"\n[project.entry-points.facebench]\nbroken = "broken"\n'
    (tmp_path / "pyproject.toml").write_text(head)
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(tmp_path))
    discover.cache_clear()
    for words in (("list", "plugins"), ("show", "broken")):
        assert "OSError: [bold]no luck[/] [x]" in said(*words)[1]
    assert parsed(said, "show", "broken")["cause"] == "OSError: [bold]no luck[/] [x]"


# Wrong use ends with 2 and says what was meant.

WRONG: list[tuple[list[str], str]] = [
    (["list", "protocol"], "Did you mean 'protocols'"),
    (["show", "verification/toy/pear"], "Did you mean 'verification/toy/pairs'"),
    (["show", "tooy"], "Did you mean 'toy'"),
    (["run", "verification/toy/pear", "--method", "toy"], "'verification/toy/pairs'"),
    (["run", OFFICIAL, "--method", "tooy"], "Unknown method 'tooy'"),
    (["run", OFFICIAL, "--method", "toy-option:gian=2"], "Did you mean 'gain'"),
    (["run", OFFICIAL, "--method", "toy-option:loud=maybe"], "loud takes on, off"),
    (["run", OFFICIAL], "No protocol or no method was named"),
    (["run", OFFICIAL, "--method", "toy-raw"], "takes raw inputs; these are arcface-112"),
    (["run", OFFICIAL, "--method", "toy", "--batch-size", "many"], "It is a number or auto"),
    (["run", OFFICIAL, "--method", "toy", "--batch-size", "²"], "It is a number or auto"),
    (["run", OFFICIAL, "--method", "toy", "--batch-size", "0"], "It is 1 or more"),
    (["run", OFFICIAL, "--method", "toy", "--memory", "4 apples"], "such as 4GB"),
    (["run", OFFICIAL, "--method", "toy", "--memory", "9" * 400], "such as 4GB"),
    (["run", OFFICIAL, "--role", "method"], "ROLE=METHOD"),
    (["run", OFFICIAL, "--role", "target=toy"], "Its roles are method"),
    (["run", OFFICIAL, "--method", "toy", "--limit", "lots"], "--limit"),
    (["run", OFFICIAL, "--method", "toy", "--limit", "3", "--data", "{data}"], "at least --limit 8"),
    (["score", "verification/toy/pear", "--answers", "a.csv"], "'verification/toy/pairs'"),
    (["score", OFFICIAL, "--answers", "absent.csv", "--data", "{data}"], "absent.csv"),
    (["compare", "{toy}", "{limited}"], "Compare results of one question"),
    (["runn"], "No such command"),
    (["compare", "one", "--jsn"], "No such option"),
]


@pytest.mark.parametrize(("words", "text"), WRONG, ids=[" ".join(words)[:60] for words, _ in WRONG])
def test_wrong_use_ends_with_2_and_says_what_would_be_right(
    words: list[str], text: str, said: Said, synthetic: Path, runs: Path, tmp_path: Path
) -> None:
    places = {"data": synthetic, "toy": cell(runs, "toy"), "limited": cell(runs, "toy", "16")}
    status, out, err = said(*(word.format(**places) for word in words))
    assert status == 2 and out == ""
    assert text in err
    assert not list(tmp_path.glob("runs/**/*.parquet"))


FAILED: list[tuple[list[str], str]] = [
    (["run", OFFICIAL, "--method", "toy", "--data", "nowhere"], "does not exist"),
    (["rank"], "leaderboards"),
    (["rank", "--check", "nowhere"], "no such folder"),
    (["audit", "nowhere.json"], "cannot be read"),
    (["compare", "nowhere.json", "{toy}"], "cannot be read"),
    (["score", "nowhere"], "no header.json"),
]


@pytest.mark.parametrize(("words", "text"), FAILED, ids=[" ".join(words) for words, _ in FAILED])
def test_what_is_not_there_ends_with_1_and_is_named(words: list[str], text: str, said: Said, runs: Path) -> None:
    status, _, err = said(*(word.format(toy=cell(runs, "toy")) for word in words))
    assert status == 1 and text in err


def test_the_command_as_installed_ends_the_same_way(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "show", "verification/lfw/view3"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    assert "'verification/lfw/view2'" in ended.stderr


def test_an_interrupt_ends_with_130_and_says_how_to_go_on(synthetic: Path, tmp_path: Path) -> None:
    words = ["--method", "slow", "--batch-size", "1", "--data", str(synthetic)]
    command = [sys.executable, "-m", "bench", "run", OFFICIAL, *words]
    pipes: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    # Where the tests run in the background a shell has made them deaf to interrupts, and their children with them.
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, cwd=tmp_path, preexec_fn=heard, **pipes) as run:
        while run.poll() is None and not list(tmp_path.rglob("header.json")):
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130 and out == ""
    assert "The same command goes on" in err and "Traceback" not in err
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60).returncode == 0


# run.


def test_a_run_ends_with_0_shows_scores_and_says_where_everything_lies(said: Said, synthetic: Path) -> None:
    words = ("run", OFFICIAL, "--method", "toy", "--limit", "16", "--data", synthetic, "--out", "mine")
    status, out, _ = said(*words)
    (folder,) = (path.parent for path in Path("mine").rglob("result.json"))
    assert status == 0 and "accuracy" in out and f"{folder}/" in out
    assert "goes on no board" in out, "a limited run is marked"
    assert "facebench rank mine" in out


def test_a_run_of_which_one_cell_fails_ends_with_1_after_the_others(said: Said, synthetic: Path) -> None:
    words = ["run", OFFICIAL, "--method", "raises-always", "--method", "toy", "--data", synthetic, "--limit", "16"]
    status, out, err = said(*words)
    assert status == 1
    assert "I never work" in err and "1 of 2 cells failed" in out
    (again,) = parsed(said, *words, status=1)
    assert is_result(again) and again["roles"] == {"method": ["toy"]}


def test_json_of_a_run_is_its_results_and_nothing_else(said: Said, synthetic: Path, runs: Path) -> None:
    words = ("run", OFFICIAL, "--method", "toy", "--method", "perfect", "--data", synthetic, "--out", runs)
    found = parsed(said, *words)
    assert [data["roles"]["method"] for data in found] == [["toy"], ["perfect"]]
    assert all(map(is_result, found))


# score, rank, compare, audit.


def test_a_run_is_scored_again(said: Said, runs: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(cell(runs, "toy"), tmp_path / "copied"))
    assert parsed(said, "score", copied) == json.loads((copied / "result.json").read_text())
    status, out, _ = said("score", copied)
    assert status == 0 and f"{copied}/" in out and "accuracy" in out


def test_answers_made_elsewhere_are_scored_under_the_name_given(said: Said, synthetic: Path, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7}\n" for i in range(48))
    (tmp_path / "answers.csv").write_text("trial,score\n" + rows)
    words = ("score", OFFICIAL, "--answers", "answers.csv", "--name", "theirs", "--data", synthetic)
    found = parsed(said, *words)
    assert is_result(found) and found["roles"] == {"method": ["theirs"]} and found["provenance"]["external"]
    assert "theirs" in said(*words)[1]
    assert "not ranked: theirs (answers made elsewhere)" in said("rank", "runs")[1]


def test_a_ranking_is_shown_and_its_json_has_ranks_results_and_what_is_apart(said: Said, runs: Path) -> None:
    found = parsed(said, "rank", runs)
    assert list(found) == [OFFICIAL, PRIVATE]
    rows, apart = found[OFFICIAL]["rows"], found[OFFICIAL]["apart"]
    assert all(set(row) == {"first", "last", "path", "result"} and is_result(row["result"]) for row in rows)
    assert [set(one) for one in apart] == [{"path", "why"}]
    status, out, _ = said("rank", runs)
    assert status == 0 and "not ranked: toy (limited to 16 trials)" in out
    assert out.index("perfect") < out.index("constant")


def test_results_go_into_boards_that_a_check_passes_until_one_is_edited(said: Said, runs: Path) -> None:
    status, _, err = said("rank", runs / "verification" / "toy" / "pairs", "--into", "leaderboards")
    assert status == 0 and "5 results" in err
    page = Path("leaderboards", OFFICIAL, "README.md")
    assert str(page) in err
    assert said("rank", "--check")[0] == said("rank")[0] == said("rank", "leaderboards", "--check")[0] == 0
    result = Path("leaderboards", OFFICIAL, "toy.json")
    result.write_text(result.read_text().replace('"failures": 0', '"failures": 3'))
    status, out, err = said("rank", "--check")
    assert status == 1 and out == ""
    assert str(result) in err and str(page) in err
    said("rank")
    status, _, err = said("rank", "--check")
    assert status == 1 and str(page) not in err, "ranking again wrote the page, but the result stays wrong"


def test_a_comparison_shows_each_metric_with_interval_and_p_value(said: Said, runs: Path) -> None:
    one, other = cell(runs, "perfect"), cell(runs, "random")
    found = parsed(said, "compare", one, other)["differences"]
    keys = {"metric", "first", "second", "difference", "low", "high", "p_value", "unit", "better", "bound"}
    assert found and all(set(row) == keys for row in found)
    status, out, _ = said("compare", one / "result.json", other)
    assert status == 0 and all(row["metric"] in out for row in found)
    assert f"{found[0]['difference'] * 100:+.2f} [" in out and "not resolved" in out


def test_an_audit_holds_or_ends_with_1_and_shows_the_fault(said: Said, runs: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(cell(runs, "toy"), tmp_path / "copied"))
    checks = parsed(said, "audit", copied)
    assert len(checks) > 10 and all(set(c) == {"check", "fault"} and c["fault"] == "" for c in checks)
    data = json.loads((copied / "result.json").read_text())
    data["scores"][0]["value"] = 0.25
    (copied / "result.json").write_text(json.dumps(data))
    status, out, _ = said("audit", copied / "result.json")
    assert status == 1 and "fault  accuracy is what the trials give: 0.25 against" in out
    faults = [c["check"] for c in parsed(said, "audit", copied, status=1) if c["fault"]]
    assert faults == ["accuracy is what the trials give"]


# Eighty columns.


@pytest.mark.parametrize(
    "words",
    [
        *(["list", kind] for kind in KEYS),
        *(["show", name] for name in (*KNOWN.values(), ALIGNED, "facebench-floors")),
        ["rank", "{runs}"],
        ["compare", "{perfect}", "{random}"],
        ["run", OFFICIAL, "--method", "perfect", "--data", "{data}", "--out", "{runs}"],
        ["run", "--help"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_output_fits_eighty_columns(words: list[str], said: Said, runs: Path, synthetic: Path) -> None:
    places = {"runs": runs, "data": synthetic, "perfect": cell(runs, "perfect"), "random": cell(runs, "random")}
    status, out, _ = said(*(word.format(**places) for word in words), columns=80)
    assert status == 0
    assert [line for line in out.splitlines() if len(line) > 80 and str(runs) not in line] == []
    assert "…" not in out.replace("METHOD…", "").replace("value,…", "").replace("cuda, …", ""), "nothing is cut off"
