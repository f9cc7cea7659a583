"""Where two methods disagree: which decisions are right, how they are counted, and what is shown of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trials import made_trials, own_rows

from bench import boards
from bench.answers import contents_sha256, read_table, write_table
from bench.cases import Decisions
from bench.disagreement import disagreement, mcnemar_p_value
from bench.errors import Mismatch
from bench.metrics.biometric import ACCURACY
from bench.metrics.comparison_trials import ComparisonTrials
from bench.tasks import identification, verification

OFFICIAL = "verification/toy/pairs"
Said = Callable[..., tuple[int, str, str]]


def cell(runs: Path, method: str) -> Path:
    found = runs.joinpath(*OFFICIAL.split("/")).glob(f"{method}-????????/result.json")
    (path,) = (p for p in found if '"limit": null,' in p.read_text())
    return path.parent


def decided(right: list[bool], **columns: list[Any]) -> Decisions:
    which = {"trial": np.arange(len(right))}
    return Decisions("by a rule", np.array(right), which, {name: np.array(c) for name, c in columns.items()})


# What is decided.


@given(st.integers(0, 50), st.booleans())
@settings(deadline=None)
def test_the_share_decided_rightly_is_the_accuracy(seed: int, fitted: bool) -> None:
    trials = made_trials(seed, fitted=fitted)
    found = verification.decide(trials)
    assert found is not None
    estimate = ComparisonTrials(trials, 0, 0).compute(ACCURACY)
    shares = [found.right[found.which["fold"] == fold].mean() for fold in range(3)]
    assert shares == pytest.approx(list(estimate.folds))
    assert found.right.mean() == pytest.approx(estimate.value), "the folds are of one size"


@pytest.mark.parametrize("fitted", [False, True])
def test_a_decision_is_that_of_the_pairs_own_fold_and_a_failed_one_rejects(fitted: bool) -> None:
    trials = made_trials(1, fitted=fitted)
    found = verification.decide(trials)
    assert found is not None
    rows = own_rows(trials)
    assert found.given["score"].tolist() == [row["score"] for row in rows]
    assert found.which["trial"].tolist() == [row["trial"] for row in rows] == list(range(180))
    for right, row, threshold in zip(found.right, rows, found.given["threshold"], strict=True):
        assert right == ((row["score"] > threshold) == row["mated"])
        assert row["score"] > -np.inf or right == (not row["mated"])
    assert all(len(set(found.given["threshold"][found.which["fold"] == fold])) == 1 for fold in range(3))


def test_trials_without_folds_hold_no_decision() -> None:
    assert verification.decide({**made_trials(0), "fold": np.zeros(180, np.int16)}) is None


def test_a_search_is_decided_at_rank_1_for_mated_probes_only() -> None:
    trials = {
        "trial": np.arange(4),
        "probe_subject": np.array([5, 6, 7, 8]),
        "mated": np.array([True, True, False, True]),
        "rank": np.array([1, 2, 9, 9]),
        "mated_score": np.array([0.9, 0.1, -np.inf, -np.inf]),
        "best_non_mated": np.array([0.2, 0.3, 0.8, 0.2]),
    }
    found = identification.decide(trials)
    assert found.which["trial"].tolist() == [0, 1, 3] and found.right.tolist() == [True, False, False]


# How it is counted.


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_every_decision_is_counted_once_and_those_of_one_method_are_listed(pairs: list[tuple[bool, bool]]) -> None:
    first, second = (list(side) for side in zip(*pairs, strict=True))
    scores = [float(i) for i in range(len(pairs))]
    found = disagreement(decided(first, score=scores), decided(second, score=scores[::-1]))
    counts = {
        (True, True): found.both_right,
        (True, False): found.only_first,
        (False, True): found.only_second,
        (False, False): found.both_wrong,
    }
    assert counts == {kind: pairs.count(kind) for kind in counts}
    expected = [
        {"trial": i, "first score": scores[i], "second score": scores[-1 - i], "right": "first" if a else "second"}
        for i, (a, b) in enumerate(pairs)
        if a != b
    ]
    assert list(found.decisions) == expected


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemars_p_value_is_the_two_sided_binomial_one(first: int, second: int) -> None:
    expected = scipy.stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_p_value(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemars_p_value_holds_for_many_disagreements() -> None:
    expected = scipy.stats.binomtest(500_000, 1_002_000).pvalue
    assert mcnemar_p_value(500_000, 502_000) == pytest.approx(expected, rel=1e-6)
    assert mcnemar_p_value(0, 100_000) == 0


def test_the_score_of_what_failed_is_none_so_that_json_can_hold_it() -> None:
    found = disagreement(decided([True], score=[-np.inf]), decided([False], score=[0.5]))
    assert found.decisions == ({"trial": 0, "first score": None, "second score": 0.5, "right": "first"},)


def test_decisions_of_other_trials_are_refused() -> None:
    one = decided([True, False])
    for other in (decided([True]), replace(one, which={"trial": np.array([0, 2])}), replace(one, which={})):
        with pytest.raises(Mismatch, match="of other trials"):
            disagreement(one, other)


# What is shown.


@pytest.mark.usefixtures("official")
def test_a_comparison_lists_by_opaque_numbers_what_only_one_decides_rightly(said: Said, runs: Path) -> None:
    one, other = cell(runs, "perfect"), cell(runs, "random")
    status, out, err = said("compare", one, other, "--json")
    assert status == 0, err
    found = json.loads(out)["decisions"]
    counts = [found[name] for name in ("both_right", "only_first", "only_second", "both_wrong")]
    assert sum(counts) == 48 and len(found["decisions"]) == counts[1] + counts[2] and counts[2] == 0
    keys = {"trial", "fold", "mated", "reference_subject", "probe_subject", "right"}
    keys |= {f"{side} {name}" for side in ("first", "second") for name in ("score", "threshold")}
    assert all(set(decision) == keys for decision in found["decisions"])
    assert "Person_" not in out
    status, out, _ = said("compare", one, other, "--pairs", "2")
    assert status == 0 and f"only the first {counts[1]}" in out and out.count("right first") == 2
    assert "aid to reading" in out
    assert "trial " not in said("compare", one, other)[1]


@pytest.mark.usefixtures("official")
def test_trials_without_a_decision_have_no_disagreement(runs: Path, tmp_path: Path) -> None:
    places = []
    for method in ("toy", "random"):
        folder = Path(shutil.copytree(cell(runs, method), tmp_path / method))
        trials = read_table(folder / "trials.parquet")
        trials["fold"] = np.zeros_like(trials["fold"])
        write_table(folder / "trials.parquet", trials)
        data = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({**data, "trials_sha256": contents_sha256(trials)}))
        places.append(folder)
    assert boards.disagree(*places) is None


BOARDS = Path(__file__).parent.parent / "leaderboards"


@pytest.mark.parametrize(
    ("board", "metric", "decisions"),
    [("verification/synthetic/faces", "accuracy", 600), ("identification/synthetic/faces", "rank-1", 180)],
)
def test_a_method_fitted_by_fold_is_compared_with_one_that_is_not(board: str, metric: str, decisions: int) -> None:
    fitted, other = (BOARDS / board / f"{name}.json" for name in ("eigenfaces", "hog"))
    found = boards.disagree(fitted, other)
    assert found is not None
    counts = (found.both_right, found.only_first, found.only_second, found.both_wrong)
    assert sum(counts) == decisions and counts[1] > 0 < counts[2]
    scores = [boards.entry(path).result.score(metric) for path in (fitted, other)]
    shares = [(found.both_right + only) / decisions for only in (found.only_first, found.only_second)]
    assert shares == pytest.approx([score.value for score in scores if score is not None])


def test_searches_are_compared_in_every_metric(official: None) -> None:
    paths = [BOARDS / "identification/synthetic/faces" / f"{name}.json" for name in ("hog", "random")]
    rows = boards.compare(*paths)
    assert [row.metric for row in rows] == ["rank-1", "rank-5", "fnir@fpir=1e-1", "fte"]
