"""Seconds of 'facebench list' from a cold start and of repeating a finished run, beside a bare interpreter.

Run: python benchmarks/start.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lfw_layout import write_data_set

LIST_BAR, REPEAT_BAR, TIMES = 0.5, 2.0, 15
FACEBENCH = [sys.executable, "-m", "bench"]


def seconds(command: list[str], folder: str, times: int = TIMES) -> list[float]:
    """Wall seconds of a command, started anew each time."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, env={**os.environ}, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    """Print the medians, with the least and the most."""
    with tempfile.TemporaryDirectory() as folder:
        write_data_set(Path(folder) / "data", pairs=6000)
        run = [*FACEBENCH, "run", "verification/lfw/view2-arcface112", "--method", "random", "--data", "data"]
        first = seconds(run, folder, 1)[0]
        rows = {
            "python -c pass": (seconds([sys.executable, "-c", "pass"], folder), None),
            "python -c 'import numpy'": (seconds([sys.executable, "-c", "import numpy"], folder), None),
            "facebench list": (seconds([*FACEBENCH, "list"], folder), LIST_BAR),
            "facebench run, finished": (seconds(run, folder), REPEAT_BAR),
        }
    print(f"{'':26} {'median':>7} {'least':>7} {'most':>7}")
    for name, (taken, bar) in rows.items():
        median = statistics.median(taken)
        verdict = "" if bar is None else f"  bar {bar} s: {'met' if median < bar else 'MISSED'}"
        print(f"{name:26} {median:7.3f} {min(taken):7.3f} {max(taken):7.3f}{verdict}")
    print(f"the run itself, 6,000 pairs of synthetic pictures: {first:.1f} s")


if __name__ == "__main__":
    main()
