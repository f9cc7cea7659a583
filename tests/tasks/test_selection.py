"""Snapshots of a fit: chosen on subjects it did not see, resumed in the middle, or picked on the test and marked."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import boards, leaderboard
from bench.answers import Cell
from bench.asking import Settings
from bench.checkpoints import read_snapshot
from bench.errors import ContractBroken, MethodFailed, RunDamaged, WrongUse
from bench.method import Configured, Origin
from bench.plugins import discover
from bench.protocols.megc2019 import PROTOCOLS
from bench.runner import run_cell
from bench.selection import PICKED_ON_TEST, held_back
from bench.tasks import micro_expression
from bench.tasks.micro_expression import Row

# What is made here goes to the worker by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
CLASSES = ("negative", "positive", "surprise")
SUBJECTS, STEPS = 4, 4
ROWS = [Row(f"{s}_{i}", f"subject {s}", CLASSES[i], "one") for s in range(SUBJECTS) for i in range(3)]


def picture(name: str, key: str) -> bench.Face:
    """Its red tells the class, its green the subject."""
    subject, shown = map(int, name.split("_"))
    pixels = np.zeros((28, 28, 3), np.uint8)
    pixels[:, :, 0], pixels[:, :, 1] = shown, subject
    return bench.Face(key, pixels)


def read(root: Path) -> bench.Content:
    return micro_expression.content(ROWS, CLASSES, picture, salt="toy")


PROTOCOL = replace(
    PROTOCOLS[1],
    name="micro_expression/toy/selection",
    data=bench.Data("toy flow", "", "Apache-2.0", "drawn here"),
    read=read,
    trials_sha256=read(Path()).trials_sha256,
    metrics=PROTOCOLS[1].metrics[:3],
)
NUMBERS = {  # a subject's opaque number in the harness, by the one in its pixels
    int(sample.name.split("_")[0]): int(subject)
    for sample, subject in zip(read(Path()).samples, read(Path()).truth.subjects, strict=True)
}
Right = Callable[[int, int], bool]  # whether a step's snapshot is right about a subject


def spy(right: Right, stop: Path | None = None, steps: Sequence[int] = range(1, STEPS + 1)) -> bench.Method:
    """Keeps whom it was fitted on and where; answers no one it saw, and nothing in the process that fitted it.

    Where ``stop`` does not exist it is made, and the process ends in the middle of the fit.
    """

    def load(given: bench.Load) -> Any:
        class Spy:
            fitting = False

            def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
                self.fitting = True
                people = np.unique([face.pixels[0, 0, 1] for face in examples])
                for step in [step for step in steps if last is None or step > last.step]:
                    if step == 3 and stop is not None and not stop.exists():
                        stop.touch()
                        os._exit(3)
                    begun = np.array([step if last is None else int(last.state["sum"][0]) + step])
                    last = bench.Snapshot(step, {"step": np.array([step]), "people": people}, {"sum": begun})
                    yield last

            def restore(self, weights: Mapping[str, Any]) -> None:
                self.step, self.people = int(weights["step"][0]), weights["people"]

            def classify(self, records: Sequence[Any], labels: Sequence[str]) -> Any:
                scores = np.zeros((len(records), len(labels)), np.float32)
                for row, record in zip(scores, records, strict=True):
                    shown, subject = record.pixels[0, 0, :2].tolist()
                    row[shown if right(self.step, subject) else (shown + 1) % 3] = 1
                    if self.fitting or subject in self.people:
                        row[:] = np.nan
                return scores

        return Spy()

    return bench.Method(
        "spy", frozenset({"micro_expression"}), load, inputs=frozenset({"flow-28"}), batch=4, trainable=True
    )


Asked = Callable[..., bench.Result]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Run a method with its snapshots selected some way."""
    monkeypatch.setattr(micro_expression, "REPLICATES", 20)

    def ask(method: bench.Method, select: str, out: str = "out", seed: int = 0) -> bench.Result:
        configured = Configured.parse(method, f"select={select}", Origin("script", "", "", "", "", ""), PROTOCOL.ways)
        content, settings = read(Path()), Settings(seed=seed, threads=1)
        cell = Cell(tmp_path / out)
        return run_cell(PROTOCOL, {"method": (configured,)}, content, "", settings, None, cell, lambda *stage: None)

    return ask


