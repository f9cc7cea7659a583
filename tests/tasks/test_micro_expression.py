"""Micro-expressions end to end: perfect, failing, fitted and floor methods on drawn images, one subject left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import bench
from bench.answers import read_table
from bench.errors import WrongUse
from bench.metrics import metric
from bench.metrics.classification import within
from bench.protocols.megc2019 import PROTOCOLS
from bench.tasks import micro_expression
from bench.tasks.micro_expression import Row

# What is made here goes to the worker by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
CLASSES = ("negative", "positive", "surprise")
SUBJECTS, EACH = 5, 4
DATA = bench.Data("toy flow", "", "Apache-2.0", "drawn here", trials_publishable=True)


def rows() -> list[Row]:
    """Of each subject two negative clips, one positive and one of surprise, but of the last no surprise."""
    shown = [(s, i, ("negative", "positive", "surprise", "negative")[i]) for s in range(SUBJECTS) for i in range(EACH)]
    return [Row(f"{s}_{i}", f"subject {s}", e, "one" if s < 3 else "two") for s, i, e in shown if (s, i) != (4, 2)]


def picture(name: str, key: str) -> bench.Face:
    """Its red tells the class, its green the subject, its blue the clip."""
    subject, clip = map(int, name.split("_"))
    told = next(row for row in rows() if row.name == name)
    pixels = np.zeros((28, 28, 3), np.uint8)
    pixels[:] = CLASSES.index(told.emotion) * 100, subject * 20, clip
    pixels.flags.writeable = False
    return bench.Face(key, pixels)


def read(root: Path) -> bench.Content:
    return micro_expression.content(rows(), CLASSES, picture, salt="toy")


PROTOCOL = replace(
    PROTOCOLS[1],
    name="micro_expression/toy/loso",
    data=DATA,
    read=read,
    trials_sha256=read(Path()).trials_sha256,
    metrics=(*map(metric, micro_expression.METRICS), *(within(part, metric("uf1")) for part in ("one", "two"))),
)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_expression, "REPLICATES", 50)


Asked = Callable[..., bench.Result]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Run a method that answers by ``classify(records, labels)``, or one by its name."""

    def ask(method: Any, **settings: Any) -> bench.Result:
        if callable(method):
            method = made(method)
        (result,) = bench.run(PROTOCOL, method, out=tmp_path / "out", **settings)
        return result

    return ask


def made(kind: Callable[..., Any], trainable: bool = False) -> bench.Method:
    def load(given: bench.Load) -> Any:
        class Made:
            def classify(self, records: Sequence[Any], labels: Sequence[str]) -> Any:
                return kind(records, labels)

        return Made()

    return bench.Method(
        "made-here",
        frozenset({"micro_expression"}),
        load,
        inputs=frozenset({"flow-28"}),
        batch=3,
        trainable=trainable,
    )


def perfect(records: Sequence[Any], labels: Sequence[str]) -> Any:
    answers = np.array([record.pixels[0, 0, 0] // 100 for record in records])
    return (answers[:, None] == np.arange(len(labels))).astype(np.float32)


def value(result: bench.Result, name: str) -> float:
    score = result.score(name)
    assert score is not None
    return score.value


def test_a_perfect_method_has_every_class_of_every_data_set(asked: Asked) -> None:
    result = asked(lambda records, labels: perfect(records, labels))
    assert {score.metric: score.value for score in result.scores} == dict.fromkeys(
        ("uf1", "uar", "war", "one.uf1", "two.uf1"), 1
    )
    assert (result.samples, result.failures, result.official) == (19, 0, True)


def test_the_labels_are_given_by_name_when_it_is_asked(asked: Asked) -> None:
    def by_name(records: Sequence[Any], labels: Sequence[str]) -> Any:
        assert labels == ["negative", "positive", "surprise"]
        return perfect(records, labels)

    assert value(asked(by_name), "uf1") == 1


def test_always_the_first_class_is_right_as_often_as_it_is_there(asked: Asked) -> None:
    result = asked("constant")
    assert value(result, "war") == pytest.approx(10 / 19)
    assert value(result, "uar") == pytest.approx(1 / 3)
    assert value(result, "uf1") == pytest.approx((2 * 10 / (10 + 19)) / 3)


def test_the_majority_is_that_of_the_other_subjects(asked: Asked) -> None:
    assert value(asked("majority"), "war") == pytest.approx(10 / 19)


def test_a_row_of_nan_is_a_failure_with_a_reason_and_a_miss(asked: Asked) -> None:
    def some(records: Sequence[Any], labels: Sequence[str]) -> Any:
        answers = perfect(records, labels)
        answers[[record.pixels[0, 0, 2] == 3 for record in records]] = np.nan
        return answers

    result = asked(some)
    assert result.reasons == {"no class": 5}
    assert value(result, "war") == pytest.approx(14 / 19)
    assert value(result, "uar") == pytest.approx((0.5 + 1 + 1) / 3)


def test_a_method_that_raises_on_one_record_fails_on_that_one(asked: Asked) -> None:
    def raises(records: Sequence[Any], labels: Sequence[str]) -> Any:
        if any(record.pixels[0, 0, 1] == 20 and record.pixels[0, 0, 2] == 1 for record in records):
            raise ValueError("no flow here")
        return perfect(records, labels)

    assert asked(raises).reasons == {"raised ValueError": 1}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda records, labels: [[1.0, 0.0, 0.0]], "It returned a list"),
        (lambda records, labels: np.ones((len(records), 2), np.float32), r"shape \[3, 2\]"),
        (lambda records, labels: np.ones((len(records), 3)), "It returned a float64 array"),
    ],
)
def test_an_answer_of_another_shape_is_refused(asked: Asked, answer: Any, said: str) -> None:
    with pytest.raises(bench.FacebenchError, match=said):
        asked(answer)


