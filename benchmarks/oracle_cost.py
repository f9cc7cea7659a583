"""Queries a second through the counting oracle: 32 targets at a time against one pair at a time, and its own cost.

An attack that computes nothing asks an oracle in front of mobilefacenet, or of a linear toy on 16x16 pictures, for
scores of ready images: one antithetic pair of one target a call, or of 32 targets. Beside it the bare network embeds as
many images in calls of the same size, in a worker of its own that holds them already. Rounds are interleaved, and the
fastest of each counts. Processor time is that of all processes, which other work on the machine moves less than the
clock.

Bars: with the network 1.2 times, with the toy 4 times as many queries a second of 32 targets; the oracle under 5 % of
the forward at that size of calls.

Run: FACEBENCH_MODELS=… python benchmarks/oracle_cost.py [ROUNDS [CALLS [THREADS]]]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import bench
from bench.counting import CountingOracle, Terms
from bench.method import Configured, Origin
from bench.plugins import discover
from bench.query_log import QueryLog
from bench.target import Target, best_batch
from bench.worker import Worker

SIDE, SMALL, MANY = 112, 16, 32
ROUNDS, CALLS, THREADS = 5, 4, 2


class Idle:
    """Asks for the same images again and again, a pair of every target a call."""

    def __init__(self, given: bench.Load) -> None:
        self.calls = given.options["calls"]

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        every = np.repeat(np.arange(oracle.targets), 2)
        images = np.random.default_rng(0).random((len(every), oracle.height, oracle.width, 3), np.float32)
        for _ in range(self.calls):
            oracle.similarity(images, every)
        yield images[::2]


class Held:
    """An embedder that embeds random images of its own, as many as it is asked: the forward and nothing else."""

    def __init__(self, inner: Any, side: int) -> None:
        self.inner, self.images = inner, np.random.default_rng(0).random((64, side, side, 3), np.float32) * 255

    def embed(self, faces: Sequence[Any]) -> Any:
        return self.inner.embed(faces)

    def forward(self, size: int, calls: int) -> int:
        faces = [bench.Face(str(i), image) for i, image in enumerate(self.images[:size])]
        for _ in range(calls):
            self.inner.embed(faces)
        return size * calls


def mobilefacenet(given: bench.Load) -> Any:
    from facebench_mobilefacenet import load

    return Held(load(given), SIDE)


class Sparse:
    """A linear map of every other pixel of small pictures: costs next to nothing, so calls are what is measured."""

    def __init__(self) -> None:
        self.map = np.random.default_rng(0).normal(size=(SMALL * SMALL // 4 * 3, 64)).astype(np.float32)

    def embed(self, faces: Sequence[Any]) -> Any:
        return np.stack([face.pixels[::2, ::2].reshape(-1) for face in faces]) @ self.map


def linear(given: bench.Load) -> Any:
    return Held(Sparse(), SMALL)


def opened(stack: ExitStack, load: Any, folder: Path, task: str, given: bench.Load) -> Worker:
    card = bench.Method("timed", frozenset({task}), load)
    worker = Worker(Configured.parse(card, "", Origin("script", "", "", "", "", "")), given, folder / "log")
    return stack.enter_context(worker)


def processor(*workers: Worker) -> float:
    processes = [psutil.Process(), *(psutil.Process(worker._process.pid) for worker in workers)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@dataclass
class Timed:
    """The least wall and processor seconds a query of the rounds so far."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def take(self, queries: int, call: Any, *workers: Worker) -> None:
        before, began = processor(*workers), time.perf_counter()
        call()
        self.wall = min(self.wall, (time.perf_counter() - began) / queries)
        self.cpu = min(self.cpu, (processor(*workers) - before) / queries)


def measure(load: Any, given: bench.Load, side: int, rounds: int, calls: int, folder: Path) -> None:
    with ExitStack() as stack:
        target = opened(stack, load, folder, "verification", given)
        pixels = np.random.default_rng(1).random((MANY, side, side, 3), np.float32) * 255
        templates = Target(target, np.zeros((1, 2), np.float32), 8, False).embeddings(pixels)
        sizes = {count: best_batch(target, pixels[0], 2 * count) for count in (1, MANY)}
        asked = {1: calls * MANY, MANY: calls}
        attackers = {
            count: opened(stack, Idle, folder, "inversion", bench.Load(options={"calls": asked[count]}))
            for count in sizes
        }
        timed = {"forward": Timed(), **{count: Timed() for count in sizes}}
        for number in range(rounds):
            for count, size in sizes.items():
                behind = Target(target, templates[:count], size, False)
                log = QueryLog(folder / f"{load.__name__}-{count}-{number}", 2048)
                oracle = CountingOracle(Terms("similarity", 1 << 40, False, side, side), behind, log, "idle")
                attacker = attackers[count]

                def attack(oracle: CountingOracle = oracle, attacker: Worker = attacker) -> None:
                    for images in attacker.invert(oracle.about(), oracle.answer):
                        oracle.show(images)

                timed[count].take(2 * count * asked[count], attack, target, attacker)
            size = sizes[MANY]
            loops = 2 * MANY * calls // size
            timed["forward"].take(size * loops, lambda s=size, n=loops: target.call("forward", s, n), target)
    one, many, bare = timed[1], timed[MANY], timed["forward"]
    print(f"{load.__name__}: calls of {sizes[1]} for one target, of {sizes[MANY]} for {MANY}")
    for name, found in (("one pair at a time", one), (f"{MANY} targets", many), ("bare forward", bare)):
        print(f"  {name:20} {1 / found.wall:9.1f} /s by the clock, {found.cpu * 1e3:7.3f} ms of processor a query")
    print(
        f"  {MANY} targets against one: {one.wall / many.wall:.2f} times by the clock, "
        f"{one.cpu / many.cpu:.2f} processor"
    )
    print(
        f"  oracle over the forward: {many.wall / bare.wall - 1:+.1%} by the clock, "
        f"{many.cpu / max(bare.cpu, 1e-9) - 1:+.1%} processor"
    )


def main() -> None:
    rounds, calls, threads = (
        int(a) if a else b for a, b in zip([*sys.argv[1:], "", "", ""][:3], (ROUNDS, CALLS, THREADS), strict=True)
    )
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        measure(linear, bench.Load(threads=threads), SMALL, rounds, 32 * calls, folder)
        models = os.environ.get("FACEBENCH_MODELS")
        if models is None:
            print("mobilefacenet: FACEBENCH_MODELS is not set")
            return
        weights = discover().methods["mobilefacenet"][0].weights
        assert weights is not None
        found = weights.find(Path(models), "mobilefacenet")
        given = bench.Load(weights=found, threads=threads, options={"flip": False})
        measure(mobilefacenet, given, SIDE, rounds, calls, folder)


if __name__ == "__main__":
    main()