def value(result: bench.Result, name: str = "uf1") -> float:
    score = result.score(name)
    assert score is not None
    return score.value


def folds(folder: Path) -> Iterator[tuple[int, Path]]:
    """Each fold's folder, by the number in the pixels of the subject it leaves out."""
    for pixel, number in NUMBERS.items():
        yield pixel, folder / f"subject-{number:04d}"


def chosen(folder: Path) -> list[int]:
    return [json.loads((fold / "selection.json").read_text())["chosen"] for _, fold in folds(folder)]


def test_the_last_snapshot_is_used_where_nothing_else_is_said(asked: Asked, tmp_path: Path) -> None:
    result = asked(spy(lambda step, subject: step == 4), "last")
    assert (value(result), result.official, result.name) == (1, True, "spy")
    assert value(asked(spy(lambda step, subject: step == 3), "last", "other")) == 0
    assert not list(tmp_path.rglob("selection.json"))


def test_validation_takes_the_earliest_of_the_best_snapshots(asked: Asked, tmp_path: Path) -> None:
    result = asked(spy(lambda step, subject: step in (2, 3)), "validation")
    assert (value(result), result.official, result.name) == (1, True, "spy:select=validation")
    assert chosen(tmp_path / "out") == [2] * SUBJECTS
    told = json.loads(next(tmp_path.rglob("selection.json")).read_text())
    assert told == {"chosen": 2, "measured_on": 3, "steps": [1, 2, 3, 4], "measures": [0, 1, 1, 0]}


def test_a_fit_sees_neither_the_tested_subject_nor_those_that_choose(asked: Asked, tmp_path: Path) -> None:
    result = asked(spy(lambda step, subject: True), "validation", seed=5)
    assert result.failures == 0, "whoever is tested was not fitted on"
    pixel_of = {number: pixel for pixel, number in NUMBERS.items()}
    for tested, fold in folds(tmp_path / "out"):
        others = [number for pixel, number in NUMBERS.items() if pixel != tested]
        held = {pixel_of[number] for number in held_back(others, NUMBERS[tested], 5)}
        fitted_on = set(read_snapshot(fold / "checkpoint.safetensors").weights["people"].tolist())
        assert len(held) == 1 and fitted_on == set(range(SUBJECTS)) - held - {tested}
        told = json.loads((fold / "selection.json").read_text())
        assert told["measures"] == [1] * STEPS, "whoever chooses was not fitted on, in another process than the fit's"


def test_the_oracle_picks_on_the_test_is_marked_and_goes_on_no_board(asked: Asked, tmp_path: Path) -> None:
    def by_subject(step: int, subject: int) -> bool:
        return step == subject % 3 + 1

    honest, oracle = asked(spy(by_subject), "validation", "honest"), asked(spy(by_subject), "test-oracle", "oracle")
    assert value(oracle) == 1 > value(honest)
    assert chosen(tmp_path / "oracle") == [pixel % 3 + 1 for pixel, _ in folds(tmp_path / "oracle")]
    assert (oracle.official, oracle.name) == (False, "spy:select=test-oracle")
    entries = [leaderboard.Entry(one, Path()) for one in (honest, oracle)]
    board = leaderboard.rank(entries, lambda one, other: None)
    assert [row.entry.result.name for row in board.rows] == ["spy:select=validation"]
    assert [(entry.result.name, why) for entry, why in board.apart] == [("spy:select=test-oracle", PICKED_ON_TEST)]


