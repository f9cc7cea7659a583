"""What a result says beside its trials, held against what they give and what its methods' plugins say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from bench.plugins import discover
from bench.protocol import Scored
from bench.results import Curve, Result, Score

SAME = 1e-6  # how far a number recomputed on another processor may lie off
Check = tuple[str, str]  # what was checked, and the fault, "" where it holds


def recomputed(result: Result, scored: Scored) -> Iterator[Check]:
    """Every score in all that is told of it, their order, the curves and what failed, against what the trials give."""
    again = {score.metric: score for score in scored.scores}
    for score in result.scores:
        yield f"{score.metric} is what the trials give", _apart(score, again.get(score.metric))
    told = [score.metric for score in result.scores]
    absent = [metric for metric in again if metric not in told]
    yield "no metric is left out", f"{', '.join(absent)} absent" if absent else ""
    order = [metric for metric in again if metric in told]
    yield "its metrics are in their order", "" if told == order else f"{', '.join(told)}, not {', '.join(order)}"
    yield "its curves are what the trials give", _curves(result.curves, scored.curves)
    counted = (result.samples, result.failures, dict(result.reasons))
    truly = (scored.samples, sum(scored.reasons.values()), dict(scored.reasons))
    yield "no failure is left out", "" if counted == truly else f"{counted} against {truly}"


def cards(result: Result) -> Iterator[Check]:
    """Each card against its plugin, where that is here in the version and with the code that the card names."""
    for name, card in result.cards.items():
        method, plugin = discover().methods.get(name.partition(":")[0], (None, None))
        if method is None or plugin is None:
            continue
        origin = plugin.origin()
        if (origin.distribution, origin.version, origin.code) != (card.distribution, card.version, card.code):
            continue
        texts = {key: getattr(method, key) for key in ("licence", "trained_on", "withdrawn", "floor")}
        texts["weights"] = dict(method.weights.files) if method.weights else {}
        told = {key: getattr(card, key) for key in texts} | {"weights": dict(card.weights)}
        apart = [f"{key} is {told[key]!r}, not {text!r}" for key, text in texts.items() if told[key] != text]
        yield f"the card of {name} is its plugin's", "; ".join(apart)


def _apart(score: Score, other: Score | None) -> str:
    """In what a score differs from the one that the trials give; "" where it is the same."""
    if other is None:
        return f"{score.value} against None"
    for name in (field.name for field in fields(Score)):
        mine, theirs = getattr(score, name), getattr(other, name)
        if not _near(mine, theirs):
            return f"{mine} against {theirs}" if name == "value" else f"its {name} is {mine!r} against {theirs!r}"
    return ""


def _curves(told: Sequence[Curve], truly: Sequence[Curve]) -> str:
    for one, other in zip(told, truly, strict=False):
        if (one.name, one.x, one.y) != (other.name, other.x, other.y):
            return f"{one.name} of {one.y} over {one.x} against {other.name} of {other.y} over {other.x}"
        if not _near(one.points, other.points):
            return f"{one.name} has other points"
    return "" if len(told) == len(truly) else f"{len(told)} curves against {len(truly)}"


def _near(one: Any, other: Any) -> bool:
    """Whether two values are the same, numbers as nearly as two processors compute them."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=SAME)
    return bool(one == other)
