"""Vision-language models of transformers as methods: any folder or pin by ``vlm:model=…``, others by cards."""

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
from facebench_vlm.card import DTYPES, SIDES, Card, read_cards
from facebench_vlm.chosen import Chosen, ModelOption
from facebench_vlm.files import is_read

VARIABLE = "FACEBENCH_VLM"
CARDS = Path(__file__).parent / "cards"
NEEDS = ("jinja2", "numpy", "PIL", "safetensors", "torch", "transformers")
CONTRACT = "Answerer"


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """``vlm``, and one method a card; raises ValueError naming the card and the key that is wrong."""
    pinned = {}
    with contextlib.suppress(PinBroken):  # a file of pins that is damaged is listed as that
        pinned = {found.pin.repo: found for found in pins.read_all() if found.pin.kind == "model"}
    cards = read_cards(CARDS, os.environ.get(VARIABLE, ""), VARIABLE)
    return [_any(), *(_method(card, pinned.get(card.repo)) for card in cards)]


@dataclass(frozen=True, slots=True)
class Repository(bench.Repository):
    """A repository that a card names; ``files`` holds the card too, so that a run is known by what was declared.

    ``card``: its file name; ``revision``: the commit it asks for, if it does; ``blocked``: why it cannot be loaded.
    """

    card: str = ""
    revision: str = ""
    blocked: str = ""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """As ``bench.Repository.find``, also where the pin is another commit than the card's; the card was read.

        Raises NeedsInstall where the card says that it cannot be loaded.
        """
        asked = f"{asked_by} needs {self.repo}."
        if self.blocked:
            do = "Serve it with a program that loads it, and ask that: facebench-openai-vision."
            raise NeedsInstall(asked, f"It cannot be loaded here: {self.blocked}.", do)
        if self.pin is None and self.revision:
            do = f"facebench pin {self.repo} --revision {self.revision}"
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
    return Repository(card.repo, {**held, **declared}, pin, size, card.path.name, card.revision, card.blocked)


def _options(dtype: str, padding: str, tokens: int) -> tuple[bench.Option, ...]:
    return (
        bench.Option("device_map", "none", "auto: the model spread over devices, by accelerate", ("none", "auto")),
        bench.Option("dtype", dtype, "of the model in memory", DTYPES),
        bench.Option("max_new_tokens", tokens, "of a generated answer, from 1 to 4096"),
        bench.Option("padding", padding, "the side on which prompts are padded where options are scored", SIDES),
        bench.Option("prefix", "shared", "full: a pass over the whole prompt for each option", ("shared", "full")),
    )


def _any() -> bench.Method:
    return bench.Method(
        name="vlm",
        tasks=frozenset({"expression"}),
        inputs=frozenset({"raw", "arcface-112"}),
        load=partial(load, None),
        weights=Chosen("vlm", {}),
        about="any vision-language model of transformers, by folder or pin: vlm:model=NAME",
        licence="that of the model",
        trained_on=("not known; see the model's page",),
        cite="none: a way to load models",
        options=(ModelOption("model", "", "a folder, or OWNER/NAME that is pinned"), *_options("float32", "left", 16)),
        needs=NEEDS,
        batch=8,
        contract=CONTRACT,
    )


def _method(card: Card, pinned: Pinned | None) -> bench.Method:
    about = card.about or f"image-text-to-text by {card.repo or card.folder}"
    state = "verified" if card.verified else "unverified"
    state = f"cannot be loaded here ({card.blocked})" if card.blocked else state
    try:
        return bench.Method(
            name=card.name,
            tasks=frozenset({"expression"}),
            inputs=frozenset(card.inputs),
            load=partial(load, card),
            weights=_weights(card, pinned),
            about=f"{state}: {about}",
            licence=card.licence,
            trained_on=card.trained_on,
            withdrawn=card.withdrawn,
            cite=card.cite,
            options=_options(card.dtype, card.padding, card.max_new_tokens),
            needs=(*NEEDS, *card.needs),
            batch=8,
            contract=CONTRACT,
        )
    except bench.FacebenchError as error:  # all but the name's form was checked with the card
        raise ValueError(f"{card.path}: key 'name': {card.name!r} is no method's name. {error.found}") from None


def load(card: Card | None, given: bench.Load) -> Any:
    """Make the method able to answer; torch and transformers are imported here and not before."""
    from facebench_vlm.answerer import load_answerer

    return load_answerer(card, given)