def test_an_audit_finds_an_oracle_that_says_it_is_official(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(discover().protocols, PROTOCOL.name, PROTOCOL)
    result = asked(spy(lambda step, subject: True), "test-oracle")
    path = tmp_path / "out" / "result.json"
    assert ("it says so", "") in boards.audit(path)
    path.write_text(replace(result, official=True).to_json())
    assert ("it says so", "its mark 'official' is wrong") in boards.audit(path)


@pytest.mark.parametrize("select", ["validation", "test-oracle"])
def test_a_fit_killed_in_the_middle_of_a_fold_goes_on_to_the_same_bytes(
    select: str, asked: Asked, tmp_path: Path
) -> None:
    def right(step: int, subject: int) -> bool:
        return step == 4

    asked(spy(right), select, "whole")
    stopped = spy(right, tmp_path / "stop")
    with pytest.raises(MethodFailed, match="exit status 3"):
        asked(stopped, select, "stopped")
    left = {path.name for path in (tmp_path / "stopped").rglob("*.safetensors")}
    assert left == {"000000001.safetensors", "000000002.safetensors", "stopped.safetensors"}
    asked(stopped, select, "stopped")
    for kind in ("*.safetensors", "*.parquet", "selection.json", "result.json"):
        whole, again = sorted((tmp_path / "whole").rglob(kind)), sorted((tmp_path / "stopped").rglob(kind))
        assert [path.relative_to(tmp_path / "whole") for path in whole] == [
            path.relative_to(tmp_path / "stopped") for path in again
        ]
        assert [path.read_bytes() for path in whole] == [path.read_bytes() for path in again]


def test_a_snapshot_that_was_cut_off_is_named_with_the_fold_to_fit_again(asked: Asked, tmp_path: Path) -> None:
    method = spy(lambda step, subject: True, tmp_path / "stop")
    with pytest.raises(MethodFailed):
        asked(method, "validation")
    (first,) = tmp_path.rglob("000000001.safetensors")
    first.write_bytes(first.read_bytes()[:-30])
    with pytest.raises(RunDamaged, match=rf"000000001\.safetensors(.|\n)*remove {first.parent.parent},"):
        asked(method, "validation")
    shutil.rmtree(first.parent.parent)
    assert value(asked(method, "validation")) == 1


def test_of_a_finished_fold_one_snapshot_is_kept_and_leftovers_go(asked: Asked, tmp_path: Path) -> None:
    method = spy(lambda step, subject: True)
    asked(method, "validation")
    assert {path.name for path in tmp_path.rglob("*.safetensors")} == {"checkpoint.safetensors"}
    _, fold = next(folds(tmp_path / "out"))
    (tmp_path / "out" / "result.json").unlink()
    (fold / "snapshots").mkdir()
    # As if it was killed before it had cleared them.
    for name in ("stopped.safetensors", "snapshots/000000002.safetensors"):
        (fold / name).write_bytes((fold / "checkpoint.safetensors").read_bytes())
    asked(method, "validation")
    assert {path.name for path in tmp_path.rglob("*.safetensors")} == {"checkpoint.safetensors"}


def test_steps_that_do_not_count_up_are_refused_where_one_is_chosen(asked: Asked) -> None:
    with pytest.raises(ContractBroken, match="snapshot 2 came after step 2"):
        asked(spy(lambda step, subject: True, steps=(1, 2, 2)), "validation")


def test_a_method_that_is_not_fitted_has_no_snapshots_to_choose_from(asked: Asked) -> None:
    method = replace(spy(lambda step, subject: True), trainable=False)
    with pytest.raises(WrongUse, match="spy is not fitted"):
        asked(method, "validation")


@given(st.sets(st.integers(0, 500), min_size=2, max_size=80), st.integers(0, 500), st.integers(0, 9))
def test_a_fifth_of_the_training_subjects_is_held_back_by_the_seed(people: set[int], left_out: int, seed: int) -> None:
    held = held_back(sorted(people), left_out, seed)
    assert held < people
    assert len(held) == max(1, round(len(people) / 5))
    assert held == held_back(sorted(people, reverse=True) * 2, left_out, seed)


def test_other_seeds_and_folds_hold_back_others() -> None:
    people = range(60)
    assert len({frozenset(held_back(people, left_out, seed)) for left_out in (60, 61) for seed in (0, 1)}) == 4
    with pytest.raises(WrongUse, match="has 1 subjects"):
        held_back([3], 4, 0)
