"""Which snapshot of a fit is used: the last, the best on subjects held back for that, or one no honest run takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from bench.errors import WrongUse
from bench.method import Option

LAST, VALIDATION, TEST_ORACLE = "last", "validation", "test-oracle"
SELECT = Option(
    "select",
    LAST,
    "the snapshot that is used: the last; the best on a fifth of the training subjects, which the fit does not see "
    "(validation); or the best on the very subject it is tested on (test-oracle), which goes on no board",
    (LAST, VALIDATION, TEST_ORACLE),
)
SHARE = 5  # one in so many training subjects is held back for validation
PICKED_ON_TEST = "its snapshots were picked on the subjects it is tested on"


def held_back(subjects: Sequence[int], left_out: int, seed: int) -> set[int]:
    """The training subjects that choose a snapshot: one in five, at least one, by hash of the seed and the two numbers.

    ``subjects``: those of the training split; ``left_out``: the tested one. Raises WrongUse for fewer than two.
    """
    order = sorted(set(subjects), key=lambda one: hashlib.sha256(f"{seed} {left_out} {one}".encode()).digest())
    if len(order) < 2:
        found = f"The training split has {len(order)} subjects."
        raise WrongUse(f"{SELECT.name}={VALIDATION} was asked for.", found, f"Choose {SELECT.name}={LAST}.")
    return set(order[: max(1, round(len(order) / SHARE))])


def picked_on_test(roles: Mapping[str, Iterable[object]]) -> bool:
    """Whether a method of some role, as it is typed, had a snapshot chosen on the subjects it is tested on."""
    chosen = f"{SELECT.name}={TEST_ORACLE}"
    return any(chosen in str(method).partition(":")[2].split(",") for methods in roles.values() for method in methods)
