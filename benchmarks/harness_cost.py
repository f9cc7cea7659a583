"""Seconds of a run with its worker against a bare loop of the same network on the same images, both from a cold start.

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


def bare(threads: int) -> None:
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


def seconds(command: list[str]) -> float:
    """Wall seconds of a command."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Run both in turn and print the ratio of their medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    threads = len(os.sched_getaffinity(0))
    words = ["run", PROTOCOL, "--method", "mobilefacenet", "--threads", str(threads), "--batch-size", str(BATCH)]
    ours, theirs = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            theirs.append(seconds([sys.executable, __file__, "bare", str(threads)]))
            ours.append(seconds([sys.executable, "-m", "bench", *words, "--out", out]))
        print(f"round {number + 1}: bare loop {theirs[-1]:.1f} s, facebench {ours[-1]:.1f} s", flush=True)
    cost = statistics.median(ours) / statistics.median(theirs) - 1
    print(f"cost of the harness, fingerprint, scores and intervals included: {cost:+.1%}", end=" ")
    print(f"(bar {BAR:.0%}: {'met' if cost < BAR else 'MISSED'})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare(int(sys.argv[2]))
    else:
        main()
