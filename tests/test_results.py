"""Results as JSON: read strictly, written the same each time, described by a schema."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench
from bench import results
from bench.answers import contents_sha256, read_table
from bench.errors import NotAResult
from bench.results import Card, Curve, Provenance, Result, Score

SCHEMA = Path(bench.__file__).with_name("result.schema.json")

numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.lists(words, max_size=3).map(tuple)
maybe = st.none() | numbers
scores = st.builds(
    Score,
    metric=words,
    value=numbers,
    low=maybe,
    high=maybe,
    better=st.sampled_from(["higher", "lower"]),
    unit=words,
    bound=st.sampled_from([None, "at most", "at least"]),
    standard_error=maybe,
    population_std=maybe,
    folds=st.lists(numbers, max_size=3).map(tuple),
    note=words,
)
cards = st.builds(
    Card,
    licence=words,
    trained_on=names,
    withdrawn=names,
    floor=st.booleans(),
    distribution=words,
    version=words,
    code=words,
    weights=st.dictionaries(words, words, max_size=2),
)
curves = st.builds(
    Curve, name=words, x=words, y=words, points=st.lists(st.tuples(numbers, numbers), max_size=3).map(tuple)
)
provenances = st.builds(
    Provenance,
    facebench=words,
    data=words,
    seed=st.integers(),
    limit=st.none() | st.integers(),
    batch_size=st.integers(),
    threads=st.integers(),
    device=words,
    external=st.booleans(),
    platform=words,
    packages=st.dictionaries(words, words, max_size=2),
)
anything = st.builds(
    Result,
    schema=st.just(results.SCHEMA),
    protocol=st.from_regex(r"[a-z]+(/[a-z0-9][a-z0-9-]*){0,2}", fullmatch=True),
    digest=words,
    official=st.booleans(),
    roles=st.dictionaries(words, names, max_size=2),
    cards=st.just({}),
    scores=st.lists(scores, min_size=1, max_size=3).map(tuple),
    curves=st.lists(curves, max_size=2).map(tuple),
    samples=st.integers(),
    failures=st.integers(),
    reasons=st.dictionaries(words, st.integers(), max_size=2),
    trials_sha256=words,
    provenance=provenances,
)


@st.composite
def carded(draw: st.DrawFn) -> Result:
    """Any result of methods with a card each."""
    result = draw(anything)
    return replace(result, cards={name: draw(cards) for names in result.roles.values() for name in names})


@pytest.fixture
def stored(runs: Path) -> Path:
    """A result as a run left it."""
    return sorted(runs.glob("**/perfect-*/result.json"))[0]


@pytest.fixture
def data(stored: Path) -> Any:
    return json.loads(stored.read_text())


def refused(data: Any) -> str:
    with pytest.raises(NotAResult) as raised:
        results.from_data(data)
    return str(raised.value)


# Schema.


def test_the_schema_file_is_what_the_records_say() -> None:
    assert json.loads(SCHEMA.read_text("utf-8")) == results.schema()


def test_the_schema_is_one_itself_and_a_stored_result_fits_it(data: Any) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(data)


@settings(max_examples=50, deadline=None)
@given(carded())
def test_whatever_is_written_reads_back_the_same_and_fits_the_schema(result: Result) -> None:
    text = result.to_json()
    assert results.from_data(json.loads(text)) == result
    jsonschema.Draft202012Validator(results.schema()).validate(json.loads(text))


def test_a_file_written_and_read_has_the_same_bytes(stored: Path) -> None:
    assert results.read(stored).to_json().encode() == stored.read_bytes()


def test_a_number_that_is_none_is_not_written(stored: Path) -> None:
    result = results.read(stored)
    bad = replace(result, scores=(replace(result.scores[0], value=float("nan")),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        bad.to_json()


# Strict reading.

anywhere = pytest.mark.parametrize(
    "place", [(), ("scores", 0), ("cards", "perfect"), ("curves", 0), ("provenance",)], ids=str
)


def at(data: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        data = data[step]
    return data


@anywhere
def test_an_unknown_key_is_refused_wherever_it_stands(place: tuple[Any, ...], data: Any) -> None:
    at(data, place)["surprise"] = 1
    assert "unknown keys ['surprise']" in refused(data)
    assert not jsonschema.Draft202012Validator(results.schema()).is_valid(data)


@anywhere
def test_every_missing_key_is_refused_wherever_it_belongs(place: tuple[Any, ...], data: Any) -> None:
    for key in at(data, place):
        less = copy.deepcopy(data)
        del at(less, place)[key]
        text = refused(less)
        assert f"lacks ['{key}']" in text or (key == "schema" and "schema None" in text)
        assert not jsonschema.Draft202012Validator(results.schema()).is_valid(less)


WRONG = [
    (("protocol",), 5, "result.protocol is 5, not a str"),
    (("official",), 1, "result.official is 1, not a bool"),
    (("samples",), 2.0, "result.samples is 2.0, not a int"),
    (("samples",), True, "result.samples is True, not a int"),
    (("samples",), None, "result.samples is None, not a int"),
    (("scores",), {}, "result.scores is not a list"),
    (("scores", 0), [], "result.scores[0] is not an object"),
    (("scores", 0, "value"), "1", "result.scores[0].value is '1', not a float"),
    (("scores", 0, "value"), True, "result.scores[0].value is True, not a float"),
    (("scores", 0, "value"), None, "result.scores[0].value is None"),
    (("scores", 0, "value"), float("nan"), "result.scores[0].value is nan"),
    (("scores", 0, "low"), float("-inf"), "result.scores[0].low is -inf"),
    (("scores", 0, "value"), 10**400, "result.scores[0].value"),
    (("scores", 0, "folds"), "0.5", "result.scores[0].folds is not a list"),
    (("curves", 0, "points", 0), [1.0], "points[0] has 1 items, not 2"),
    (("curves", 0, "points", 0), [1.0, 2.0, 3.0], "points[0] has 3 items, not 2"),
    (("roles", "method"), "perfect", "result.roles.method is not a list"),
    (("reasons",), {"no embedding": "2"}, "result.reasons.no embedding is '2', not a int"),
    (("cards",), [], "result.cards is not an object"),
    (("provenance", "limit"), "16", "result.provenance.limit is '16', not a int"),
]


@pytest.mark.parametrize(("place", "value", "text"), WRONG, ids=[f"{p[-1]}-{str(v)[:9]}" for p, v, _ in WRONG])
def test_a_value_of_the_wrong_kind_is_refused_by_its_place(
    place: tuple[Any, ...], value: Any, text: str, data: Any
) -> None:
    at(data, place[:-1])[place[-1]] = value
    assert text in refused(data)


def test_a_whole_number_may_stand_where_a_float_does(data: Any) -> None:
    data["scores"][0]["value"] = 1
    value = results.from_data(data).scores[0].value
    assert value == 1 and type(value) is float


@pytest.mark.parametrize("number", [0, 2, "1", None, 1.5])
def test_another_schema_number_is_refused_with_both_numbers(number: object, data: Any) -> None:
    text = refused(data | {"schema": number, "and": "a key of the future"})
    assert f"schema {number!r}" in text and "reads schema 1" in text


@pytest.mark.parametrize("number", [True, 1.0])
def test_what_merely_equals_the_schema_number_is_refused_too(number: object, data: Any) -> None:
    assert "result.schema" in refused(data | {"schema": number})


@pytest.mark.parametrize("data", [[], None, "text", 5])
def test_what_is_no_object_is_refused(data: object) -> None:
    assert "result is not an object" in refused(data)


def test_a_result_without_any_score_is_refused(data: Any) -> None:
    assert "result.scores is empty" in refused(data | {"scores": []})


def test_a_text_that_no_file_can_hold_is_refused(data: Any) -> None:
    assert "surrogates not allowed" in refused(data | {"protocol": json.loads('"\\ud800"')})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe{}", "cannot be read"),
        (b"[" * 200_000, "cannot be read"),
        (b'{"schema": NaN}', "NaN is not a number a result may hold"),
        (b'{"schema": -Infinity}', "-Infinity is not a number"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "cannot be read"),
    ],
)
def test_a_file_that_is_no_json_is_refused_and_named(content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(NotAResult) as raised:
        results.read(path)
    assert str(path) in raised.value.asked
    assert text in raised.value.found


def test_an_exponent_beyond_all_numbers_is_refused(stored: Path, tmp_path: Path) -> None:
    text = stored.read_text().replace('"value": 1.0', '"value": 1e999', 1)
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(NotAResult, match="is inf, not a float"):
        results.read(tmp_path / "result.json")


def test_a_file_too_large_for_any_result_is_refused_unread(tmp_path: Path) -> None:
    with open(tmp_path / "result.json", "wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(NotAResult, match="over 16 MiB"):
        results.read(tmp_path / "result.json")


@pytest.mark.parametrize("place", ["absent.json", "."])
def test_what_is_no_file_is_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(NotAResult, match="cannot be read"):
        results.read(tmp_path / place)


# What identifies a result.


def test_the_trials_digest_is_over_contents_and_changes_with_any_of_them(stored: Path) -> None:
    result, trials = results.read(stored), read_table(stored.with_name("trials.parquet"))
    assert contents_sha256(trials) == result.trials_sha256
    for name, column in trials.items():
        if isinstance(column, list):
            changed = [*column[:-1], "other"]
        else:
            changed = column.copy()
            changed[-1] = np.nextafter(column[-1], 2) if column.dtype.kind == "f" else not column[-1]
        assert contents_sha256(trials | {name: changed}) != result.trials_sha256, name
    fewer = {name: column for name, column in trials.items() if name != "fold"}
    assert contents_sha256(fewer) != result.trials_sha256


def test_a_result_is_called_by_its_methods_and_by_its_roles_where_there_are_others(stored: Path) -> None:
    result = results.read(stored)
    assert result.name == "perfect"
    assert replace(result, roles={"method": ("a", "b")}).name == "a;b"
    assert replace(result, roles={"target": ("b", "c"), "attack": ("a",)}).name == "attack=a target=b;c"


def test_a_result_cannot_be_changed_and_its_scores_are_found_by_name(stored: Path) -> None:
    result = results.read(stored)
    with pytest.raises(AttributeError):
        result.samples = 0  # type: ignore[misc]
    assert result.score("eer") == next(score for score in result.scores if score.metric == "eer")
    assert result.score("no such metric") is None
