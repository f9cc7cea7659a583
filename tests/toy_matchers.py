"""Matchers for tests: one that is exact and claims to be secure, and one for every check that it can fail."""

from __future__ import annotations

import secrets
import sys
from typing import Any

import cloudpickle
import numpy as np

import bench

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # they go to the worker by value


class Toy:
    """Adds a random pad and sends it along: exact, and no encryption at all."""

    claimed = 0

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        self.gallery, self.rows = gallery, None

    def precompute(self, pooled: int) -> None:
        pass

    def enrol(self, rows: Any) -> None:
        self.rows = rows.astype(int)

    def encrypt(self, probe: Any) -> Any:
        return self.padded(probe.astype(int).tolist())

    def padded(self, values: list[int]) -> Any:
        return [(value + (pad := secrets.randbits(32)), pad) for value in values]

    def match(self, probe: Any) -> Any:
        vector = np.array(self.decrypt(probe))
        scores = self.rows @ vector if self.gallery == "plaintext" else ((self.rows - vector) ** 2).sum(axis=1)
        return self.padded(scores.tolist())

    def pack(self, scores: Any) -> Any:
        return scores

    def answer(self, probe: Any) -> int | None:
        return int(np.argmin(self.decrypt(self.match(probe))))

    def decrypt(self, encrypted: Any) -> list[int]:
        return [value - pad for value, pad in encrypted]

    def serialise(self, encrypted: Any) -> bytes:
        return np.array(encrypted, "<i8").tobytes()

    def deserialise(self, data: bytes) -> Any:
        return np.frombuffer(data, "<i8").reshape(-1, 2).tolist()

    def processes(self) -> tuple[int, ...]:
        return ()

    def security(self) -> int:
        return self.claimed

    def about(self) -> str:
        return "a toy"

    def close(self) -> None:
        self.rows = None


class Claiming(Toy):
    claimed = 128


class Leaking(Claiming):
    def padded(self, values: list[int]) -> Any:
        return [(value, 0) for value in values]


class Inexact(Claiming):
    def match(self, probe: Any) -> Any:
        return [(value + 1, pad) for value, pad in super().match(probe)]


class Wrong(Claiming):
    def decrypt(self, encrypted: Any) -> list[int]:
        return [max(value, 0) for value in super().decrypt(encrypted)]


class Caching(Claiming):
    """Keeps scores by the probe that they are of."""

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        super().keygen(bits, division, gallery)
        self.kept: dict[str, Any] = {}

    def match(self, probe: Any) -> Any:
        if repr(probe) not in self.kept:
            self.kept[repr(probe)] = super().match(probe)
        return self.kept[repr(probe)]


class Lossy(Claiming):
    def deserialise(self, data: bytes) -> Any:
        return [[value - pad, 0] for value, pad in super().deserialise(data)]


class Misleading(Claiming):
    def answer(self, probe: Any) -> int | None:
        return 1 - (super().answer(probe) or 0)


class Raises(Claiming):
    """Ends in an exception where it is to match."""

    def match(self, probe: Any) -> Any:
        raise RuntimeError("not today")


class Plain(Claiming):
    """Offers no encrypted gallery, and one division."""

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        if division != "public" or gallery == "encrypted":
            raise NotImplementedError("it is plain")
        super().keygen(bits, division, gallery)


def method(kind: type) -> bench.Method:
    return bench.Method(
        kind.__name__.lower(), frozenset({"encryption"}), lambda given: kind(), frozenset({"int8"}), licence="none"
    )
