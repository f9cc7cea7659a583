"""Encryption and matching against python-paillier (phe) on gmpy2, in one run, on one core, with the bars to reach.

Run: python benchmarks/speed.py [ROUNDS [BITS …]]

Rounds are interleaved and shuffled, the first one is dropped. Times are CPU seconds of this process (the machine may be
shared), medians over rounds, wall medians beside them; IQR is over the median. phe encrypts 32 of 512 features and
matches 1 of 1,000 rows a round; its rows are extrapolated from those. Every output is decrypted and compared first.
"""

from __future__ import annotations

import gc
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import gmpy2
import numpy as np
import phe
from facebench_pura import kernel, keys, packing, paillier, shares, templates
from facebench_pura.gallery import PlainGallery, multiproduct, score_bits
from facebench_pura.helping import Helper
from facebench_pura.paillier import Encryptor, OwnerEncryptor
from facebench_pura.starting import Starter
from facebench_pura.templates import Layout
from phe import paillier as peer
from phe import util

FEATURES, ROWS, PEER_FEATURES, SMULS = 512, 1000, 32, 8
# Calls of about a millisecond are timed by eight.
SHORT = 8
# What a row must reach over phe at 2048 and at 3072 bits.
BARS = {
    "encrypt, public key, portable": {2048: 35, 3072: 50},
    "encrypt, public key, native": {2048: 130, 3072: 200},
    "encrypt, public key packed, portable": {2048: 2500},
    "encrypt, public key packed, native": {2048: 8000},
    "encrypt, key owner, portable": {2048: 65, 3072: 110},
    "search 1,000 rows, portable": {2048: 3.5},
    "search 1,000 rows, native": {2048: 40},
    "distance, packed, portable": {2048: 8},
}
Cell = tuple[Callable[[], Any], float]


def rounds(cells: dict[str, Cell], count: int) -> dict[str, tuple[list[float], list[float]]]:
    """CPU and wall seconds of each cell's call, scaled, a figure a round."""
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in cells}
    for turn in range(count + 1):
        for name in random.sample(list(cells), len(cells)):
            call, scale = cells[name]
            gc.collect()
            gc.disable()
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            gc.enable()
            if turn:
                taken[name][0].append(cpu * scale)
                taken[name][1].append(wall * scale)
    return taken


def report(title: str, bits: int, taken: dict[str, Any], base: str) -> None:
    """A line a cell: median, IQR, wall median, ratio to ``base``, bar."""
    print(f"\n## {title}, |N| = {bits}")
    reference = statistics.median(taken[base][0])
    for name, (cpu, wall) in taken.items():
        median, (low, _, high) = statistics.median(cpu), statistics.quantiles(cpu, n=4)
        bar = BARS.get(name, {}).get(bits)
        verdict = "" if bar is None else f"  bar x{bar:g}: {'met' if reference / median >= bar else 'MISSED'}"
        print(
            f"{name:44s} {median * 1e3:12.3f} ms  IQR {(high - low) / median * 100:4.1f} %  "
            f"wall {statistics.median(wall) * 1e3:12.3f} ms  x{reference / median:10.2f}{verdict}",
            flush=True,
        )


def encryption(bits: int, count: int, private: keys.PrivateKey, features: list[int]) -> None:
    """512 features, by every division and kernel, over phe."""
    public, theirs = private.public, peer.generate_paillier_keypair(n_length=bits)[0]
    slot = score_bits(FEATURES)
    per = packing.capacity(bits, slot)
    cells: dict[str, Cell] = {
        "phe": (lambda: [theirs.encrypt(x) for x in features[:PEER_FEATURES]], FEATURES / PEER_FEATURES)
    }
    for path in paths():
        encryptor, owner = Encryptor(public, kernel=path), OwnerEncryptor(private, kernel=path)
        for made in (encryptor, owner):
            assert paillier.decrypt(private, made.encrypt(features)) == features
        packed = paillier.decrypt(private, encryptor.encrypt(packing.packs(features, slot, per)))
        assert packing.unpack(packed[0], slot, per) == features[:per]

        def in_packs(encryptor: Any = encryptor) -> list[Any]:
            return encryptor.encrypt(packing.packs(features, slot, per))

        cells[f"encrypt, public key, {path}"] = (lambda e=encryptor: e.encrypt(features), 1)
        cells[f"encrypt, public key packed, {path}"] = (lambda f=in_packs: [f() for _ in range(SHORT)], 1 / SHORT)
        cells[f"encrypt, key owner, {path}"] = (lambda e=owner: e.encrypt(features), 1)
        cells[f"pool made before, {path}"] = (lambda e=encryptor: e.randomness(FEATURES), 1)
    pools = [encryptor.randomness(FEATURES) for _ in range(SHORT * (count + 1))]
    cells["encrypt, from a pool (its cost is above)"] = (
        lambda: [pools.pop().encrypt(features) for _ in range(SHORT)],
        1 / SHORT,
    )
    report("512 features", bits, rounds(cells, count), "phe")


