"""Seconds until all is answered, worker included, against a bare loop of the same network on the same images.

Run: FACEBENCH_DATA=… FACEBENCH_MODELS=… python benchmarks/harness_cost.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BAR, BATCH, ROUNDS = 0.03, 32, 3
PROTOCOL = "verification/lfw/view2-arcface112"


def bare(threads: int, out: str) -> None:
    """What a script does: load the network, read the images that the pairs name, embed them batch by batch."""
    import facebench_mobilefacenet
    import numpy as np
    from PIL import Image

    import bench
    from bench.protocols.lfw import read_pairs

    data, models = Path(os.environ["FACEBENCH_DATA"]), Path(os.environ["FACEBENCH_MODELS"])
    names = sorted({name for row in read_pairs(data / "lfw" / "pairs.txt") for name in row[1:3]})
    weights = models / "mobilefacenet-112"
    loaded = facebench_mobilefacenet.load(bench.Load(weights=weights, threads=threads, options={"flip": True}))
    found = []
    for start in range(0, len(names), BATCH):
        faces = []
        for name in names[start : start + BATCH]:
            path = data / "lfw" / "aligned_112" / name.rpartition("_")[0] / name
            faces.append(bench.Face("", np.asarray(Image.open(path).convert("RGB"))))
        found.append(loaded.embed(faces))
    assert len(np.concatenate(found)) == len(names)


def harness(threads: int, out: str) -> None:
    """The run, stopped when it begins to score: a bare loop scores nothing."""
    import bench

    def progress(cell: str, stage: str, done: int, total: int) -> None:
        if stage == "score":
            sys.stdout.flush()
            os._exit(0)

    bench.run(PROTOCOL, "mobilefacenet", threads=threads, batch_size=BATCH, out=out, progress=progress)


def seconds(what: str, threads: int) -> float:
    """Wall seconds of one of the two, from the start of its interpreter."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        subprocess.run([sys.executable, __file__, what, str(threads), out], stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start


def main() -> None:
    """Run both in turn, first one and then the other first, and print the ratio of their medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    threads = len(os.sched_getaffinity(0))
    taken: dict[str, list[float]] = {"bare": [], "harness": []}
    for number in range(rounds):
        for what in list(taken)[:: 1 if number % 2 else -1]:
            taken[what].append(seconds(what, threads))
        print(f"round {number + 1}: " + ", ".join(f"{what} {s[-1]:.1f} s" for what, s in taken.items()), flush=True)
    cost = statistics.median(taken["harness"]) / statistics.median(taken["bare"]) - 1
    print(f"cost of the harness until all is answered, worker and fingerprint included: {cost:+.1%}", end=" ")
    print(f"(bar {BAR:.0%}: {'met' if cost < BAR else 'MISSED'})")


if __name__ == "__main__":
    if sys.argv[1:2] in (["bare"], ["harness"]):
        {"bare": bare, "harness": harness}[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
    else:
        main()
