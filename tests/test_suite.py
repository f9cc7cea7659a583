"""Running and scoring by name, as functions: combinations, refusals at once, answers made elsewhere."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bench
from bench import boards, results, suite
from bench.answers import read_table
from bench.errors import (
    DataMissing,
    FacebenchError,
    MethodFailed,
    Mismatch,
    NotAResult,
    RunDamaged,
    UnknownName,
    WrongUse,
)

OFFICIAL, PRIVATE = "verification/toy/pairs", "verification/toy/private"

pytestmark = pytest.mark.usefixtures("official")


def cell(runs: Path, method: str) -> Path:
    found = runs.joinpath(*OFFICIAL.split("/")).glob(f"{method}-????????/result.json")
    (path,) = (p for p in found if '"limit": null,' in p.read_text())
    return path.parent


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cell(runs, "toy"), tmp_path / "copied"))


@pytest.fixture(scope="session")
def elsewhere(runs: Path, synthetic: Path) -> dict[str, Any]:
    """What a stranger would answer with the toy: scores by trial, embeddings by the images' names."""
    from bench.protocols import PROTOCOLS

    folder = cell(runs, "toy")
    names = [one.name for one in PROTOCOLS["verification/lfw/view2-arcface112"].read(synthetic).samples]
    vectors = read_table(next(folder.rglob("part-*.parquet")))["embedding"]
    return {"scores": read_table(folder / "trials.parquet")["score"], "names": names, "vectors": vectors}


def write_csv(path: Path, head: list[str], rows: list[list[Any]], encoding: str = "utf-8") -> Path:
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([head, *rows])
    return path


def by_trial(path: Path, scores: Any, **how: Any) -> Path:
    return write_csv(path, ["trial", "score"], [[i, score] for i, score in enumerate(scores.tolist())], **how)


def accuracy(result: bench.Result) -> float:
    return result.scores[0].value


def score(answers: Path, synthetic: Path) -> bench.Result:
    return suite.score_answers(OFFICIAL, answers, data=synthetic, out=answers.parent / "out")[0]


# Running.


def test_every_method_is_run_on_every_protocol_in_order(synthetic: Path, runs: Path) -> None:
    outcomes = list(suite.run_cells([OFFICIAL, PRIVATE], ["toy"], data=synthetic, out=runs))
    assert [(o.protocol, o.methods) for o in outcomes] == [(OFFICIAL, "toy"), (PRIVATE, "toy")]
    assert all(o.result == results.read(o.folder / "result.json") for o in outcomes)


