"""Plots of what encryption costs: which there are, who is in them, and that what is extrapolated is marked."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_leaderboard import made

from bench import plots
from bench.answers import contents_sha256, write_table
from bench.errors import Mismatch
from bench.results import Score

GROWN = ("encrypt", "match", "pack", "open", "search")
Row = tuple[int, str, str, float, int, int]


def trials(galleries: dict[str, tuple[int, ...]], fewer: int = 10**9, rounds: int = 3) -> dict[str, Any]:
    """Trials as bench.tasks.encryption judges them; galleries of more than ``fewer`` rows were extrapolated."""
    rows: list[Row] = []
    for number in range(rounds):
        for role, slow in (("method", 1), ("reference", 40)):
            rows += [(number, role, stage, 0.01 * slow * (1 + number / 50), 0, 0) for stage in ("encrypt", "decrypt")]
            for kind, sizes in galleries.items():
                for size in sizes:
                    taken = [0.01, 0.001 * size, 0.0, 0.0001 * size]
                    for stage, seconds in zip(GROWN, [*taken, sum(taken)], strict=True):
                        rows.append((number, role, f"{stage}@{kind}={size}", seconds * slow, size, min(size, fewer)))
    return {
        "round": np.array([row[0] for row in rows], np.int16),
        "role": [row[1] for row in rows],
        "stage": [row[2] for row in rows],
        "seconds": np.array([row[3] for row in rows]),
        "wall": np.array([row[3] for row in rows]),
        "bytes": np.zeros(len(rows), np.int64),
        "rows": np.array([row[4] for row in rows], np.int32),
        "measured": np.array([row[5] for row in rows], np.int32),
        "security": np.full(len(rows), 112, np.int16),
    }


def written(folder: Path, name: str, table: dict[str, Any]) -> Path:
    """A run of that method beside phe."""
    folder.mkdir()
    write_table(folder / "trials.parquet", table)
    result = made(name, Score("encrypt.ratio", 40.0, 39.0, 41.0, "higher", ""), trials_sha256=contents_sha256(table))
    roles = {"method": (name,), "reference": ("phe",)}
    cards = {**result.cards, "phe": result.cards[name]}
    result = replace(result, roles=roles, cards=cards, protocol="encryption/toy/cell")
    (folder / "result.json").write_text(result.to_json())
    return folder


def texts(path: Path) -> str:
    """All text in a picture, which is XML."""
    return "\n".join(text for text in ET.parse(path).getroot().itertext() if text.strip())


def test_a_result_has_growth_a_breakdown_and_one_probe(tmp_path: Path) -> None:
    run = written(tmp_path / "run", "pura", trials({"plaintext": (1, 1000), "encrypted": (16,)}))
    drawn = {path.stem: texts(path) for path in plots.plot([run])}
    assert set(drawn) == {"gallery", "breakdown", "encryption"}
    assert "pura, plaintext gallery" in drawn["gallery"] and "phe (reference), encrypted gallery" in drawn["gallery"]
    assert "1,000" in drawn["gallery"] and "extrapolated" not in drawn["gallery"]
    assert "pura, 16 encrypted" in drawn["breakdown"] and "pura, decrypt" in drawn["encryption"]


def test_a_share_of_a_bar_is_that_of_the_medians(tmp_path: Path) -> None:
    run = written(tmp_path / "run", "pura", trials({"plaintext": (100,)}))
    (path,) = (path for path in plots.plot([run]) if path.stem == "breakdown")
    told = texts(path)
    assert all(share in told for share in ("8%", "83%", "0.12 s", "4.8 s"))  # 0.01, 0.1, 0 and 0.01 of 0.12 s


def test_what_is_extrapolated_is_marked(tmp_path: Path) -> None:
    run = written(tmp_path / "run", "pura", trials({"plaintext": (1, 1000)}, fewer=8))
    drawn = {path.stem: texts(path) for path in plots.plot([run])}
    assert "hollow: extrapolated from fewer rows" in drawn["gallery"]
    assert "≈: extrapolated" in drawn["breakdown"] and "≈ 1.11 s" in drawn["breakdown"]


def test_several_results_share_their_reference(tmp_path: Path) -> None:
    runs = [written(tmp_path / name, name, trials({"plaintext": (1,)})) for name in ("a", "b")]
    (path,) = (path for path in plots.plot(runs, tmp_path / "out") if path.stem == "gallery")
    assert texts(path).count("phe (reference)") == 1 and "b, plaintext gallery" in texts(path)


def test_encryption_alone_is_drawn_too_and_as_png(tmp_path: Path) -> None:
    run = written(tmp_path / "run", "_odd\n$name$", trials({}))
    (path,) = plots.plot([run], form="png")
    assert path.name == "encryption.png"
    with Image.open(path) as picture:
        assert picture.width > 300


def test_timings_and_comparisons_have_no_plot_in_common(tmp_path: Path) -> None:
    table = trials({})
    others = {"score": np.zeros(4), "mated": np.array([True, False] * 2)}
    runs = [written(tmp_path / "a", "a", table), written(tmp_path / "b", "b", others)]
    with pytest.raises(Mismatch):
        plots.plot(runs, tmp_path / "out")
