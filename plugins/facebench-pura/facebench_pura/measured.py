"""Pura as facebench measures it: bench.Matcher over ``matcher.PuraMatcher``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gmpy2

from facebench_pura.matcher import ANY_DISTANCE, Encrypted, PuraMatcher
from facebench_pura.organisation import Setup
from facebench_pura.refusals import ValueRefused

SECURE = 2048


class MeasuredMatcher:
    """A fresh PuraMatcher a key; test keys are made, and say that they give no security."""

    def __init__(self, kernel: str, split: str) -> None:
        self._setup = Setup(threshold=ANY_DISTANCE, kernel=kernel, split=split)
        self._made: PuraMatcher | None = None

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """A new key."""
        self.close()
        self._made = PuraMatcher(division, gallery, self._setup, insecure=bits < SECURE)
        self._made.keygen(bits)

    def precompute(self, pooled: int) -> None:
        """Tables, and a pool."""
        self._matcher.precompute(pooled)

    def enrol(self, rows: Any) -> None:
        """Rows in the clear, or encrypted at two servers, which this starts."""
        self._matcher.enrol(rows)

    def encrypt(self, probe: Any) -> Encrypted:
        """As division and gallery ask."""
        return self._matcher.encrypt(probe)

    def match(self, probe: Encrypted) -> Encrypted:
        """Scores, encrypted."""
        return self._matcher.match(probe)

    def pack(self, scores: Encrypted) -> Encrypted:
        """Scores of a plaintext gallery, packed; distances as they are."""
        return self._matcher.pack(scores) if self._matcher.gallery == "plaintext" else scores

    def answer(self, probe: Encrypted) -> int | None:
        """The most alike row, by the servers."""
        return self._matcher.answer(probe)

    def decrypt(self, encrypted: Encrypted) -> list[int]:
        """The values, by the owner."""
        return self._matcher.decrypt(encrypted)

    def serialise(self, encrypted: Encrypted) -> bytes:
        """Ciphertexts as they are sent."""
        return self._matcher.serialise(encrypted)

    def deserialise(self, data: bytes) -> Encrypted:
        """What was sent."""
        return self._matcher.deserialise(data)

    def processes(self) -> Sequence[int]:
        """The servers, while there are any."""
        return self._made.processes() if self._made else ()

    def security(self) -> int:
        """Of the live key and shares."""
        return self._matcher.security_bits

    def about(self) -> str:
        """The kernel and the library."""
        return f"kernel {self._matcher.kernel}, gmpy2 {gmpy2.version()}, {gmpy2.mp_version()}"

    def close(self) -> None:
        """Forget the key, end the servers."""
        if self._made is not None:
            self._made.close()
            self._made = None

    @property
    def _matcher(self) -> PuraMatcher:
        if self._made is None:
            raise ValueRefused("A stage was called.", "There is no key.", "First: keygen.")
        return self._made
