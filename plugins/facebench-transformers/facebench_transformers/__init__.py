"""Models of the Hugging Face Hub as methods, by cards: the plugin's own, and those in FACEBENCH_TRANSFORMERS."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import bench
from bench import pins
from bench.errors import NeedsInstall, PinBroken
from bench.pins import Pinned
from facebench_transformers.card import EMBEDDING, Card, read_cards
from facebench_transformers.files import is_read

VARIABLE = "FACEBENCH_TRANSFORMERS"
CARDS = Path(__file__).parent / "cards"


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """One method a card; raises ValueError naming the card and the key that is wrong."""
    pinned = {}
    with contextlib.suppress(PinBroken):  # a file of pins that is damaged is listed as that
        pinned = {found.pin.repo: found for found in pins.read_all() if found.pin.kind == "model"}
    cards = read_cards(CARDS, os.environ.get(VARIABLE, ""), VARIABLE)
    return [_method(card, pinned.get(card.repo)) for card in cards]


@dataclass(frozen=True, slots=True)
class Repository(bench.Repository):
    """A repository that a card names; ``files`` holds the card too, so that a run is known by what was declared.

    ``card``: its file name; ``revision``: the commit it asks for, if it does.
    """

    card: str = ""
    revision: str = ""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """As ``bench.Repository.find``, also where the pin is another commit than the card's; the card was read."""
        if self.pin is None and self.revision:
            asked, do = f"{asked_by} needs {self.repo}.", f"facebench pin {self.repo} --revision {self.revision}"
            raise NeedsInstall(asked, f"It is not pinned at {self.revision}, which its card names.", do)
        files = _without(self.files, self.card)
        return bench.Repository(self.repo, files, self.pin, self.size).find(models, asked_by)


@dataclass(frozen=True, slots=True)
class Folder(bench.Folder):
    """A folder that a card names; ``source`` is the pin where its files are those, so that others can have them."""

    card: str = ""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """As ``bench.Folder.find``; the card lies elsewhere and was read."""
        return bench.Folder(self.name, _without(self.files, self.card), self.source).find(models, asked_by)


def _without(files: Mapping[str, str], card: str) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name != card}


def _weights(card: Card, pinned: Pinned | None) -> Folder | Repository:
    if pinned is not None and card.revision not in ("", pinned.pin.revision):
        pinned = None
    held = {name: digest for name, digest in pinned.files.items() if is_read(name)} if pinned else {}
    declared = {card.path.name: card.digest}
    if card.folder:
        same = pinned is not None and all(held.get(name) == digest for name, digest in card.files.items())
        return Folder(card.folder, {**card.files, **declared}, str(pinned.pin) if same and pinned else "", *declared)
    pin, size = (pinned.pin, pinned.size) if pinned else (None, 0)
    return Repository(card.repo, {**held, **declared}, pin, size, card.path.name, card.revision)


def _method(card: Card, pinned: Pinned | None) -> bench.Method:
    flip = bench.Option("flip", card.flip, "sum: add the embedding of the mirror image", ("none", "sum"))
    about = card.about or f"{card.task} by {card.repo or card.folder}"
    try:
        return bench.Method(
            name=card.name,
            tasks=frozenset(card.tasks),
            inputs=frozenset(card.inputs),
            load=partial(load, card),
            weights=_weights(card, pinned),
            about=f"unverified: {about}" if card.unverified else about,
            licence=card.licence,
            trained_on=card.trained_on,
            withdrawn=card.withdrawn,
            cite=card.cite,
            similarity=card.similarity,
            options=(flip,) if card.task == EMBEDDING else (),
            needs=("numpy", "safetensors", "torch", "transformers"),
            batch=16,
        )
    except bench.FacebenchError as error:  # all but the name's form was checked with the card
        raise ValueError(f"{card.path}: key 'name': {card.name!r} is no method's name. {error.found}") from None


def load(card: Card, given: bench.Load) -> Any:
    """Make the method able to answer; torch and transformers are imported here and not before."""
    from facebench_transformers.models import load_model

    return load_model(card, given)
