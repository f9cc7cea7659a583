"""Answers shared between cells: what is handed on is whole, of the same samples, and lasting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.answers import Cell, read_table, write_table
from bench.asking import ALL, Asking, Settings
from bench.cells import identity
from bench.embedding import EMBED
from bench.plugins import discover
from bench.sharing import ask_once

PROTOCOL = "verification/lfw/view2-arcface112"


def asked(data: Path, runs: Path, method: str, cell: str) -> Path:
    """Ask a method about all images in a cell of its own, and return the part of its answers."""
    protocol, configured = discover().protocol(PROTOCOL), discover().method(method)
    settings = Settings(batch_size=8, threads=1)
    own = Cell(runs / PROTOCOL / cell)
    force = {"batch_size": 8, "threads": 1, "device": "cpu"}
    own.open({"roles": {"method": [identity(configured)]}, "data": "d", "seed": 0, "settings": force})
    content = protocol.read(data)
    tell = lambda stage, done, total: None  # noqa: E731
    asking = Asking(protocol, {"method": (configured,)}, content, own, settings, None, tell)
    ask_once(asking, "method", EMBED, ALL, content.samples, configured)
    return own.part(ALL, 0)


def shared(runs: Path) -> list[Path]:
    return sorted((runs / "answers").glob("*/part-*.parquet"))


def test_a_damaged_part_is_asked_anew(synthetic: Path, tmp_path: Path) -> None:
    part = asked(synthetic, tmp_path, "toy", "one")
    (kept,), whole = shared(tmp_path), part.read_bytes()
    kept.write_bytes(whole[:-20])
    assert asked(synthetic, tmp_path, "toy", "two").read_bytes() == whole
    assert kept.read_bytes() == whole


def test_a_part_of_other_samples_is_asked_anew(synthetic: Path, tmp_path: Path) -> None:
    part = asked(synthetic, tmp_path, "toy", "one")
    (kept,), whole = shared(tmp_path), part.read_bytes()
    table: dict[str, Any] = read_table(kept)
    write_table(kept, table | {"key": table["key"][::-1]})
    assert asked(synthetic, tmp_path, "toy", "two").read_bytes() == whole
    assert kept.read_bytes() == whole


def test_answers_of_a_method_that_raised_are_not_shared(synthetic: Path, tmp_path: Path) -> None:
    part = asked(synthetic, tmp_path, "raises-some", "one")
    assert {"raised ValueError", ""} <= set(read_table(part)["failure"])
    assert not shared(tmp_path)
    assert {"no embedding", ""} <= set(read_table(asked(synthetic, tmp_path, "fails-some", "two"))["failure"])
    assert len(shared(tmp_path)) == 1
