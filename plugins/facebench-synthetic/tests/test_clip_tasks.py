"""Both tasks over clips end to end: methods that know the truth, that fail, and that are fitted a subject at a time.

The protocols are the real ones, of which only a few frames are drawn: what is asked here is not how clips look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from facebench_synthetic import clip_protocols as clips

import bench
from bench.tasks import micro_expression, spotting

# What is made here goes to the worker by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def coded(name: str, key: str) -> bench.Clip:
    """A clip of single pixels that tell the number of the clip, for methods that look its truth up."""
    film, _ = clips.film(name)
    number = [*clips.films("spotting"), *clips.films("micro_expression")].index(name)
    frames = np.zeros((film.length, 1, 1, 3), np.uint8)
    frames[..., 0] = number
    return bench.Clip(key, frames, film.fps)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "read", coded)
    for task in (spotting, micro_expression):
        monkeypatch.setattr(task, "REPLICATES", 20)


def truths() -> dict[int, list[list[Any]]]:
    names = [*clips.films("spotting"), *clips.films("micro_expression")]
    return {number: [list(one) for one in clips.film(name)[1]] for number, name in enumerate(names)}


def perfect(**card: Any) -> bench.Method:
    """Looks its answers up in the world's own code."""
    known = truths()

    def load(given: bench.Load) -> Any:
        class Perfect:
            def spot(self, clip: bench.Clip) -> Any:
                return known[int(clip.frames[0, 0, 0, 0])]

            def classify(self, records: Any, labels: Any) -> Any:
                rows = [known[int(clip.frames[0, 0, 0, 0])][0][3] for clip in records]
                return np.array([[row == label for label in labels] for row in rows], np.float32)

        return Perfect()

    return bench.Method("perfect", frozenset({"spotting", "micro_expression"}), load, frozenset({"clip"}), **card)


def values(result: bench.Result, *names: str) -> tuple[float, ...]:
    found = {score.metric: score.value for score in result.scores}
    return tuple(found[name] for name in names)


def test_a_spotter_that_knows_the_truth_finds_all_of_it(tmp_path: Path) -> None:
    (result,) = bench.run(clips.LONG_CLIPS, perfect(), out=tmp_path)
    assert values(result, "strs", "strict.strs", "micro.tp", "macro.tp", "fp", "fn") == (1, 1, 24, 24, 0, 0)
    assert (result.samples, result.failures, result.official) == (8, 0, True)


def test_a_spotter_that_fails_on_some_clips_misses_what_is_in_them(tmp_path: Path) -> None:
    whole = perfect()

    def load(given: bench.Load) -> Any:
        knows = whole.load(given)

        class Fails:
            def spot(self, clip: bench.Clip) -> Any:
                return None if clip.frames[0, 0, 0, 0] < 3 else knows.spot(clip)

        return Fails()

    (result,) = bench.run(clips.LONG_CLIPS, replace(whole, load=load), out=tmp_path)
    assert values(result, "strict.tp", "strict.fn", "strict.fp") == (30, 18, 0)
    assert result.reasons == {"no intervals": 3}


def test_nothing_found_is_a_floor_of_zero(tmp_path: Path) -> None:
    (result,) = bench.run(clips.LONG_CLIPS, "constant", out=tmp_path)
    assert values(result, "strict.f1_spotting", "strict.fn", "strict.fp") == (0, 48, 0)


def test_a_classifier_that_knows_the_truth_has_every_class(tmp_path: Path) -> None:
    (result,) = bench.run(clips.SHORT_CLIPS, perfect(), out=tmp_path)
    assert values(result, "uf1", "uar", "war") == (1, 1, 1)
    assert (result.samples, result.failures, result.official) == (108, 0, True)


def test_a_fitted_classifier_never_learns_from_the_subject_it_answers(tmp_path: Path) -> None:
    known = truths()
    kinds = len(clips.CLASSES) * clips.EACH

    def load(given: bench.Load) -> Any:
        class Spy:
            def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
                numbers = [int(clip.frames[0, 0, 0, 0]) for clip in examples]
                yield bench.Snapshot(1, {"people": np.unique((np.array(numbers) - clips.VIDEOS) // kinds)})

            def restore(self, weights: Mapping[str, Any]) -> None:
                self.people = set(weights["people"].tolist())

            def classify(self, records: Any, labels: Any) -> Any:
                rows = np.full((len(records), len(labels)), np.nan, np.float32)
                for row, clip in zip(rows, records, strict=True):
                    number = int(clip.frames[0, 0, 0, 0])
                    if (number - clips.VIDEOS) // kinds not in self.people and len(self.people) == 7:
                        row[:] = [known[number][0][3] == label for label in labels]
                return rows

        return Spy()

    (result,) = bench.run(clips.SHORT_CLIPS, replace(perfect(), load=load, trainable=True), out=tmp_path, limit=8)
    assert (values(result, "uar"), result.failures) == ((1,), 0)
