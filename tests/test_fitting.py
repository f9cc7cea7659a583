"""Methods that are fitted on a fold's training split: whom they see, how a fit is resumed, how folds are scored."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.answers import read_table
from bench.checkpoints import read_snapshot
from bench.errors import ContractBroken, DataDamaged, FacebenchError, MethodFailed, Mismatch, RunDamaged
from bench.metrics.biometric import ACCURACY, ACCURACY_INSIGHTFACE, EER, Comparisons
from bench.metrics.comparison_trials import ComparisonTrials

ALIGNED = "verification/lfw/view2-arcface112"
FOLDS = 4


def one(method: str, data: Path, out: Path, **settings: object) -> bench.Result:
    (result,) = bench.run(ALIGNED, method, data=data, out=out, **settings)  # type: ignore[arg-type]
    return result


def cell(out: Path) -> Path:
    return next(out.rglob("header.json")).parent


def files(out: Path) -> dict[str, bytes]:
    kept = {".safetensors", ".parquet", ".json"}
    found = (p for p in out.rglob("*") if p.suffix in kept and p.name != "run.json")
    return {str(p.relative_to(out)): p.read_bytes() for p in found}


def test_a_folds_model_sees_nobody_of_that_fold_and_everybody_else(synthetic: Path, tmp_path: Path) -> None:
    result = one("spy", synthetic, tmp_path)
    assert result.failures == 0, "every tested face is of a person whom its model did not see"
    for fold in range(FOLDS):
        answers = read_table(cell(tmp_path) / f"fold-{fold}" / "part-00000.parquet")
        failed = sum(reason == "no embedding" for reason in answers["failure"])
        assert failed == len(answers["key"]) * (FOLDS - 1) // FOLDS


def test_labels_number_the_people_of_the_split_and_say_no_more(synthetic: Path, tmp_path: Path) -> None:
    one("spy", synthetic, tmp_path)
    weights = read_snapshot(cell(tmp_path) / "fold-0" / "checkpoint.safetensors").weights
    labels, seen = weights["labels"], weights["seen"]
    assert sorted(set(labels.tolist())) == list(range(18)), "24 people less the six of the fold"
    codes = {label: {row.tobytes() for row in seen[labels == label]} for label in set(labels.tolist())}
    assert all(len(code) == 1 for code in codes.values()), "one label is one person"


def test_every_pair_is_compared_once_by_each_folds_model(synthetic: Path, tmp_path: Path) -> None:
    one("steps", synthetic, tmp_path)
    trials = read_table(cell(tmp_path) / "trials.parquet")
    pairs = FOLDS * 12
    assert np.bincount(trials["model"]).tolist() == [pairs] * FOLDS
    assert trials["trial"].tolist() == list(range(pairs)) * FOLDS


def test_rates_are_means_over_folds_and_say_so(synthetic: Path, tmp_path: Path) -> None:
    result = one("steps", synthetic, tmp_path)
    for metric in ("eer", "tar@far=1e-2"):
        score = result.score(metric)
        assert score is not None and "mean over folds, each fold by the model fitted without its people" in score.note
        assert len(score.folds) == FOLDS and score.value == pytest.approx(np.mean(score.folds))
    assert [curve.name for curve in result.curves] == [f"det fold {k}" for k in range(FOLDS)]


def test_thresholds_come_from_the_same_models_scores_of_the_other_folds(synthetic: Path, tmp_path: Path) -> None:
    one("steps", synthetic, tmp_path)
    trials = read_table(cell(tmp_path) / "trials.parquet")
    prepared = ComparisonTrials(trials, 10, 0)
    for metric in (ACCURACY, ACCURACY_INSIGHTFACE):
        shares = []
        for fold in range(FOLDS):
            rows = trials["model"] == fold
            inside = trials["fold"][rows] == fold
            alone = Comparisons(trials["score"][rows], trials["mated"][rows], inside)
            shares.append(metric.compute(alone).folds[1])
        assert prepared.compute(metric).folds == tuple(shares)
    own = [(trials["model"] == k) & (trials["fold"] == k) for k in range(FOLDS)]
    rates = [EER.compute(Comparisons(trials["score"][rows], trials["mated"][rows])).value for rows in own]
    assert prepared.compute(EER).value == pytest.approx(np.mean(rates))


def test_one_model_for_all_folds_scores_as_it_does_without_a_model_column(synthetic: Path, tmp_path: Path) -> None:
    one("toy", synthetic, tmp_path)
    trials = read_table(cell(tmp_path) / "trials.parquet")
    repeated = {
        name: column * FOLDS if isinstance(column, list) else np.tile(column, FOLDS) for name, column in trials.items()
    }
    repeated["model"] = np.repeat(np.arange(FOLDS), len(trials["trial"]))
    plain, folded = ComparisonTrials(trials, 10, 0), ComparisonTrials(repeated, 10, 0)
    for metric in (ACCURACY, ACCURACY_INSIGHTFACE):
        assert folded.compute(metric).folds == plain.compute(metric).folds
    assert [w.tolist() for w in plain.weights()] == [w.tolist() for w in folded.weights()], "so that they compare"


def test_a_fitted_method_runs_in_several_workers_to_the_same_bytes(synthetic: Path, tmp_path: Path) -> None:
    one("steps", synthetic, tmp_path / "one")
    one("steps", synthetic, tmp_path / "two", workers=2)
    results = [read_table(cell(tmp_path / name) / "trials.parquet")["score"] for name in ("one", "two")]
    assert np.array_equal(*results)


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        ("fits-nothing", ContractBroken, "It yielded no snapshot"),
        ("fit-raises", MethodFailed, "no loss left"),
        ("fits-a-tuple", ContractBroken, "It yielded a list"),
        ("fits-a-list", ContractBroken, "no dict of numpy arrays"),
        ("cannot-restore", MethodFailed, "KeyError"),
    ],
)
def test_a_fit_that_breaks_the_contract_is_named(
    method: str, error: type[FacebenchError], said: str, synthetic: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        one(method, synthetic, tmp_path)


def test_an_example_that_cannot_be_read_is_named_to_the_user(own: Path, tmp_path: Path) -> None:
    victim = own / "lfw" / "aligned_112" / "Person_0" / "Person_0_0001.jpg"
    victim.write_bytes(b"no picture")
    with pytest.raises(DataDamaged, match=r"Person_0_0001\.jpg"):
        one("steps", own, tmp_path / "out")


def test_progress_tells_fits_and_folds_apart(synthetic: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    one("steps", synthetic, tmp_path, progress=lambda cell, *stage: seen.append(stage))
    assert seen.index(("fit fold-0", 36, 36)) < seen.index(("ask fold-0", 48, 48)) < seen.index(("fit fold-1", 36, 36))


def test_a_trainable_method_needs_a_training_split(tmp_path: Path) -> None:
    from dataclasses import replace

    from bench.protocols.lfw import PROTOCOLS

    with pytest.raises(Mismatch, match="is fitted on a training split"):
        bench.run(replace(PROTOCOLS[1], trains=False), "steps", out=tmp_path)


def test_a_fit_that_was_killed_goes_on_to_the_same_bytes(synthetic: Path, tmp_path: Path) -> None:
    def start(out: Path) -> subprocess.Popen[bytes]:
        words = ["run", ALIGNED, "--method", "steps", "--data", str(synthetic), "--out", str(out)]
        command = [sys.executable, "-m", "bench", *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    began = time.monotonic()
    assert start(tmp_path / "whole").wait(60) == 0
    length = time.monotonic() - began
    generator = random.Random(1)
    for _ in range(6):
        process = start(tmp_path / "stopped")
        time.sleep(generator.uniform(0.2, 0.7) * length)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(tmp_path / "stopped").wait(60) == 0
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
    assert not list(tmp_path.rglob("stopped.safetensors")), "only the last snapshot is kept"


def test_a_checkpoint_that_was_cut_off_is_named(synthetic: Path, tmp_path: Path) -> None:
    one("steps", synthetic, tmp_path)
    for path in (*cell(tmp_path).rglob("part-*"), cell(tmp_path) / "result.json"):
        path.unlink()
    checkpoint = cell(tmp_path) / "fold-2" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-30])
    with pytest.raises(RunDamaged, match=r"fold-2.checkpoint\.safetensors"):
        one("steps", synthetic, tmp_path)
