"""Attacks for tests: one that knows every picture, one that guesses, one that climbs, one that spies, and bad ones."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bench

SIDE = 112


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    return [
        *(
            bench.Method(
                name=name,
                tasks=frozenset({"inversion"}),
                load=kind,
                inputs=frozenset({"arcface-112"}),
                licence="Apache-2.0",
                about="for tests",
                floor=True,
                trained_on=("LFW (all of it)",) if name == "dictionary" else (),
            )
            for name, kind in ATTACKS.items()
        ),
        *(
            bench.Method(
                name=name,
                tasks=frozenset({"protection"}),
                load=kind,
                inputs=frozenset({"embedding"}),
                licence="Apache-2.0",
                about="for tests",
                floor=True,
            )
            for name, kind in PROTECTIONS.items()
        ),
        bench.Method(
            name="toy-gradient",
            tasks=frozenset({"verification"}),
            load=Linear,
            inputs=frozenset({"arcface-112"}),
            licence="Apache-2.0",
            about="for tests",
            floor=True,
            batch=8,
        ),
    ]


class Linear:
    """A linear map of the means of 16x16 blocks: an Embedder, and Differentiable."""

    def __init__(self, given: bench.Load) -> None:
        self.map = np.random.default_rng(5).normal(size=(147, 24)).astype(np.float32)

    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return np.stack([self.means(face.pixels.astype(np.float32) / 255) for face in faces]) @ self.map

    def means(self, image: Any) -> Any:
        return image.reshape(7, 16, 7, 16, 3).mean(axis=(1, 3)).reshape(-1)

    def gradient(self, images: Any, direction: Any) -> tuple[Any, Any]:
        embeddings = np.stack([self.means(image) for image in images]) @ self.map
        slopes = (direction @ self.map.T).reshape(-1, 7, 1, 7, 1, 3) / np.float32(256)
        spread = np.broadcast_to(slopes, (len(images), 7, 16, 7, 16, 3)).reshape(images.shape)
        return embeddings, np.ascontiguousarray(spread, np.float32)


class Attack:
    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def generators(self, oracle: bench.Oracle) -> list[np.random.Generator]:
        return [np.random.Generator(np.random.PCG64([self.given.seed, i])) for i in range(oracle.targets)]


class Guesses(Attack):
    """An image a query, drawn; shows the best of every three."""

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        generators, every = self.generators(oracle), np.arange(oracle.targets)
        best, shown = np.full(oracle.targets, -np.inf), np.zeros((oracle.targets, SIDE, SIDE, 3), np.float32)
        while True:
            images = np.stack([blocks(generator) for generator in generators])
            scores = oracle.similarity(images, every)
            better = scores > best
            best, shown = np.where(better, scores, best), np.where(better[:, None, None, None], images, shown)
            yield shown


def blocks(generator: np.random.Generator) -> Any:
    coarse = generator.normal(0.5, 0.3, (7, 7, 3)).astype(np.float32)
    return np.repeat(np.repeat(coarse, SIDE // 7, axis=0), SIDE // 7, axis=1)


class Blind(Attack):
    """One random image for all, and never a second query."""

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        images = np.stack([blocks(generator) for generator in self.generators(oracle)])
        oracle.similarity(images, np.arange(oracle.targets))
        yield images


class Dark(Attack):
    """A black image for all."""

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        images = np.zeros((oracle.targets, SIDE, SIDE, 3), np.float32)
        oracle.similarity(images, np.arange(oracle.targets))
        yield images


class Dictionary(Attack):
    """Queries every picture of a folder, and keeps the most alike."""

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        files = sorted(Path(os.environ["TOY_PICTURES"]).rglob("*.jpg"))
        pictures = [np.asarray(Image.open(file), np.float32) / 255 for file in files]
        every, kept = np.arange(oracle.targets), np.zeros((oracle.targets, SIDE, SIDE, 3), np.float32)
        best = np.full(oracle.targets, -np.inf)
        for picture in pictures:
            scores = oracle.similarity(np.repeat(picture[None], oracle.targets, axis=0), every)
            kept[scores > best] = picture
            best = np.maximum(best, scores)
        yield kept


class Climbs(Attack):
    """Antithetic steps, a target each its own noise; its process dies at a query that the environment names."""

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        generators, every = self.generators(oracle), np.repeat(np.arange(oracle.targets), 2)
        images, dies = np.full((oracle.targets, SIDE, SIDE, 3), 0.5, np.float32), int(os.environ.get("TOY_DIES", 0))
        for step in range(1000):
            noise = np.stack([blocks(generator) - 0.5 for generator in generators])
            pairs = np.stack([images + noise, images - noise], axis=1).reshape(-1, SIDE, SIDE, 3)
            if dies and step == dies:
                os._exit(3)
            scores = oracle.similarity(pairs, every).reshape(-1, 2)
            images = (
                images + (np.sign(scores[:, 0] - scores[:, 1]) * 0.2).astype(np.float32)[:, None, None, None] * noise
            )
            if step % 3 == 0:
                yield images


class Unrepeatable(Climbs):
    def generators(self, oracle: bench.Oracle) -> list[np.random.Generator]:
        return [np.random.default_rng() for _ in range(oracle.targets)]


class Spies(Attack):
    """Looks through its own process for what the test names, and writes what it found."""

    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        images = np.full((oracle.targets, SIDE, SIDE, 3), 0.5, np.float32)
        for _ in range(3):
            oracle.similarity(images, np.arange(oracle.targets))
            yield images
        words = [
            *sys.argv,
            *(f"{key}={value}" for key, value in os.environ.items()),
            repr(vars(oracle)),
            repr(self.given),
        ]
        report = {"words": words, "in memory": sorted(found_in_memory(Path(os.environ["TOY_LOOK_FOR"])))}
        Path(os.environ["TOY_REPORT"]).write_text(json.dumps(report))


def found_in_memory(listed: Path) -> set[str]:
    """Names of the patterns that are in this process's memory; they are listed, and looked for, turned over."""
    patterns = {name: bytes.fromhex(turned) for name, turned in json.loads(listed.read_text()).items()}
    found = set()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.readlines():
            start, end = (int(edge, 16) for edge in line.split()[0].split("-"))
            if "rw" not in line.split()[1] or "[v" in line:
                continue
            for place in range(start, end, 1 << 24):
                try:
                    memory.seek(place)
                    chunk = memory.read(min(end - place, (1 << 24) + 4096))
                except (OSError, ValueError):
                    continue
                turned = (~np.frombuffer(chunk, np.uint8)).tobytes()
                found |= {name for name, pattern in patterns.items() if pattern in turned}
    return found


