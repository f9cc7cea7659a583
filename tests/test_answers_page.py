"""A page of answers is for this machine only: nobody else may enter, and nothing in an answer runs."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.answers_page import answers_page
from bench.errors import Mismatch, NotAResult, UnknownName
from bench.metrics import expression_trials
from bench.suite import run_cells

EVIL = '</pre></td><script>alert(1)</script><img src=x onerror="x()">&amp;'
PROTOCOL = "expression/synthetic/faces"


def answerer() -> bench.Method:
    """Says something evil of dark pictures and "happy" of the others."""
    evil = EVIL

    def load(given: bench.Load) -> Any:
        class Made:  # made here, so that it goes to the worker by value
            def answer(self, questions: Any) -> Any:
                return ["happy" if question.face.pixels.mean() > 100 else evil for question in questions]

            def loglik(self, questions: Any, options: Any) -> Any:
                raise NotImplementedError("none")

        return Made()

    tasks, inputs = frozenset({"expression"}), frozenset({"arcface-112"})
    return bench.Method("evil", tasks, load, inputs=inputs, contract="Answerer")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of twelve pictures."""
    monkeypatch.setattr(expression_trials, "REPLICATES", 10)
    (outcome,) = run_cells(PROTOCOL, answerer(), out=tmp_path, limit=12)
    assert outcome.result is not None, outcome.error
    return outcome.folder


def test_what_was_answered_is_shown_escaped_and_may_load_nothing(run: Path) -> None:
    page = answers_page(run)
    text = page.read_text("utf-8")
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    assert "<script" not in text and not re.search(r"<[^>]+ on\w+=", text)
    assert "&lt;/pre&gt;&lt;/td&gt;&lt;script&gt;alert(1)" in text
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert text.count("<tr class=") == 12 and text.count('src="data:image/png;base64,') == 12
    assert not re.search(r"https?://", text)


def test_only_some_kinds_and_so_many_are_shown(run: Path) -> None:
    unread = answers_page(run, "unread").read_text("utf-8")
    assert 0 < unread.count("<tr class=") < 12 and 'class="wrong"' not in unread
    assert answers_page(run, most=3).read_text("utf-8").count("<tr class=") == 3
    with pytest.raises(UnknownName):
        answers_page(run, "odd")


def test_what_was_not_asked_in_words_has_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expression_trials, "REPLICATES", 10)
    (outcome,) = run_cells(PROTOCOL, "constant", out=tmp_path, limit=4)
    with pytest.raises(Mismatch, match="not asked in words"):
        answers_page(outcome.folder)
    with pytest.raises(NotAResult, match="no finished run"):
        answers_page(tmp_path)
