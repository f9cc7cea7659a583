"""The checks ask Classifiers and Spotters too: good ones pass, each spoilt one is caught by its rule."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cloudpickle
import numpy as np
import pytest

import bench

# What is made here goes to the worker by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Brightness:
    """Classes and intervals by brightness; the others spoil it, each in one way."""

    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def classify(self, records: Any, labels: Any) -> Any:
        return np.stack([self.row(record, labels) for record in records]).astype(np.float32)

    def row(self, record: Any, labels: Any) -> Any:
        pixels = record.frames if isinstance(record, bench.Clip) else record.pixels
        return np.array([pixels[..., len(label) % 3].mean() * ord(label[0]) for label in labels])

    def spot(self, clip: bench.Clip) -> Any:
        light = clip.frames.mean(axis=(1, 2, 3))
        apex = int(light.argmax())
        return [[max(apex - 2, 0), apex, min(apex + 2, len(light) - 1), "surprise"]]


class Fitted(Brightness):
    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        yield bench.Snapshot(1, {"seen": np.array([len(examples)]), "most": np.array([len(examples.labels)])})

    def restore(self, weights: Mapping[str, Any]) -> None:
        self.seen = int(weights["seen"][0])


class TooFewColumns(Brightness):
    def classify(self, records: Any, labels: Any) -> Any:
        return super().classify(records, labels)[:, :2]


class OverTheBatch(Brightness):
    def classify(self, records: Any, labels: Any) -> Any:
        scores = super().classify(records, labels)
        return scores - scores.mean(axis=0)


class RaisesOnOneFrame(Brightness):
    def spot(self, clip: bench.Clip) -> Any:
        if len(clip.frames) < 2:
            raise ValueError("too short")
        return super().spot(clip)


class FailsOnOneFrame(Brightness):
    def spot(self, clip: bench.Clip) -> Any:
        return None if len(clip.frames) < 2 else super().spot(clip)


class Backwards(Brightness):
    def spot(self, clip: bench.Clip) -> Any:
        return [interval[2::-1] + interval[3:] for interval in super().spot(clip)]


class ReadsKeys(Brightness):
    def spot(self, clip: bench.Clip) -> Any:
        return [[0, 0, len(clip.key), ""]]


class Counts(Brightness):
    calls = 0

    def spot(self, clip: bench.Clip) -> Any:
        self.calls += 1
        return [[0, 0, self.calls, ""]]


class FindsNothing(Brightness):
    def spot(self, clip: bench.Clip) -> Any:
        return []


class WritesIntoFrames(Brightness):
    def spot(self, clip: bench.Clip) -> Any:
        clip.frames[0] = 0
        return []


def card(kind: Callable[[bench.Load], Any], task: str, inputs: str, **other: Any) -> bench.Method:
    given = {"licence": "Apache-2.0", "about": "for tests", "cite": "nobody", "needs": ("numpy",)}
    return bench.Method("made-here", frozenset({task}), kind, inputs=frozenset({inputs}), **given, **other)


def outcomes(method: bench.Method) -> dict[str, tuple[str, str]]:
    found = [bound.outcome() for bound in bench.checks(method)]
    return {outcome.check: (outcome.state, outcome.message) for outcome in found}


@pytest.mark.parametrize(
    ("kind", "task", "inputs"),
    [
        (Brightness, "micro_expression", "clip"),
        (Brightness, "micro_expression", "flow-28"),
        (Brightness, "spotting", "clip"),
        (FailsOnOneFrame, "spotting", "clip"),
        (FindsNothing, "spotting", "clip"),
    ],
)
def test_a_good_method_passes_every_check_but_that_of_listing(kind: Any, task: str, inputs: str) -> None:
    found = outcomes(card(kind, task, inputs))
    assert {name for name, (state, _) in found.items() if state != "passed"} == {"light"}  # it has no plugin
    assert ("order" in found) == (task != "spotting")  # which is asked a clip a call


@pytest.mark.parametrize("task", ["micro_expression", "spotting"])
def test_a_fitted_method_is_fitted_on_labels_of_its_task(task: str) -> None:
    found = outcomes(card(Fitted, task, "clip", trainable=True))
    assert {found[name][0] for name in ("fits", "restores", "refits", "resumes", "state")} == {"passed"}


@pytest.mark.parametrize(
    ("kind", "task", "check", "said"),
    [
        (TooFewColumns, "micro_expression", "shape", "shape [8, 2]. Return [8, 3], one row a record"),
        (OverTheBatch, "micro_expression", "batches", "no mean or norm over the batch"),
        (RaisesOnOneFrame, "spotting", "odd", "Asked of a clip of one frame: spot() raised ValueError: too short"),
        (Backwards, "spotting", "shape", "is not in the order onset, apex, offset"),
        (ReadsKeys, "spotting", "keys", "use the record's contents only, not .key"),
        (Counts, "spotting", "repeats", "The same call twice got two answers"),
        (WritesIntoFrames, "spotting", "inputs", "spot() writes into its input"),
    ],
)
def test_a_spoilt_method_is_caught_by_the_check_of_its_rule(kind: Any, task: str, check: str, said: str) -> None:
    state, message = outcomes(card(kind, task, "clip"))[check]
    assert state == "failed"
    assert said in message


def test_a_method_without_its_call_is_told_the_line_to_write() -> None:
    class Nothing:
        def __init__(self, given: bench.Load) -> None:
            pass

    for task, line in (
        ("spotting", "def spot(self, clip)"),
        ("micro_expression", "def classify(self, records, labels)"),
    ):
        state, message = outcomes(card(Nothing, task, "clip"))["calls"]
        assert state == "failed"
        assert f"add `{line}`" in message
