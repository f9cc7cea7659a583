"""What is written as TOML is read back equal."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.toml import MOST_DEPTH, MOST_TEXT, dump, loads

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
TABLES = st.recursive(
    st.dictionaries(TEXTS, VALUES, max_size=4),
    lambda below: st.dictionaries(TEXTS, st.one_of(VALUES, below, st.lists(below, min_size=1, max_size=3)), max_size=4),
    max_leaves=12,
)


@given(TABLES)
def test_a_document_is_read_back_equal(data: dict[str, Any]) -> None:
    text = dump(data, "a comment")
    assert tomllib.loads(text) == loads(text) == data


DEEP = MOST_DEPTH - 1


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 20_000,
        "x = " + "{a = " * 20_000,
        "x = " + "[" * MOST_DEPTH + "]" * MOST_DEPTH,
        "x" + ".a" * MOST_DEPTH + " = 1",
        f"x = '{'a' * MOST_TEXT}'",
        "x = ",
    ],
    ids=["open", "tables", "closed", "dotted", "long", "none"],
)
def test_a_document_out_of_bounds_is_no_document(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize("text", ["x = " + "[" * DEEP + "]" * DEEP, "x" + ".a" * DEEP + " = 1"], ids=["lists", "keys"])
def test_a_document_at_the_bounds_is_read(text: str) -> None:
    assert set(loads(text)) == {"x"}


def test_a_document_reads_well() -> None:
    data = {"pin": [{"repo": "a/b", "code": {"x.py": "00"}}], "facebench": 1}
    assert dump(data) == 'facebench = 1\n\n[[pin]]\nrepo = "a/b"\n\n[pin.code]\n"x.py" = "00"\n'
