"""Calibration and FERBench's counting are what their sources say, by brute force; another naming is found, not
guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from bench.metrics import expression
from bench.metrics.expression import ACCURACY, BRIER, ECE, FERBENCH_METRICS, NLL, UNKNOWN, Expressions, Scorer
from bench.metrics.expression_trials import ExpressionTrials, other_naming

CLASSES = ("anger", "fear", "happiness", "sadness")


def answers(truth: Any, answered: Any, probability: Any = None, compatible: Any = None, **known: Any) -> Expressions:
    count = len(truth)
    filled = {
        "parse_failed": np.zeros(count, bool),
        "refused": np.zeros(count, bool),
        "probability": np.full((count, len(CLASSES)), np.nan) if probability is None else probability,
        "compatible": np.full(count, -1) if compatible is None else np.array(compatible),
    }
    return Expressions(CLASSES, truth, answered, **{**filled, **known})


def drawn(seed: int, count: int = 60) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    scores = draw.standard_normal((count, len(CLASSES))) * 2
    scores = np.exp(scores)
    return draw.integers(0, len(CLASSES), count), scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_what_a_loop_over_bins_and_samples_gives(seed: int) -> None:
    truth, p = drawn(seed)
    told = answers(truth, p.argmax(axis=1), p)
    gap = 0.0
    for low in range(15):
        rows = [i for i in range(len(p)) if low / 15 < p[i].max() <= (low + 1) / 15]
        if rows:
            right = sum(p[i].argmax() == truth[i] for i in rows) / len(rows)
            gap += len(rows) / len(p) * abs(right - sum(p[i].max() for i in rows) / len(rows))
    assert ECE.compute(told).value == pytest.approx(gap)
    squares = [sum((p[i, k] - (truth[i] == k)) ** 2 for k in range(4)) for i in range(len(p))]
    assert BRIER.compute(told).value == pytest.approx(sum(squares) / len(p))
    assert NLL.compute(told).value == pytest.approx(-np.mean([np.log(p[i, truth[i]]) for i in range(len(p))]))


@pytest.mark.parametrize("metric", [*expression.METRICS, *FERBENCH_METRICS], ids=lambda m: m.name)
def test_a_weight_of_two_is_a_sample_that_is_there_twice(metric: Any) -> None:
    truth, p = drawn(3, 40)
    failed = np.arange(40) % 7 == 0
    answered = np.where(failed, -1, p.argmax(axis=1))
    found = np.where(np.arange(40) % 5 == 0, 4, answered)
    weights = np.random.default_rng(0).integers(0, 3, 40)
    rows = np.repeat(np.arange(40), weights)

    def made(at: Any) -> Expressions:
        return answers(truth[at], answered[at], p[at], found[at], parse_failed=failed[at], refused=failed[at])

    once = metric.compute(made(np.arange(40)), weights.astype(np.float64)).value
    assert once == pytest.approx(metric.compute(made(rows)).value)


def test_samples_without_probabilities_are_left_out_of_calibration_and_noted() -> None:
    truth, p = drawn(1, 10)
    p[:3] = np.nan
    told = answers(truth, np.where(np.isnan(p[:, 0]), -1, np.nan_to_num(p).argmax(axis=1)), p)
    rest = answers(truth[3:], p[3:].argmax(axis=1), p[3:])
    for metric in (ECE, BRIER, NLL):
        assert metric.compute(told).value == pytest.approx(metric.compute(rest).value)
        assert metric.compute(told).note == "over 7 of 10 samples; the others have no probabilities"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<think>not sad</think><answer>happiness</answer>", "happiness"),
        ("unhappiness", "happiness"),  # a substring counts
        ("no fear but sadness", "fear"),  # the first candidate counts, not the first in the text
        ("<think>anger or fear", "anger"),
        ("I think anger. <answer>gladness</answer>", "anger"),  # where the tags hold no label the whole is searched,
        ("<ANSWER> Joyful </answer>", "happiness"),  # and after that for synonyms,
        ("a shock, and she is angry", "anger"),  # in the order of the script
        ("<answer>fear\n</answer> of anger", "anger"),  # a tag is of one line
        ("mad", UNKNOWN),
        ("nothing", UNKNOWN),
    ],
)
def test_ferbench_reads_answers_as_published(text: str, found: str) -> None:
    assert Scorer(CLASSES).read(text) == found


def test_ferbenchs_scripts_differ_by_data_set() -> None:
    assert Scorer(CLASSES, mad=True).read("mad") == "anger"
    sfew = Scorer(("angry", "fear", "happy"), mad=True, lines=True)
    assert sfew.read("<answer>fear\n</answer> angry") == "fear"
    assert sfew.read("<ANSWER>fear</ANSWER> angry") == "angry"
    assert [sfew.read(word) for word in ("sorrow", "happiness", "anger")] == [UNKNOWN, "happy", "angry"]


def test_what_ferbench_finds_may_be_a_class_of_no_truth() -> None:
    names = {"truth": ["fear", "fear"], "answer": ["fear", ""], "ferbench": ["contempt", UNKNOWN]}
    told = ExpressionTrials({**names, "failure": ["", "x"], "seen": ["", ""], "cluster": np.array([0, 1])})
    assert FERBENCH_METRICS[0].compute(told.whole).value == 0
    assert told.whole.compatible.tolist() == [0, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 4)), min_size=1, max_size=40))
def test_ferbench_counts_unknown_as_a_class_and_leaves_errors_out(pairs: list[tuple[int, int]]) -> None:
    truth, found = (np.array(side) for side in zip(*pairs, strict=True))
    told = answers(truth, np.where(found > 3, -1, found), compatible=found)
    kept = found >= 0
    accuracy, recall, f1 = (metric.compute(told).value for metric in FERBENCH_METRICS)
    if not kept.any():
        assert np.isnan([accuracy, recall, f1]).all()
        return
    assert accuracy == pytest.approx((truth[kept] == found[kept]).mean())
    assert recall == pytest.approx(recall_score(truth[kept], found[kept], average="macro", zero_division=0))
    assert f1 == pytest.approx(f1_score(truth[kept], found[kept], average="macro", zero_division=0))


def test_an_unknown_deflates_the_published_means_and_not_ours() -> None:
    truth = np.repeat([0, 1, 2, 3], 5)
    answered = truth.copy()
    answered[0] = -1
    told = answers(truth, answered, compatible=np.where(answered < 0, 4, answered))
    assert FERBENCH_METRICS[1].compute(told).value == pytest.approx((0.8 + 1 + 1 + 1) / 5)
    assert expression.UAR.compute(told).value == pytest.approx((0.8 + 1 + 1 + 1) / 4)
    assert expression.UAR.compute(told).value == pytest.approx(balanced_accuracy_score(truth, answered))


def test_another_naming_is_told_where_labels_were_taken_in_another_order() -> None:
    truth = np.repeat([0, 1, 2, 3], 50)
    mirror = np.array([3, 2, 1, 0])
    told = other_naming(answers(truth, mirror[truth]))
    assert "Reading anger as sadness, fear as happiness" in told
    assert "100.0% in place of 0.0%" in told
    swapped = np.array([1, 0, 2, 3])[truth]
    assert "anger as fear, fear as anger would give 100.0% in place of 50.0%" in other_naming(answers(truth, swapped))


@pytest.mark.parametrize("answered", ["right", "one class", "at random", "few"])
def test_no_other_naming_is_told_of_what_is_right_or_knows_nothing(answered: str) -> None:
    truth = np.repeat([0, 1, 2, 3], [100, 60, 30, 10])
    draw = np.random.default_rng(0)
    given = {"right": truth, "one class": np.full(200, 3), "at random": draw.integers(0, 4, 200), "few": truth}[
        answered
    ]
    if answered == "few":
        truth, given = truth[::40], np.array([3, 0, 0, 1, 2])
    assert other_naming(answers(truth, given)) == ""


def test_accuracy_counts_what_says_nothing_as_wrong() -> None:
    assert ACCURACY.compute(answers(np.array([0, 1, 2, 3]), np.array([0, 1, -1, -1]))).value == 0.5
