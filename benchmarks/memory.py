"""Peak memory of a run, harness and worker together, over a growing number of samples.

Run: python benchmarks/memory.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from lfw_layout import write_data_set

SIDE, COUNTS, BAR = 250, (600, 2400, 9600), 0.02


def peak(command: list[str], folder: str) -> int:
    """The most bytes that a command and its children held at one time, looked at every 10 ms."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    root, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        held = 0
        for one in (root, *_children(root)):
            try:
                held += one.memory_full_info().pss
            except psutil.Error:
                continue
        most = max(most, held)
        time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return most


def _children(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return []


def main() -> None:
    """Print a row a size, and what the largest needs over the smallest."""
    found = {}
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            write_data_set(Path(folder) / "data", pairs=count, side=SIDE)
            words = ["run", "verification/lfw/view2", "--method", "constant", "--data", "data"]
            found[count] = peak([sys.executable, "-m", "bench", *words], folder)
        pixels = count * SIDE * SIDE * 3
        print(f"{count:6,} samples: {found[count] / 1e6:6.0f} MB   (their pixels: {pixels / 1e6:6,.0f} MB)")
    growth = (found[COUNTS[-1]] - found[COUNTS[0]]) / (COUNTS[-1] - COUNTS[0])
    share = growth / (SIDE * SIDE * 3)
    print(f"{COUNTS[-1] / COUNTS[0]:.0f}x the samples, {found[COUNTS[-1]] / found[COUNTS[0]]:.2f}x the memory")
    print(
        f"a sample adds {growth / 1e3:.1f} kB (its name, place, answer and score), {share:.1%} of its pixels", end=" "
    )
    print(f"(bar {BAR:.0%}: {'met' if share < BAR else 'MISSED'})")


if __name__ == "__main__":
    main()
