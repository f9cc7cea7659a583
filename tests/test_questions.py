"""Questions are worded by data, options rotate, and likelihoods become scores as the formulas say."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from bench.answering import ANSWER, likelihoods_of
from bench.cards import read_cards, write_cards
from bench.contracts import Answerer, Classifier
from bench.errors import ContractBroken, WrongUse
from bench.method import Method
from bench.parsed import AMBIGUOUS, NO_YES, UNKNOWN
from bench.protocol import Sample
from bench.questions import Strategy, ways, wordings
from bench.records import Face, Question
from bench.replies import read_replies
from bench.samples import draw
from bench.tasks import contract_of

LABELS, WORDS = ("neutral", "happiness", "sadness", "anger"), ("neutral", "happy", "sad", "angry")


def strategy(**chosen: Any) -> Strategy:
    return Strategy(LABELS, WORDS, **chosen)


def texts(**chosen: Any) -> list[str]:
    return [prompt.text for prompt in strategy(**chosen).prompts()]


def samples(count: int) -> list[Sample]:
    return [Sample(f"{i:06d}", f"name-{i}", lambda key: Face(key, draw(0, (8, 8)))) for i in range(count)]


def test_the_papers_four_questions_are_asked_as_published() -> None:
    asked = [texts(wording=f"q{i}")[0] for i in (1, 2, 3, 4)]
    assert asked == [
        "In a single word, is the person angry, disgusted, happy, sad, fearful, surprised, or neutral?",
        "In a single word, what is the facial expression of the person?",
        "In a single word, what facial expression is the person displaying?",
        "In a single word, what basic facial expression is the person displaying?",
    ]
    assert wordings()["version"] == 1


def test_a_closed_question_lists_the_declared_words_in_each_rotation_once_at_each_place() -> None:
    prompts = strategy(ask="closed", rotations=4).prompts()
    assert prompts[0].text.endswith("Choose one of: neutral, happy, sad, angry.")
    assert prompts[1].text.endswith("Choose one of: happy, sad, angry, neutral.")
    for place in range(4):
        assert {prompt.options[place] for prompt in prompts} == set(WORDS)
    assert texts(ask="closed", wording="q1") == ["In a single word, is the person neutral, happy, sad, or angry?"]


def test_lettered_options_keep_the_letters_in_order_and_turn_the_words() -> None:
    first, second = strategy(ask="lettered", rotations=2).prompts()
    assert "A. neutral\nB. happy\nC. sad\nD. angry" in first.text
    assert "A. sad\nB. angry\nC. neutral\nD. happy" in second.text
    assert first.options == second.options == ("A", "B", "C", "D")


def test_yes_and_no_are_asked_of_each_class() -> None:
    assert texts(ask="yesno") == [f"Is the person {word}? Answer yes or no." for word in WORDS]


def test_a_lists_own_prompt_is_asked_as_it_stands_or_with_its_options_turned() -> None:
    listed = "Which is it: neutral, happy, sad, angry? Think first."
    chosen = {"listed": listed, "wording": "list", "ask": "closed"}
    assert texts(**chosen) == [listed]
    assert texts(**chosen, rotations=2)[1] == "Which is it: sad, angry, neutral, happy? Think first."
    assert [way.default for way in ways(listed=True)][:2] == ["closed", "list"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"score": "mean"}, "give answer=loglik too"),
        ({"rotations": 2}, "with ask=closed or ask=lettered, else 1"),
        ({"ask": "closed", "rotations": 5}, "rotations is 1 to 4"),
        ({"ask": "closed", "rotations": 0}, "rotations is 1 to 4"),
        ({"ask": "lettered", "wording": "q1"}, "q1 lists its options itself"),
        ({"ask": "yesno", "wording": "q3"}, "leave wording out"),
        ({"ask": "free", "wording": "list", "listed": "x"}, "give ask=closed"),
        ({"ask": "closed", "wording": "list", "listed": "happy or sad?"}, "offers other words"),
    ],
)
def test_ways_that_do_not_go_together_are_refused(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongUse, match=message):
        strategy(**chosen)


def test_every_prompt_is_asked_about_every_picture_under_keys_of_their_own() -> None:
    asked = strategy(ask="closed", rotations=2).asked_of(samples(3))
    assert [sample.key for sample in asked] == [f"00000{i}-{k}" for i, k in product(range(3), range(2))]
    question: Question = asked[3].read(asked[3].key)
    assert (question.key, question.options, question.face is not None) == (
        "000001-1",
        ("sad", "angry", "neutral", "happy"),
        True,
    )
    bare = strategy(ask="closed", rotations=2).without_picture()
    assert [sample.read(sample.key).face for sample in bare] == [None, None]


@pytest.mark.parametrize(
    ("ask", "score"), [*product(("free", "closed", "lettered", "yesno"), ("sum", "mean", "bytes", "pmi"))]
)
def test_scores_of_likelihoods_are_what_the_formula_gives_class_by_class(ask: str, score: str) -> None:
    turns = 3 if ask in ("closed", "lettered") else 1
    chosen = strategy(ask=ask, answer="loglik", score=score, rotations=turns)
    prompts, options, random = chosen.prompts(), chosen.scored, np.random.default_rng(1)
    sums = -random.exponential(3, (5, len(prompts), len(options)))
    tokens = random.integers(1, 5, sums.shape)
    blank = -random.exponential(3, sums.shape[1:])

    def value(n: int, p: int, option: str) -> float:
        j = options.index(option)
        made = {"sum": sums[n, p, j], "mean": sums[n, p, j] / tokens[n, p, j], "pmi": sums[n, p, j] - blank[p, j]}
        return float({**made, "bytes": sums[n, p, j] / len(option.encode())}[score])

    found = chosen.class_scores(sums, tokens, blank)
    for n, (k, word) in product(range(5), enumerate(WORDS)):
        if ask == "yesno":
            expected = value(n, k, "yes") - value(n, k, "no")
        elif ask == "lettered":
            of = [value(n, p, prompt.options[prompt.order.index(k)]) for p, prompt in enumerate(prompts)]
            expected = sum(of) / len(of)
        else:
            expected = sum(value(n, p, word) for p in range(len(prompts))) / len(prompts)
        assert found[n, k] == pytest.approx(expected)


def replies(chosen: Strategy, *said: str | None) -> Any:
    failure = ["no answer" if text is None else "" for text in said]
    return read_replies(chosen, {"text": np.array([t or "" for t in said], object), "failure": failure}, None)


def test_replies_are_read_by_the_labels_of_their_own_rotation() -> None:
    lettered = strategy(ask="lettered", rotations=2)
    # The options are neutral, happy, sad, angry; then sad, angry, neutral, happy.
    assert replies(lettered, "B", "D").label == ["happiness"]
    assert replies(lettered, "A", "A").label == ["neutral"]  # said as often as sadness, and first
    assert replies(lettered, "no idea", "A").label == ["sadness"]
    none = replies(lettered, "no idea", "A or B")
    assert (none.label, none.failure) == ([""], [UNKNOWN])


def test_of_yes_and_no_the_one_class_said_yes_to_is_taken() -> None:
    chosen = strategy(ask="yesno")
    read = replies(
        chosen, *("no", "Yes.", "no", "no"), *("no",) * 4, *("yes", "yes", "no", "no"), *("no", None, "no", "no")
    )
    assert read.label == ["happiness", "", "", ""]
    assert read.failure == ["", NO_YES, AMBIGUOUS, "no answer"]


def test_likelihoods_become_probabilities_and_a_missing_one_a_failure() -> None:
    chosen = strategy(answer="loglik")
    sums = np.log(np.array([[0.1, 0.6, 0.2, 0.1], [np.nan] * 4, [0.25] * 4]))
    table = {
        "sums": sums,
        "tokens": np.ones((3, 4), int),
        "joint": ["direct", "", "direct"],
        "failure": ["", "no answer", ""],
    }
    read = read_replies(chosen, table, None)
    assert read.label == ["happiness", "", "neutral"]
    assert read.failure == ["", "no answer", ""]
    np.testing.assert_allclose(read.probability[0], [0.1, 0.6, 0.2, 0.1])
    assert np.isnan(read.probability[1]).all() and read.joint == ("direct",)


GOOD = {"sums": np.full((2, 3), -1.0), "tokens": np.full((2, 3), 2), "joint": "direct"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 3)), "It returned ndarray"),
        ({**GOOD, "more": 1}, "the keys sums, tokens, joint, more"),
        ({**GOOD, "sums": GOOD["sums"].astype(np.float32)}, r"Its sums are float32 \[2, 3\]"),
        ({**GOOD, "tokens": GOOD["tokens"][:, :2]}, r"Its tokens are int64 \[2, 2\]"),
        ({**GOOD, "joint": " "}, "Its joint is ' '"),
        ({**GOOD, "sums": -GOOD["sums"]}, "above 0"),
        ({**GOOD, "sums": np.array([[-1, np.nan, -1], [-1.0] * 3])}, "mixes numbers with NaN"),
        ({**GOOD, "sums": np.full((2, 3), -np.inf)}, "infinity"),
        ({**GOOD, "tokens": np.zeros((2, 3), int)}, "has no token"),
    ],
)
def test_likelihoods_of_another_form_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ContractBroken, match=message):
        likelihoods_of(WORDS[:3]).check(value, 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (("a", "b"), "tuple"),
        (["a"], "a list of 1"),
        (["a", 3], "is a int"),
        (["a", "x" * (1 << 21)], "2,097,152 characters"),
    ],
)
def test_replies_of_another_form_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ContractBroken, match=message):
        ANSWER.check(value, 2)


def test_a_reply_that_cannot_be_written_is_kept_with_question_marks_and_none_is_a_failure() -> None:
    columns = ANSWER.check(["sad\ud83d", None], 2)
    assert columns["text"].tolist() == ["sad?", ""]
    assert ANSWER.missing(columns) == ["", "no answer"]


def test_likelihoods_agree_within_a_ten_thousandth_and_no_more() -> None:
    batches = likelihoods_of(WORDS[:3])
    one = batches.check(GOOD, 2)
    assert batches.same(one, {**one, "sums": one["sums"] + 5e-5})
    assert not batches.same(one, {**one, "sums": one["sums"] - 5e-4})
    assert not batches.same(one, {**one, "tokens": one["tokens"] + 1})


def test_a_card_that_names_its_contract_comes_back_from_a_file_and_one_that_does_not_has_no_such_key() -> None:
    given: dict[str, Any] = {"tasks": frozenset({"expression"}), "load": lambda given: None}
    asked = Method("vlm", contract="Answerer", **given)
    assert read_cards(write_cards([asked]))[0].contract == "Answerer"
    assert "contract" not in write_cards([Method("plain", **given)])
    assert (
        contract_of(asked, "expression") is Answerer
        and contract_of(Method("plain", **given), "expression") is Classifier
    )
