"""Rules of a Matcher: what bench.examining asks inside its worker, as checks that say what to change."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from bench.contracts import Matcher, missing
from bench.errors import FacebenchError
from bench.examining import EXAMINE
from bench.probing import Broken, Check, Subject
from bench.worker import Raised


def _calls(subject: Subject) -> None:
    with subject.lend(fitted=False) as worker:
        named = worker.call("__dir__")
    has = SimpleNamespace(**dict.fromkeys([] if isinstance(named, Raised) else named, print))
    if absent := missing(has, Matcher):
        raise Broken(f"It has no {'(), no '.join(absent)}(): add to what load() returns what bench.Matcher has.")


def _asked(check: str) -> Callable[[Subject], None]:
    def run(subject: Subject) -> None:
        try:
            fault = subject.worker().call(EXAMINE, check)
        except FacebenchError as error:
            subject.close()  # its process ended: the next check opens another
            raise Broken(error.found) from None
        if isinstance(fault, Raised):
            raise Broken(f"It raised {fault.type}: {fault.text[:250]}. Only keygen() refuses, by NotImplementedError.")
        if fault:
            raise Broken(fault)

    return run


MATCHED = (
    Check("calls", "it has its contract's calls", _calls),
    Check("offers", "what it does not offer is refused as not implemented, and something is offered", _asked("offers")),
    Check("opens", "a probe decrypts to itself in every division", _asked("opens")),
    Check("scores", "scores are exact, and the row answered is the most alike", _asked("scores")),
    Check("differs", "two encryptions of one vector differ", _asked("differs")),
    Check("returns", "bytes are read and written again alike", _asked("returns")),
    Check("begins", "after close() a new key works and nothing of the old one is left", _asked("begins")),
    Check("forgets", "nothing is kept between calls", _asked("forgets")),
    Check("tells", "security() is bits and about() a text", _asked("tells")),
)
