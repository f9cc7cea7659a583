"""Copies of this repository's own results, as if they had been run with the plugins as they are now."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.plugins import discover

BOARDS = Path(__file__).resolve().parent.parent / "leaderboards"
FACES = "verification/synthetic/faces"
LFW = "verification/lfw/view2-arcface112"


def copy(into: Path, protocol: str, *methods: str) -> Path:
    """A folder of boards with these results; the hashes of code on their cards are those of the code here."""
    folder = into.joinpath(*protocol.split("/"))
    folder.mkdir(parents=True, exist_ok=True)
    for method in methods:
        for end in (".json", ".trials.parquet"):
            shutil.copyfile(BOARDS / protocol / f"{method}{end}", folder / f"{method}{end}")
        change(folder / f"{method}.json", _as_here)
    return into


def _as_here(data: dict[str, Any]) -> None:
    for name, card in data["cards"].items():
        card["code"] = discover().methods[name.partition(":")[0]][1].origin().code


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> Path:
    """Change a result file in place."""
    data = json.loads(path.read_text("utf-8"))
    how(data)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path
