"""Spotting end to end: perfect, failing, fitted and floor methods on drawn clips, and two tables against each other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import bench
from bench.answers import read_table
from bench.errors import ContractBroken, WrongUse
from bench.intervals import Interval
from bench.metrics import metric
from bench.protocols.casme3 import PROTOCOLS
from bench.tasks import spotting
from bench.tasks.spotting import Recording

# What is made here goes to the worker by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
CLASSES = ("negative", "positive", "surprise")
FPS, FRAMES = 20.0, 60
DATA = bench.Data("toy clips", "", "Apache-2.0", "drawn here", trials_publishable=True)


def recordings() -> list[Recording]:
    """Of four subjects two videos each: one with a micro- and a macro-expression, one with neither."""
    made = []
    for subject in range(4):
        micro = Interval(3, 6, 9, CLASSES[subject % 3], "micro")
        macro = Interval(20, -1, 49, "others", "macro")
        made += [Recording(f"s{subject}/a", FPS, (micro, macro)), Recording(f"s{subject}/b", FPS, ())]
    return made


def film(name: str, key: str) -> bench.Clip:
    """Red is on while an expression lasts and tells its emotion; green tells the subject."""
    frames = np.zeros((FRAMES, 4, 4, 3), np.uint8)
    frames[..., 1] = int(name[1]) + 1
    for one in next(r for r in recordings() if r.name == name).intervals:
        frames[one.onset : one.offset + 1, ..., 0] = [*CLASSES, "others"].index(one.emotion) * 50 + 50
    frames.flags.writeable = False
    return bench.Clip(key, frames, FPS)


def read(root: Path) -> bench.Content:
    return spotting.content(recordings(), CLASSES, film, types=("micro", "macro"), salt="toy")


PROTOCOL = replace(
    PROTOCOLS[0],
    name="spotting/toy/loso",
    data=DATA,
    read=read,
    trials_sha256=read(Path()).trials_sha256,
    metrics=tuple(map(metric, spotting.METRICS_BY_TYPE)),
)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spotting, "REPLICATES", 50)


def made(spot: Callable[[bench.Clip], Any]) -> bench.Method:
    def load(given: bench.Load) -> Any:
        class Made:
            def spot(self, clip: bench.Clip) -> Any:
                return spot(clip)

        return Made()

    return bench.Method("made-here", frozenset({"spotting"}), load, inputs=frozenset({"clip"}))


def seen() -> Callable[[bench.Clip], list[list[Any]]]:
    """A perfect spotter, made in a function so that it goes to the worker by value."""
    names = [*CLASSES, "others"]

    def spot(clip: bench.Clip) -> list[list[Any]]:
        red = np.concatenate([[0], clip.frames[:, 0, 0, 0].astype(int), [0]])
        starts, ends = (
            np.flatnonzero(side) for side in ((red[1:] > 0) & (red[:-1] == 0), (red[1:] == 0) & (red[:-1] > 0))
        )
        found = zip(starts.tolist(), (ends - 1).tolist(), strict=True)
        return [[on, (on + off) // 2, off, names[red[on + 1] // 50 - 1]] for on, off in found][::-1]

    return spot


Asked = Callable[..., bench.Result]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Run a method that answers by ``spot(clip)``, or one by its name."""

    def ask(method: Any, **settings: Any) -> bench.Result:
        method = made(method) if callable(method) else method
        (result,) = bench.run(PROTOCOL, method, out=tmp_path / "out", **settings)
        return result

    return ask


def values(result: bench.Result, *names: str) -> tuple[float, ...]:
    found = {score.metric: score.value for score in result.scores}
    return tuple(found[name] for name in names)


def test_a_perfect_spotter_has_every_interval_and_emotion_by_either_count(asked: Asked) -> None:
    result = asked(seen())
    assert values(result, "tp", "fp", "fn", "strs") == (8, 0, 0, 1)
    assert values(result, "strict.tp", "strict.fp", "strict.fn", "strict.strs", "strict.uar") == (8, 0, 0, 1, 1)
    assert values(result, "micro.tp", "macro.tp") == (4, 4)
    assert (result.samples, result.failures, result.official) == (8, 0, True)


def test_an_interval_without_a_type_is_micro_where_it_lasts_half_a_second_at_most(asked: Asked) -> None:
    def ten(clip: bench.Clip) -> Any:
        return [[0, 5, 9, ""]]

    def eleven(clip: bench.Clip) -> Any:
        return [[0, 5, 10, ""]]

    assert values(asked(ten), "strict.micro.fp", "strict.macro.fp") == (4, 0)  # four fit, four do not
    assert values(asked(eleven), "strict.micro.fp", "strict.macro.fp") == (0, 8)


