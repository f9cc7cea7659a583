"""What happens to a face while it is filmed: expressions that rise and fall, and blinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facebench_synthetic.expression import CLOSED, Expression
from facebench_synthetic.field import Draws

CLOSING, OPENING = 0.1, 0.2  # seconds that the lids take
BETWEEN = (2.5, 6.0)  # seconds from one blink to the next


@dataclass(frozen=True)
class Event:
    """An expression that rises from frame ``onset`` to ``apex``, where it is ``expression``, and is gone at ``offset``.

    Frames count from 0; the face is at rest up to and at ``onset`` and from ``offset`` on.
    """

    onset: int
    apex: int
    offset: int
    expression: Expression

    def __post_init__(self) -> None:
        if not 0 <= self.onset < self.apex < self.offset:
            raise ValueError(
                f"onset, apex and offset must rise from 0, got {self.onset}, {self.apex} and {self.offset}: "
                "give 0 <= onset < apex < offset"
            )

    def level(self, frame: int) -> float:
        """How much of the expression there is in a frame: 0 to 1, 1 at the apex alone."""
        rising = (frame - self.onset) / (self.apex - self.onset)
        falling = (self.offset - frame) / (self.offset - self.apex)
        share = max(min(rising, falling), 0.0)
        return share * share * (3.0 - 2.0 * share)


def played(events: Sequence[Event], frame: int) -> Expression:
    """The expression in a frame: what goes on at once adds up, each action unit to 1 at most."""
    units: dict[int, float] = {}
    for event in events:
        level = event.level(frame)
        for unit, intensity in event.expression.units if level else ():
            units[unit] = min(units.get(unit, 0.0) + level * intensity, 1.0)
    return Expression.of(units)


def blinks(draws: Draws, length: int, fps: float) -> list[Event]:
    """Blinks of a third of a second, one in each few, that end within ``length`` frames."""
    made = []
    closing, opening = max(1, round(CLOSING * fps)), max(1, round(OPENING * fps))
    onset = round(draws.between(0.0, BETWEEN[1]) * fps)
    while onset + closing + opening < length:
        made.append(Event(onset, onset + closing, onset + closing + opening, Expression.of({CLOSED: 1.0})))
        onset += round(draws.between(*BETWEEN) * fps)
    return made
