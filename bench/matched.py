"""Inside a worker: given vectors matched under encryption as the parties would, untimed, and their scores opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.contracts import Matcher
from bench.measuring import DIVISIONS, told

MATCH_VECTORS = "match_vectors"


def match_vectors(matcher: Matcher, work: Mapping[str, Any]) -> dict[str, Any]:
    """One session under a new key: every row is enrolled, every probe is sent as bytes and matched against all rows.

    ``work``: bits, gallery, rows (int8 [n, d]), probes (int8 [m, d]). Returns offered (and why not), scores (m lists of
    what was opened), security and about.
    """
    try:
        try:
            matcher.keygen(work["bits"], DIVISIONS[0], work["gallery"])
        except NotImplementedError as error:
            return {"offered": False, "why": str(error)[:200]}
        matcher.precompute(0)
        matcher.enrol(work["rows"])
        scores = []
        for probe in work["probes"]:
            sent = matcher.serialise(matcher.encrypt(probe))
            matched = matcher.match(matcher.deserialise(sent))
            scores.append([int(score) for score in matcher.decrypt(matcher.pack(matched))])
        return {"offered": True, "scores": scores, "security": int(matcher.security()), "about": told(matcher)}
    finally:
        matcher.close()
