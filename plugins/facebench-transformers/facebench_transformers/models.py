"""Native models of transformers, loaded from a folder on disk, and what facebench calls on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

import bench
from facebench_transformers.card import CLASSES, EMBEDDING, ZERO_SHOT, Card
from facebench_transformers.files import sealed
from facebench_transformers.labels import classes, positions, shown
from facebench_transformers.pictures import Prepare, by_card, by_processor

# A local path, the repository's own code never, and of weights safetensors only.
LOCAL = {"local_files_only": True, "trust_remote_code": False}
SIDE = 32  # of the two grey pictures that a model is tried with where its card fixes no size


def load_model(card: Card, given: bench.Load) -> Any:
    """An Embedder or a Classifier, as the card says; raises ValueError where the model is not what that declares."""
    if given.weights is None:
        raise ValueError(f"{card.name} was loaded without weights; it needs those of {card.repo or card.folder}")
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with sealed(given.weights, card.files) as folder:
        config = _config(folder, card)
        auto = transformers.AutoModelForImageClassification if card.task == CLASSES else transformers.AutoModel
        network = _network(auto, folder, card).to(given.device)
        prepare = by_card(card.preprocessing) if card.preprocessing else by_processor(_processor(folder, card))
        tokenizer = _part(transformers.AutoTokenizer, folder, card) if card.task == ZERO_SHOT else None
    eyes = Eyes(network, prepare, given.device)
    if card.task == EMBEDDING:
        return Embedding(eyes, card, str(given.options.get("flip", card.flip)))
    if card.task == ZERO_SHOT:
        return ZeroShot(eyes, card, tokenizer)
    return Classes(eyes, card, config)


def _config(folder: Path, card: Card) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        if isinstance(config, dict):
            return config
    except (OSError, ValueError):
        pass  # said below
    raise ValueError(f"{card.name}: it has no config.json that can be read, so it is no model of transformers")


def _network(auto: Any, folder: Path, card: Card) -> Any:
    """The model in float32; one that is not wholly in its weights is refused, since the rest would be random."""
    if not list(folder.glob("*.safetensors")):
        raise ValueError(f"{card.name}: it has no model.safetensors; pickled weights are not taken")
    more = {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
    network, told = _part(auto, folder, card, **more)
    wanted = {str(key) for key in told["missing_keys"]}
    if card.output == "cls":
        wanted = {key for key in wanted if not key.startswith("pooler.")}  # nothing of it is asked
    wanted |= {str(key) for key in told["mismatched_keys"]}
    if wanted:
        found = ", ".join(sorted(wanted)[:3])
        raise ValueError(f"{card.name}: its weights lack {found} (of {len(wanted)}), which would be drawn at random")
    return network.eval()


def _processor(folder: Path, card: Card) -> Any:
    return _part(transformers.AutoImageProcessor, folder, card, backend="pil")  # which needs no torchvision


def _part(auto: Any, folder: Path, card: Card, **more: Any) -> Any:
    try:
        return auto.from_pretrained(str(folder), **LOCAL, **more)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0].replace(str(folder), "its folder")
        raise ValueError(f"{card.name}: {auto.__name__} does not load it: {text[:300]}") from None


class Eyes:
    """A network and how pictures are prepared for it."""

    def __init__(self, network: Any, prepare: Prepare, device: str) -> None:
        self.network, self.prepare, self.device = network, prepare, device

    def see(
        self, call: Callable[[torch.Tensor], torch.Tensor], pictures: Sequence[NDArray[np.uint8]]
    ) -> NDArray[np.float32]:
        """float32 [n, d] of ``call`` on the prepared pictures."""
        with torch.inference_mode():
            found = call(self.prepare(pictures).to(self.device))
        return found.reshape(len(pictures), -1).to("cpu", torch.float32).numpy()

    def try_(self, call: Callable[[torch.Tensor], torch.Tensor], card: Card) -> int:
        """How long a row is, by two grey pictures, so that what does not fit is refused when it is loaded."""
        side = card.preprocessing.size if card.preprocessing else SIDE
        grey = [np.full((side, side, 3), 127, np.uint8)] * 2
        try:
            return int(self.see(call, grey).shape[1])
        except (ValueError, RuntimeError, AttributeError, TypeError) as error:
            text = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{card.name}: it does not take two pictures as its card prepares them: {text}") from None


class Embedding:
    """An Embedder: one of a backbone's outputs."""

    def __init__(self, eyes: Eyes, card: Card, flip: str) -> None:
        self.eyes, self.flip, two = eyes, flip, hasattr(eyes.network, "get_image_features")
        if two != (card.output == "image_features"):
            do = "output = 'image_features'" if two else "output = 'pooled' or 'cls'"
            raise ValueError(f"{card.name}: {type(eyes.network).__name__} has no output {card.output!r}; write {do}")
        self.call = {"pooled": self._pooled, "cls": self._first, "image_features": self._features}[card.output]
        eyes.try_(self.call, card)

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[np.float32]:
        """float32 [n, d], not normalised; with flip=sum the sum with the mirror image's."""
        rows = self.eyes.see(self.call, [face.pixels for face in faces])
        if self.flip == "sum":
            rows = rows + self.eyes.see(self.call, [np.ascontiguousarray(face.pixels[:, ::-1]) for face in faces])
        return rows

    def _pooled(self, pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor | None = getattr(self.eyes.network(pixel_values=pixels), "pooler_output", None)
        if found is None:
            raise ValueError("its model gives no pooled output")
        return found

    def _first(self, pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.eyes.network(pixel_values=pixels).last_hidden_state
        if found.ndim != 3:
            raise ValueError(f"its last hidden state has {found.ndim} axes, so there is no first token")
        return found[:, 0]

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        return _features(self.eyes.network.get_image_features(pixel_values=pixels))


def _features(found: Any) -> torch.Tensor:
    """Projected features, whether a model gives them alone or beside others."""
    features: torch.Tensor = found if isinstance(found, torch.Tensor) else found.pooler_output
    return features


class Classes:
    """A Classifier: the probabilities of a model's own classes, by the card's label map."""

    def __init__(self, eyes: Eyes, card: Card, config: dict[str, Any]) -> None:
        self.eyes, self.name = eyes, card.name
        try:
            told = {int(i): str(name) for i, name in dict(config.get("id2label") or {}).items()}
            back = {str(name): int(i) for name, i in dict(config.get("label2id") or {}).items()}
        except (TypeError, ValueError):
            raise ValueError(f"{card.name}: its id2label is no table of numbers and names") from None
        if not told:
            raise ValueError(f"{card.name}: its config.json names no classes (id2label), so none can be told apart")
        names = classes(told, back or {name: i for i, name in told.items()}, card.name)
        self.places, self.own = positions(card.labels, names, card.name), shown(names)
        if (found := eyes.try_(self._logits, card)) != len(names):
            raise ValueError(f"{card.name}: it has {found} outputs and names {len(names)} classes: {self.own}")

    def classify(self, records: Sequence[bench.Face], labels: Sequence[str]) -> NDArray[np.float32]:
        """float32 [n, k]: the softmax over all of the model's classes, of those that ``labels`` stand for."""
        if absent := [label for label in labels if label not in self.places]:
            found = f"its card maps {', '.join(self.places)}; the model's classes are {self.own}"
            raise ValueError(f"{self.name}: key 'labels' has no {absent[0]!r}, which the protocol asks for; {found}")
        rows = self.eyes.see(lambda pixels: self._logits(pixels).softmax(1), [face.pixels for face in records])
        return np.ascontiguousarray(rows[:, [self.places[label] for label in labels]])

    def _logits(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.eyes.network(pixel_values=pixels).logits
        return logits


class ZeroShot:
    """A Classifier: which label's words, in the card's template, a picture is most like."""

    def __init__(self, eyes: Eyes, card: Card, tokenizer: Any) -> None:
        self.eyes, self.card, self.tokenizer = eyes, card, tokenizer
        wanted = ("get_text_features", "get_image_features", "logit_scale")
        if not all(hasattr(eyes.network, name) for name in wanted) or not hasattr(eyes.network.config, "text_config"):
            raise ValueError(f"{card.name}: {type(eyes.network).__name__} is no model of pictures and texts as CLIP is")
        # SigLIP was trained on texts of one length (its processor pads so); CLIP on texts to their end.
        self.padding = "max_length" if eyes.network.config.model_type.startswith("siglip") else "longest"
        self.length = eyes.network.config.text_config.max_position_embeddings
        self.texts: dict[tuple[str, ...], torch.Tensor] = {}
        eyes.try_(self._seen, card)
        self._told(tuple(card.labels))

    def classify(self, records: Sequence[bench.Face], labels: Sequence[str]) -> NDArray[np.float32]:
        """float32 [n, k]: the softmax over ``labels`` of the scaled cosines of pictures and texts."""
        if absent := [label for label in labels if label not in self.card.labels]:
            found = f"it has {', '.join(self.card.labels)}"
            raise ValueError(f"{self.card.name}: key 'labels' has no {absent[0]!r}; {found}")
        texts, scale = self._told(tuple(labels)), self.eyes.network.logit_scale.exp()
        return self.eyes.see(
            lambda pixels: (self._seen(pixels) @ texts.T * scale).softmax(1), [face.pixels for face in records]
        )

    def _seen(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(_features(self.eyes.network.get_image_features(pixel_values=pixels)))

    def _told(self, labels: tuple[str, ...]) -> torch.Tensor:
        """The unit vectors of the labels' texts, made once; a text that would be cut off is refused."""
        if labels not in self.texts:
            texts = [self.card.template.replace("{}", self.card.labels[label]) for label in labels]
            made = self.tokenizer(texts, padding=self.padding, max_length=self.length, return_tensors="pt")
            if made["input_ids"].shape[1] > self.length:
                raise ValueError(f"{self.card.name}: key 'template': a text has over the model's {self.length} tokens")
            with torch.inference_mode():
                found = self.eyes.network.get_text_features(**made.to(self.eyes.device))
                self.texts[labels] = torch.nn.functional.normalize(_features(found))
        return self.texts[labels]
