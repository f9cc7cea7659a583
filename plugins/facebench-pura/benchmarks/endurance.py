"""Many queries by one user against two servers: every answer checked, memory of all three processes watched.

Run: python benchmarks/endurance.py [BITS [QUERIES]]

BITS below 2048 is a test key, whose results are void. Half of the probes are near the one enrolled row of 128 features,
half are not.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from facebench_pura import keys
from facebench_pura.organisation import Organisation, Setup

FEATURES, THRESHOLD, LOOKS = 128, 1000, 10
ALLOWED = 1.05


def resident(process: int) -> float:
    """Mebibytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(bits: int = 512, queries: int = 10_000) -> None:
    """Print a line every tenth of the way, and whether memory was flat from the first tenth on."""
    generator = np.random.default_rng(0)
    row = generator.integers(-128, 128, FEATURES)
    held: list[list[float]] = []
    wrong, begun = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        private = keys.generate(bits, insecure=bits < 2048)
        with Organisation(private, Path(folder), Setup(THRESHOLD, window=8)) as organisation:
            organisation.enrol([row.tolist()])
            user = organisation.user()
            for turn in range(1, queries + 1):
                near = turn % 2 == 0
                probe: Sequence[int] = (
                    np.clip(row + generator.integers(-1, 2, FEATURES), -128, 127) if near else -1 - row
                ).tolist()
                wrong += user.identify(user.encrypt(probe)) != [0 if near else None]
                if turn % max(1, queries // LOOKS) == 0:
                    held.append([resident(process) for process in (os.getpid(), *organisation.processes)])
                    sizes = ", ".join(f"{size:.1f}" for size in held[-1])
                    print(f"{turn} queries, {time.monotonic() - begun:.0f} s, {wrong} wrong, MiB: {sizes}", flush=True)
            growth = max(last / first for first, last in zip(held[0], held[-1], strict=True))
            print(
                f"|N| = {bits}, security {organisation.security_bits} bits, kernel {user.encryptor.table.kernel}: "
                f"{queries} queries, {wrong} wrong answers, memory x{growth:.3f} from the first tenth to the last: "
                f"{'flat' if growth < ALLOWED else 'NOT flat'}"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
