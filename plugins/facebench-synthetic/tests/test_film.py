"""What happens while a face is filmed: events that add up, blinks, and noise that is the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from facebench_synthetic import Expression
from facebench_synthetic.event import Event, blinks, played
from facebench_synthetic.field import Draws
from facebench_synthetic.film import NOISE, noisy


def test_an_event_is_whole_at_its_apex_alone_and_nothing_at_its_ends() -> None:
    event = Event(4, 7, 12, Expression.of({12: 0.4}))
    levels = [event.level(frame) for frame in range(15)]
    assert [frame for frame, level in enumerate(levels) if level == 1] == [7]
    assert [frame for frame, level in enumerate(levels) if level] == list(range(5, 12))


def test_what_goes_on_at_once_adds_up_to_one_at_most() -> None:
    smile, more = Event(0, 5, 10, Expression.of({6: 0.2, 12: 0.7})), Event(2, 5, 8, Expression.of({12: 0.7, 43: 1.0}))
    assert dict(played([smile, more], 5).units) == {6: 0.2, 12: 1.0, 43: 1.0}
    assert played([smile, more], 1) == played([smile], 1)
    assert played([smile, more], 10) == Expression()


@pytest.mark.parametrize("events", [(5, 5, 9), (5, 9, 9), (-1, 3, 9), (6, 5, 9)])
def test_an_event_of_no_possible_order_is_refused(events: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="give 0 <= onset < apex < offset"):
        Event(*events, Expression())


@pytest.mark.parametrize("fps", [25.0, 30.0, 200.0])
def test_blinks_last_a_third_of_a_second_seconds_apart(fps: float) -> None:
    made = blinks(Draws("test"), int(60 * fps), fps)
    assert 10 <= len(made) <= 24
    assert all((one.offset - one.onset) / fps == pytest.approx(0.3, abs=0.05) for one in made)
    gaps = np.diff([one.onset for one in made]) / fps
    assert gaps.min() > 2.4 and gaps.max() < 6.1
    assert made[-1].offset < 60 * fps


def test_noise_is_bell_shaped_unbiased_and_as_strong_as_told() -> None:
    grey = np.full((112, 112, 3), 128, np.uint8)
    noise = noisy(grey, "a").astype(int) - 128
    assert abs(noise.mean()) < 0.03
    assert noise.std() == pytest.approx(NOISE, abs=0.05)
    assert 0.25 < (abs(noise) > NOISE).mean() < 0.4
    neighbours = np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.03
    other = noisy(grey, "b").astype(int) - 128
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.03


def test_noise_stays_within_what_a_pixel_can_hold() -> None:
    for level in (0, 255):
        noise = noisy(np.full((16, 16, 3), level, np.uint8), "edge")
        assert abs(noise.astype(int) - level).max() < 10