def test_a_type_that_a_method_tells_is_taken(asked: Asked) -> None:
    result = asked(lambda clip: [[0, 5, 9, "", "macro"]])
    assert values(result, "strict.micro.fp", "strict.macro.fp") == (0, 8)


def test_nothing_found_is_an_answer_and_none_is_a_failure(asked: Asked) -> None:
    result = asked(lambda clip: [])
    assert (values(result, "strict.tp", "strict.fn"), result.failures) == ((0, 8), 0)
    result = asked(lambda clip: None if clip.frames[0, 0, 0, 1] == 1 else [])
    assert (values(result, "strict.fn"), result.reasons) == ((8,), {"no intervals": 2})


def test_a_method_that_raises_on_a_clip_fails_on_that_one(asked: Asked) -> None:
    spot = seen()

    def raises(clip: bench.Clip) -> Any:
        if clip.frames[0, 0, 0, 1] == 2:
            raise ValueError("no face here")
        return spot(clip)

    result = asked(raises)
    assert result.reasons == {"raised ValueError": 2}
    assert values(result, "strict.tp", "strict.fn", "fn") == (6, 2, 0)  # officially that subject is ignored


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("nothing", "It returned a str"),
        ([[5, 3, 9, ""]], "not in the order onset, apex, offset"),
        ([[3, 5]], "One of its intervals is"),
        ([[3.0, 5.0, 9.0, ""]], "no whole numbers from 0"),
        ([[-1, 5, 9, ""]], "no whole numbers from 0"),
        ([[True, 5, 9, ""]], "no whole numbers from 0"),
        ([[3, 5, 9, "x" * 65]], "no short word"),
        ([[3, 5, 9, "", "tiny"]], "of another type"),
        ([[3, 5, 9, ""]] * 1001, "1,001 intervals"),
    ],
)
def test_what_is_no_interval_is_refused_and_said(asked: Asked, answer: Any, said: str) -> None:
    with pytest.raises(ContractBroken, match=said):
        asked(lambda clip: answer)


def test_random_intervals_are_a_floor(asked: Asked) -> None:
    result = asked("random")
    assert result.failures == 0
    assert values(result, "strict.f1_spotting")[0] < 0.5


def test_a_fitted_spotter_learns_intervals_from_all_subjects_but_the_one_it_answers(asked: Asked) -> None:
    spot = seen()

    def load(given: bench.Load) -> Any:
        class Spy:
            def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
                people = [int(clip.frames[0, 0, 0, 1]) for clip in examples]
                first = [intervals[0][:3] for intervals in examples.labels if intervals]
                yield bench.Snapshot(1, {"people": np.array(people), "first": np.array(first)})

            def restore(self, weights: Mapping[str, Any]) -> None:
                self.people = set(weights["people"].tolist())
                self.fits = weights["first"].tolist() == [[3, 6, 9]] * 3

            def spot(self, clip: bench.Clip) -> Any:
                known = int(clip.frames[0, 0, 0, 1]) in self.people
                return None if known or not self.fits else spot(clip)

        return Spy()

    result = asked(replace(made(spot), load=load, trainable=True))
    assert (values(result, "tp", "strict.fp"), result.failures) == ((8, 0), 0)


def test_trials_tell_all_that_is_counted_in_opaque_numbers(asked: Asked, tmp_path: Path) -> None:
    asked(seen())
    (path,) = tmp_path.glob("out/**/trials.parquet")
    trials = read_table(path)
    kinds = {kind: trials["row"].count(kind) for kind in ("class", "type", "video", "truth", "answer")}
    assert kinds == {"class": 3, "type": 2, "video": 8, "truth": 8, "answer": 8}
    assert sorted(set(trials["subject"].tolist())) == [-1, 0, 1, 2, 3]


def test_a_limit_keeps_videos_of_as_many_subjects_as_can_be(asked: Asked) -> None:
    result = asked(seen(), limit=4)
    assert (result.samples, result.official) == (4, False)


def table(**columns: list[Any]) -> dict[str, list[str]]:
    return {name: [str(cell) for cell in cells] for name, cells in columns.items()}


