"""Any face embedder in an ONNX file: a card in a folder that FACEBENCH_ONNX names makes it a method."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import bench
from facebench_onnx.cards import Card, read_cards

VARIABLE = "FACEBENCH_ONNX"


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """One method a card; raises ValueError naming the card and the key that is wrong."""
    return [_method(card) for card in read_cards(os.environ.get(VARIABLE, ""), VARIABLE)]


@dataclass(frozen=True, slots=True)
class ModelFolder(bench.Folder):
    """The folder of one ONNX file; ``files`` holds its card too, so that a run is known by what was declared."""

    model: str = ""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """The folder on disk, the model's hash checked; the card lies elsewhere and was read."""
        return bench.Folder(self.name, {self.model: self.files[self.model]}, self.source).find(models, asked_by)


def _method(card: Card) -> bench.Method:
    folder, _, model = card.file.rpartition("/")
    try:
        return bench.Method(
            name=card.name,
            tasks=frozenset({"verification", "identification"}),
            inputs=frozenset(card.inputs),
            load=partial(load, card),
            weights=ModelFolder(folder, {model: card.sha256, card.path.name: card.digest}, card.source, model),
            about=card.about or f"the embedder in the ONNX file {card.file}",
            licence=card.licence,
            trained_on=card.trained_on,
            withdrawn=card.withdrawn,
            cite=card.cite,
            similarity=card.similarity,
            options=(bench.Option("flip", card.flip, "sum: add the embedding of the mirror image", ("none", "sum")),),
            needs=("numpy", "onnxruntime"),
        )
    except bench.FacebenchError as error:  # all but the name's form was checked with the card
        raise ValueError(f"{card.path}: key 'name': {card.name!r} is no method's name. {error.found}") from None


def load(card: Card, given: bench.Load) -> Any:
    """Make the embedder; onnxruntime is imported here and not before."""
    from facebench_onnx.session import OnnxEmbedder

    return OnnxEmbedder.load(card, given)
