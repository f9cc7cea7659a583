"""A wrong card is refused by its file and key; what ships is unverified and unpinned."""

from __future__ import annotations

from typing import Any

import facebench_transformers
import pytest

from bench.errors import NeedsInstall

NEEDED = ("name", "task", "preprocessing", "licence", "trained_on", "cite")
TABLE = {"size": 16, "channels": "RGB", "mean": 0, "std": 1}
COMMIT = "0123456789" * 4
ZERO = {"task": "zero-shot-image-classification", "output": None, "labels": {"a": "x"}, "template": "a {} face"}
CLASSES = {"task": "image-classification", "output": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reppo": "a/b"}, "key 'reppo': a card has no such key; did you mean 'repo'"),
        *(({key: None}, f"key '{key}' is missing") for key in NEEDED),
        ({"name": "My Model"}, "key 'name': 'My Model' is no method's name"),
        ({"folder": None, "files": None}, "key 'repo': it is missing, and there is no folder either"),
        ({"repo": "faces"}, "key 'repo': 'faces' is not a repository, OWNER/NAME"),
        ({"repo": "a/b", "revision": "main"}, "key 'revision': 'main' is not a commit"),
        ({"revision": COMMIT}, "key 'revision': it is a commit of repo"),
        *(({"folder": name}, "key 'folder'") for name in ("../x", "a/b", "/x", "", 1)),
        ({"files": None}, "key 'files': a folder needs the SHA-256"),
        ({"repo": "a/b", "folder": None}, "key 'files': those of a repository are in its pin"),
        *(({"files": {name: "0" * 64}}, "key 'files'") for name in ("a.bin", "../a.json", "a.py", "x/a.json")),
        ({"files": {"model.safetensors": "abc"}}, "key 'files': 'abc' is not the SHA-256 of model.safetensors"),
        ({"task": "verification"}, "key 'task': 'verification' is not 'image-feature-extraction' or"),
        ({"output": None}, "key 'output': the task image-feature-extraction needs it"),
        ({"output": "logits"}, "key 'output'"),
        ({"tasks": []}, "key 'tasks': it is empty"),
        ({"labels": {"a": "b"}}, "key 'labels': the task image-feature-extraction has no such key"),
        ({**CLASSES, "flip": "sum"}, "key 'flip': the task image-classification has no such key"),
        ({**CLASSES, "template": "{}"}, "key 'template': the task image-classification has no such key"),
        *(({**CLASSES, "labels": {"a": value}}, "key 'labels': a = ") for value in (1, "1", "LABEL_1", " 2", True)),
        ({**CLASSES, "labels": ["a"]}, "key 'labels': ['a'] is not a table of names to names"),
        ({**ZERO, "labels": {}}, "key 'labels': zero-shot classification needs them"),
        ({**ZERO, "template": "a face"}, "key 'template': 'a face' does not have {} once"),
        ({**ZERO, "template": None}, "key 'template': '' does not have {} once"),
        ({"preprocessing": "own"}, "key 'preprocessing': 'own' is not 'repository' or a table of size"),
        ({"preprocessing": {**TABLE, "sise": 1}}, "key 'preprocessing': the table: key 'sise': a card has no such key"),
        *(({"preprocessing": {**TABLE, "size": size}}, "key 'preprocessing'") for size in (0, True, "16", 1e9)),
        *(({"preprocessing": {**TABLE, "std": std}}, "key 'preprocessing'") for std in (0, -1, [1, 1], [1, 1, 0])),
        ({"preprocessing": {**TABLE, "channels": "rgb"}}, "key 'preprocessing'"),
        ({"preprocessing": {**TABLE, "resample": "box"}}, "key 'preprocessing'"),
        ({"preprocessing": TABLE}, "key 'inputs': 'arcface-112' is not of the size 16"),
        ({"similarity": "dot"}, "key 'similarity'"),
        ({"unverified": "yes"}, "key 'unverified': 'yes' is not true or false"),
        ({"withdrawn": ["other"]}, "key 'withdrawn': 'other' is not in trained_on"),
        ({"licence": " "}, "key 'licence'"),
        ({"about": "x" * 70_000}, "a card has at most 65536 bytes"),
    ],
)
def test_a_wrong_card_is_refused_by_its_file_and_key(changes: dict[str, Any], message: str, place: Any) -> None:
    path = place.card(**{"files": {"model.safetensors": "0" * 64}, **changes})
    with pytest.raises(ValueError) as raised:
        facebench_transformers.facebench_methods()
    assert str(raised.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("raw", [b"name = ", b"\xff\xfe", b"x = " + b"[" * 60_000])
def test_a_file_that_is_no_toml_is_refused_by_its_name(raw: bytes, place: Any) -> None:
    (place.cards / "odd.toml").write_bytes(raw)
    with pytest.raises(ValueError, match=r"odd\.toml: it is no TOML"):
        facebench_transformers.facebench_methods()


def test_a_name_in_two_cards_and_a_folder_that_is_not_there_are_refused(place: Any, monkeypatch: Any) -> None:
    for called in ("a.toml", "b.toml"):
        place.card(called, files={"model.safetensors": "0" * 64})
    messages = {
        str(place.cards): r"b\.toml: key 'name': 'tiny' is the name in .*a\.toml too",
        "cards": "FACEBENCH_TRANSFORMERS names cards: write the whole path",
        str(place.models / "absent"): "FACEBENCH_TRANSFORMERS names .*absent, which is no folder",
    }
    for named, message in messages.items():
        monkeypatch.setenv("FACEBENCH_TRANSFORMERS", named)
        with pytest.raises(ValueError, match=message):
            facebench_transformers.facebench_methods()


def test_a_card_becomes_a_method_with_what_it_declares(place: Any) -> None:
    place.card(files={"model.safetensors": "0" * 64}, similarity="euclidean", flip="sum", about="a toy")
    method = place.method()
    assert method.tasks == {"verification", "identification"} and method.similarity == "euclidean"
    assert [(option.name, option.default) for option in method.options] == [("flip", "sum")]
    assert method.weights is not None and set(method.weights.files) == {"model.safetensors", "tiny.toml"}
    place.card(**CLASSES, files={"model.safetensors": "0" * 64})
    assert place.method().tasks == {"expression"} and not place.method().options


def test_what_ships_is_unverified_and_says_which_command_pins_it(place: Any) -> None:
    methods = facebench_transformers.facebench_methods()
    assert methods
    for method in methods:
        assert method.about.startswith("unverified: ")
        assert isinstance(method.weights, facebench_transformers.Repository) and method.weights.pin is None
        with pytest.raises(NeedsInstall, match=f"facebench pin {method.weights.repo}$"):
            method.weights.find(None, method.name)


def test_a_commit_on_the_card_is_in_the_command_that_pins(place: Any) -> None:
    place.card(repo="lab/tiny", revision=COMMIT, folder=None)
    weights = place.method().weights
    assert weights is not None
    with pytest.raises(NeedsInstall, match=f"facebench pin lab/tiny --revision {COMMIT}"):
        weights.find(None, "tiny")
