"""What a stranger wrote cannot steer the terminal that it is shown in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from board_copies import FACES, change, copy
from rich.console import Console

from bench.plugins import discover
from bench.terminal import escape

STEERS = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202e"


@pytest.mark.parametrize("text", [STEERS, "[bold]x[/]", "two\nlines", "a\rb", "\udcff", "naïve ≤ 5 %"])
def test_a_text_is_shown_without_what_steers(text: str) -> None:
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured:
        console.print(escape(text), highlight=False)
    assert captured.get() == "".join(c if c.isprintable() or c == "\n" else "?" for c in text) + "\n"


def steering(data: dict[str, Any]) -> None:
    """Names, notes and reasons of a result that steer."""
    (name,) = data["roles"]["method"]
    data["roles"]["method"] = [name + STEERS]
    data["cards"][name + STEERS] = data["cards"].pop(name) | {"withdrawn": [STEERS]}
    data["scores"][1] |= {"metric": "m" + STEERS, "note": STEERS}
    data["reasons"] = {"r" + STEERS: 1}


@pytest.mark.parametrize("words", ["rank", "rank --check", "audit", "compare", "score"])
def test_a_result_cannot_steer_the_terminal(words: str, said: Any, tmp_path: Path) -> None:
    place = copy(tmp_path / "boards", FACES, "constant", "hog") / FACES
    hog, constant = (change(place / f"{name}.json", steering) for name in ("hog", "constant"))
    given = {"audit": [hog], "compare": [hog, constant], "score": [hog]}.get(words, [tmp_path / "boards"])
    _, out, err = said(*words.split(), *given)
    assert out + err
    assert not set("\x1b\x07\x9b\u202e") & set(out + err)


def test_a_broken_plugin_cannot_steer_the_terminal(said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text(f"raise OSError({STEERS!r})\n")
    head = '[project]\nname = "broken"\n[project.entry-points.facebench]\nbroken = "broken"\n'
    (tmp_path / "pyproject.toml").write_text(head)
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(tmp_path))
    discover.cache_clear()
    for words in (("list", "plugins"), ("show", "broken")):
        out = said(*words)[1]
        assert "OSError: ?]0;owned??[2J?2J?" in out and "\x1b" not in out
