"""The checks ask Matchers too: an exact one passes, each spoilt one is caught by its rule."""

from __future__ import annotations

import secrets
import subprocess
import sys
from typing import Any

import cloudpickle
import pytest
from toy_matchers import Caching, Claiming, Inexact, Leaking, Misleading, Raises, Wrong, method

import bench
from bench.examining import CHECKS, SIZES, examine
from bench.matcher_rules import MATCHED

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Narrow(Claiming):
    """Offers one division, a plaintext gallery, and keys of one size."""

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        if bits != SIZES[-1] or division != "packed" or gallery != "plaintext":
            raise NotImplementedError("another one")
        super().keygen(bits, division, gallery)


class OffersNothing(Claiming):
    def keygen(self, bits: int, division: str, gallery: str) -> None:
        raise NotImplementedError("nothing")


class RefusesOtherwise(Claiming):
    def keygen(self, bits: int, division: str, gallery: str) -> None:
        if division == "pool":
            raise ValueError("no pools here")
        super().keygen(bits, division, gallery)


class KeepsItsKey(Claiming):
    """Has one pad for ever, so that what was encrypted under an earlier key still opens."""

    def close(self) -> None:
        pass


class Keyed(Claiming):
    """Adds a key that is made anew: what an earlier one encrypted opens to something else."""

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        super().keygen(bits, division, gallery)
        self.key = secrets.randbelow(1 << 24) + 1000

    def padded(self, values: list[int]) -> Any:
        return [(value + self.key, pad) for value, pad in super().padded(values)]

    def decrypt(self, encrypted: Any) -> list[int]:
        return [value - self.key for value in super().decrypt(encrypted)]


class LosesBytes(Keyed):
    def serialise(self, encrypted: Any) -> Any:
        return super().serialise(encrypted)[:-16]


class LeavesProcesses(Keyed):
    def enrol(self, rows: Any) -> None:
        super().enrol(rows)
        self.child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])

    def processes(self) -> Any:
        return (self.child.pid,)


class Boasts(Keyed):
    def security(self) -> Any:
        return "very secure"


class Keeps(Keyed):
    """Enrols once only."""

    def enrol(self, rows: Any) -> None:
        if self.rows is None:
            super().enrol(rows)


@pytest.mark.parametrize("kind", [Keyed, Narrow])
@pytest.mark.parametrize("check", [name for name in CHECKS if name != "begins"])
def test_an_exact_matcher_passes_whatever_it_offers(kind: type, check: str) -> None:
    assert examine(kind(), check) == ""


@pytest.mark.parametrize(
    ("kind", "check", "said"),
    [
        (OffersNothing, "offers", "refuses every division"),
        (RefusesOtherwise, "offers", "Raise NotImplementedError for what is not offered"),
        (Wrong, "opens", "a probe decrypts to"),
        (Inexact, "scores", "exact inner products are"),
        (Misleading, "scores", "another row than the one of the least distance"),
        (Leaking, "differs", "Draw fresh randomness"),
        (LosesBytes, "returns", "bytes read and written again are others"),
        (KeepsItsKey, "begins", "a ciphertext of the old key still decrypts"),
        (LeavesProcesses, "begins", "are still there: end them"),
        (Caching, "forgets", "keep nothing of earlier calls"),
        (Keeps, "forgets", "keep nothing of earlier calls"),
        (Boasts, "tells", "0 where none is claimed"),
    ],
)
def test_a_spoilt_matcher_is_caught_by_the_check_of_its_rule(kind: type, check: str, said: str) -> None:
    matcher = kind()
    try:
        assert said in examine(matcher, check)
    finally:
        if child := getattr(matcher, "child", None):
            child.kill()
            child.wait()


def test_every_rule_has_a_matcher_that_breaks_it_and_a_new_key_ends_the_old_one() -> None:
    assert {check.name for check in MATCHED} == {"calls", *CHECKS}
    assert examine(Keyed(), "begins") == ""


def test_the_checks_reach_a_matcher_in_its_own_process() -> None:
    card = method(Keyed)
    found = {bound.check.name: bound.outcome() for bound in bench.checks(card)}
    assert {name: found[name].state for name in ("calls", *CHECKS)} == dict.fromkeys(("calls", *CHECKS), "passed")
    broken = {bound.check.name: bound.outcome() for bound in bench.checks(method(Raises))}
    assert broken["scores"].state == "failed" and "It raised RuntimeError: not today" in broken["scores"].message


def test_a_call_that_is_not_there_is_named() -> None:
    class Half:
        def keygen(self, bits: int, division: str, gallery: str) -> None:
            pass

    (calls,) = (bound.outcome() for bound in bench.checks(method(Half)) if bound.check.name == "calls")
    assert calls.state == "failed" and "no serialise()" in calls.message and "keygen" not in calls.message
