"""A suite runs its cells, shows its boards, and says what it skipped and what would enable that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import suite, suites
from bench.errors import NeedsInstall

Command = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of cells that run, that want weights, and that nobody knows."""
    cells = suites.Suite(
        "small",
        "for tests",
        ("identification/synthetic/faces",),
        ("random", "mobilefacenet", "no-such-method"),
        "-r small.txt",
        {"limit": 20},
    )
    monkeypatch.setitem(suites.SUITES, "small", cells)


def test_a_cell_that_wants_what_is_not_here_is_skipped_with_the_way_out(small: None, tmp_path: Path) -> None:
    ran, weights, unknown = suite.run_suite("small", out=tmp_path, models=tmp_path)
    assert ran.result is not None and ran.result.provenance.limit == 20 and not ran.skipped
    assert weights.skipped and isinstance(weights.error, NeedsInstall)
    assert unknown.skipped and "pip install -r small.txt" in str(unknown.error)


def test_a_cell_of_several_roles_whose_plugins_are_not_here_names_what_brings_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    roles = {"method": "no-such-matcher", "reference": "no-such-one"}
    cast = suites.Cast("encryption/random-16/2048-bit", roles, "-e plugins/some")
    monkeypatch.setitem(suites.SUITES, "cast", suites.Suite("cast", "for tests", (), (), "-r x.txt", casts=(cast,)))
    (outcome,) = suite.run_suite("cast", out=tmp_path)
    assert outcome.skipped and outcome.methods == "method=no-such-matcher reference=no-such-one"
    assert "pip install -e plugins/some" in str(outcome.error)


def test_what_is_typed_goes_before_the_suites_own_settings(small: None, tmp_path: Path) -> None:
    ran, *_ = suite.run_suite("small", out=tmp_path, limit=10)
    assert ran.result is not None and ran.result.provenance.limit == 10


def test_a_suite_brings_its_own_methods(facebench: Command) -> None:
    ended = facebench("run", "quick", "--method", "random")
    assert ended.returncode == 2 and "A suite brings its own methods" in ended.stderr


def boards_in(text: str) -> tuple[list[str], dict[tuple[str, str], list[float]]]:
    """Headings of printed boards, and the figures of each method on each board, whatever its rank."""
    headings, rows = [], {}
    for line in text.splitlines():
        row = re.match(r"\d\S*\s+(\S+(?: \(floor\))?)\s+(.*)", line)
        if row:
            rows[headings[-2], row[1]] = [float(n) for n in re.findall(r"\d+\.\d+", row[2])]
        elif "/synthetic/" in line or line.startswith("rank "):
            headings.append(line.strip())
    return headings, rows


def test_the_readme_shows_what_quick_prints(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "run", "quick", "--models", str(tmp_path)]
    environment = {**os.environ, "COLUMNS": "80", "FACEBENCH_PLUGINS": ""}
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = re.search(r"^\$ facebench run quick\n(.*?)^```", readme, re.M | re.S)
    assert shown is not None
    synthetic = ended.stdout[ended.stdout.index("identification/synthetic") :]  # what encryption costs stands before
    (headings, rows), (printed_headings, printed) = boards_in(shown[1]), boards_in(synthetic.partition("skipped")[0])
    assert headings == printed_headings and set(rows) == set(printed) and len(rows) == 8
    for row, figures in rows.items():
        assert figures == pytest.approx(printed[row], abs=2.5), "single pairs may differ between processors"
    assert "skipped: mobilefacenet" in ended.stdout and "Point --models" in ended.stdout
    assert len(list(tmp_path.glob("runs/*/synthetic/**/result.json"))) == 8
