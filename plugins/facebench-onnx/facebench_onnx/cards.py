"""Cards: small TOML files that say what an ONNX file is and how pictures are prepared for it. No model is read here."""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

LIMIT = 1 << 16  # bytes of a card
LARGEST = 4096  # pixels a side
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Card:
    """What a card declares, checked; the README says what each key means.

    ``mean``, ``std``: one number a channel, in the order of ``channels``; ``digest``: SHA-256 of the card itself.
    """

    name: str
    file: str
    sha256: str
    size: int
    channels: str
    mean: Triple
    std: Triple
    layout: str
    flip: str
    similarity: str
    output: str
    inputs: tuple[str, ...]
    licence: str
    trained_on: tuple[str, ...]
    withdrawn: tuple[str, ...]
    cite: str
    about: str
    source: str
    path: Path
    digest: str


def read_cards(named: str, variable: str) -> list[Card]:
    """Every ``*.toml`` of the folders in ``named``, by folder and file name; raises ValueError naming file and key."""
    cards: dict[str, Card] = {}
    for path in _files(named, variable):
        card = read_card(path)
        if other := cards.get(card.name):
            raise ValueError(f"{path}: key 'name': {card.name!r} is the name in {other.path} too")
        cards[card.name] = card
    return list(cards.values())


def read_card(path: Path) -> Card:
    """One card; raises ValueError naming the file, and the key where it is one key's fault."""
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT + 1)
    except OSError as error:
        raise ValueError(f"{path}: it cannot be read: {error.strerror}") from None
    if len(raw) > LIMIT:
        raise ValueError(f"{path}: a card has at most {LIMIT} bytes")
    try:
        given = tomllib.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: it is no TOML: {error}") from None
    return Card(**_checked(path, given), path=path, digest=hashlib.sha256(raw).hexdigest())


def _files(named: str, variable: str) -> Iterator[Path]:
    for text in dict.fromkeys(filter(None, named.split(os.pathsep))):
        folder = Path(text).expanduser()
        if not folder.is_absolute():  # a worker starts in another folder
            raise ValueError(f"{variable} names {text}: write the whole path, from the root")
        if not folder.is_dir():
            raise ValueError(f"{variable} names {text}, which is no folder")
        yield from sorted(path for path in folder.glob("*.toml") if path.is_file())


def _checked(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    for key in given:
        if key not in RULES:
            near = difflib.get_close_matches(key, RULES, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(RULES)}"
            raise ValueError(f"{path}: key {key!r}: a card has no such key; {guess}")
    values = dict(DEFAULTS)
    for key, rule in RULES.items():
        if key in given:
            try:
                values[key] = rule(given[key])
            except ValueError as error:
                raise ValueError(f"{path}: key {key!r}: {error}") from None
        elif key not in DEFAULTS:
            raise ValueError(f"{path}: key {key!r} is missing")
    if stray := sorted(set(values["withdrawn"]) - set(values["trained_on"])):
        raise ValueError(f"{path}: key 'withdrawn': {stray[0]!r} is not in trained_on")
    for text in values["inputs"]:
        if not text.endswith(f"-{values['size']}"):
            raise ValueError(f"{path}: key 'inputs': {text!r} is not of the size {values['size']}")
    return values


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"{value!r} is not a line of text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list of texts")
    return tuple(_text(item) for item in value)


def _some_texts(value: Any) -> tuple[str, ...]:
    if not (texts := _texts(value)):
        raise ValueError("it is empty")
    return texts


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r} is not {' or '.join(map(repr, allowed))}")
        return str(value)

    return rule


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _triple(value: Any) -> Triple:
    numbers = [_number(item) for item in (value if isinstance(value, list) else [value] * 3)]
    if len(numbers) != 3:
        raise ValueError(f"{value!r} is not one number or three")
    return numbers[0], numbers[1], numbers[2]


def _spread(value: Any) -> Triple:
    if min(triple := _triple(value)) < math.ulp(1.0):
        raise ValueError(f"{value!r} is not above zero")
    return triple


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
        raise ValueError(f"{value!r} is not a number of pixels from 1 to {LARGEST}")
    return value


def _sha256(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError(f"{value!r} is not 64 digits of 0-9 and a-f")
    return value


def _file(value: Any) -> str:
    parts = _text(value).split("/")
    if len(parts) < 2 or {"", ".", ".."} & set(parts) or re.search(r"[\\:]", value):
        raise ValueError(f"{value!r} is not FOLDER/FILE.onnx below the models root, without '..'")
    if not value.endswith(".onnx"):
        raise ValueError(f"{value!r} does not end with .onnx")
    return str(value)


RULES: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "file": _file,
    "sha256": _sha256,
    "size": _size,
    "channels": _one_of("RGB", "BGR"),
    "mean": _triple,
    "std": _spread,
    "layout": _one_of("NCHW", "NHWC"),
    "flip": _one_of("none", "sum"),
    "similarity": _one_of("cosine", "euclidean"),
    "output": _text,
    "inputs": _some_texts,
    "licence": _text,
    "trained_on": _texts,
    "withdrawn": _texts,
    "cite": _text,
    "about": _text,
    "source": _text,
}
DEFAULTS: dict[str, Any] = {
    "size": 112,
    "flip": "none",
    "similarity": "cosine",
    "output": "",
    "inputs": ("arcface-112",),
    "withdrawn": (),
    "about": "",
    "source": "",
}
assert set(RULES) == {field.name for field in fields(Card)} - {"path", "digest"}
