"""Memory of a verification run over a growing number of trials between few images, and which stage needs it.

First what a trial costs in each stage of the harness: the most held at a time above what was held before it, and what
is kept after it. Then the peak of whole runs, harness and worker together. Draws of the bootstrap follow one another,
so a few of them need the memory of all.

Run: python benchmarks/trial_memory.py
"""

from __future__ import annotations

import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from memory import peak

import bench
from bench.answers import contents_sha256, read_table, write_table
from bench.protocol import Content, Data
from bench.protocols.lfw import PROTOCOLS
from bench.tasks import verification

COUNTS, STAGED, IMAGES, SHOTS, FOLDS, DRAWS = (10_000, 100_000, 1_000_000), (50_000, 150_000), 2000, 4, 10, 20
verification.REPLICATES = DRAWS


def rows(count: int) -> list[tuple[int, str, str, bool]]:
    """Pairs of images, every other one of one person."""
    drawn = np.random.default_rng(0).integers(0, IMAGES, (count, 2)).tolist()
    made = []
    for i, (a, b) in enumerate(drawn):
        mated = i % 2 == 0
        b = a // SHOTS * SHOTS + (a + 1) % SHOTS if mated else (a + SHOTS * (1 + b % (IMAGES // SHOTS - 1))) % IMAGES
        made.append((i % FOLDS, f"image-{a:05d}", f"image-{b:05d}", mated))
    return made


def read(name: str, key: str) -> bench.Face:
    """The image of a name: noise around its person's grey."""
    number = int(name[-5:])
    grey = np.random.default_rng(number // SHOTS).integers(0, 256, (112, 112, 3))
    return bench.Face(
        key, (0.7 * grey + np.random.default_rng([1, number]).integers(0, 76, grey.shape)).astype(np.uint8)
    )


def person(name: str) -> str:
    """Who is in the image of a name."""
    return f"person-{int(name[-5:]) // SHOTS}"


def content(count: int) -> Content:
    """A protocol's content with so many trials."""
    return verification.content(rows(count), person, read)


def run(count: int, out: str) -> None:
    """A whole run."""
    made = PROTOCOLS[1]
    data = Data("drawn", "", "none: drawn by code", "none")
    protocol = replace(made, name=f"verification/drawn/{count}", data=data, read=lambda root: content(count))
    bench.run(protocol, "random", out=out)


def whole() -> None:
    """Peak of whole runs."""
    found = {}
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            found[count] = peak([sys.executable, str(Path(__file__).resolve()), str(count), folder], folder)
        print(f"{count:9,} trials: {found[count] / 1e6:6.0f} MB", flush=True)
    growth = (found[COUNTS[-1]] - found[COUNTS[0]]) / (COUNTS[-1] - COUNTS[0])
    print(f"a trial adds {growth:.0f} bytes to a run's peak, {growth / columns():.1f}x what its row of numbers takes")


def columns() -> float:
    """Bytes of a trial's numbers in the table that metrics take."""
    table = judged(content(100))
    return sum(column.nbytes for column in table.values() if not isinstance(column, list)) / 100


def judged(made: Content) -> Any:
    """The trials under random answers, a hundredth of them failures."""
    generator = np.random.default_rng(0)
    failure = ["nothing found" if failed else "" for failed in generator.random(len(made.samples)) < 0.01]
    embedding = generator.normal(size=(len(made.samples), 128)).astype(np.float32)
    return verification.judge(made, {verification.ALL: {"embedding": embedding, "failure": failure}}, {})


def stages(count: int) -> dict[str, tuple[int, int]]:
    """The bytes that each stage holds at most and keeps, beyond what was held before it."""
    held: dict[str, tuple[int, int]] = {}

    def stage(name: str, call: Callable[[], Any]) -> Any:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        made = call()
        kept, most = tracemalloc.get_traced_memory()
        held[name] = most - before, kept - before
        return made

    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trials.parquet"
        made = stage("content", lambda: content(count))
        table = stage("judge", lambda: judged(made))
        stage("write_table", lambda: write_table(file, table))
        stage("contents_sha256", lambda: contents_sha256(table))
        stage("score", lambda: verification.score(PROTOCOLS[1], table))
        stage("read_table", lambda: read_table(file))
    tracemalloc.stop()
    return held


def staged() -> None:
    """Bytes a trial in each stage, from two sizes, so that what does not grow is not counted; Arrow's own neither."""
    few, many = STAGED
    stages(few // 10)  # so that no stage is charged with what is loaded once
    less, more = stages(few), stages(many)
    print(f"bytes a trial    at most     kept   (from {few:,} to {many:,} trials, as Python and numpy count them)")
    for name in more:
        most, kept = ((b - a) / (many - few) for a, b in zip(less[name], more[name], strict=True))
        print(f"{name:16} {most:7.0f} {kept:8.0f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        run(int(sys.argv[1]), sys.argv[2])
    else:
        staged()
        whole()
