"""UF1, UAR and accuracy are what scikit-learn and a plain count give, with unanswered samples as misses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from bench.errors import WrongUse
from bench.metrics import metric
from bench.metrics.classification import Classified, uar, uf1, war

CLASSES = ("negative", "positive", "surprise", "others")


@st.composite
def classified(draw: st.DrawFn) -> Classified:
    count = draw(st.integers(1, 40))
    truth = [draw(st.integers(0, 3)) for _ in range(count)]
    answered = [draw(st.integers(-1, 3)) for _ in range(count)]
    return Classified(CLASSES, truth, answered)


@given(classified())
@settings(max_examples=200, deadline=None)
def test_scores_are_those_of_scikit_learn(made: Classified) -> None:
    seen = sorted({*made.truth.tolist(), *made.answered.tolist()} - {-1})
    assert war(made).value == pytest.approx((made.truth == made.answered).mean())
    assert uf1(made).value == pytest.approx(f1_score(made.truth, made.answered, labels=seen, average="macro"))
    with np.errstate(all="ignore"):
        expected = np.nanmean([(made.answered[made.truth == c] == c).mean() for c in sorted(set(made.truth.tolist()))])
    assert uar(made).value == pytest.approx(expected)
    if -1 not in made.answered and set(made.answered.tolist()) <= set(made.truth.tolist()):
        assert uar(made).value == pytest.approx(balanced_accuracy_score(made.truth, made.answered))


@given(classified())
@settings(max_examples=100, deadline=None)
def test_the_confusion_has_a_column_for_samples_without_an_answer(made: Classified) -> None:
    expected = confusion_matrix(made.truth, made.answered, labels=[0, 1, 2, 3, -1])[:4]
    assert np.array_equal(made.confusion(), expected)
    assert made.confusion().sum() == len(made.truth)


@given(classified(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_whole_weights_are_repeated_samples(made: Classified, random: object) -> None:
    weights = np.array([random.randint(0, 3) for _ in made.truth], float)  # type: ignore[attr-defined]
    weights[0] += 1
    rows = np.repeat(np.arange(len(weights)), weights.astype(int))
    again = Classified(CLASSES, made.truth[rows], made.answered[rows])
    for compute in (war, uar, uf1):
        assert compute(made, weights).value == pytest.approx(compute(again).value)


def test_a_class_that_no_truth_has_leaves_the_mean_of_uar_and_says_so() -> None:
    made = Classified(CLASSES, [0, 0, 1], [0, 1, 1])
    assert uar(made).value == pytest.approx(0.75)
    assert uar(made).note == "over 2 of 4 classes; no truth has the others"


def test_a_class_that_was_answered_but_is_nowhere_true_counts_0_in_uf1() -> None:
    assert uf1(Classified(CLASSES, [0, 0], [0, 2])).value == pytest.approx((2 / 3 + 0) / 2)
    assert uf1(Classified(CLASSES, [0, 0], [0, 0])).value == 1


def test_a_sample_without_an_answer_is_a_miss_and_no_false_alarm() -> None:
    made = Classified(("a", "b"), [0, 0, 1, 1], [0, -1, 1, 1])
    assert war(made).value == 0.75
    assert uar(made).value == 0.75
    assert uf1(made).value == pytest.approx((2 / 3 + 1) / 2)


def test_macro_f1_is_uf1_under_its_other_name() -> None:
    made = Classified(CLASSES, [0, 1, 2, 3], [0, 1, 1, -1])
    assert metric("macro_f1").compute(made) == metric("uf1").compute(made)


@pytest.mark.parametrize(("truth", "answered"), [([], []), ([0], [0, 1]), ([4], [0]), ([-1], [0]), ([0], [-2])])
def test_what_is_of_no_declared_class_is_refused(truth: list[int], answered: list[int]) -> None:
    with pytest.raises(WrongUse, match="declared class"):
        Classified(CLASSES, truth, answered)
