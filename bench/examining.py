"""Inside a worker: what 'check' asks of a Matcher, whose ciphertexts do not cross; each check makes keys of its own.

A check tries small keys, which give no security and are quick; where a method has none of that size, 2048 bits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.contracts import Matcher
from bench.measuring import DIVISIONS, GALLERIES

EXAMINE = "examine"
SIZES = (512, 2048)  # bits of keys, the first that is offered
PLAINTEXT, ENCRYPTED = GALLERIES
# What is ever asked for: every way to encrypt, and the first way with either gallery.
ASKED = (*((division, PLAINTEXT) for division in DIVISIONS), (DIVISIONS[0], ENCRYPTED))
PROBE = (-128, 127, 0, 5, -7, 1, -1, 64)
ROWS = ((1, 2, 3, 4, 5, 6, 7, 8), (-128, 127, 0, 5, -7, 1, -1, 63), (127, -128, 0, -5, 7, -1, 1, -64))


class Fault(Exception):
    """What a check found wrong, and what to change."""


def examine(matcher: Matcher, check: str) -> str:
    """Run one check of CHECKS; "" where it holds, else what is wrong and what to change."""
    try:
        CHECKS[check](matcher)
    except Fault as fault:
        return str(fault)
    finally:
        matcher.close()
    return ""


def _offered(matcher: Matcher, asked: Sequence[tuple[str, str]] = ASKED) -> Iterator[tuple[str, str, int]]:
    """Each division and gallery that is offered, with the bits of the key that was made for it."""
    for division, gallery in asked:
        for bits in SIZES:
            try:
                matcher.keygen(bits, division, gallery)
            except NotImplementedError:
                continue
            except Exception as error:
                said = f"keygen({bits}, {division!r}, {gallery!r}) raised {type(error).__name__}: {error}"[:250]
                raise Fault(f"{said}. Raise NotImplementedError for what is not offered.") from None
            yield division, gallery, bits
            break


def _ready(matcher: Matcher, division: str) -> None:
    matcher.precompute(4 * len(PROBE) if division == "pool" else 0)


def _vectors() -> tuple[Any, Any]:
    """A probe, int8 [d], and rows, int8 [3, d], with both ends of the range in them."""
    import numpy as np

    return np.array(PROBE, np.int8), np.array(ROWS, np.int8)


def _same(found: Sequence[int], expected: Sequence[int]) -> bool:
    return [int(value) for value in found] == [int(value) for value in expected]


def offers(matcher: Matcher) -> None:
    """Something is offered, and the rest is refused as not implemented."""
    if not list(_offered(matcher)):
        raise Fault("keygen() refuses every division and gallery: offer one, 'public' with a plaintext gallery first.")


def opens(matcher: Matcher) -> None:
    """What is encrypted decrypts to itself, in every division."""
    probe, _ = _vectors()
    for division, _, _ in _offered(matcher, ASKED[: len(DIVISIONS)]):
        _ready(matcher, division)
        found = matcher.decrypt(matcher.encrypt(probe))
        if not _same(found, PROBE):
            raise Fault(f"In division {division} a probe decrypts to {list(found)[:8]}, not {list(PROBE)}.")


def scores(matcher: Matcher) -> None:
    """Scores are exact: inner products with plaintext rows, squared distances to encrypted ones."""
    probe, rows = _vectors()
    for _, gallery, _ in _offered(matcher, [(DIVISIONS[0], gallery) for gallery in GALLERIES]):
        _ready(matcher, DIVISIONS[0])
        matcher.enrol(rows)
        encrypted = matcher.encrypt(probe)
        found = [int(score) for score in matcher.decrypt(matcher.pack(matcher.match(encrypted)))]
        expected = [_score(row, gallery) for row in ROWS]
        if found != expected:
            wanted = "inner products" if gallery == PLAINTEXT else "squared distances"
            raise Fault(f"Of a {gallery} gallery the scores are {found[:8]}; exact {wanted} are {expected}.")
        if gallery == ENCRYPTED and matcher.answer(encrypted) != expected.index(min(expected)):
            raise Fault("answer() gives another row than the one of the least distance: give its position from 0.")


def _score(row: Sequence[int], gallery: str) -> int:
    pairs = list(zip(row, PROBE, strict=True))
    return sum(a * b for a, b in pairs) if gallery == PLAINTEXT else sum((a - b) ** 2 for a, b in pairs)


def differs(matcher: Matcher) -> None:
    """Encrypting is random: two encryptions of one vector are different bytes."""
    probe, _ = _vectors()
    for division, gallery, _ in _offered(matcher):
        _ready(matcher, division)
        made = [matcher.serialise(matcher.encrypt(probe)) for _ in range(2)]
        if made[0] == made[1]:
            found = f"In division {division} ({gallery} gallery) two encryptions of one vector are the same bytes."
            raise Fault(f"{found} Draw fresh randomness from the operating system for each.")


def returns(matcher: Matcher) -> None:
    """Bytes read and written again are the same, and decrypt."""
    probe, _ = _vectors()
    for division, gallery, _ in _offered(matcher):
        _ready(matcher, division)
        data = matcher.serialise(matcher.encrypt(probe))
        if not isinstance(data, bytes):
            raise Fault(f"serialise() gives a {type(data).__name__}: give bytes.")
        back = matcher.deserialise(data)
        if matcher.serialise(back) != data:
            raise Fault(f"In division {division} bytes read and written again are others.")
        # What a user of an encrypted gallery sends may hold more than the features.
        if gallery == PLAINTEXT and not _same(matcher.decrypt(back), PROBE):
            raise Fault(f"In division {division} what came back from bytes does not decrypt to the vector.")


def begins(matcher: Matcher) -> None:
    """After close() a new key works, the old one is gone, and so are the method's processes."""
    import psutil

    probe, rows = _vectors()
    for division, gallery, bits in _offered(matcher):
        _ready(matcher, division)
        before = matcher.serialise(matcher.encrypt(probe))
        if division == DIVISIONS[0]:
            matcher.enrol(rows)
        started = list(matcher.processes())
        matcher.close()
        if left := [process for process in started if psutil.pid_exists(process)]:
            raise Fault(f"After close() {len(left)} of its processes are still there: end them and wait for it.")
        matcher.keygen(bits, division, gallery)
        _ready(matcher, division)
        if gallery == PLAINTEXT and not _same(matcher.decrypt(matcher.encrypt(probe)), PROBE):
            raise Fault(f"In division {division}, after close() and keygen(), a probe does not decrypt to itself.")
        opened: Sequence[int] = ()
        with contextlib.suppress(Exception):  # that it is refused is as good
            opened = matcher.decrypt(matcher.deserialise(before))
        if _same(opened, PROBE):
            raise Fault("After close() and keygen() a ciphertext of the old key still decrypts: make a new key.")


