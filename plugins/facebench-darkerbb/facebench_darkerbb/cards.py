"""What is known of a prior before it is read: the shared one, and those that FACEBENCH_DARKERBB names."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench

VARIABLE = "FACEBENCH_DARKERBB"
CARD, FILE = "prior.toml", "model.safetensors"
LIMIT = 1 << 16  # bytes of a card
KEYS = ("name", "sha256", "licence", "trained_on", "withdrawn")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Card:
    """A prior's weights, licence and data sets; ``name`` ends its methods' names, "" for the shared one."""

    name: str
    weights: bench.Folder
    licence: str
    trained_on: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()

    def method(self, name: str) -> str:
        """What a method is called that uses this prior."""
        return f"{name}-{self.name}" if self.name else name


SHARED = Card(
    "",
    bench.Folder("eigenfaces-lfw", {FILE: "7d91ede398a20aa41996af0c55aad616d0768680368566e544e794a56a7a864a"}),
    "research only: LFW has no licence",
    ("LFW (identities outside View 2)",),
)


@dataclass(frozen=True, slots=True)
class PriorFolder(bench.Folder):
    """A folder that lies anywhere; ``place`` is the whole path to it."""

    place: str = ""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """The folder on disk, the file's hash checked; the models root plays no part."""
        place = Path(self.place)
        return bench.Folder(place.name, self.files, self.source).find(place.parent, asked_by)


def read_cards() -> list[Card]:
    """The shared prior, then those of FACEBENCH_DARKERBB; raises ValueError naming the card and the key at fault."""
    cards = {"": SHARED}
    for folder in _folders(os.environ.get(VARIABLE, "")):
        card = read_card(folder)
        if card.name in cards:
            raise ValueError(f"{folder / CARD}: key 'name': another prior of {VARIABLE} is called {card.name!r}")
        cards[card.name] = card
    return list(cards.values())


def read_card(folder: Path) -> Card:
    """One folder's ``prior.toml``."""
    path = folder / CARD
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > LIMIT:
        raise ValueError(f"{path}: a card has at most {LIMIT} bytes")
    try:
        given = tomllib.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: it is no TOML: {error}") from None
    return check(path, given)


def _folders(named: str) -> Iterator[Path]:
    for text in dict.fromkeys(filter(None, named.split(os.pathsep))):
        folder = Path(text).expanduser()
        if not folder.is_absolute():  # a worker starts in another folder
            raise ValueError(f"{VARIABLE} names {text}: write the whole path, from the root")
        yield folder


def check(path: Path, given: Mapping[str, Any]) -> Card:
    """The card of what ``prior.toml`` at ``path`` says; raises ValueError naming the key at fault."""
    for key in KEYS:
        if key not in given:
            raise ValueError(f"{path}: key {key!r} is missing; it has to have {', '.join(KEYS)}")
    name, digest, licence = given["name"], given["sha256"], given["licence"]
    if not isinstance(name, str) or not NAME.fullmatch(name) or ".." in name:
        raise ValueError(f"{path}: key 'name': {name!r} is not lower-case letters, digits, '.', '_' and '-'")
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(f"{path}: key 'sha256': {digest!r} is not 64 digits of 0-9 and a-f")
    if not isinstance(licence, str) or not licence.strip():
        raise ValueError(f"{path}: key 'licence': write the licence of the faces that it was fitted on")
    sets = {key: given[key] for key in ("trained_on", "withdrawn")}
    for key, value in sets.items():
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise ValueError(f"{path}: key {key!r}: {value!r} is not a list of data sets")
    if not sets["trained_on"]:
        raise ValueError(f"{path}: key 'trained_on': name the data set of the faces that it was fitted on")
    if stray := sorted(set(sets["withdrawn"]) - set(sets["trained_on"])):
        raise ValueError(f"{path}: key 'withdrawn': {stray[0]!r} is not in trained_on")
    weights = PriorFolder(path.parent.name, {FILE: digest}, place=str(path.parent))
    return Card(name, weights, licence, tuple(sets["trained_on"]), tuple(sets["withdrawn"]))
