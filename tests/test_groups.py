"""Errors by group: whose image is whose row, how groups are counted, and what is printed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trials import SHOTS, made_trials, own_rows

from bench import groups, suite
from bench.answers import contents_sha256, read_table, write_table
from bench.cases import Cases, ErrorRate
from bench.errors import DataDamaged, FacebenchError, Mismatch, NotAResult, WrongUse
from bench.groups import ABSENT, ALL, FEW, MIXED, Group, matched, rates_by_group, read_labels
from bench.metrics.biometric import FTE, fnmr_at_fmr
from bench.metrics.comparison_trials import ComparisonTrials
from bench.protocol import Sample
from bench.tasks import identification, verification

OFFICIAL = "verification/toy/pairs"
Said = Callable[..., tuple[int, str, str]]
TABLE = Path("table.csv")
ROOT = Path(__file__).parent.parent


def cell(runs: Path, method: str, limit: str = "null") -> Path:
    found = runs.joinpath(*OFFICIAL.split("/")).glob(f"{method}-????????/result.json")
    (path,) = (p for p in found if f'"limit": {limit},' in p.read_text())
    return path.parent


def samples(*names: str) -> list[Sample]:
    return [Sample(f"{i}", name, lambda key: None) for i, name in enumerate(names)]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def by_name(cases: Cases, labels: Sequence[str | None]) -> dict[str, Group]:
    return {group.name: group for group in rates_by_group(cases, labels)}


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "REPLICATES", 50)


# Counting.


@given(st.integers(0, 40), st.booleans())
@settings(deadline=None, max_examples=25)
def test_groups_count_what_their_pairs_and_images_say(seed: int, fitted: bool) -> None:
    trials = made_trials(seed, fitted=fitted, pairs=620)
    labels = [[None, "left", "right"][(i * 7 + seed) % 3] for i in range(12 * SHOTS)]
    cases = verification.cases(None, trials)  # type: ignore[arg-type]  the trials know the positions
    found, rows = by_name(cases, labels), own_rows(trials)
    thresholds = {}
    for fold in range(3) if fitted else [None]:
        scores = sorted(r["score"] for r in rows if not r["mated"] and fold in (None, r["fold"]))
        thresholds[fold] = scores[len(scores) - 1 - len(scores) // 100]

    def group_of(row: dict[str, Any]) -> str:
        pair = {labels[row["reference"]], labels[row["probe"]]}
        return (pair.pop() or ABSENT) if len(pair) == 1 else ABSENT if None in pair else MIXED

    for name, group in found.items():
        inside = [row for row in rows if name in (ALL, group_of(row))]
        mated, non_mated = ([row for row in inside if row["mated"] == kind] for kind in (True, False))
        assert (group.counts["mated"], group.counts["non-mated"]) == (len(mated), len(non_mated))
        passed = {r["trial"]: r["score"] > thresholds[r["fold"] if fitted else None] for r in inside}
        rates = {score.metric: score for score in group.rates}
        if mated:
            share = np.mean([not passed[row["trial"]] for row in mated])
            assert rates["fnmr@fmr=1e-2"].value == pytest.approx(share)
        false = rates.get("fmr@fmr=1e-2")
        if false is not None and false.bound is None:
            assert false.value == pytest.approx(np.mean([passed[row["trial"]] for row in non_mated]))
    assert sum(g.counts["mated"] for g in found.values()) == 2 * found[ALL].counts["mated"]
    used = {row[side] for row in rows for side in ("reference", "probe")}
    for name, label in ((ABSENT, None), ("left", "left"), ("right", "right")):
        assert found[name].counts["images"] == sum(labels[i] == label for i in used)


def test_the_whole_has_the_rates_that_the_scores_have() -> None:
    trials = made_trials(3, pairs=620)
    (whole, *_) = rates_by_group(verification.cases(None, trials), [None] * 36)  # type: ignore[arg-type]
    prepared = ComparisonTrials(trials, 0, 0)
    for metric in (fnmr_at_fmr("1e-2"), FTE):
        (rate,) = (rate for rate in whole.rates if rate.metric == metric.name)
        assert rate.value == pytest.approx(prepared.compute(metric).value)
        assert rate.low is not None and rate.high is not None and rate.low <= rate.value <= rate.high


def test_a_threshold_that_the_pairs_do_not_resolve_is_left_out_and_said() -> None:
    cases = verification.cases(None, made_trials(0, pairs=180))  # type: ignore[arg-type]
    assert [rate.name for rate in cases.rates] == ["fte"]
    assert [note.partition(":")[0] for note in cases.notes] == ["no threshold of FMR 1e-2", "no threshold of FMR 1e-3"]


def _cases(wrong: Sequence[bool], expected: str = "") -> Cases:
    n = len(wrong)
    of = np.stack([np.arange(n)] * 2, axis=1)
    rate = ErrorRate("rate", "", np.ones(n, bool), np.array(wrong), expected)
    return Cases(of, of, None, {"images": np.ones(n, bool)}, (rate,))


def test_a_rate_of_which_too_few_are_expected_is_a_bound_and_none_seen_is_no_proof_of_none() -> None:
    found = by_name(_cases([False] * 400, "1e-2"), ["a"] * 300 + ["b"] * 100)
    (enough,), (few,) = found["a"].rates, found["b"].rates
    assert enough.bound is None and enough.value == 0 and enough.high == pytest.approx(3 / 300, rel=0.01)
    assert few.bound == "at most" and few.value == pytest.approx(3 / 100, rel=0.02) and few.high is None
    assert few.note == "a rate of 1e-2 needs 300 non-mated comparisons, there are 100"


def test_a_small_group_is_shown_and_marked_and_an_empty_one_is_not_there() -> None:
    found = by_name(_cases([True, False] * 50), ["small"] * (FEW - 1) + ["large"] * (101 - FEW))
    assert list(found) == [ALL, "large", "small"]
    assert [group.few for group in found.values()] == [False, False, True]
    assert found["small"].people == FEW - 1 and found["small"].rates


def test_searches_are_counted_in_the_probes_group() -> None:
    trials = {
        "trial": np.arange(4),
        "probe_subject": np.array([0, 1, 2, 3]),
        "mated": np.array([True, True, False, True]),
        "rank": np.array([1, 2, 9, 1]),
        "failure": ["", "", "too dark", ""],
    }
    content: Any = SimpleNamespace(truth=SimpleNamespace(probes=np.array([3, 1, 0, 2])))
    found = by_name(identification.cases(content, trials), ["a", "b", "a", "b"])
    rates = {(g.name, s.metric): s.value for g in found.values() for s in g.rates}
    assert rates["b", "fnir@rank=1"] == 0.5 and rates["a", "fnir@rank=1"] == 0
    assert rates["a", "fte"] == 0.5 and rates["b", "fte"] == 0
    assert found["a"].counts == {"images": 2, "mated": 1, "non-mated": 1}


# Whose row is whose image.


def test_a_row_is_for_the_image_of_its_name_or_of_its_file_name() -> None:
    images = samples("Ada_Example_0001.jpg", "Ben_Example_0001.jpg", "Cyd_Example_0001.jpg")
    rows = [("Ada_Example/Ada_Example_0001.jpg", "a"), ("Ben_Example_0001.jpg", "b"), ("C\\Cyd_Example_0001.jpg", "")]
    assert matched([*rows, ("Dot_Example_0001.jpg", "d")], images, TABLE) == (["a", "b", None], 1)


AMBIGUOUS: list[tuple[list[tuple[str, str]], str]] = [
    ([("0001.jpg", "a")], "Row 1 may be any of 2 images"),
    ([("Ada/0001.jpg", "a"), ("Ada/0001.jpg", "b")], "Row 2 says another thing"),
    ([("nobody.jpg", "a")], "None of its 1 rows"),
]


@pytest.mark.parametrize(("rows", "text"), AMBIGUOUS, ids=[text for _, text in AMBIGUOUS])
def test_a_row_that_may_mean_several_images_or_says_two_things_is_refused(rows: Any, text: str) -> None:
    with pytest.raises((DataDamaged, WrongUse), match=text):
        matched(rows, samples("Ada/0001.jpg", "Ben/0001.jpg"), TABLE)
    assert matched([("Ada/0001.jpg", "a"), ("Ada/0001.jpg", "a")], samples("Ada/0001.jpg"), TABLE)[0] == ["a"]


BAD: list[tuple[str, str]] = [
    ("", "0 are called name"),
    ("file,box\nx,1\n", "Its columns are file, box; 0 are called name"),
    ("name,box,box\nx,1,2\n", "2 are called box"),
    ("name,box\nx\n", "Line 2 has 1 cells, the first 2"),
    ('name,box\n"x,1\n', "cannot be read"),
    ("name,box\nx,(mixed)\n", "is a label in it"),
    ("name,box\nx," + "y" * 61 + "\n", "A label is one short line"),
    ("name,box\nx,a\x07b\n", "A label is one short line"),
    ("name,box\n" + "".join(f"x{i},{i}\n" for i in range(51)), "51 different values"),
]


@pytest.mark.parametrize(("text", "found"), BAD, ids=[found for _, found in BAD])
def test_a_table_that_cannot_be_used_is_refused(text: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(FacebenchError) as error:
        read_labels(written(tmp_path, text), "box", "name")
    assert found in str(error.value)


def test_a_table_is_read_with_a_byte_order_mark_and_empty_lines(tmp_path: Path) -> None:
    assert read_labels(written(tmp_path, "\ufeffname,box\n\nx, 1 \n"), "box", "name") == [("x", "1")]


# The command.


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"Person_{p}/Person_{p}_{shot:04d}.jpg,{'odd' if p % 2 else 'even'}" for p in range(20) for shot in (1, 2)]
    return written(tmp_path, "\n".join(["file,parity", *rows]))


@pytest.mark.usefixtures("official")
def test_errors_by_group_are_counts_and_rates_alone(said: Said, runs: Path, synthetic: Path, table: Path) -> None:
    words = ("groups", cell(runs, "fails-some"), "--table", table, "--by", "parity", "--name-column", "file")
    status, out, err = said(*words, "--data", synthetic, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert {g["name"]: g["counts"] for g in found["groups"]} == {
        ALL: {"images": 48, "mated": 24, "non-mated": 24},
        "even": {"images": 20, "mated": 10, "non-mated": 0},
        "odd": {"images": 20, "mated": 10, "non-mated": 0},
        ABSENT: {"images": 8, "mated": 4, "non-mated": 5},
        MIXED: {"images": 0, "mated": 0, "non-mated": 19},
    }
    assert "Person_" not in out and str(synthetic) not in out
    assert "no facts" in found["limits"] and len(found["notes"]) == 2
    status, out, _ = said(*words, "--data", synthetic, columns=80)
    assert status == 0 and "few" in out and "even" in out and "no threshold of FMR 1e-3" in out
    assert "say little of people at large" in " ".join(out.split()) and "Person_" not in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.usefixtures("official")
def test_a_limited_run_has_the_groups_of_its_own_images(runs: Path, synthetic: Path, table: Path) -> None:
    found = groups.by_group(cell(runs, "toy", "16"), table, "parity", "file", synthetic)
    assert found.groups[0].counts["mated"] == 8 and found.unused > 0


@pytest.mark.usefixtures("official")
def test_other_data_than_those_of_the_run_are_refused(runs: Path, own: Path, table: Path) -> None:
    with pytest.raises(Mismatch, match="other trials"):
        groups.by_group(cell(runs, "toy"), table, "parity", "file", own)


@pytest.mark.parametrize("column", ["reference", "probe_subject", "score"])
@pytest.mark.usefixtures("official")
def test_trials_that_do_not_fit_the_data_are_refused(
    column: str, runs: Path, synthetic: Path, table: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(cell(runs, "toy"), tmp_path / "copied"))
    trials = read_table(folder / "trials.parquet")
    if column == "reference":
        trials[column] = trials[column] + 1000
    else:
        del trials[column]
    write_table(folder / "trials.parquet", trials)
    data = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**data, "trials_sha256": contents_sha256(trials)}))
    with pytest.raises(NotAResult, match="do not fit the data"):
        groups.by_group(folder, table, "parity", "file", synthetic)


def test_scores_made_elsewhere_have_groups_but_no_failures_of_images(
    synthetic: Path, tmp_path: Path, official: None, table: Path
) -> None:
    (tmp_path / "answers.csv").write_text("trial,score\n" + "".join(f"{i},{i % 7}\n" for i in range(48)))
    _, folder = suite.score_answers(OFFICIAL, tmp_path / "answers.csv", data=synthetic, out=tmp_path / "out")
    found = groups.by_group(folder, table, "parity", "file", synthetic)
    assert found.groups[0].counts["images"] == 48 and not found.about


@pytest.mark.realdata_smoke
def test_faces_of_lfw_are_grouped_by_a_column_of_its_landmark_table(data_root: Path) -> None:
    table, board = data_root / "lfw" / "landmarks_mtcnn.csv", ROOT / "leaderboards/verification/lfw/view2-arcface112"
    if not (data_root / "lfw" / "aligned_112").is_dir() or not table.is_file():
        pytest.skip("needs lfw/aligned_112 and lfw/landmarks_mtcnn.csv under FACEBENCH_DATA")
    found = groups.by_group(board / "mobilefacenet.json", table, "faces_found", "file", data_root)
    whole, *parts = found.groups
    assert whole.counts == {"images": 7701, "mated": 3000, "non-mated": 3000} and whole.people == 4281
    assert all(sum(part.counts[kind] for part in parts) == count for kind, count in whole.counts.items())
    assert found.groups[1].name == "1" and any(part.few for part in parts) and not found.unused
