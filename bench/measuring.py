"""Inside a worker: the stages of encrypted matching timed around direct contract calls.

Keys and ciphertexts stay here; durations, counts and what failed are all that a call of ``measure`` gives back. Each
call makes a new key. Encrypting and matching run once before they are timed, and no timed call of them sees a vector
twice, so that nothing kept from an earlier one can help. A short stage is repeated to about 20 ms, those that only open
or write down what others made over the same inputs. Garbage is collected before a stage and not during it.
Sources: HEBench (stages, no caching), SUPERCOP and pyperf (warm-up, medians).
"""

from __future__ import annotations

import gc
import importlib
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import Matcher

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEASURE = "measure"
# Who encrypts and how: with the public key, a ciphertext a feature; the same, several features a ciphertext; the owner,
# with the secret key; with the public key and randomness that was made before.
DIVISIONS = ("public", "packed", "owner", "pool")
GALLERIES = ("plaintext", "encrypted")
SHORTEST, MOST_REPEATS = 0.02, 1024
LONGEST_ABOUT = 100
PRIME, ROOT = 1073479681, 7  # of the transform that stands for lattices
FLAGS = ("avx2", "avx512f", "avx512ifma", "asimd", "sve")


class Stages:
    """The stages of one call of ``measure``: what each took, how many bytes it made, what was wrong."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.taken: dict[str, tuple[float, float, int]] = {}
        self.failures: set[str] = set()

    def timed(
        self, stage: str, call: Callable[[Any], Any], inputs: Sequence[Any], scale: float = 1.0, again: bool = False
    ) -> list[Any]:
        """What ``call`` gives for each input; the mean CPU and wall seconds of a call, scaled, are kept.

        ``again``: the inputs are gone through until the shortest sample is full.
        """
        calls = len(inputs)
        gc.collect()
        gc.disable()
        try:
            cpu, wall = processor_seconds(self.matcher.processes()), time.perf_counter()
            outputs = [call(given) for given in inputs]
            while again and time.perf_counter() - wall < SHORTEST:
                for given in inputs:
                    call(given)
                calls += len(inputs)
            wall = time.perf_counter() - wall
            cpu = processor_seconds(self.matcher.processes()) - cpu
        finally:
            gc.enable()
        self.taken[stage] = (max(cpu, 0.0) * scale / calls, wall * scale / calls, 0)
        return outputs

    def sized(self, stage: str, size: int) -> None:
        """Note how many bytes a stage made."""
        self.taken[stage] = (*self.taken.get(stage, (0.0, 0.0))[:2], size)

    def added(self, stage: str, parts: Sequence[str]) -> None:
        """A stage that is others, one after the other."""
        cpu, wall = (sum(self.taken[part][column] for part in parts) for column in (0, 1))
        self.taken[stage] = (cpu, wall, 0)

    def check(self, right: bool, failure: str) -> None:
        """Note what is wrong, if it is."""
        if not right:
            self.failures.add(failure)


def measure(matcher: Matcher, work: Mapping[str, Any]) -> dict[str, Any]:
    """Run one session, a key, and return its stages as columns; ``offered`` is False where the method refuses it.

    ``work``: dimension, bits, division, gallery ("" for encryption alone), rows of the gallery, measured (rows that are
    enrolled; what grows with rows is scaled up where they are fewer), seed (list of int, of the vectors only).
    Columns, a row a stage: stage, seconds (CPU, all processes), wall, bytes. Beside them failures (texts), security,
    load (the system's, of the last minute), about (the method's words and the processor's flags that matter).
    """
    stages, gallery = Stages(matcher), work["gallery"]
    if not gallery:
        _calibrate(stages)
    try:
        try:
            stages.timed(
                "keygen", lambda bits: matcher.keygen(bits, work["division"], gallery or "plaintext"), [work["bits"]]
            )
        except NotImplementedError as error:
            return {"offered": False, "why": str(error)[:200]}
        stages.timed("precompute", matcher.precompute, [0])
        if gallery:
            _match(stages, work)
        else:
            _encrypt(stages, work)
        stages.sized("memory", memory(matcher.processes()))
        return {
            "offered": True,
            "stage": list(stages.taken),
            "seconds": [cpu for cpu, _, _ in stages.taken.values()],
            "wall": [wall for _, wall, _ in stages.taken.values()],
            "bytes": [size for _, _, size in stages.taken.values()],
            "failures": sorted(stages.failures),
            "security": int(matcher.security()),
            "load": os.getloadavg()[0],
            "about": told(matcher),
        }
    finally:
        matcher.close()


def _encrypt(stages: Stages, work: Mapping[str, Any]) -> None:
    """Stages of encryption alone, and the checks of ciphertexts."""
    matcher, pooled = stages.matcher, work["division"] == "pool"
    probes, _ = _vectors(work, 0)
    if pooled:
        matcher.precompute(2 * work["dimension"])
    began = time.perf_counter()
    first, second = matcher.encrypt(probes[0]), matcher.encrypt(probes[0])
    repeats = _repeats((time.perf_counter() - began) / 2)
    once, again = matcher.serialise(first), matcher.serialise(second)
    stages.check(once != again, "two encryptions of one vector are the same")
    stages.check(
        _same(matcher.decrypt(matcher.deserialise(again)), probes[0]), "what came back from bytes does not decrypt"
    )
    fresh = list(probes[1 : 1 + repeats])
    if pooled:
        stages.timed("pool", matcher.precompute, [repeats * work["dimension"]], 1 / repeats)
    made = stages.timed("encrypt", matcher.encrypt, fresh)
    stages.added("encrypt_total", ["pool", "encrypt"] if pooled else ["encrypt"])
    data = stages.timed("serialise", matcher.serialise, made, again=True)
    stages.sized("probe", max(map(len, data)))
    back = stages.timed("deserialise", matcher.deserialise, data, again=True)
    plain = stages.timed("decrypt", matcher.decrypt, made, again=True)
    stages.check(all(map(_same, plain, fresh)), "an encrypted vector does not decrypt to itself")
    stages.check([matcher.serialise(item) for item in back] == data, "bytes read and written again are others")
    stages.check(len({once, again, *data}) == 2 + len(data), "two encryptions are the same")


def _match(stages: Stages, work: Mapping[str, Any]) -> None:
    """Stages of matching against a gallery, and the checks of its scores."""
    matcher, gallery = stages.matcher, work["gallery"]
    tail, scale = f"@{gallery}={work['rows']}", work["rows"] / work["measured"]
    probes, rows = _vectors(work, work["measured"])
    stages.timed(f"enrol{tail}", matcher.enrol, [rows], scale)
    warm = matcher.encrypt(probes[0])
    began = time.perf_counter()
    scores = matcher.match(warm)
    repeats = _repeats(time.perf_counter() - began)
    found = matcher.decrypt(matcher.pack(scores))
    stages.check(_same(found, _expected(rows, probes[0], gallery)), "scores are not exact")
    fresh = list(probes[1 : 1 + repeats])
    made = stages.timed(f"encrypt{tail}", matcher.encrypt, fresh)
    matched = stages.timed(f"match{tail}", matcher.match, made, scale)
    packed = stages.timed(f"pack{tail}", matcher.pack, matched, scale, again=True)
    opened = stages.timed(f"open{tail}", matcher.decrypt, packed, scale, again=True)
    stages.added(f"search{tail}", [f"{part}{tail}" for part in ("encrypt", "match", "pack", "open")])
    expected = [_expected(rows, probe, gallery) for probe in fresh]
    stages.check(all(map(_same, opened, expected)), "scores are not exact")
    stages.sized(f"scores{tail}", round(len(matcher.serialise(packed[0])) * scale))
    if gallery == "encrypted":
        answers = stages.timed(f"answer{tail}", matcher.answer, made, scale)
        best = [row is not None and wanted[row] == min(wanted) for row, wanted in zip(answers, expected, strict=True)]
        stages.check(all(best), "the row answered is not the most alike")
    else:
        other = -1 - rows[:2]
        matcher.enrol(other)
        found = matcher.decrypt(matcher.pack(matcher.match(warm)))
        stages.check(_same(found, _expected(other, probes[0], gallery)), "scores are kept from an earlier call")


def _vectors(work: Mapping[str, Any], rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Probes, one a timed call and one before, and rows: int8, the same for the same seed."""
    import numpy as np

    generator = np.random.default_rng(work["seed"])
    drawn = generator.integers(-128, 128, (1 + MOST_REPEATS + rows, work["dimension"])).astype(np.int8)
    return drawn[: 1 + MOST_REPEATS], drawn[1 + MOST_REPEATS :]


def _expected(rows: NDArray[Any], probe: NDArray[Any], gallery: str) -> list[int]:
    import numpy as np

    wide, one = rows.astype(np.int64), probe.astype(np.int64)
    scores: list[int] = (wide @ one if gallery == "plaintext" else ((wide - one) ** 2).sum(axis=1)).tolist()
    return scores


def _same(found: Sequence[int], expected: Sequence[int]) -> bool:
    return [int(value) for value in found] == [int(value) for value in expected]


def _repeats(seconds: float) -> int:
    return min(MOST_REPEATS, max(1, math.ceil(SHORTEST / max(seconds, 1e-9))))


def processor_seconds(others: Sequence[int]) -> float:
    """CPU seconds of this process and of ``others`` so far, user and system, all threads; one that ended counts 0."""
    return time.process_time() + sum(map(_of_process, others))


def _of_process(process: int) -> float:
    # POSIX's clock_getcpuclockid, as Linux computes it: nanoseconds, where psutil has hundredths.
    if sys.platform == "linux":
        try:
            return time.clock_gettime(~process << 3 | 2)
        except OSError:
            return 0.0
    import psutil

    try:
        times = psutil.Process(process).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def memory(others: Sequence[int]) -> int:
    """Resident bytes of this process and of ``others`` now."""
    import psutil

    held = 0
    for process in (os.getpid(), *others):
        try:
            held += psutil.Process(process).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return held


def told(matcher: Matcher) -> str:
    """Which code ran, in the method's words, and the processor's flags that matter."""
    return f"{str(matcher.about())[:LONGEST_ABOUT]}; {_flags()}"


def _flags() -> str:
    """Vector instructions of this processor that kernels ask for, where the system tells."""
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    except OSError:
        flags = []
    return f"cpu {' '.join(flag for flag in FLAGS if flag in flags) or 'flags unknown'}"


def _power(powmod: Callable[[Any, Any, Any], Any], exponent: Any, modulus: Any, base: Any) -> Any:
    return powmod(base, exponent, modulus)


def transform(values: NDArray[Any]) -> NDArray[Any]:
    """The butterflies of a number-theoretic transform, uint64 [2^k] modulo a prime below 2^30: its work, no inverse."""
    half = len(values) // 2
    while half:
        pairs = values.reshape(-1, 2, half)
        low, high = pairs[:, 0], pairs[:, 1] * ROOT % PRIME
        values = pairs.copy()
        values[:, 0], values[:, 1] = (low + high) % PRIME, (low + PRIME - high) % PRIME
        half //= 2
    return values.reshape(-1)


def _calibrate(stages: Stages) -> None:
    """Kernels that say how fast the machine is now: powers of big integers, a transform as lattices have, a copy."""
    import numpy as np

    try:
        gmpy2: Any = importlib.import_module("gmpy2")
        mpz, powmod = gmpy2.mpz, gmpy2.powmod
    except ImportError:
        mpz, powmod = int, pow
    for bits in (2048, 3072):
        sizes = ((2 * bits, 7), (2 * bits - 1, 11), (bits, 13))
        modulus, base, exponent = (mpz((1 << size) - 3**part) for size, part in sizes)
        power = partial(_power, powmod, exponent, modulus)
        stages.timed(f"kernel.modexp_{bits}", power, [base, base - 2])
    stages.timed("kernel.ntt", transform, [np.arange(4096, dtype=np.uint64), np.ones(4096, np.uint64)], again=True)
    block = np.zeros(32 << 20, np.uint8)
    stages.timed("kernel.copy", np.copy, [block, block])