def forgets(matcher: Matcher) -> None:
    """Nothing is kept between calls: the same probe against other plaintext rows has other scores."""
    probe, rows = _vectors()
    for _ in _offered(matcher, [(DIVISIONS[0], PLAINTEXT)]):
        _ready(matcher, DIVISIONS[0])
        encrypted = matcher.encrypt(probe)
        for gallery in (rows, -1 - rows, rows[:1]):
            matcher.enrol(gallery)
            found = matcher.decrypt(matcher.pack(matcher.match(encrypted)))
            if not _same(found, [_score(row, PLAINTEXT) for row in gallery.tolist()]):
                raise Fault("Against other rows an earlier probe has wrong scores: keep nothing of earlier calls.")


def tells(matcher: Matcher) -> None:
    """security() is a number of bits and about() a short text."""
    for division, _, _ in _offered(matcher):
        _ready(matcher, division)
        bits, about = matcher.security(), matcher.about()
        if not isinstance(bits, int) or not 0 <= bits <= 512:
            raise Fault(f"security() gives {bits!r}: give bits of security, 0 where none is claimed.")
        if not isinstance(about, str) or not about.strip():
            raise Fault("about() says nothing: name the code that ran and its libraries' versions.")


CHECKS: dict[str, Callable[[Matcher], None]] = {
    "offers": offers,
    "opens": opens,
    "scores": scores,
    "differs": differs,
    "returns": returns,
    "begins": begins,
    "forgets": forgets,
    "tells": tells,
}
