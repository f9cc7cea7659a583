"""What all attacks of this plugin share: the access they need, and a generator a target."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.oracle import ACCESS


def need(oracle: Any, side: int, access: str, attack: str) -> None:
    """Raise ValueError where the oracle gives less than the attack needs, or takes images of another size."""
    if ACCESS.index(oracle.access) < ACCESS.index(access):
        do = f"name a protocol that gives it, those that end with -{access}"
        raise ValueError(f"{attack} needs access={access}; this oracle gives {oracle.access}: {do}")
    if (oracle.height, oracle.width) != (side, side):
        raise ValueError(f"{attack} makes images of {side}x{side}; this oracle takes {oracle.height}x{oracle.width}")


def generators(seed: int, targets: int) -> list[np.random.Generator]:
    """One a target, so that what is drawn for it does not depend on which others are attacked beside it."""
    return [np.random.Generator(np.random.PCG64([seed, target])) for target in range(targets)]
