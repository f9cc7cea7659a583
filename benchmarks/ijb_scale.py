"""A run of IJB-C's full size: time and peak memory, harness and worker together.

469,375 images, 23,124 templates, 15,658,489 pairs, as the official lists have them, here drawn at random: the lists are
written in full and read by the protocol's own readers, every image goes to a method in a worker process, its 512-d
vectors are pooled, compared and scored. Only the pictures are not there: a sample is 8x8 random pixels that show a
person faintly, made when asked for, and the method multiplies them by a fixed random matrix. Image files are there and
hashed, but empty, so none is decoded or cut out.

Run: python benchmarks/ijb_scale.py
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import csv

import bench
from bench.protocol import Content, Sample
from bench.protocols import ijb

IMAGES, PEOPLE, TEMPLATES, GALLERY, PAIRS, MATED = 469_375, 3_531, 23_124, 3_531, 15_658_489, 19_557
SIDE, DIMENSIONS, BAR = 8, 512, 6e9
NAME, SEED = "verification/ijb-c/1-1", 0


def write_lists(root: Path) -> None:
    """The lists of a made-up IJB-C; template t is of person t where enrolled, else of one drawn."""
    generator = np.random.default_rng(SEED)
    who = np.concatenate([np.arange(GALLERY), generator.integers(0, PEOPLE, TEMPLATES - GALLERY)])
    template = np.sort(np.concatenate([np.arange(TEMPLATES), generator.integers(0, TEMPLATES, IMAGES - TEMPLATES)]))
    names = pa.array([f"{i + 1}.jpg" for i in range(IMAGES)])
    media = np.where(generator.random(IMAGES) < 0.3, generator.integers(0, 100_000, IMAGES), template)
    points = {f"p{i}": np.round(generator.uniform(20, 200, IMAGES), 3) for i in range(10)}
    probes = generator.integers(GALLERY, TEMPLATES, PAIRS)
    mated = np.arange(PAIRS) < MATED
    enrolled = np.where(mated, who[probes], (who[probes] + generator.integers(1, PEOPLE, PAIRS)) % PEOPLE)
    order = generator.permutation(PAIRS)
    folder = root / "ijb-c" / "meta"
    folder.mkdir(parents=True)
    (root / "ijb-c" / "loose_crop").mkdir()
    write = partial(_write, folder)
    write("face_tid_mid.txt", {"name": names, "template": template + 1, "media": media})
    write("name_5pts_score.txt", {"name": names, **points, "score": np.round(generator.uniform(0.5, 1, IMAGES), 3)})
    write(
        "template_pair_label.txt", {"a": enrolled[order] + 1, "b": probes[order] + 1, "same": mated[order].astype(int)}
    )
    rows = {"G1": template < GALLERY // 2, "G2": (template >= GALLERY // 2) & (template < GALLERY)}
    rows["probe"] = template >= GALLERY
    for gallery, chosen in rows.items():
        of = "1N_probe_mixed.csv" if gallery == "probe" else f"1N_gallery_{gallery}.csv"
        columns = {"TEMPLATE_ID": template[chosen] + 1, "SUBJECT_ID": who[template[chosen]] + 1}
        write(of, {**columns, "FILENAME": names.filter(pa.array(chosen))}, ",", True)


def _write(folder: Path, name: str, columns: dict[str, Any], between: str = " ", header: bool = False) -> None:
    options = csv.WriteOptions(include_header=header, delimiter=between, quoting_style="none")
    csv.write_csv(pa.table(columns), folder / f"ijbc_{name}", options)


@dataclass(frozen=True, slots=True)
class Drawn(Sequence[Sample]):
    """Samples whose pixels are made when asked for."""

    who: Any
    rows: range

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return replace(self, rows=self.rows[at])
        row = self.rows[at]
        return Sample(f"{row:06d}", f"{row}", partial(self._face, row))

    def _face(self, row: int, key: str) -> bench.Face:
        person = np.random.default_rng([1, int(self.who[row])]).normal(0, 1, (SIDE, SIDE, 3))
        noise = np.random.default_rng([2, row]).normal(0, 2, (SIDE, SIDE, 3))
        return bench.Face(key, np.clip(128 + 24 * (0.6 * person + noise), 0, 255).astype(np.uint8))


def read(root: Path) -> Content:
    """The protocol as it reads its lists, its images listed and hashed, but drawn where they would be opened."""
    real = ijb.read_pairs(root, ijb.SETS[1], NAME)
    pools = real.truth.pools
    return replace(real, samples=Drawn(pools.subjects[pools.template], range(len(real.samples))))


def load(given: bench.Load) -> object:
    """A method that multiplies pixels by a fixed matrix, and fails on a hundredth of the images."""
    matrix = np.random.default_rng(3).normal(0, 1, (SIDE * SIDE * 3, DIMENSIONS)).astype(np.float32)

    class Product:
        def embed(self, faces: Sequence[bench.Face]) -> Any:
            pixels = np.stack([face.pixels.reshape(-1) for face in faces]).astype(np.float32)
            vectors = (pixels - 128) @ matrix
            vectors[pixels[:, 0] < 5] = np.nan
            return vectors

    return Product()


def run(root: str, out: str) -> None:
    """The run itself, printing what each stage took and what came out."""
    begun: dict[str, float] = {"start": time.perf_counter()}

    def progress(cell: str, stage: str, done: int, total: int) -> None:
        begun.setdefault(stage, time.perf_counter())

    card = bench.Method("product", frozenset({"verification"}), load, inputs=frozenset({"arcface-112"}), batch=256)
    protocol = replace(ijb.PROTOCOLS[3], read=read)
    (result,) = bench.run(protocol, card, data=root, out=out, progress=progress)
    stages = {**begun, "end": time.perf_counter()}
    names = list(stages)
    for stage, after in pairwise(names[1:]):
        print(f"  {stage:6} {stages[after] - stages[stage]:7.1f} s")
    print(f"  {result.samples:,} images, {result.failures:,} failed, {protocol.settings['replicates']} replicates")
    for score in result.scores:
        interval = "" if score.low is None else f" [{score.low:.4f}, {score.high:.4f}]"
        print(f"  {score.metric:28} {score.value:.4f}{interval}", flush=True)


def watched(command: list[str]) -> tuple[float, int]:
    """Seconds that a command took, and the most bytes (PSS, four looks a second) that it and its children held."""
    started, most = time.perf_counter(), 0
    process = subprocess.Popen(command)
    root = psutil.Process(process.pid)
    while process.poll() is None:
        held = 0
        for one in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                held += one.memory_full_info().pss
        most = max(most, held)
        time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started, most


def main() -> None:
    """Print how long each stage took, the scores, and the peak of memory against its bar."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_lists(root / "data")
        for name in range(IMAGES):
            (root / "data" / "ijb-c" / "loose_crop" / f"{name + 1}.jpg").touch()
        print(f"{IMAGES:,} images, {TEMPLATES:,} templates, {PAIRS:,} pairs", flush=True)
        seconds, most = watched([sys.executable, __file__, str(root / "data"), str(root / "runs")])
    print(f"{seconds:.0f} s, peak {most / 1e9:.2f} GB", end=" ")
    print(f"(bar {BAR / 1e9:.0f} GB: {'met' if most < BAR else 'MISSED'})")


if __name__ == "__main__":
    run(*sys.argv[1:]) if sys.argv[1:] else main()
