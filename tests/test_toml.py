"""What is written as TOML is read back equal."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench.toml import dump

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
    assert tomllib.loads(dump(data, "a comment")) == data


def test_a_document_reads_well() -> None:
    data = {"pin": [{"repo": "a/b", "code": {"x.py": "00"}}], "facebench": 1}
    assert dump(data) == 'facebench = 1\n\n[[pin]]\nrepo = "a/b"\n\n[pin.code]\n"x.py" = "00"\n'
