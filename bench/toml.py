"""TOML as facebench writes it: scalars, lists of scalars, tables, arrays of tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


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