class ShowsNan(Attack):
    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        yield np.full((oracle.targets, SIDE, SIDE, 3), np.nan, np.float32)


class Raises(Attack):
    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        raise ValueError(f"it needs more than {oracle.access}")


class WantsMore(Attack):
    def invert(self, oracle: bench.Oracle) -> Iterator[Any]:
        yield oracle.gradient(np.zeros((1, SIDE, SIDE, 3)), [0])[1]


ATTACKS: dict[str, Callable[[bench.Load], Any]] = {
    "guesses": Guesses,
    "blind": Blind,
    "dark": Dark,
    "dictionary": Dictionary,
    "climbs": Climbs,
    "unrepeatable-climbs": Unrepeatable,
    "spies": Spies,
    "shows-nan": ShowsNan,
    "raises": Raises,
    "wants-more": WantsMore,
}


class Strict:
    """Keeps signs, tells decisions, and ten of them."""

    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def protect(self, embeddings: Any) -> Any:
        return np.sign(embeddings).astype(np.float32)

    def tell(self, scores: Any, threshold: float) -> Any:
        return (scores > threshold).astype(np.float64)

    def most_queries(self) -> int:
        return 10


class TellsNan(Strict):
    def tell(self, scores: Any, threshold: float) -> Any:
        return scores * np.nan


PROTECTIONS: dict[str, Callable[[bench.Load], Any]] = {"strict": Strict, "tells-nan": TellsNan}