def search(bits: int, count: int, private: keys.PrivateKey, features: list[int]) -> None:
    """An encrypted probe against 1,000 plaintext rows: encrypt, tables, match, pack, decrypt."""
    public, (theirs, secret) = private.public, peer.generate_paillier_keypair(n_length=bits)
    rows = np.random.default_rng(1).integers(-128, 128, (ROWS, FEATURES)).astype(np.int8)
    expected = (rows.astype(int) @ np.array(features)).tolist()
    encrypted, weights = [theirs.encrypt(x) for x in features], rows[0].tolist()
    score = sum(c * w for c, w in zip(encrypted, weights, strict=True))
    assert secret.decrypt(score) == expected[0]
    parts: dict[str, Cell] = {
        "phe encrypt": (lambda: [theirs.encrypt(x) for x in features[:PEER_FEATURES]], FEATURES / PEER_FEATURES),
        "phe match": (lambda: sum(c * w for c, w in zip(encrypted, weights, strict=True)), ROWS),
        "phe decrypt": (lambda: secret.decrypt(score), ROWS),
    }
    for path in paths():
        encryptor, gallery = Encryptor(public, kernel=path), PlainGallery(rows, public, path)
        probe = encryptor.encrypt(features)
        scores = gallery.match(probe)
        packs = gallery.packed(scores)

        def whole(encryptor: Any = encryptor, gallery: Any = gallery) -> list[int]:
            return opened(private, gallery, gallery.packed(gallery.match(encryptor.encrypt(features))))

        assert whole() == expected
        parts |= {
            f"search 1,000 rows, {path}": (whole, 1),
            f"  tables, {path}": (lambda p=probe, g=gallery, k=path: multiproduct(p, public, g.group, k), 1),
            f"  tables and match, {path}": (lambda p=probe, g=gallery: g.match(p), 1),
            f"  pack, {path}": (lambda s=scores, g=gallery: g.packed(s), 1),
            f"  decrypt, {path}": (
                lambda p=packs, g=gallery: [opened(private, g, p) for _ in range(SHORT)],
                1 / SHORT,
            ),
        }
    taken = rounds(parts, count)
    stages = [taken[f"phe {stage}"] for stage in ("encrypt", "match", "decrypt")]
    whole_of_phe = tuple([sum(step) for step in zip(*times, strict=True)] for times in zip(*stages, strict=True))
    report("1,000 rows of 512", bits, {"phe": whole_of_phe, **taken}, "phe")


def opened(private: keys.PrivateKey, gallery: PlainGallery, packs: Sequence[Any]) -> list[int]:
    """All scores of their packs, decrypted by the gallery's kernel."""
    per, left, found = packing.capacity(private.public.bits, gallery.slot), gallery.rows, []
    for plain in paillier.decrypt(private, packs, gallery.kernel):
        found += packing.unpack(plain, gallery.slot, min(per, left))
        left -= per
    return found


def distance(bits: int, count: int, private: keys.PrivateKey, features: list[int]) -> None:
    """A squared distance by two servers, both in this process, 128-bit masks: packed against one SMUL a feature."""
    public, row = private.public, [-1 - x for x in features]
    layout = Layout.of(public, FEATURES)
    cells: dict[str, Cell] = {}
    for way, path in [(way, path) for path in paths() for way in shares.SPLITS]:
        first, second = shares.split(private, way)
        encryptor = Encryptor(public, 8, path)
        starter = Starter(first, encryptor, Helper(second, encryptor).answer)
        probe = templates.probe(encryptor, features, layout)
        enrolled = templates.row(encryptor, row, layout)
        (found,) = starter.squared_distances(probe, [enrolled], layout)
        expected = sum((x - y) ** 2 for x, y in zip(features, row, strict=True))
        assert paillier.decrypt(private, [found]) == [expected]
        some, other = probe.features[:SMULS], enrolled.features[:SMULS]
        name = f", {path}" + ("" if way == "default" else f", {way} split (insecure)")
        cells |= {
            f"distance, one SMUL a feature{name}": (
                lambda s=starter, x=some, y=other: s.multiply(x, y, templates.DIFFERENCE_BITS),
                FEATURES / SMULS,
            ),
            f"distance, packed{name}": (
                lambda s=starter, p=probe, e=enrolled: s.squared_distances(p, [e], layout),
                1,
            ),
            f"one SCMP{name}": (lambda s=starter, x=some, y=other: s.less(x, y, 26), 1 / SMULS),
        }
    report("two servers, one row of 512", bits, rounds(cells, count), "distance, one SMUL a feature, portable")


def paths() -> list[str]:
    """The kernels that run here."""
    return ["portable", "native"] if kernel.native() else ["portable"]


def main(count: int = 7, *sizes: int) -> None:
    """Encryption at each size, search and distance at those that have a bar."""
    if not util.HAVE_GMP:
        raise SystemExit("phe does not use gmpy2 here: its figures would be no reference. pip install gmpy2")
    features = np.random.default_rng(0).integers(-128, 128, FEATURES).tolist()
    print(
        f"python {platform.python_version()}, gmpy2 {gmpy2.version()}, {gmpy2.mp_version()}, phe {phe.__version__} on "
        f"gmpy2: {util.HAVE_GMP}, kernels: {', '.join(paths())}, load {os.getloadavg()[0]:.1f}"
    )
    for bits in sizes or (2048, 3072):
        private = keys.generate(bits)
        print(f"\nsecurity bits read from the key: {keys.security_bits(private.public)}")
        encryption(bits, count, private, features)
        if bits in BARS["distance, packed, portable"]:
            search(bits, count, private, features)
            distance(bits, count, private, features)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
