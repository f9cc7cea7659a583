"""Cards: small TOML files that say what a model of the Hub is and how it is asked. No model is read here."""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

LIMIT = 1 << 16  # bytes of a card
LARGEST = 4096  # pixels a side
REPOSITORY = "repository"  # pictures are prepared as the repository's own preprocessor_config.json says
EMBEDDING, CLASSES, ZERO_SHOT = "image-feature-extraction", "image-classification", "zero-shot-image-classification"
OUTPUTS = ("pooled", "cls", "image_features")
TASKS = {EMBEDDING: ("verification", "identification"), CLASSES: ("expression",), ZERO_SHOT: ("expression",)}
# The keys that only some of the Hub's tasks have.
ONLY: dict[str, tuple[str, ...]] = {"output": (EMBEDDING,), "flip": (EMBEDDING,), "similarity": (EMBEDDING,)}
ONLY |= {"labels": (CLASSES, ZERO_SHOT), "template": (ZERO_SHOT,)}
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture is prepared: resized to ``size``, then (x - mean) / std, one number a channel of ``channels``."""

    size: int
    channels: str
    mean: Triple
    std: Triple
    resample: str


@dataclass(frozen=True, slots=True)
class Card:
    """What a card declares, checked; the README says what each key means.

    ``preprocessing`` is None where the repository's own is taken; ``digest``: SHA-256 of the card itself.
    """

    name: str
    repo: str
    revision: str
    folder: str
    files: Mapping[str, str]
    task: str
    tasks: tuple[str, ...]
    output: str
    labels: Mapping[str, str]
    template: str
    preprocessing: Preparation | None
    flip: str
    similarity: str
    inputs: tuple[str, ...]
    licence: str
    trained_on: tuple[str, ...]
    withdrawn: tuple[str, ...]
    cite: str
    about: str
    unverified: bool
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
    values = {**DEFAULTS, **_checked(path, "", given, RULES, DEFAULTS)}
    values["tasks"] = values["tasks"] or TASKS[values["task"]]
    card = Card(**values, path=path, digest=hashlib.sha256(raw).hexdigest())
    for key, fault in _faults(card, given):
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


Rules = Mapping[str, Callable[[Any], Any]]


def _checked(where: Any, within: str, given: Mapping[str, Any], rules: Rules, optional: Any) -> dict[str, Any]:
    """The values of a table by its rules; ``within`` is the table's name and a dot."""
    for key in given:
        if key not in rules:
            near = difflib.get_close_matches(key, rules, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(rules)}"
            raise ValueError(f"{where}: key {within + key!r}: a card has no such key; {guess}")
    values = {}
    for key, rule in rules.items():
        if key in given:
            try:
                values[key] = rule(given[key])
            except ValueError as error:
                raise ValueError(f"{where}: key {within + key!r}: {error}") from None
        elif key not in optional:
            raise ValueError(f"{where}: key {within + key!r} is missing")
    return values


def _faults(card: Card, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong between keys that are each right."""
    for key, tasks in ONLY.items():
        if key in given and card.task not in tasks:
            yield key, f"the task {card.task} has no such key"
    if card.task == EMBEDDING and not card.output:
        yield "output", f"the task {card.task} needs it: {', '.join(OUTPUTS)}"
    if card.task == ZERO_SHOT and not card.labels:
        yield "labels", "zero-shot classification needs them: a label = the words that stand for {} in the template"
    if card.task == ZERO_SHOT and card.template.count("{}") != 1:
        yield "template", f"{card.template!r} does not have {{}} once, where a label's words stand"
    if not card.repo and not card.folder:
        yield "repo", "it is missing, and there is no folder either"
    if card.folder and not card.files:
        yield "files", "a folder needs the SHA-256 of each of its files"
    if card.files and not card.folder:
        yield "files", "those of a repository are in its pin; only a folder has this key"
    if card.revision and not card.repo:
        yield "revision", "it is a commit of repo, which is missing"
    if stray := sorted(set(card.withdrawn) - set(card.trained_on)):
        yield "withdrawn", f"{stray[0]!r} is not in trained_on"
    how = card.preprocessing
    for text in card.inputs if how and how.resample == "none" else ():
        if how and not text.endswith(f"-{how.size}"):
            yield "inputs", f"{text!r} is not of the size {how.size}, and preprocessing.resample is 'none'"


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


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value


def _names(value: Any) -> dict[str, str]:
    """A label map: names to names. A number as text is a number all the same."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a table of names to names")
    for label, name in value.items():
        if not isinstance(name, str) or re.fullmatch(r"(label_)?\d+", name.strip(), re.IGNORECASE):
            raise ValueError(f"{label} = {name!r}: a label map is of names to names, never of numbers")
        _text(label), _text(name)
    return dict(value)


def _hashes(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a table of file names and their SHA-256")
    for file, digest in value.items():
        if not re.fullmatch(r"[\w][\w.-]*\.(json|txt|model|safetensors)", file, re.ASCII):
            raise ValueError(f"{file!r} is not a plain name of a .json, .txt, .model or .safetensors file")
        _matching("[0-9a-f]{64}", f"the SHA-256 of {file}, 64 digits of 0-9 and a-f")(digest)
    return dict(value)


def _preparation(value: Any) -> Preparation | None:
    if value == REPOSITORY:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not {REPOSITORY!r} or a table of {', '.join(PREPARATION)}")
    return Preparation(**{"resample": "none", **_checked("the table", "", value, PREPARATION, {"resample"})})


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


PREPARATION: dict[str, Callable[[Any], Any]] = {
    "size": _size,
    "channels": _one_of("RGB", "BGR"),
    "mean": _triple,
    "std": _spread,
    "resample": _one_of("none", "nearest", "bilinear", "bicubic", "lanczos"),
}
RULES: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "repo": _matching(r"[\w.-]+/[\w.-]+", "a repository, OWNER/NAME"),
    "revision": _matching("|[0-9a-f]{40}", "a commit of 40 hexadecimal digits, or empty"),
    "folder": _matching(r"\w[\w.-]*", "the plain name of a folder below the models root"),
    "files": _hashes,
    "task": _one_of(*TASKS),
    "tasks": _some_texts,
    "output": _one_of(*OUTPUTS),
    "labels": _names,
    "template": _text,
    "preprocessing": _preparation,
    "flip": _one_of("none", "sum"),
    "similarity": _one_of("cosine", "euclidean"),
    "inputs": _some_texts,
    "licence": _text,
    "trained_on": _texts,
    "withdrawn": _texts,
    "cite": _text,
    "about": _text,
    "unverified": _switch,
}
DEFAULTS: dict[str, Any] = {
    "repo": "",
    "revision": "",
    "folder": "",
    "files": {},
    "tasks": (),
    "output": "",
    "labels": {},
    "template": "",
    "flip": "none",
    "similarity": "cosine",
    "inputs": ("arcface-112",),
    "withdrawn": (),
    "about": "",
    "unverified": False,
}
assert set(RULES) == {field.name for field in fields(Card)} - {"path", "digest"}
