"""The checks of labels and options: good methods pass, one that goes by places, batches or blindly is caught."""

from __future__ import annotations

import sys
from typing import Any

import cloudpickle
import numpy as np
import pytest

import bench

# What is made here goes to the worker by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class ByName:
    """Classes by a hash of their names and the picture's brightness."""

    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def classify(self, records: Any, labels: Any) -> Any:
        return np.array([[r.pixels[..., len(w) % 3].mean() * ord(w[0]) for w in labels] for r in records], np.float32)


class ByPlace(ByName):
    def classify(self, records: Any, labels: Any) -> Any:
        return np.array([[r.pixels[..., j % 3].mean() for j in range(len(labels))] for r in records], np.float32)


class Sees:
    """Says how bright the picture is; an option is the likelier the nearer its length is to that."""

    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def light(self, question: Any) -> float:
        return 0.0 if question.face is None else float(question.face.pixels.mean()) / 32

    def answer(self, questions: Any) -> Any:
        return [f"{self.light(question):.3f}" for question in questions]

    def loglik(self, questions: Any, options: Any) -> Any:
        sums = np.array([[-1 - abs(self.light(q) - len(option)) for option in options] for q in questions])
        return {"sums": sums, "tokens": np.full(sums.shape, 2), "joint": "direct"}


class OptionsByPlace(Sees):
    def loglik(self, questions: Any, options: Any) -> Any:
        told = super().loglik(questions, options)
        return {**told, "sums": told["sums"] - np.arange(len(options))}


class OverTheBatch(Sees):
    def loglik(self, questions: Any, options: Any) -> Any:
        told = super().loglik(questions, options)
        return {**told, "sums": told["sums"] - len(questions) / 8}


class Blind(Sees):
    def light(self, question: Any) -> float:
        return 3.0


class WithoutLikelihoods(Sees):
    def loglik(self, questions: Any, options: Any) -> Any:
        raise NotImplementedError("this server gives none")


class WithoutTheCall:
    def __init__(self, given: bench.Load) -> None:
        self.answer = lambda questions: ["x" for _ in questions]


def outcomes(kind: Any, contract: str = "Answerer") -> dict[str, tuple[str, str]]:
    given = {"licence": "Apache-2.0", "about": "for tests", "cite": "nobody", "needs": ("numpy",)}
    tasks, inputs = frozenset({"expression"}), frozenset({"raw"})
    method = bench.Method("made-here", tasks, kind, inputs=inputs, contract=contract, **given)
    found = [bound.outcome() for bound in bench.checks(method)]
    return {outcome.check: (outcome.state, outcome.message) for outcome in found}


@pytest.mark.parametrize(("kind", "contract", "last"), [(ByName, "", "labels"), (Sees, "Answerer", "likelihoods")])
def test_a_good_method_passes_every_check_but_that_of_listing(kind: Any, contract: str, last: str) -> None:
    found = outcomes(kind, contract)
    assert {name for name, (state, _) in found.items() if state != "passed"} == {"light"}  # it has no plugin
    assert last in found


@pytest.mark.parametrize(
    ("kind", "contract", "check", "said"),
    [
        (ByPlace, "", "labels", "look classes up by name"),
        (OptionsByPlace, "Answerer", "likelihoods", "Score each option apart from the others"),
        (OverTheBatch, "Answerer", "likelihoods", "Batches of 1 got other log-likelihoods"),
        (Blind, "Answerer", "likelihoods", "it does not see it"),
        (WithoutTheCall, "Answerer", "calls", "add `def loglik(self, questions, options)`"),
        (Sees, "Answers", "card", "'Answers' is no contract of its tasks"),
    ],
)
def test_a_spoilt_method_is_caught_by_the_check_of_its_rule(kind: Any, contract: str, check: str, said: str) -> None:
    state, message = outcomes(kind, contract)[check]
    assert state == "failed"
    assert said in message


def test_a_model_without_likelihoods_is_not_asked_for_them() -> None:
    state, message = outcomes(WithoutLikelihoods)["likelihoods"]
    assert (state, message) == ("skipped", "It gives no likelihoods: this server gives none")
