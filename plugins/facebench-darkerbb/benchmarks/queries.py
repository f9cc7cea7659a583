"""Queries a second of DarkerBB against 32 targets at once, against one antithetic pair at a time of one target.

Attack and target each in its own worker, the counting oracle and its log between them, as in a run; templates are
random, since speed does not depend on them. Two targets: mobilefacenet, where the network's time is most of it, and a
linear embedder of 192 pixels, where calls are. What the oracle adds to the network is given in two ways: a question's
seconds on the clock, worker and pipe included, over those of the same images embedded in a bare loop, less one; and
the harness's processor time for a question over that of the bare loop. The clock is of use on an idle machine only.

Rounds alternate between the two and the median of their ratios is printed. Run, with the shared prior and the weights:
FACEBENCH_MODELS=... python plugins/facebench-darkerbb/benchmarks/queries.py [ROUNDS [STEPS]]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TARGETS, ROUNDS, STEPS, SIDE = 32, 5, 6, 112
TOY_NAME = "linear-toy"
BARS = {"mobilefacenet:flip=off": 1.2, TOY_NAME: 4.0}
TOY = """
import bench

class Linear:
    def __init__(self):
        import numpy as np
        self.map = np.random.default_rng(0).standard_normal((192, 128)).astype("float32")

    def embed(self, faces):
        import numpy as np
        few = np.stack([face.pixels[::14, ::14] for face in faces]).reshape(len(faces), -1)
        return few.astype("float32") @ self.map

@bench.hookimpl
def facebench_methods():
    return [bench.Method("linear-toy", {"verification"}, lambda given: Linear(), inputs={"arcface-112"})]
"""
MANIFEST = (
    '[project]\nname = "linear-toy"\nversion = "1"\n[project.entry-points.facebench]\nlinear-toy = "linear_toy"\n'
)


def plug_in(folder: Path) -> None:
    """Make the linear embedder a method."""
    (folder / "linear_toy.py").write_text(TOY, "utf-8")
    (folder / "pyproject.toml").write_text(MANIFEST, "utf-8")
    os.environ["FACEBENCH_PLUGINS"] = str(folder)


class Bench:
    """One target's worker, the attack, and how fast the two are together."""

    def __init__(self, name: str, models: Path, place: Path) -> None:
        from bench.method import Load
        from bench.plugins import discover
        from bench.worker import Worker

        self.place, self.models, self.runs = place, models, 0
        self.attack, configured = discover().method("darkerbb:restarts=0"), discover().method(name)
        weights = configured.method.weights
        self.load = Load(weights and weights.find(models, name), options=configured.options, inputs="arcface-112")
        self.worker = Worker(configured, self.load, place / "target.log")
        self.loaded = configured.method.load(self.load)

    def batch(self, targets: int) -> int:
        """The size of calls that the harness takes for so many targets."""
        import numpy as np

        from bench.target import best_batch

        return best_batch(self.worker, np.full((SIDE, SIDE, 3), 128, np.float32), 2 * targets)

    def oracle(self, targets: int, batch: int) -> Any:
        """A counting oracle with an empty log."""
        import numpy as np

        from bench.counting import CountingOracle, Terms
        from bench.query_log import QueryLog
        from bench.target import Target

        self.runs += 1
        templates = np.random.default_rng(1).standard_normal((targets, 128)).astype(np.float32)
        terms = Terms("similarity", 10**6, False, SIDE, SIDE)
        log = QueryLog(self.place / f"queries-{self.runs}", 2048)
        return CountingOracle(terms, Target(self.worker, templates, batch, False), log, "darkerbb")

    def rate(self, targets: int, steps: int, batch: int) -> float:
        """Queries a second from the third step on."""
        from bench.method import Load
        from bench.worker import Worker

        oracle, times = self.oracle(targets, batch), []
        weights = self.attack.method.weights
        assert weights is not None
        given = Load(weights.find(self.models, "darkerbb"), options=self.attack.options, inputs="arcface-112")

        def answer(question: Any) -> Any:
            times.append(time.perf_counter())
            return oracle.answer(question) if len(times) < steps + 3 else None

        attack = Worker(self.attack, given, self.place / "attack.log")
        try:
            for images in attack.invert(oracle.about(), answer):
                oracle.show(images)
        finally:
            attack.close()
        return steps * 2 * targets / (times[-1] - times[2])

    def added(self, steps: int, batch: int) -> tuple[float, float]:
        """What the oracle adds to the embedder at its batch, as a part of it: by the clock, by the processor."""
        import numpy as np

        import bench

        count = 2 * TARGETS
        images = np.random.default_rng(2).random((count, SIDE, SIDE, 3), np.float32)
        faces = [bench.Face(str(i), image * np.float32(255)) for i, image in enumerate(images)]
        question = {"call": "similarity", "images": images, "targets": np.tile(np.arange(TARGETS), 2)}
        oracle, clock, processor = self.oracle(TARGETS, batch), [], []
        for step in range(steps + 1):
            began = time.perf_counter(), time.process_time()
            oracle.answer(question)
            between = time.perf_counter(), time.process_time()
            for start in range(0, count, batch):
                self.loaded.embed(faces[start : start + batch])
            if step:
                clock.append((between[0] - began[0]) / (time.perf_counter() - between[0]))
                processor.append((between[1] - began[1]) / (time.process_time() - between[1]))
        return statistics.median(clock) - 1, statistics.median(processor)


def measure(name: str, bar: float, models: Path, rounds: int, steps: int) -> bool:
    """Print one target's line; whether the bar is reached."""
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(name, models, Path(place))
        many, one = bench.batch(TARGETS), bench.batch(1)
        rates = [(bench.rate(TARGETS, steps, many), bench.rate(1, 8 * steps, one)) for _ in range(rounds)]
        clock, processor = bench.added(3 * rounds, many)
        bench.worker.close()
    ratio = statistics.median(fast / slow for fast, slow in rates)
    fast, slow = (statistics.median(each) for each in zip(*rates, strict=True))
    print(
        f"{name}: {fast:.0f} queries/s over {TARGETS} targets in calls of {many}, {slow:.0f} a pair at a time in calls "
        f"of {one}: {ratio:.2f} times (bar {bar})"
    )
    if name != TOY_NAME:  # beside an embedder that costs next to nothing all is the oracle
        print(f"{name}: the oracle adds {clock:.1%} by the clock, {processor:.1%} by the processor")
    return ratio >= bar


def main() -> int:
    """0 where both bars are reached."""
    rounds, steps = (int(given) for given in (*sys.argv[1:], *(ROUNDS, STEPS)[len(sys.argv) - 1 :]))
    models = Path(os.environ["FACEBENCH_MODELS"])
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # as workers have it
    with tempfile.TemporaryDirectory() as folder:
        plug_in(Path(folder))
        reached = [measure(name, bar, models, rounds, steps) for name, bar in BARS.items()]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
