"""Rates of 15.7 M and 100 M scores that lie in a file: seconds and memory, streamed and in memory, digits compared.

Each row is a process of its own. Pages of the mapped file, which the system can take back at any time, are not
counted. Needs a gigabyte of disk in the temporary folder and three of memory.

Run: python benchmarks/out_of_core.py [COMPARISONS …]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.metrics import METRICS, streamed
from bench.metrics.biometric import Comparisons

COMPARISONS, BLOCK, EVERY = (15_658_489, 100_000_000), 1 << 20, 800  # one mated in so many
METRIC_NAMES = [name for name in METRICS if name.partition("=")[0] in streamed.FAMILIES]
SHOWN = ("tar@far=1e-6", "tar@far=1e-4", "tar_nearest@far=1e-6", "eer")
MOST = 250e6  # bytes, as streamed.py says
ROC_MOST = 20_000_000  # scores, beyond which scikit-learn's curve needs too much memory to be run beside others


def write(folder: Path, count: int) -> None:
    """Scores in [-1, 1], float64, and which are mated, block by block."""
    with (folder / "score").open("wb") as scores, (folder / "mated").open("wb") as kinds:
        for start in range(0, count, BLOCK):
            size = min(BLOCK, count - start)
            mated = np.arange(start, start + size) % EVERY == 0
            score = np.random.default_rng(start).normal(np.where(mated, 0.55, 0.0), 0.1)
            scores.write(np.clip(score, -1, 1).tobytes())
            kinds.write(mated.tobytes())


def from_file(folder: Path) -> list[Any]:
    """Streamed over the mapped files."""
    score = np.memmap(folder / "score", np.float64, "r")
    mated = np.memmap(folder / "mated", bool, "r")

    def blocks() -> Iterator[tuple[Any, Any]]:
        for start in range(0, len(score), BLOCK):
            yield score[start : start + BLOCK], mated[start : start + BLOCK]

    return [estimate.value for estimate in streamed.estimates(blocks, [METRICS[name] for name in METRIC_NAMES])]


def in_memory(folder: Path) -> list[Any]:
    """Read and sorted whole."""
    comparisons = Comparisons(np.fromfile(folder / "score"), np.fromfile(folder / "mated", bool))
    return [METRICS[name].compute(comparisons).value for name in METRIC_NAMES]


def peer(folder: Path) -> list[Any]:
    """From scikit-learn's ROC curve with all points: those of TAR by its two rules that the curve gives exactly."""
    from sklearn.metrics import roc_curve

    mated, score = np.fromfile(folder / "mated", bool), np.fromfile(folder / "score")
    far, tar, _ = roc_curve(mated, score, drop_intermediate=False)
    found = []
    for name in METRIC_NAMES:
        family, _, rate = name.partition("=")
        if family == "tar@far":
            found.append(float(tar[far.searchsorted(float(rate), side="right") - 1]))
        elif family == "tar_nearest@far":
            found.append(float(tar[len(far) - 1 - np.argmin(np.abs(far[::-1] - float(rate)))]))
        else:
            found.append(None)
    return found


WAYS = {"streamed": from_file, "in memory": in_memory, "scikit-learn": peer}


def anonymous() -> int:
    """Bytes that the process holds and that no file stands for."""
    held = psutil.Process().memory_info()
    return int(held.rss - getattr(held, "shared", 0))


def measured(way: str, folder: str) -> None:
    """Print as JSON: seconds, the most bytes held above those of the start, and the values."""
    if way == "scikit-learn":
        import sklearn.metrics  # noqa: F401
    before = most = anonymous()
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    values = WAYS[way](Path(folder))
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    print(json.dumps([seconds, most - before, values]))


def main() -> None:
    """For each size a row a way, then what was to be met."""
    counts = [int(word) for word in sys.argv[1:]] or COMPARISONS
    print(f"load {os.getloadavg()[0]:.1f}; {len(METRIC_NAMES)} metrics: three ways to read TAR, FNMR, and EER")
    print(f"{'':24} {'seconds':>8} {'MB':>7}  " + "  ".join(SHOWN))
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), count)
            found = {}
            for way in WAYS:
                if way == "scikit-learn" and count > ROC_MOST:
                    continue
                command = [sys.executable, __file__, "--measure", way, folder]
                found[way] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
                seconds, held, values = found[way]
                shown = ["" if (v := values[METRIC_NAMES.index(n)]) is None else f"{v:.9f}" for n in SHOWN]
                row = "  ".join(f"{v:{len(n)}}" for v, n in zip(shown, SHOWN, strict=True))
                print(f"{count:11,} {way:12} {seconds:8.2f} {held / 1e6:7.0f}  {row}", flush=True)
        verdict(found)


def verdict(found: dict[str, Any]) -> None:
    """Whether memory stayed in its bound, and every value is that of the other ways to the last digit."""
    seconds, held, values = found["streamed"]
    print(f"  memory bar {MOST / 1e6:.0f} MB: {'met' if held < MOST else 'MISSED'}", end="")
    for way, (other, more, theirs) in found.items():
        if way != "streamed":
            equal = [a == b for a, b in zip(values, theirs, strict=True) if b is not None]
            digits = f"{sum(equal)} of {len(equal)} values the same"
            print(f"; {way}: {digits}, {other / seconds:.1f}x the time, {more / held:.1f}x the memory", end="")
    print()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measured(*sys.argv[2:4])
    else:
        main()
