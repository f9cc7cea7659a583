"""Models of a few thousand random parameters, cards in a folder of the test's own, and a Hub on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import facebench_transformers
import numpy as np
import pytest

import bench
from bench.plugins import discover

TESTS = Path(__file__).resolve().parents[3] / "tests"
SIDE = 16
CARD: dict[str, Any] = {
    **{"name": "tiny", "folder": "tiny", "task": "image-feature-extraction", "output": "cls"},
    **{"preprocessing": "repository", "licence": "Apache-2.0", "trained_on": ["nothing"], "cite": "none: a test"},
}


class Place:
    """A folder of cards and a models root of a test's own."""

    def __init__(self, root: Path) -> None:
        self.cards, self.models, self.model = root / "cards", root / "models", root / "models" / "tiny"
        self.cards.mkdir()
        self.models.mkdir()

    def card(self, called: str = "tiny.toml", /, **changes: Any) -> Path:
        """A card, its keys changed, or left out where the change is None; ``files`` are those of the model's folder."""
        keys = {key: value for key, value in {**CARD, **changes}.items() if value is not None}
        if keys.get("folder") and "files" not in changes and self.model.is_dir():
            keys["files"] = self.sha256(*sorted(path.name for path in self.model.iterdir()))
        path = self.cards / called
        plain = {key: value for key, value in keys.items() if not isinstance(value, dict)}
        lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
        for key, table in keys.items():
            if isinstance(table, dict):
                lines += [f"[{key}]", *(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in table.items())]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def save(self, kind: str, names: tuple[str, ...] = ("sad", "happy", "surprise")) -> None:
        """A tiny random model in the models root."""
        save(self.model, kind, names)

    def faces(self, count: int, side: int = SIDE) -> list[bench.Face]:
        """Square pictures of noise."""
        images = np.random.default_rng(1).integers(0, 256, (count, side, side, 3), np.uint8)
        return [bench.Face(f"k{i}", pixels) for i, pixels in enumerate(images)]

    def sha256(self, *names: str) -> dict[str, str]:
        """Files of the model's folder with their SHA-256."""
        return {name: hashlib.sha256((self.model / name).read_bytes()).hexdigest() for name in names}

    def method(self, name: str = "tiny") -> bench.Method:
        """The method of that card."""
        return next(method for method in facebench_transformers.facebench_methods() if method.name == name)

    def load(self, **options: Any) -> Any:
        """That method, loaded as a run loads it."""
        method = self.method()
        assert method.weights is not None
        return method.load(bench.Load(method.weights.find(self.models, method.name), options=options))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    place = Place(tmp_path)
    monkeypatch.setenv("FACEBENCH_TRANSFORMERS", str(place.cards))
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user" / "pins.toml"))
    monkeypatch.chdir(tmp_path)
    discover.cache_clear()
    yield place
    discover.cache_clear()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The Hub on loopback of facebench's own tests, which lie beside this plugin in its repository."""
    if not (TESTS / "loopback_hub.py").exists():
        pytest.skip("needs tests/loopback_hub.py of facebench's repository")
    monkeypatch.syspath_prepend(str(TESTS))
    import loopback_hub

    served = loopback_hub.LoopbackHub()
    loopback_hub.lead(monkeypatch, {**served.environment(), "HF_HOME": str(tmp_path / "hf-home")})
    yield served
    served.stop()


def save(folder: Path, kind: str, names: tuple[str, ...]) -> None:
    """A tiny random model with its image processor (and tokenizer) in a folder, as transformers saves them."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    eyes = {"image_size": SIDE, "patch_size": 8, **small}
    told = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    square = {"height": SIDE, "width": SIDE}
    processor: Any = t.ViTImageProcessorPil(size=square)
    if kind in ("clip", "siglip"):
        letters = [chr(code) for code in range(97, 123)]
        words = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
        text = {"vocab_size": len(words), "max_position_embeddings": 24, "bos_token_id": 0, "eos_token_id": 1}
        towers: Any = {"text_config": {**text, "pad_token_id": 1, **small}, "vision_config": eyes}
        clip = kind == "clip"
        model: Any = (
            t.CLIPModel(t.CLIPConfig(**towers, projection_dim=8)) if clip else t.SiglipModel(t.SiglipConfig(**towers))
        )
        t.CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[]).save_pretrained(folder)
        processor = t.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square)
    elif kind == "resnet":
        model = t.ResNetModel(t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1]))
    elif kind == "vit":
        model = t.ViTModel(t.ViTConfig(**eyes))
    else:
        model = t.ViTForImageClassification(t.ViTConfig(**eyes, **told, initializer_range=0.5))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