@pytest.mark.parametrize(
    ("protocol", "methods", "error", "text"),
    [
        ("verification/toy/pears", "toy", UnknownName, "'verification/toy/pairs'"),
        (OFFICIAL, ["toy", "tooy"], UnknownName, "'toy'"),
        (OFFICIAL, [], WrongUse, "No protocol or no method was named"),
        ([], "toy", WrongUse, "No protocol or no method was named"),
        (OFFICIAL, "toy:gain=2", UnknownName, "gain"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(
    protocol: Any, methods: Any, error: type[FacebenchError], text: str, synthetic: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=text):
        bench.run(protocol, methods, data=synthetic, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_role_that_the_task_has_not_is_refused_with_those_it_has(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="Its roles are method; given were method, target"):
        bench.run(OFFICIAL, "toy", roles={"target": "perfect"}, data=synthetic, out=tmp_path)
    (result,) = bench.run(OFFICIAL, roles={"method": ["toy"]}, data=synthetic, out=tmp_path, limit=16)
    assert result.roles == {"method": ("toy",)}


def test_the_first_error_is_raised_after_the_other_cells_ran(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(MethodFailed, match="I never work"):
        bench.run(OFFICIAL, ["raises-always", "perfect"], data=synthetic, out=tmp_path, limit=16)
    (path,) = tmp_path.rglob("result.json")
    assert results.read(path).name == "perfect"


def test_a_data_set_that_is_missing_fails_its_cells_and_is_looked_for_once(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    outcomes = list(
        suite.run_cells(
            [OFFICIAL, PRIVATE],
            ["toy", "perfect"],
            data=tmp_path,
            out=tmp_path / "out",
            progress=lambda name, stage, done, total: seen.append((name, stage)),
        )
    )
    assert [type(o.error) for o in outcomes] == [DataMissing] * 4
    assert seen == [(OFFICIAL, "read"), (PRIVATE, "read")]


def test_progress_counts_up_to_the_whole(synthetic: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    bench.run(
        OFFICIAL, "toy", data=synthetic, out=tmp_path, progress=lambda cell, stage, a, b: seen.append((stage, a, b))
    )
    asked = [(done, total) for stage, done, total in seen if stage == "ask"]
    assert asked[-1] == (48, 48) and asked == sorted(asked)
    assert [stage for stage, *_ in seen][-1] == "score"


def test_a_method_given_in_two_ways_is_not_dropped(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="random would be left out"):
        suite.run(OFFICIAL, "toy", roles={"method": "random"}, data=synthetic, out=tmp_path)


# Scoring again.


def test_scoring_a_run_again_gives_the_same_bytes(copied: Path, runs: Path) -> None:
    suite.score_run(copied)
    assert (copied / "result.json").read_bytes() == (cell(runs, "toy") / "result.json").read_bytes()


def test_scoring_again_mends_an_edited_result(copied: Path, runs: Path) -> None:
    data = json.loads((copied / "result.json").read_text())
    data["scores"][0]["value"], data["failures"] = 0.99, 7
    (copied / "result.json").write_text(json.dumps(data))
    assert suite.score_run(copied) == results.read(cell(runs, "toy") / "result.json")


def test_a_result_on_a_board_is_scored_again_from_the_trials_beside_it(runs: Path, tmp_path: Path) -> None:
    boards.into_boards(boards.read_results([runs]), tmp_path)
    path = tmp_path.joinpath(*OFFICIAL.split("/"), "toy.json")
    before = path.read_bytes()
    data = json.loads(before)
    data["scores"][0]["value"] = 0.99
    path.write_text(json.dumps(data))
    suite.score_run(path)
    assert path.read_bytes() == before
    path.with_name("toy.trials.parquet").write_bytes(path.with_name("random.trials.parquet").read_bytes())
    with pytest.raises(NotAResult, match="not what it was scored from"):
        suite.score_run(path)


@pytest.mark.parametrize(
    ("lost", "text"), [("header.json", "no header"), ("trials.parquet", "no trials"), ("result.json", "cannot be read")]
)
def test_a_folder_that_is_no_finished_run_is_refused(lost: str, text: str, copied: Path) -> None:
    (copied / lost).unlink()
    with pytest.raises(NotAResult, match=text):
        suite.score_run(copied)


def test_a_result_of_another_question_than_its_header_is_refused(copied: Path) -> None:
    data = json.loads((copied / "result.json").read_text()) | {"digest": "0" * 64}
    (copied / "result.json").write_text(json.dumps(data))
    with pytest.raises(RunDamaged, match="another question than its header"):
        suite.score_run(copied)


# Answers made elsewhere.


def test_scores_by_trial_give_the_same_accuracy_and_are_marked_as_made_elsewhere(
    elsewhere: dict[str, Any], synthetic: Path, runs: Path, tmp_path: Path
) -> None:
    result = score(by_trial(tmp_path / "answers.csv", elsewhere["scores"]), synthetic)
    assert accuracy(result) == accuracy(results.read(cell(runs, "toy") / "result.json"))
    assert result.provenance.external and result.cards == {}
    assert result.score("fte") is None, "nobody knows which samples failed"


def test_answers_left_out_empty_or_not_finite_count_as_failed(
    elsewhere: dict[str, Any], synthetic: Path, tmp_path: Path
) -> None:
    rows = [[i, s] for i, s in enumerate(elsewhere["scores"].tolist())]
    rows[0][1], rows[1][1], rows[2][1] = "", "nan", "-inf"
    result = score(write_csv(tmp_path / "answers.csv", ["trial", "score"], rows[:-2]), synthetic)
    assert result.failures == 5 and result.reasons == {"no score": 5}
    assert result.samples == len(rows)


@pytest.mark.parametrize("form", ["csv columns", "parquet list", "parquet fixed list", "parquet columns"])
def test_embeddings_by_name_give_what_a_run_gives_in_each_form_of_table(
    form: str, elsewhere: dict[str, Any], synthetic: Path, runs: Path, tmp_path: Path
) -> None:
    names, vectors = elsewhere["names"], elsewhere["vectors"]
    if form == "csv columns":
        rows = [[name, *v.tolist()] for name, v in zip(names, vectors, strict=True)]
        path = write_csv(tmp_path / "answers.csv", ["name", *map(str, range(vectors.shape[1]))], rows[::-1])
    else:
        columns: dict[str, Any] = {str(i): pa.array(column) for i, column in enumerate(vectors.T)}
        if form == "parquet list":
            columns = {"embedding": pa.array(vectors.tolist(), pa.list_(pa.float32()))}
        if form == "parquet fixed list":
            columns = {"embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])}
        path = tmp_path / "answers.parquet"
        pq.write_table(pa.table({"name": pa.array(names), **columns}), path)
    result, whole = score(path, synthetic), results.read(cell(runs, "toy") / "result.json")
    assert accuracy(result) == accuracy(whole)
    assert result.failures == 0 and result.score("fte") == whole.score("fte")


def test_a_picture_without_an_embedding_is_a_failed_sample(
    elsewhere: dict[str, Any], synthetic: Path, tmp_path: Path
) -> None:
    rows = [[name, *v.tolist()] for name, v in zip(elsewhere["names"], elsewhere["vectors"], strict=True)]
    head = ["name", *map(str, range(elsewhere["vectors"].shape[1]))]
    result = score(write_csv(tmp_path / "answers.csv", head, rows[2:]), synthetic)
    assert (result.samples, result.failures) == (48, 2)
    assert result.reasons == {"no embedding": 2}


REFUSED = [
    (["trial", "score"], [["0", "0.5"], ["0", "0.5"]], "Some come twice"),
    (["trial", "score"], [["48", "0.5"]], "unknown ones, such as '48'"),
    (["trial", "score"], [["-1", "0.5"]], "unknown ones, such as '-1'"),
    (["trial", "score"], [["0", "high"]], "A cell is no number"),
    (["trial", "score"], [["0"]], "unequal length"),
    (["trial", "score"], [["0", "1", "2"]], "unequal length"),
    (["trial", "score"], [], "no rows"),
    (["pair", "score"], [["0", "0.5"]], "Its columns are pair, score."),
    (["name", "0"], [["Person_0_0009.jpg", "0.5"]], "unknown ones, such as 'Person_0_0009.jpg'"),
    (["name", "0"], [["../Person_0_0001.jpg", "0.5"]], "unknown ones"),
    (["name", "0"], [["Person_0_0001.jpg", "red"]], "A cell is no number"),
    (["name"], [["Person_0_0001.jpg"]], "embedding"),
    (["name", "embedding"], [["Person_0_0001.jpg", "[1.0, 2.0]"]], "embedding"),
]


@pytest.mark.parametrize(("head", "rows", "text"), REFUSED, ids=range(len(REFUSED)))
def test_a_table_of_answers_that_does_not_fit_is_wrong_use(
    head: list[str], rows: list[list[str]], text: str, synthetic: Path, tmp_path: Path
) -> None:
    with pytest.raises(WrongUse, match=text):
        score(write_csv(tmp_path / "answers.csv", head, rows), synthetic)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["absent.csv", "bytes.csv", "absent.parquet", "bytes.parquet"])
def test_a_file_of_answers_that_cannot_be_read_is_wrong_use_and_named(
    name: str, synthetic: Path, tmp_path: Path
) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bytes.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(WrongUse, match=name):
        score(tmp_path / name, synthetic)


def test_a_table_as_spreadsheets_write_it_is_read(elsewhere: dict[str, Any], synthetic: Path, tmp_path: Path) -> None:
    marked = by_trial(tmp_path / "answers.csv", elsewhere["scores"], encoding="utf-8-sig")
    assert np.isfinite(accuracy(score(marked, synthetic)))
