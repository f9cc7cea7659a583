"""What README.md and CONTRIBUTING.md show works as shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bench import boards, samples

ALIGNED = "verification/lfw/view2-arcface112"
Command = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).resolve().parent.parent


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page of ours."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / name).read_text("utf-8"), re.M | re.S)


def commands() -> list[str]:
    lines = [line[2:] for block in blocks("README.md", "console") for line in block.splitlines() if line[:2] == "$ "]
    return [line for line in lines if line != "facebench run quick"]  # tests/test_suites.py runs that


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_readme_ends_well(facebench: Command, line: str) -> None:
    word, *rest = shlex.split(line)
    ended = facebench(*rest)
    assert word == "facebench" and ended.returncode == 0 and ended.stdout, ended.stderr


@pytest.mark.parametrize("code", blocks("README.md", "python"))
def test_a_script_of_the_readme_prints_a_figure(tmp_path: Path, synthetic: Path, code: str) -> None:
    script = tmp_path / "example.py"
    script.write_text(code, "utf-8")
    environment = {**os.environ, "FACEBENCH_DATA": str(synthetic)}
    ended = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert 0 <= float(ended.stdout.splitlines()[-1]) <= 1


def test_the_protocol_of_the_readme_reads_a_data_set_of_ones_own(tmp_path: Path, facebench: Command) -> None:
    (code,) = blocks("README.md", "python protocol")
    plugin, mine = tmp_path / "mine-protocol", tmp_path / "data" / "mine"
    plugin.mkdir()
    mine.mkdir(parents=True)
    (plugin / "mine_protocol.py").write_text(code, "utf-8")
    points = '[project.entry-points.facebench]\nmine = "mine_protocol"\n'
    (plugin / "pyproject.toml").write_text(f'[project]\nname = "mine-protocol"\nversion = "1"\n{points}')
    rows = []
    for fold, people in enumerate((("anna", "berta"), ("carla", "dora"))):
        for number, person in enumerate(people):
            for shot in (1, 2):
                face = samples.draw(10 * fold + number, mouth=shot / 2)
                Image.fromarray(face).save(mine / f"{person}-{shot}.png")
            rows.append(f"{fold},{person}-1.png,{person}-2.png,1")
        rows.append(f"{fold},{people[0]}-1.png,{people[1]}-1.png,0")
    (mine / "pairs.csv").write_text("\n".join(rows))
    words = ("run", "verification/mine/pairs", "--method", "hog", "--data", tmp_path / "data")
    ended = facebench(*words, FACEBENCH_PLUGINS=str(plugin))
    assert ended.returncode == 0 and "0 of 8 samples failed" in ended.stdout, ended.stderr
    (mine / "pairs.csv").unlink()
    missing = facebench(*words, FACEBENCH_PLUGINS=str(plugin))
    assert missing.returncode == 1 and "pairs.csv could not be read" in missing.stderr


def test_the_method_of_the_contributing_page_runs_as_a_plugin(
    tmp_path: Path, synthetic: Path, facebench: Command
) -> None:
    (code,) = blocks("CONTRIBUTING.md", "python")
    plugin = tmp_path / "facebench-mean-colour"
    plugin.mkdir()
    (plugin / "facebench_mean_colour.py").write_text(code, "utf-8")
    points = '[project.entry-points.facebench]\nmean-colour = "facebench_mean_colour"\n'
    (plugin / "pyproject.toml").write_text(f'[project]\nname = "facebench-mean-colour"\nversion = "1"\n{points}')
    words = ("run", ALIGNED, "--method", "mean-colour", "--data", synthetic)
    ended = facebench(*words, FACEBENCH_PLUGINS=str(plugin))
    assert ended.returncode == 0, ended.stderr
    assert "accuracy" in ended.stdout


def test_every_board_of_this_repository_is_what_its_results_and_trials_give() -> None:
    assert boards.check_boards(ROOT / "leaderboards") == []
