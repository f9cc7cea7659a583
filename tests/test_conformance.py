"""Every check catches a method that breaks its rule, leaves good ones alone, and says what to change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import conformance
from bench.conformance import Outcome
from bench.errors import PluginBroken, UnknownName
from bench.plugins import discover

HERE = Path(__file__).parent
PLUGINS = HERE.parent / "plugins"
Said = Callable[..., tuple[int, str, str]]

# A method of tests/bad_methods, the check that catches it, and what its message says.
BAD = [
    ("no-licence", "card", 'write licence="'),
    ("no-about", "card", 'write about="'),
    ("no-inputs", "card", 'write inputs={"arcface-112"}'),
    ("no-tasks", "card", 'write tasks={"verification"}'),
    ("misspelt-task", "card", "'verificaton' is no task: write tasks={\"verification\"}"),
    ("no-cite", "card", 'write cite="'),
    ("withdrawn-elsewhere", "card", "withdrawn names 'MS-Celeb-1M', which trained_on does not"),
    ("needs-what-is-not-there", "card", "mend the line needs="),
    ("bad-heavy", "light", "bad_heavy.py, line 7: import numpy as np"),
    ("raises-in-load", "loads", "load(): It raised OSError: my weights are gone."),
    ("imports-what-is-not-there", "loads", "Name what load() imports in needs="),
    ("looks-up-a-host", "offline", "Read weights from given.weights"),
    ("no-embed", "calls", "It has no embed(): add `def embed(self, faces)` to what load() returns."),
    ("no-restore", "calls", "It has no restore(): add `def restore(self, weights)`"),
    ("unsaid-fit", "calls", "write trainable=True on its card"),
    ("a-list", "shape", "It returned a list. Return a numpy array of float32"),
    ("float64", "shape", "result.astype(np.float32)"),
    ("one-row-less", "shape", "shape [7, 64]. Return [8, d], one row a face"),
    ("one-dimension", "shape", "shape [512]. Return [8, d], one row a face"),
    ("half-a-row", "shape", "Row 0 of the embedding mixes numbers with NaN"),
    ("infinity", "shape", "NaN or infinity"),
    ("dies-when-asked", "shape", "Its process ended with exit status 7"),
    ("sorts", "order", "Row i must answer record i: do not sort"),
    ("centres-the-batch", "batches", "no mean or norm over the batch"),
    ("draws", "repeats", "Seed what is random from given.seed"),
    ("draws-in-load", "fresh", "Seed what load() draws from given.seed"),
    ("raises-on-flat", "odd", "Asked of a flat black picture: embed() raised ValueError: no face here"),
    ("raises-on-small", "odd", "Asked of a picture of 1x1 pixels"),
    ("one-failure-fails-all", "odd", "the failure of one is one row of NaN"),
    ("reads-keys", "keys", "use the record's contents only, not .key"),
    ("parses-keys", "keys", "Under other keys: embed() raised ValueError"),
    ("writes-into-pixels", "inputs", "Copy first: pixels = face.pixels.copy()"),
    ("caches-by-key", "state", "no cache by key"),
    ("yields-nothing", "fits", "yield bench.Snapshot(step, weights)"),
    ("yields-a-dict", "fits", "yield bench.Snapshot(step=1, weights={name: array})"),
    ("raises-in-fit", "fits", "fit(): It raised ValueError: too few examples"),
    ("restores-badly", "restores", "It raised KeyError: 'average'"),
    ("restores-on-top", "restores", "Take all that answers depend on from the weights given"),
    ("fits-at-random", "refits", "Seed what fit() draws from given.seed"),
    ("forgets-where-it-was", "resumes", "Begin with last.weights and last.state"),
]


@pytest.fixture(autouse=True)
def bad_methods(toys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(HERE / "bad_methods"))
    discover.cache_clear()


def outcomes(method: str | bench.Method, *names: str) -> Iterator[Outcome]:
    """Of all checks of a method, or of some."""
    for bound in bench.checks(method):
        if not names or bound.check.name in names:
            yield bound.outcome()


def states(method: str | bench.Method, *names: str) -> dict[str, str]:
    return {outcome.check: outcome.state for outcome in outcomes(method, *names)}


@pytest.mark.parametrize(("method", "check", "says"), BAD, ids=[f"{method}-{check}" for method, check, _ in BAD])
def test_a_bad_method_is_caught_by_the_check_of_its_rule(method: str, check: str, says: str) -> None:
    (outcome,) = outcomes(method, check)
    assert outcome.state == "failed"
    assert says in outcome.message


def test_every_check_has_a_bad_method() -> None:
    assert {bound.check.name for bound in bench.checks("good-fitted")} == {check for _, check, _ in BAD}


@pytest.mark.parametrize("method", ["good", "good-fitted", "random", "constant", "eigenfaces", "hog", "example"])
def test_a_good_method_passes_every_check(method: str) -> None:
    left = [outcome for outcome in outcomes(method) if outcome.state != "passed"]
    assert [outcome.check for outcome in left if outcome.state != "skipped"] == []
    assert {outcome.check for outcome in left} <= {"labels"}, "a floor answers by place, and may"


@pytest.mark.parametrize("method", ["draws-in-load", "caches-by-key", "reads-keys", "raises-on-flat"])
def test_a_method_that_breaks_one_rule_fails_one_check(method: str) -> None:
    (name,) = [check for bad, check, _ in BAD if bad == method]
    assert {check for check, state in states(method).items() if state != "passed"} == {name}


def test_a_failure_names_the_plugins_line_that_raised() -> None:
    (outcome,) = outcomes("raises-on-flat", "odd")
    lines = (HERE / "bad_methods" / "bad_methods.py").read_text("utf-8").splitlines()
    number = next(i for i, line in enumerate(lines, 1) if 'raise ValueError("no face here")' in line)
    assert f"(bad_methods.py, line {number})" in outcome.message


def test_a_method_that_answers_nothing_is_unproven_and_not_green() -> None:
    found = states("finds-nobody", "loads", "shape", "order", "odd")
    assert found == {"loads": "passed", "shape": "unproven", "order": "unproven", "odd": "unproven"}


def test_what_follows_from_another_failure_is_skipped_and_says_which() -> None:
    (load, order) = outcomes("raises-in-load", "loads", "order")
    assert load.state == "failed"
    assert order == Outcome("order", "skipped", "It cannot be asked: see 'loads'.")
    (restores,) = outcomes("yields-nothing", "restores")
    assert restores == Outcome("restores", "skipped", "It cannot be fitted: see 'fits'.")


def test_a_task_without_a_contract_here_is_skipped() -> None:
    skipped = Outcome("contract", "skipped", "This version has no contract for personality.")
    *others, last = outcomes("planned-task")
    assert [outcome.state for outcome in others] == ["passed"] * 4 and last == skipped
    assert [outcome for outcome in outcomes("planned-task-too") if outcome.state != "passed"] == [skipped]


def test_weights_that_are_not_there_are_skipped_with_the_line_that_would_enable_it(tmp_path: Path) -> None:
    (outcome,) = [b.outcome() for b in bench.checks("needs-weights", tmp_path) if b.check.name == "loads"]
    assert outcome.state == "skipped"
    assert "Point --models (or FACEBENCH_MODELS) at the folder that holds it." in outcome.message
    assert "handed out at https://example.org" in outcome.message


def test_a_method_made_in_a_script_is_checked_too() -> None:
    class Mean:
        def embed(self, faces):  # type: ignore[no-untyped-def]
            return np.stack([face.pixels.mean(axis=(0, 1)) for face in faces]).astype(np.float32)

    card = {"inputs": frozenset({"raw"}), "licence": "Apache-2.0", "about": "mean", "cite": "nobody"}
    found = states(bench.Method("mean", frozenset({"verification"}), lambda given: Mean(), **card))  # type: ignore[arg-type]
    assert found.pop("light") == "skipped"
    assert set(found.values()) == {"passed"}


def test_a_bound_check_can_be_called_as_a_plain_assertion() -> None:
    bound = {bound.check.name: bound for bound in bench.checks("no-licence")}
    with pytest.raises(AssertionError, match="no licence"):
        bound["card"]()
    bound["light"]()


def test_the_environment_is_as_before_after_a_worker_was_held_offline() -> None:
    before = dict(os.environ)
    assert states("good", "offline") == {"offline": "passed"}
    assert dict(os.environ) == before


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean"):
        list(bench.checks("goood"))


# In pytest.


def pytest_says(tmp_path: Path, decorator: str) -> str:
    """What pytest prints of a test module that a contributor would write."""
    code = f"import bench\n\n@bench.parametrize_with_checks({decorator})\ndef test_rules(check):\n    check()\n"
    (tmp_path / "test_it.py").write_text(code)
    words = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-c", os.devnull, "test_it.py"]
    ended = subprocess.run(words, cwd=tmp_path, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True)
    return ended.stdout + ended.stderr


def test_pytest_gets_one_test_a_method_and_check(tmp_path: Path) -> None:
    said = pytest_says(tmp_path, "['good', 'reads-keys', 'finds-nobody']")
    assert "PASSED test_it.py::test_rules[good-keys]" in said
    assert "FAILED test_it.py::test_rules[reads-keys-keys] - Failed: Other keys got other answers." in said
    assert "unproven: It answered none of 8 drawn faces" in said
    assert "1 failed" in said


def test_a_known_failure_is_an_expected_one(tmp_path: Path) -> None:
    said = pytest_says(tmp_path, "['reads-keys'], known={'keys': 'as published'}")
    assert "XFAIL test_it.py::test_rules[reads-keys-keys] - as published" in said
    assert "13 passed, 1 xfailed" in said


def test_a_known_failure_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    said = pytest_says(tmp_path, "['good'], known={'keys': 'as published'}")
    assert "[XPASS(strict)] as published" in said
    assert "1 failed, 13 passed" in said


def test_a_known_failure_of_no_check_is_refused() -> None:
    with pytest.raises(UnknownName, match="'keys'"):
        bench.parametrize_with_checks(["good"], known={"keyss": "as published"})


def test_a_plugin_in_quarantine_is_named_when_tests_are_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "broken"\n[project.entry-points.facebench]\nbroken = "broken"\n'
    )
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(tmp_path))
    discover.cache_clear()
    with pytest.raises(PluginBroken, match="no_such_package"):
        bench.parametrize_with_checks(["broken"])


# On the command line.


def test_check_prints_a_table_that_fits_a_terminal_and_fails_where_a_rule_is_broken(said: Said) -> None:
    status, out, _ = said("check", "no-licence", columns=80)
    assert status == 1
    assert max(map(len, out.splitlines())) <= 80
    rows = [line.split()[:2] for line in out.splitlines()[2:]]
    assert ["check", "state"] in rows or out.splitlines()[2].split() == ["check", "state", "message"]
    assert ["card", "failed"] in rows and ["light", "passed"] in rows
    assert said("check", "hog")[0] == 0


def test_check_speaks_json(said: Said) -> None:
    status, out, _ = said("check", "planned-task", "--json")
    assert status == 0
    rows = json.loads(out)
    assert rows[0] == {"method": "planned-task", "check": "card", "state": "passed", "message": ""}
    assert rows[-1]["state"] == "skipped"


def test_check_takes_a_plugins_folder_and_checks_all_it_brings(said: Said) -> None:
    status, out, _ = said("check", PLUGINS / "facebench-floors", "--json")
    rows = json.loads(out)
    assert status == 0
    assert list(dict.fromkeys(row["method"] for row in rows)) == ["facebench-floors", "random", "constant", "majority"]


def test_a_plugins_folder_without_methods_passes_as_a_plugin() -> None:
    found = list(conformance.check(str(PLUGINS / "facebench-synthetic")))
    assert found == [("facebench-synthetic", Outcome("plugin", "passed"))]


def test_a_wrong_name_is_wrong_use(said: Said) -> None:
    status, _, err = said("check", "hogg")
    assert status == 2 and "'hog'" in err
