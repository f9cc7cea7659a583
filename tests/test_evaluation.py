"""Our metrics as modules of evaluate: the same values, nothing fetched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import bench
from bench import evaluation
from bench.errors import UnknownName, WrongUse
from bench.metrics import METRICS, metric
from bench.metrics.biometric import FTE, Comparisons
from bench.metrics.classification import Classified
from bench.metrics.identification import Searches
from bench.metrics.spotting import Span, Spotting, Video

evaluate = pytest.importorskip("evaluate")


@pytest.fixture(autouse=True)
def nowhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and a cache of the tests' own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path_factory.mktemp("metrics")))


def comparisons() -> tuple[list[float], list[int], list[int]]:
    generator = np.random.default_rng(5)
    mated = np.arange(400) % 2
    score = generator.normal(size=400) + 2 * mated
    score[[3, 8]] = np.nan
    return score.tolist(), mated.tolist(), (np.arange(400) // 100).tolist()


def test_verification_gives_the_values_of_the_boards() -> None:
    score, mated, folds = comparisons()
    module = bench.evaluate_metric("verification")
    assert isinstance(module, evaluate.EvaluationModule)
    found = module.compute(predictions=score, references=mated, folds=folds)
    table = Comparisons(score, mated, folds)
    for name in evaluation.FAMILIES["verification"].metrics:
        estimate = metric(name).compute(table)
        assert found[name] == estimate.value
        assert found.get(f"{name}:bound") == estimate.bound
    assert found["tar@far=1e-3:bound"] == "at most"


def test_without_folds_the_accuracies_are_left_out_or_refused_where_they_were_named() -> None:
    score, mated, _ = comparisons()
    found = bench.evaluate_metric("verification").compute(predictions=score, references=[bool(m) for m in mated])
    assert "accuracy" not in found and found["eer"] == metric("eer").compute(Comparisons(score, mated)).value
    with pytest.raises(WrongUse, match="fewer than two folds"):
        bench.evaluate_metric("verification", ["accuracy"]).compute(predictions=score, references=mated)


def test_batches_add_up_to_the_whole() -> None:
    score, mated, _ = comparisons()
    module = bench.evaluate_metric("verification", ["eer"])
    for start in range(0, 400, 100):
        module.add_batch(predictions=score[start : start + 100], references=mated[start : start + 100])
    assert module.compute() == {"eer": metric("eer").compute(Comparisons(score, mated)).value}


def test_identification_gives_the_values_of_the_boards() -> None:
    rank, known = [1, 2, 9, 1], [1, 1, 0, 1]
    own, other = [0.9, 0.5, -np.inf, 0.8], [0.3, 0.6, 0.2, 0.1]
    found = bench.evaluate_metric("identification").compute(
        predictions=rank, references=known, mated_score=own, best_non_mated=other
    )
    table = Searches(known, rank, own, other)
    assert found["rank-1"] == metric("rank-1").compute(table).value == 2 / 3
    assert found["fnir@fpir=1e-1"] == metric("fnir@fpir=1e-1").compute(table).value


def test_classification_counts_no_answer_as_a_miss() -> None:
    truth, answered = ["a", "a", "b", "c"], ["a", "b", "b", ""]
    found = bench.evaluate_metric("classification").compute(predictions=answered, references=truth)
    table = Classified("abc", [0, 0, 1, 2], [0, 1, 1, -1])
    assert found == {name: metric(name).compute(table).value for name in ("war", "uar", "uf1", "macro_f1")}
    with pytest.raises(WrongUse, match="'c' is none of classes"):
        bench.evaluate_metric("classification").compute(predictions=answered, references=truth, classes=["a", "b"])


def test_spotting_gives_the_values_of_the_boards() -> None:
    def span(onset: int, offset: int, emotion: str) -> dict[str, object]:
        return {"onset": onset, "offset": offset, "emotion": emotion}

    truth = [[span(3, 9, "x")], [span(1, 9, "y")], []]
    found = [[], [span(1, 10, "y"), span(40, 50, "x")], [span(2, 5, "x")]]
    given = bench.evaluate_metric("spotting").compute(
        predictions=found, references=truth, subjects=[1, 2, 2], types=["micro", "micro", "macro"]
    )

    def spans(rows: list[dict[str, object]]) -> tuple[Span, ...]:
        return tuple(Span(**row) for row in rows)  # type: ignore[arg-type]

    rows = zip([1, 2, 2], ["micro", "micro", "macro"], truth, found, strict=True)
    table = Spotting([Video(s, kind, spans(t), spans(f)) for s, kind, t, f in rows], ["x", "y"])
    for name in evaluation.FAMILIES["spotting"].metrics:
        assert given[name] == metric(name).compute(table).value, name


def test_a_metric_is_in_one_family_at_most_and_failure_to_extract_in_none() -> None:
    named = [name for family in evaluation.FAMILIES.values() for name in family.metrics]
    assert set(named) <= set(METRICS) - {FTE.name} and len(set(named)) == len(named)
    assert {"eer", "tar_nearest@far=1e-4", "rank-1", "uf1", "strict.strs"} <= set(named)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'verification'"):
        bench.evaluate_metric("verifcation")
    with pytest.raises(UnknownName, match="'eer'"):
        bench.evaluate_metric("verification", ["err"])


def test_it_combines_with_others_and_says_what_it_is() -> None:
    module = bench.evaluate_metric("verification", ["eer"])
    assert "NaN where it failed" in module.inputs_description and "ISO/IEC 19795-1" in module.citation
    score, mated, _ = comparisons()
    both = evaluate.combine({"faces": module, "again": bench.evaluate_metric("verification", ["tar@far=1e-1"])})
    assert set(both.compute(predictions=score, references=mated)) == {"eer", "tar@far=1e-1"}


def test_evaluate_is_imported_when_it_is_asked_for_and_its_lack_is_said() -> None:
    code = (
        "import sys, bench\nassert 'evaluate' not in sys.modules\nsys.modules['evaluate'] = None\n"
        "try:\n    bench.evaluate_metric('verification')\nexcept bench.FacebenchError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install evaluate" in said
