"""Cards are checked by key, list lightly, and say whether anybody has run them; names know which bytes they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import facebench_vlm
import pytest

import bench
from bench.conformance import checks
from bench.errors import DataDamaged, NeedsInstall, WrongUse
from bench.hub import Pin
from bench.method import Configured, Origin
from bench.pins import Pinned, write_pins

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = """name = "own"
repo = "lab/own"
licence = "Apache-2.0"
trained_on = []
cite = "none: a test"
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of cards of the test's own, no pins, and no models root."""
    (tmp_path / "cards").mkdir()
    monkeypatch.setenv("FACEBENCH_VLM", str(tmp_path / "cards"))
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "pins" / "pins.toml"))
    monkeypatch.delenv("FACEBENCH_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def methods() -> dict[str, bench.Method]:
    return {method.name: method for method in facebench_vlm.facebench_methods()}


def named(chosen: str) -> Configured:
    return Configured.parse(methods()["vlm"], chosen, Origin("installed", "d", "1", "m", "", ""))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ('prompt_fromat = "x"', "key 'prompt_fromat': a card has no such key; did you mean 'prompt_format'"),
        ('prompt_format = "{question}"\nimage_text = "<image>"', "key 'prompt_format': it has {question} once"),
        ('prompt_format = "{image}{question}"', "key 'image_text': it is what stands for {image}"),
        ('end_of_turn = "</s>"', "key 'end_of_turn': a chat template says it"),
        ("max_new_tokens = 0", "key 'max_new_tokens': 0 is not a number of tokens from 1 to 4096"),
        ('dtype = "int8"', "key 'dtype': 'int8' is not 'float32' or"),
        ('padding = "both"', "key 'padding'"),
        ('folder = "x"', "key 'files': a folder needs the SHA-256"),
        ('revision = "main"', "key 'revision': 'main' is not a commit"),
        ('withdrawn = ["A"]', "key 'withdrawn': 'A' is not in trained_on"),
        ('images = {size = "x"}', "key 'images'"),
        ('folder = "x"\nfiles = {"x.py" = "0"}', "key 'files': 'x.py' is not a plain name"),
    ],
)
def test_a_wrong_card_is_refused_by_its_file_and_key(changes: str, message: str, place: Path) -> None:
    (place / "cards" / "own.toml").write_text(CARD + changes, "utf-8")
    with pytest.raises(ValueError) as raised:
        facebench_vlm.facebench_methods()
    assert str(raised.value).startswith(f"{place / 'cards' / 'own.toml'}: {message}")


def test_every_card_that_ships_is_an_answerer_and_says_whether_it_was_run() -> None:
    found = methods()
    assert {"vlm", "tiny-fer-vlm"} < set(found)
    for name, method in found.items():
        assert method.contract == "Answerer" and method.tasks == {"expression"} and "raw" in method.inputs
        assert not {option.name for option in method.options} & {"ask", "wording", "answer", "score", "rotations"}
        if name not in ("vlm", "tiny-fer-vlm"):
            assert method.about.startswith(("unverified: ", "cannot be loaded here ("))
            assert method.weights is not None
            with pytest.raises(NeedsInstall, match=r"facebench pin |It cannot be loaded here: "):
                method.weights.find(None, name)


def test_finding_the_cards_loads_nothing_heavy() -> None:
    code = (
        "import sys, facebench_vlm as p\nassert len(p.facebench_methods()) > 1\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'PIL', 'huggingface_hub', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_chosen_model_is_named_with_a_digest_of_its_bytes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = place / "models" / "own"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "notes.md").write_text("not read")
    with pytest.raises(NeedsInstall, match="names no model"):
        find(named(""), folder.parent)
    with pytest.raises(NeedsInstall, match=r"Write model=own@[0-9a-f]{12}: a result must know"):
        find(named("model=own"), folder.parent)
    monkeypatch.setenv("FACEBENCH_MODELS", str(folder.parent))
    whole = str(named("model=own"))
    assert whole.startswith("vlm:model=own@") and str(named(whole.partition(":")[2])) == whole
    assert find(named("model=own"), folder.parent) == folder.resolve()
    assert str(named(f"model={folder}")).startswith(f"vlm:model={folder}@")
    (folder / "notes.md").write_text("other")
    assert str(named("model=own")) == whole
    (folder / "config.json").write_text("{ }")
    assert str(named("model=own")) != whole
    with pytest.raises(DataDamaged, match="has the digest"):
        named(whole.partition(":")[2])
    with pytest.raises(WrongUse, match="A model is a folder below"):
        named("model=own@main")
    shutil.rmtree(folder)
    with pytest.raises(NeedsInstall, match="needs the folder own"):
        find(named("model=own"), folder.parent)


def test_a_chosen_repository_is_named_with_its_pinned_commit(place: Path) -> None:
    with pytest.raises(NeedsInstall, match="facebench pin lab/own"):
        named("model=lab/own")
    write_pins(place / "pins.toml", [Pinned(Pin("lab/own", COMMIT), files={"config.json": "0" * 64})])
    assert str(named("model=lab/own,padding=right")) == "vlm:model=lab/own@0123456,padding=right"
    with pytest.raises(WrongUse, match=f"It is pinned at {COMMIT}"):
        named("model=lab/own@7654321")


def find(configured: Configured, models: Path) -> Path:
    assert configured.method.weights is not None
    return configured.method.weights.find(models, str(configured))


def test_the_checks_pass_on_a_tiny_model(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.plugins import discover

    pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
    monkeypatch.setenv("FACEBENCH_MODELS", str(models))
    discover.cache_clear()
    outcomes: list[tuple[str, Any]] = [
        (bound.check.name, bound.outcome()) for bound in checks("vlm:model=smolvlm", models)
    ]
    discover.cache_clear()
    assert {name: told.message for name, told in outcomes if told.state != "passed"} == {}