def spy() -> bench.Method:
    """Fitted: remembers whom it saw, and answers about all others only."""

    def load(given: bench.Load) -> Any:
        class Spy:
            def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
                people = np.array([record.pixels[0, 0, 1] for record in examples])
                agree = [record.pixels[0, 0, 0] // 100 for record in examples] == list(examples.labels)
                yield bench.Snapshot(1, {"people": people, "agree": np.array([agree])})

            def restore(self, weights: Mapping[str, Any]) -> None:
                self.people, self.agree = set(weights["people"].tolist()), bool(weights["agree"][0])

            def classify(self, records: Sequence[Any], labels: Sequence[str]) -> Any:
                answers = np.array([record.pixels[0, 0, 0] // 100 for record in records])
                scores = (answers[:, None] == np.arange(len(labels))).astype(np.float32)
                seen = [record.pixels[0, 0, 1] in self.people or not self.agree for record in records]
                return np.where(np.array(seen)[:, None], np.float32(np.nan), scores)

        return Spy()

    card = made(perfect, trainable=True)
    return replace(card, load=load)


def test_a_fitted_method_learns_from_all_subjects_but_the_one_it_answers(asked: Asked, tmp_path: Path) -> None:
    result = asked(spy())
    assert (value(result, "uf1"), result.failures) == (1, 0)
    folds = sorted(path.parent.name for path in tmp_path.glob("out/**/checkpoint.safetensors"))
    assert folds == [f"subject-{number:04d}" for number in range(SUBJECTS)]
    answered = [len(read_table(path)["key"]) for path in sorted(tmp_path.glob("out/**/part-*.parquet"))]
    assert sorted(answered) == [3, 4, 4, 4, 4]


def test_trials_hold_classes_and_opaque_numbers_and_nothing_of_names(asked: Asked, tmp_path: Path) -> None:
    asked("constant")
    (path,) = tmp_path.glob("out/**/trials.parquet")
    trials = read_table(path)
    assert list(trials) == ["trial", "subject", "part", "truth", "answer", "failure"]
    assert sorted(set(trials["subject"].tolist())) == list(range(SUBJECTS))
    assert set(trials["part"]) == {"one", "two"}


def test_a_limit_keeps_clips_of_as_many_subjects_as_can_be(asked: Asked) -> None:
    result = asked(spy(), limit=4)
    assert (result.samples, result.failures, result.official) == (4, 0, False)
    with pytest.raises(WrongUse, match="--limit 1"):
        asked("constant", limit=1)


def test_classes_named_elsewhere_are_scored_and_what_is_absent_has_failed() -> None:
    content = read(Path())
    names = [row.name for row in rows()]
    table = {"name": names[1:], "answer": [row.emotion for row in rows()][1:]}
    trials = micro_expression.judge(content, micro_expression.external(content, table), {})
    scored = micro_expression.score(PROTOCOL, trials)
    assert scored.reasons == {"no class": 1}
    assert scored.scores[2].value == pytest.approx(18 / 19)
    with pytest.raises(WrongUse, match="'joy' is no class"):
        micro_expression.external(content, {"name": names[:1], "answer": ["joy"]})
    with pytest.raises(WrongUse, match="name and answer"):
        micro_expression.external(content, {"name": names})


def test_the_order_of_samples_and_numbers_of_people_say_nothing_of_them() -> None:
    content, other = read(Path()), micro_expression.content(rows(), CLASSES, picture, salt="another")
    names = [sample.name for sample in content.samples]
    assert names != sorted(names)
    assert names != [sample.name for sample in other.samples]
    assert content.trials_sha256 == other.trials_sha256


def test_a_run_that_lost_a_fold_and_some_answers_ends_with_the_same_bytes(asked: Asked, tmp_path: Path) -> None:
    asked(spy())
    (result,) = tmp_path.glob("out/**/result.json")
    kept = [result, result.with_name("trials.parquet"), *sorted(result.parent.glob("subject-*/part-*.parquet"))]
    before = [path.read_bytes() for path in kept]
    result.unlink()
    (result.parent / "subject-0001" / "checkpoint.safetensors").unlink()
    for fold in (1, 2):
        (result.parent / f"subject-{fold:04d}" / "part-00000.parquet").unlink()
    asked(spy())
    assert [path.read_bytes() for path in kept] == before


@pytest.mark.realdata_smoke
def test_the_flow_images_give_a_floor_what_its_classes_say(data_root: Path, tmp_path: Path) -> None:
    if not (data_root / "micro_expression" / "megc2019_flow").is_dir():
        pytest.skip(f"needs {data_root / 'micro_expression' / 'megc2019_flow'}")
    (result,) = bench.run("micro_expression/megc2019-flow/loso", "constant", data=data_root, out=tmp_path)
    assert (result.samples, result.failures, result.official) == (442, 0, True)
    assert values_of(result, "war", "uar", "uf1") == pytest.approx([250 / 442, 1 / 3, 2 * 250 / (250 + 442) / 3])
    assert values_of(result, "casme2.uar", "samm.uar", "smic.uar") == pytest.approx([1 / 3] * 3)


def values_of(result: bench.Result, *names: str) -> list[float]:
    return [value(result, name) for name in names]
