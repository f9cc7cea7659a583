"""Suites: named cells with settings, for a first look and for comparing installations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Cast:
    """A cell of a protocol that has several roles, by the names one would type; ``installs`` as of a Suite."""

    protocol: str
    roles: Mapping[str, str]
    installs: str


@dataclass(frozen=True, slots=True)
class Suite:
    """Cells under one name: every method on every protocol, by the names one would type, and ``casts``.

    ``installs``: what pip is given for its plugins; ``settings`` are those of ``bench.run``, and what is typed goes
    before them.
    """

    name: str
    about: str
    protocols: tuple[str, ...]
    methods: tuple[str, ...]
    installs: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    casts: tuple[Cast, ...] = ()

    def cells(self) -> list[Cast]:
        """Every cell of the suite."""
        singles = [Cast(p, {"method": m}, self.installs) for p, m in itertools.product(self.protocols, self.methods)]
        return [*singles, *self.casts]


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            name="quick",
            about="verification and identification of synthetic people in minutes, without licence, Hub or torch",
            protocols=("verification/synthetic/faces", "identification/synthetic/faces"),
            methods=("eigenfaces", "hog", "random", "constant", "mobilefacenet"),
            installs="-r requirements.txt",
            casts=(
                Cast(
                    "encryption/random-16/2048-bit",
                    {"method": "pura", "reference": "phe"},
                    "-e plugins/facebench-pura -e plugins/facebench-phe",
                ),
            ),
        ),
    )
}
