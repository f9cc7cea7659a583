"""Cards: small TOML files that say what a vision-language model is and how it is asked. No model is read here."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

LIMIT = 1 << 16  # bytes of a card
DTYPES = ("float32", "bfloat16", "float16")
SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Card:
    """What a card declares, checked; the README says what each key means. ``digest``: SHA-256 of the card itself."""

    name: str
    repo: str
    revision: str
    folder: str
    files: Mapping[str, str]
    prompt_format: str
    image_text: str
    end_of_turn: str
    images: Mapping[str, bool | int]
    dtype: str
    padding: str
    max_new_tokens: int
    inputs: tuple[str, ...]
    licence: str
    trained_on: tuple[str, ...]
    withdrawn: tuple[str, ...]
    cite: str
    about: str
    verified: str
    blocked: str
    needs: tuple[str, ...]
    path: Path
    digest: str


def read_cards(own: Path, named: str, variable: str) -> list[Card]:
    """Every ``*.toml`` of ``own`` and of the folders in ``named``; raises ValueError naming file and key."""
    cards: dict[str, Card] = {}
    for path in [*sorted(own.glob("*.toml")), *_files(named, variable)]:
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
    values = {**DEFAULTS, **_checked(path, given)}
    card = Card(**values, path=path, digest=hashlib.sha256(raw).hexdigest())
    for key, fault in _faults(card):
        raise ValueError(f"{path}: key {key!r}: {fault}")
    return card


def _files(named: str, variable: str) -> Iterator[Path]:
    for text in dict.fromkeys(filter(None, named.split(os.pathsep))):
        folder = Path(text).expanduser()
        if not folder.is_absolute():  # a worker starts in another folder
            raise ValueError(f"{variable} names {text}: write the whole path, from the root")
        if not folder.is_dir():
            raise ValueError(f"{variable} names {text}, which is no folder")
        yield from sorted(path for path in folder.glob("*.toml") if path.is_file())


def _checked(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    for key in given:
        if key not in RULES:
            near = difflib.get_close_matches(key, RULES, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(RULES)}"
            raise ValueError(f"{path}: key {key!r}: a card has no such key; {guess}")
    values = {}
    for key, rule in RULES.items():
        if key in given:
            try:
                values[key] = rule(given[key])
            except ValueError as error:
                raise ValueError(f"{path}: key {key!r}: {error}") from None
        elif key not in DEFAULTS:
            raise ValueError(f"{path}: key {key!r} is missing")
    return values


def _faults(card: Card) -> Iterator[tuple[str, str]]:
    """What is wrong between keys that are each right."""
    if not card.repo and not card.folder:
        yield "repo", "it is missing, and there is no folder either"
    if card.folder and not card.files:
        yield "files", "a folder needs the SHA-256 of each of its files"
    if card.files and not card.folder:
        yield "files", "those of a repository are in its pin; only a folder has this key"
    if card.blocked and card.folder:
        yield "blocked", "it is why a repository cannot be loaded; leave out the folder"
    if card.revision and not card.repo:
        yield "revision", "it is a commit of repo, which is missing"
    if card.prompt_format and [card.prompt_format.count(part) for part in ("{question}", "{image}")] != [1, 1]:
        yield "prompt_format", "it has {question} once, and {image} once"
    if bool(card.prompt_format) != bool(card.image_text):
        yield "image_text", "it is what stands for {image} in prompt_format; a card has both or neither"
    if card.end_of_turn and not card.prompt_format:
        yield "end_of_turn", "a chat template says it; it goes with prompt_format"
    if stray := sorted(set(card.withdrawn) - set(card.trained_on)):
        yield "withdrawn", f"{stray[0]!r} is not in trained_on"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"{value!r} is not a line of text")
    return value


def _lines(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.replace("\n", "").isprintable():
        raise ValueError(f"{value!r} is not text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list of texts")
    return tuple(_text(item) for item in value)


def _some_texts(value: Any) -> tuple[str, ...]:
    if not (texts := _texts(value)):
        raise ValueError("it is empty")
    return texts


def _matching(form: str, is_: str) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
            raise ValueError(f"{value!r} is not {is_}")
        return value

    return rule


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r} is not {' or '.join(map(repr, allowed))}")
        return str(value)

    return rule


def _hashes(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a table of file names and their SHA-256")
    for file, digest in value.items():
        if not re.fullmatch(r"[\w][\w.-]*\.(json|txt|model|jinja|safetensors)", file, re.ASCII):
            raise ValueError(f"{file!r} is not a plain name of a .json, .txt, .model, .jinja or .safetensors file")
        _matching("[0-9a-f]{64}", f"the SHA-256 of {file}, 64 digits of 0-9 and a-f")(digest)
    return dict(value)


def _settings(value: Any) -> dict[str, bool | int]:
    if not isinstance(value, dict) or not all(isinstance(item, (bool, int)) for item in value.values()):
        raise ValueError(f"{value!r} is not a table of whole numbers, and true or false")
    return dict(value)


def most_tokens(value: Any) -> int:
    """How many tokens an answer may have; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4096:
        raise ValueError(f"{value!r} is not a number of tokens from 1 to 4096")
    return value


RULES: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "repo": _matching(r"[\w.-]+/[\w.-]+", "a repository, OWNER/NAME"),
    "revision": _matching("|[0-9a-f]{40}", "a commit of 40 hexadecimal digits, or empty"),
    "folder": _matching(r"\w[\w.-]*", "the plain name of a folder below the models root"),
    "files": _hashes,
    "prompt_format": _lines,
    "image_text": _lines,
    "end_of_turn": _lines,
    "images": _settings,
    "dtype": _one_of(*DTYPES),
    "padding": _one_of(*SIDES),
    "max_new_tokens": most_tokens,
    "inputs": _some_texts,
    "licence": _text,
    "trained_on": _texts,
    "withdrawn": _texts,
    "cite": _text,
    "about": _text,
    "verified": _text,
    "blocked": _text,
    "needs": _texts,
}
DEFAULTS: dict[str, Any] = {
    **{"repo": "", "revision": "", "folder": "", "files": {}, "images": {}},
    **{"prompt_format": "", "image_text": "", "end_of_turn": ""},
    **{"dtype": "float32", "padding": "left", "max_new_tokens": 16, "inputs": ("raw",)},
    **{"withdrawn": (), "about": "", "verified": "", "blocked": "", "needs": ()},
}
assert set(RULES) == {field.name for field in fields(Card)} - {"path", "digest"}
