"""A folder of cards and a models root, made anew for each test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import facebench_onnx
import pytest

import bench

SIDE = 8
CARD: dict[str, Any] = {
    **{"name": "toy", "file": "toy/toy.onnx", "sha256": "0" * 64, "size": SIDE, "inputs": [f"arcface-{SIDE}"]},
    **{"channels": "RGB", "mean": 127.5, "std": 127.5, "layout": "NCHW"},
    **{"licence": "Apache-2.0", "trained_on": ["nothing"], "cite": "none: a test"},
}


class Place:
    """A folder of cards and a models root of a test's own."""

    def __init__(self, root: Path) -> None:
        self.cards, self.models, self.model = root / "cards", root / "models", root / "models" / "toy" / "toy.onnx"
        self.cards.mkdir()
        self.model.parent.mkdir(parents=True)

    def write(self, model: bytes, **changes: Any) -> Path:
        """A model and its card."""
        self.model.write_bytes(model)
        return self.card(**{"sha256": hashlib.sha256(model).hexdigest(), **changes})

    def card(self, called: str = "toy.toml", /, **changes: Any) -> Path:
        """A card, its keys changed, or left out where the change is None."""
        keys = {key: value for key, value in {**CARD, **changes}.items() if value is not None}
        path = self.cards / called
        lines = (f"{key} = {json.dumps(value).replace('NaN', 'nan')}\n" for key, value in keys.items())
        path.write_text("".join(lines), "utf-8")
        return path

    def load(self, threads: int = 1, device: str = "cpu", flip: str | None = None) -> Any:
        """The one method, loaded as a run loads it."""
        (method,) = facebench_onnx.facebench_methods()
        assert method.weights is not None
        folder, (option,) = method.weights.find(self.models, method.name), method.options
        return method.load(bench.Load(folder, device, threads, options={"flip": flip or option.default}))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)
    monkeypatch.setenv("FACEBENCH_ONNX", str(place.cards))
    return place