def test_intervals_found_elsewhere_are_scored_where_their_videos_are_known() -> None:
    content = read(Path())
    given = table(subject=["s0", "s1"], video=["a", "b"], onset=[3, 0], offset=[9, 8], emotion=["negative", ""])
    trials = spotting.judge(content, spotting.external(content, given), {})
    found = {score.metric: score.value for score in spotting.score(PROTOCOL, trials).scores}
    assert (found["strict.tp"], found["strict.fp"], found["strict.fn"]) == (1, 1, 7)
    assert (found["tp"], found["fp"], found["fn"]) == (1, 0, 3)  # of s1 nothing was found of a true video
    with pytest.raises(WrongUse, match="s9/a"):
        spotting.external(content, table(subject=["s9"], video=["a"], onset=[3], offset=[9], emotion=["x"]))


def test_a_fold_in_which_a_fitted_method_answers_nothing_is_counted(asked: Asked) -> None:
    spot = seen()

    def load(given: bench.Load) -> Any:
        class Shy:
            def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
                yield bench.Snapshot(1, {"none": np.zeros(1)})

            def restore(self, weights: Mapping[str, Any]) -> None:
                pass

            def spot(self, clip: bench.Clip) -> Any:
                if clip.frames[0, 0, 0, 1] == 3:
                    raise ValueError("not this one")
                return spot(clip)

        return Shy()

    result = asked(replace(made(spot), load=load, trainable=True))
    assert (values(result, "strict.tp", "strict.fn"), result.reasons) == ((6, 2), {"raised ValueError": 2})


TRUTH = "subject,video,onset,offset,emotion\n1,a,0,9,negative\n1,a,20,29,positive\n2,b,0,9,surprise\n"


def test_two_tables_are_scored_against_each_other_by_anyone(
    tmp_path: Path, said: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEBENCH_DATA", raising=False)
    (tmp_path / "gt.csv").write_text(TRUTH)
    found = "1,a,-2,9,negative\n1,a,100,109,negative\n1,new,0,9,negative\n3,c,0,9,negative\n"
    (tmp_path / "pred.csv").write_text(TRUTH.splitlines()[0] + "\n" + found)
    status, out, _ = said("score", "spotting/table", "--truth", "gt.csv", "--answers", "pred.csv", "--json")
    assert status == 0
    scores = {score["metric"]: score["value"] for score in json.loads(out)["scores"]}
    assert (scores["tp"], scores["fp"], scores["fn"]) == (1, 1, 1)  # new videos, and who was never found, are ignored
    assert (scores["strict.tp"], scores["strict.fp"], scores["strict.fn"]) == (1, 3, 2)
    assert "micro.tp" not in scores
    status, _, err = said("score", "spotting/table", "--answers", "pred.csv")
    assert (status, "Give --truth TRUTH.csv" in err) == (1, True)
    status, _, err = said("score", "verification/lfw/view2", "--truth", "gt.csv", "--answers", "pred.csv")
    assert (status, "verification/lfw/view2 knows its truth" in err) == (2, True)


def test_types_are_told_apart_where_both_tables_tell_them(
    tmp_path: Path, said: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "gt.csv").write_text("subject,video,onset,offset,emotion,type\n1,a,0,9,x,micro\n1,a,0,9,x,macro\n")
    found = "subject,video,onset,offset,emotion,type\n1,a,0,9,x,macro\n1,new,0,9,x,macro\n"
    (tmp_path / "pred.csv").write_text(found)
    status, out, _ = said("score", "spotting/table", "--truth", "gt.csv", "--answers", "pred.csv", "--json")
    scores = {score["metric"]: score["value"] for score in json.loads(out)["scores"]}
    assert (status, scores["strict.macro.tp"], scores["strict.micro.fn"], scores["strict.tp"]) == (0, 1, 1, 1)
    assert scores["strict.macro.fp"] == 1
    (tmp_path / "untyped.csv").write_text("subject,video,onset,offset,emotion\n1,a,0,9,x\n")
    status, out, _ = said("score", "spotting/table", "--truth", "untyped.csv", "--answers", "pred.csv", "--json")
    scores = {score["metric"]: score["value"] for score in json.loads(out)["scores"]}
    assert (scores["strict.tp"], scores["strict.fp"]) == (1, 1)  # a type that the truth does not tell plays no part
    (tmp_path / "pred.csv").write_text("subject,video,onset,offset,emotion\n1,a,0,9,x\n")
    status, _, err = said("score", "spotting/table", "--truth", "gt.csv", "--answers", "pred.csv")
    assert (status, "The truth tells types apart, and it does not" in err) == (2, True)
