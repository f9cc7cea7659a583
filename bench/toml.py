"""TOML as facebench writes it: scalars, lists of scalars, tables, arrays of tables; and read within bounds."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
MOST_TEXT, MOST_DEPTH = 4 << 20, 32


def loads(text: str) -> dict[str, Any]:
    """A document that anyone may have written: at most 4 MiB, at most 32 tables or lists in each other.

    Raises ValueError for what is none.
    """
    if len(text) > MOST_TEXT:
        raise ValueError(f"it is over {MOST_TEXT >> 20} MiB")
    deep = f"over {MOST_DEPTH} tables or lists lie in each other"
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ValueError(deep) from None
    level: list[Any] = [data]
    for _ in range(MOST_DEPTH):
        level = [below for value in level for below in (value.values() if isinstance(value, dict) else value)]
        level = [value for value in level if isinstance(value, (dict, list))]
    if level:
        raise ValueError(deep)
    return data


def dump(data: Mapping[str, Any], comment: str = "") -> str:
    """The text of a document that ``tomllib`` reads back equal; numbers are finite, ``comment`` is its first line."""
    return "\n".join([*([f"# {comment}", ""] if comment else []), *_table(data, ())]).strip("\n") + "\n"


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Scalars first, then tables, as TOML wants it."""
    for key, value in data.items():
        if not _nested(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in data.items():
        if _nested(value):
            below = (*path, _key(key))
            for item in value if isinstance(value, list) else [value]:
                brackets = ("[[", "]]") if isinstance(value, list) else ("[", "]")
                yield from ("", ".".join(below).join(brackets))
                yield from _table(item, below)


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
