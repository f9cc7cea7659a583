"""A wrong card is refused by its file and key, and finding the cards reads nothing else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import facebench_onnx
import pytest

NEEDED = ("name", "file", "sha256", "channels", "mean", "std", "layout", "licence", "trained_on", "cite")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chanels": "RGB"}, "key 'chanels': a card has no such key; did you mean 'channels'"),
        *(({key: None}, f"key '{key}' is missing") for key in NEEDED),
        ({"name": "My Model"}, "key 'name': 'My Model' is no method's name"),
        *(({"file": file}, "key 'file'") for file in ("/a/b.onnx", "../a/b.onnx", "a/../../b.onnx", "b.onnx")),
        *(({"file": file}, "key 'file'") for file in ("a//b.onnx", "a\\..\\b.onnx", "C:/b.onnx", "a/b.pt", 3)),
        *(({"sha256": text}, "key 'sha256'") for text in ("abc", "A" * 64, 1)),
        *(({"size": size}, "key 'size'") for size in (0, True, "112", 1e2)),
        *(({"mean": mean}, "key 'mean'") for mean in ([1, 2], "0", True, float("nan"), [[1], 2, 3])),
        *(({"std": std}, "key 'std'") for std in (0, -1, [1, 1, 0])),
        ({"channels": "rgb"}, "key 'channels': 'rgb' is not 'RGB' or 'BGR'"),
        ({"layout": "CHW"}, "key 'layout'"),
        ({"flip": True}, "key 'flip'"),
        ({"similarity": "dot"}, "key 'similarity'"),
        ({"trained_on": "one"}, "key 'trained_on'"),
        ({"licence": " "}, "key 'licence'"),
        ({"withdrawn": ["other"]}, "key 'withdrawn': 'other' is not in trained_on"),
        ({"inputs": ["arcface-112"]}, "key 'inputs': 'arcface-112' is not of the size 8"),
        ({"inputs": []}, "key 'inputs': it is empty"),
        ({"about": "x" * 70_000}, "a card has at most 65536 bytes"),
    ],
)
def test_a_wrong_card_is_refused_by_its_file_and_key(changes: dict[str, Any], message: str, place: Any) -> None:
    path = place.card(**changes)
    with pytest.raises(ValueError) as raised:
        facebench_onnx.facebench_methods()
    assert str(raised.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("raw", [b"name = ", b"\xff\xfe", b"x = " + b"[" * 60_000])
def test_a_file_that_is_no_toml_is_refused_by_its_name(raw: bytes, place: Any) -> None:
    (place.cards / "odd.toml").write_bytes(raw)
    with pytest.raises(ValueError, match=r"odd\.toml: it is no TOML"):
        facebench_onnx.facebench_methods()


def test_a_name_in_two_cards_and_a_folder_that_is_not_there_are_refused(place: Any, monkeypatch: Any) -> None:
    messages = {
        str(place.cards): r"b\.toml: key 'name': 'toy' is the name in .*a\.toml too",
        "cards": "FACEBENCH_ONNX names cards: write the whole path",
        str(place.models / "absent"): "FACEBENCH_ONNX names .*absent, which is no folder",
    }
    place.card("a.toml"), place.card("b.toml")
    for named, message in messages.items():
        monkeypatch.setenv("FACEBENCH_ONNX", named)
        with pytest.raises(ValueError, match=message):
            facebench_onnx.facebench_methods()
    monkeypatch.delenv("FACEBENCH_ONNX")
    assert facebench_onnx.facebench_methods() == []


def test_discovery_loads_neither_numpy_nor_onnxruntime(place: Any) -> None:
    place.card()
    code = (
        "import sys, facebench_onnx as plugin; print(*(m.name for m in plugin.facebench_methods()),"
        "{'numpy', 'onnx', 'onnxruntime'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "toy set()"
