"""Expressions end to end: who knows, who guesses, who fails, who is asked in words, who sees nothing."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.answers import read_table
from bench.errors import ContractBroken, MethodFailed, WrongUse
from bench.images import Unreadable
from bench.metrics import expression_trials
from bench.metrics.expression import Scorer
from bench.parsed import REFUSAL, table
from bench.protocols import labelled_faces
from bench.suite import run_cells
from bench.tasks import expression
from bench.tasks.expression import ADJECTIVES, Repeats, Row

LABELS = ("neutral", "happiness", "surprise", "sadness", "anger")
EACH, COPIES = 12, 2
DATA = bench.Data("drawn", "", "Apache-2.0", "drawn by this test", trials_publishable=True)


def read(name: str, key: str) -> bench.Face:
    """A picture whose first pixel says its label, grey and tiny; one cannot be read."""
    label, _, number = name.partition("-")
    if number == "unreadable":
        raise Unreadable("image cannot be decoded")
    pixels = np.full((3, 5, 3), 40 * LABELS.index(label) + 10, np.uint8)
    pixels[-1, -1] = int(number)
    return bench.Face(key, pixels)


def content(root: Path, labels: tuple[str, ...], salt: str, listed: str = "", odd: bool = False) -> bench.Content:
    names = [f"{label}-{i}" for label in labels for i in range(EACH)] + (["anger-unreadable"] if odd else [])
    rows = [Row(name, name.partition("-")[0]) for name in names]

    def training() -> tuple[list[bench.Sample], Any]:
        learned = [f"{label}-{i}" for label in labels for i in range(100, 103 + 2 * (label == "sadness"))]
        samples = [bench.Sample(f"t{i}", name, functools.partial(read, name)) for i, name in enumerate(learned)]
        return samples, np.array([labels.index(name.partition("-")[0]) for name in learned], np.int64)

    def copies() -> Repeats:
        seen = {"anger-0": "train", "anger-1": "valid"}
        return Repeats({"anger-2": "anger-3"}, seen, known=True)

    asked = {"listed": listed, "scorer": Scorer(tuple(ADJECTIVES[label] for label in labels)) if listed else None}
    return expression.content(rows, labels, read, {}, salt, training=training, repeats=copies, **asked)


def protocol(listed: str = "", **known: Any) -> bench.Protocol:
    reader = functools.partial(content, listed=listed, **known)
    made = labelled_faces.protocol(
        "expression/test/drawn", DATA, reader, LABELS, "drawn", cite="none", copies=True, listed=bool(listed)
    )
    return replace(made, trials_sha256=made.read(Path()).trials_sha256)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expression_trials, "REPLICATES", 20)


def method(made: Callable[[], Any], contract: str = "", **card: Any) -> bench.Method:
    return bench.Method(
        name=card.pop("name", "made"),
        tasks=frozenset({"expression"}),
        inputs=frozenset({"raw"}),
        contract=contract,
        load=lambda given: made(),
        **card,
    )


def classifier(answer: Callable[[int, int], float]) -> bench.Method:
    """A Classifier whose score for class j of a picture of class i is ``answer(i, j)``, classes in LABELS' order."""
    known = LABELS

    def load() -> Any:
        class Made:  # made here, so that it goes to the worker by value
            def classify(self, records: Any, labels: Sequence[str]) -> Any:
                of = [int(record.pixels[0, 0, 0]) // 40 for record in records]
                return np.array([[answer(i, known.index(label)) for label in labels] for i in of], np.float32)

        return Made()

    return method(load)


def answerer(say: Callable[[str, int], str | None], blind: bool = False, **card: Any) -> bench.Method:
    """An Answerer that says ``say(text, i)`` of a picture of class i (5 of another); its likelihoods follow the
    class."""
    words = tuple(ADJECTIVES[label] for label in LABELS)

    def load() -> Any:
        def seen(question: Any) -> int:
            pixels = None if blind or question.face is None else question.face.pixels
            small = pixels is not None and pixels.shape == (3, 5, 3)
            return int(pixels[0, 0, 0]) // 40 if small else 5 if pixels is None else 6 + int(pixels.sum()) % 97

        class Made:
            def answer(self, questions: Any) -> Any:
                return [say(question.text, seen(question)) for question in questions]

            def loglik(self, questions: Any, options: Sequence[str]) -> Any:
                lengths = np.array([len(option) for option in options])
                sums = np.tile(-3.0 * lengths, (len(questions), 1))
                for i, question in enumerate(questions):
                    of = seen(question)
                    sums[i] -= [(of * 7 + j) % 5 / 99 for j in range(len(options))]
                    for j, option in enumerate(options):
                        sums[i, j] += 2.5 * lengths[j] * (of < 5 and option == words[of])
                return {"sums": sums, "tokens": np.full(sums.shape, 2), "joint": "direct"}

        return Made()

    return method(load, "Answerer", **card)


def knowing() -> Callable[[str, int], str | None]:
    """One who says the right word, in this way or that; made here, so that it goes to the worker by value."""

    def right(text: str, of: int) -> str | None:
        return ("Neutral.", "It is happy", "surprise", "sad", "**angry**")[of] if of < 5 else str(of)

    return right


right = knowing()


def run(one: bench.Method, tmp_path: Path, chosen: str = "", **settings: Any) -> tuple[bench.Result, dict[str, Any]]:
    """The result of one method on the drawn protocol and its trials; ``chosen``: ways, as they are typed."""
    question = settings.pop("question", None) or protocol()
    asked = {option.name: option.default for option in question.ways}
    for item in filter(None, chosen.split(",")):
        name, _, text = item.partition("=")
        asked[name] = next(option for option in question.ways if option.name == name).parse(text)
    ways = tuple(replace(option, default=asked[option.name]) for option in question.ways)
    (outcome,) = run_cells(replace(question, ways=ways), one, out=tmp_path / "runs", **{"threads": 1, **settings})
    if outcome.error is not None:
        raise outcome.error
    assert outcome.result is not None
    return outcome.result, read_table(outcome.folder / "trials.parquet")


def values(result: bench.Result) -> dict[str, float]:
    return {score.metric: score.value for score in result.scores}


def note(result: bench.Result) -> str:
    return next(score.note for score in result.scores if score.metric == "accuracy")


def test_a_perfect_classifier_is_right_and_calibrated_with_and_without_copies(tmp_path: Path) -> None:
    result, trials = run(classifier(lambda i, j: float(i == j)), tmp_path)
    found = values(result)
    assert [found[name] for name in ("accuracy", "uar", "macro_f1", "unseen.accuracy")] == [1, 1, 1, 1]
    assert [found[name] for name in ("ece", "brier", "nll", "parse_failure", "refusal")] == [0] * 5
    assert result.official and result.samples == 60 and result.failures == 0
    assert [trials["seen"].count(kind) for kind in ("train", "valid", "")] == [1, 1, 58]
    assert len(set(trials["cluster"].tolist())) == 59


def test_copies_of_the_training_split_are_left_out_of_the_figures_that_say_so(tmp_path: Path) -> None:
    result, _ = run(classifier(lambda i, j: float((i == j) != (i == 4))), tmp_path)
    found = values(result)
    assert (
        found["accuracy"] == 48 / 60 and found["untrained.accuracy"] == 48 / 59 and found["unseen.accuracy"] == 48 / 58
    )


def test_scores_that_are_no_probabilities_have_no_calibration(tmp_path: Path) -> None:
    result, trials = run(classifier(lambda i, j: 3.0 * (i == j) - 1), tmp_path)
    assert values(result)["accuracy"] == 1 and "ece" not in values(result)
    assert not [name for name in trials if name.startswith("p.")]


@pytest.mark.parametrize("floor", ["random", "constant", "majority"])
def test_the_floors_are_floors(floor: str, tmp_path: Path) -> None:
    (outcome,) = run_cells(protocol(), floor, out=tmp_path)
    assert outcome.result is not None, outcome.error
    expected = {"constant": 0.2, "majority": 0.2}.get(floor)
    found = values(outcome.result)
    assert found["accuracy"] == expected if expected else found["accuracy"] < 0.45
    if floor == "majority":
        assert set(read_table(outcome.folder / "trials.parquet")["answer"]) == {"sadness"}


def test_a_label_map_in_the_order_of_the_alphabet_is_told(tmp_path: Path) -> None:
    order = sorted(range(5), key=lambda i: LABELS[i])
    with pytest.warns(UserWarning, match="is the label map right"):
        result, _ = run(classifier(lambda i, j: float(order[i] == j)), tmp_path)
    assert values(result)["accuracy"] < 0.5
    assert "would give 100.0% in place of" in note(result)


def test_a_class_that_is_never_answered_and_one_without_a_picture_are_told(tmp_path: Path) -> None:
    result, _ = run(classifier(lambda i, j: float(j == (0 if i == 3 else i))), tmp_path, limit=60)
    assert "never answered sadness" in note(result)
    few, _ = run(classifier(lambda i, j: float(i == j)), tmp_path, limit=3)
    assert "no picture of" in note(few) and not few.official


def test_a_class_that_a_method_lacks_ends_the_cell_with_its_own_words(tmp_path: Path) -> None:
    def load() -> Any:
        class Made:
            def classify(self, records: Any, labels: Any) -> Any:
                raise ValueError(f"it has no class {labels[-1]!r}")

        return Made()

    with pytest.raises(MethodFailed, match="it has no class 'anger'"):
        run(method(load), tmp_path)


def test_a_classifier_has_no_ways_to_be_asked_in_words(tmp_path: Path) -> None:
    question = protocol()
    with pytest.raises(WrongUse, match="it is told the labels, and not asked in words"):
        list(run_cells(question, "constant:ask=closed", out=tmp_path))


def test_replies_are_read_counted_and_never_guessed(tmp_path: Path) -> None:
    def say(text: str, of: int) -> str | None:
        said = ["neutral", "happy and sad", "I cannot tell you.", "", "<b>anger</b>"]
        return said[of] if of < 5 else str(of)

    result, trials = run(answerer(say), tmp_path)
    found = values(result)
    assert (found["accuracy"], found["parse_failure"], found["refusal"]) == (0.4, 0.6, 0.2)
    assert result.reasons == {"ambiguous": 12, REFUSAL: 12, "empty": 12} and result.failures == 36
    assert set(trials["reading"]) == {str(table())} and str(table()) in note(result)
    assert not any("text" in name for name in trials)


@pytest.mark.parametrize("chosen", ["ask=closed,rotations=5", "ask=free,wording=q1", "wording=q4", "words=labels"])
def test_a_model_that_sees_and_knows_is_right_however_it_is_asked(chosen: str, tmp_path: Path) -> None:
    assert values(run(answerer(right), tmp_path, chosen)[0])["accuracy"] == 1


@pytest.mark.parametrize("chosen", ["", "ask=closed,rotations=3,score=mean", "score=bytes", "score=pmi"])
def test_likelihoods_of_options_are_scored_and_are_probabilities(chosen: str, tmp_path: Path) -> None:
    result, trials = run(answerer(right), tmp_path, f"answer=loglik,{chosen}".rstrip(","))
    assert values(result)["accuracy"] == 1 and 0 < values(result)["nll"] < 1
    assert "options joined: direct" in note(result)
    assert np.allclose(sum(trials[f"p.{label}"] for label in LABELS), 1, atol=1e-6)


def test_failures_are_rows_with_a_reason(tmp_path: Path) -> None:
    def say(text: str, of: int) -> str | None:
        return None if of == 1 else right(text, of)

    result, trials = run(answerer(say), tmp_path, question=protocol(odd=True))
    assert result.reasons == {"no answer": 12, "image cannot be decoded": 1}
    assert len(trials["answer"]) == 61 and values(result)["parse_failure"] == 0


@pytest.mark.parametrize("chosen", ["", "answer=loglik", "ask=yesno"])
def test_a_model_that_ignores_the_picture_is_refused_at_the_start(chosen: str, tmp_path: Path) -> None:
    with pytest.raises(MethodFailed, match="the same for all of them, so it seems not to see them"):
        run(answerer(right, blind=True), tmp_path, chosen)
    assert not [*tmp_path.rglob("all/part-*")]


def test_a_floor_may_be_blind(tmp_path: Path) -> None:
    result, _ = run(answerer(lambda text, of: "happy", blind=True, floor=True), tmp_path)
    assert values(result)["accuracy"] == 0.2


def test_a_list_of_questions_is_scored_strictly_and_as_its_own_scorer_does(tmp_path: Path) -> None:
    words = ", ".join(ADJECTIVES[label] for label in LABELS)
    question = protocol(listed=f"Which expression is it: {words}?")

    def say(text: str, of: int) -> str | None:
        return "unhappy" if of == 1 else None if of == 4 else right(text, of)

    result, trials = run(answerer(say), tmp_path, question=question)
    found = values(result)
    assert found["accuracy"] == 36 / 60  # "unhappy" is sadness, and what was not answered is wrong
    # "unhappy" holds "happy", "surprise" does not hold "surprised", and what was not answered is left out.
    assert found["ferbench.accuracy"] == 36 / 48
    assert trials["ferbench"].count("") == 12


def test_the_digest_holds_words_wordings_and_the_reading(tmp_path: Path) -> None:
    question = protocol()
    told = question.settings
    assert told["labels"]["happiness"] == "happy" and told["reading"] == str(table())
    other = replace(question, settings={**told, "reading": "another table"})
    assert other.digest != question.digest


def test_a_run_that_was_stopped_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    one = answerer(right)
    whole, _ = run(one, tmp_path)
    (folder,) = [path.parent for path in tmp_path.rglob("result.json")]
    kept = {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*.parquet")}
    for gone in ("all/part-00000.parquet", "trials.parquet", "result.json"):
        (folder / gone).unlink()
    again, _ = run(one, tmp_path)
    assert again.to_json() == whole.to_json()
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*.parquet")} == kept


def test_an_answerer_whose_reply_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match="An answer is a int"):
        run(answerer(lambda text, of: of), tmp_path)  # type: ignore[arg-type, return-value]
