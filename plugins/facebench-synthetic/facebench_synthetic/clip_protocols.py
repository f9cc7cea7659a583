"""Protocols over synthetic clips: when an expression begins and ends, and which it is, is known to the frame."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import bench
from bench.intervals import Interval
from bench.selection import SELECT
from bench.tasks import micro_expression, spotting

if TYPE_CHECKING:
    from facebench_synthetic.event import Event
    from facebench_synthetic.field import Draws
    from facebench_synthetic.film import Film

SEED = 2
CLASSES = ("negative", "positive", "surprise")
EMOTIONS = {"negative": ("sadness", "fear", "disgust", "anger"), "positive": ("happiness",), "surprise": ("surprise",)}
MICRO_SECONDS = 0.5
CITE = "synthetic: no figure on it says anything of real faces"
INTENSITY = {"micro": (0.15, 0.35), "macro": (0.6, 1.0)}
SECONDS = {"micro": (0.27, MICRO_SECONDS), "macro": (0.8, 2.5)}  # from onset to offset, both counted
PEAK = (0.35, 0.6)  # when the apex is, as a share of the way from onset to offset
LOOKED = 0.5  # the spread of poses: people face the camera, more or less

VIDEOS = 8  # long ones, one a subject
LONG_FPS, LONG = 30.0, 600
REST = 12  # frames between two expressions at least
SUBJECTS, EACH, SHORT_FPS = 12, 3, 60.0  # short ones, of each class EACH a subject

# SHA-256 over a few frames of eight clips of each kind: a change of the look is another question.
LOOK = "c08d48e976481bcaae5b03bbb09080651cdae3d6a53530a4242da7f3e2eca394"
MOST_KEPT = 128  # all clips, 280 MB, so that the folds of one run need not each wait for the same drawing

DATA = bench.Data(
    name="synthetic clips of facebench-synthetic",
    folder="",
    licence="Apache-2.0",
    source="drawn by facebench-synthetic, of nobody",
    trials_publishable=True,
)


def films(task: str) -> list[str]:
    """The names of a protocol's clips: a subject, a stroke, and a number."""
    if task == "spotting":
        return [f"p{subject}/long" for subject in range(VIDEOS)]
    return [f"p{subject}/short-{number}" for subject in range(SUBJECTS) for number in range(len(CLASSES) * EACH)]


def film(name: str) -> tuple[Film, list[Interval]]:
    """A clip's film, and the true intervals in it; people of long and short clips are different ones."""
    from facebench_synthetic.event import blinks
    from facebench_synthetic.field import Draws
    from facebench_synthetic.film import Film
    from facebench_synthetic.identity import Identity
    from facebench_synthetic.scene import Scene

    subject, _, clip = name.partition("/")
    number, long = int(subject[1:]), clip == "long"
    draws = Draws(f"film/{SEED}/{name}")
    fps = LONG_FPS if long else SHORT_FPS
    if long:
        length, played = LONG, _long(draws)
    else:
        played = [_expression(draws, "micro", CLASSES[int(clip.removeprefix("short-")) % len(CLASSES)], fps)]
        length = played[0][1].offset + 1
    true = [interval for interval, _ in played]
    events = [event for _, event in played] + blinks(draws, length, fps)
    person = number if long else VIDEOS + number
    scene = Scene.random(SEED, person, LOOKED)
    return Film(f"{SEED}/{name}", Identity.random(SEED, person), scene, fps, length, tuple(events)), true


def _long(draws: Draws) -> list[tuple[Interval, Event]]:
    """One micro- and one macro-expression of each class in an order drawn at random, at rest before and after."""
    kinds = sorted(itertools.product(INTENSITY, CLASSES), key=lambda _: draws.whole(2**32))
    made = [_expression(draws, type, emotion, LONG_FPS) for type, emotion in kinds]
    spare = LONG - sum(event.offset + 1 for _, event in made) - REST * (len(made) + 1)
    shares = [1 + draws.whole(1000) for _ in range(len(made) + 1)]
    start, moved = 0, []
    for share, (interval, event) in zip(shares, made, strict=False):
        start += REST + spare * share // sum(shares)
        moved.append(_later(interval, event, start))
        start += event.offset + 1
    return moved


def _expression(draws: Draws, type: str, emotion: str, fps: float) -> tuple[Interval, Event]:
    """One that begins in frame 0."""
    from facebench_synthetic.event import Event
    from facebench_synthetic.expression import Expression

    offset = int(draws.between(*SECONDS[type]) * fps) - 1
    apex = max(1, int(offset * draws.between(*PEAK)))
    shown = EMOTIONS[emotion][draws.whole(len(EMOTIONS[emotion]))]
    event = Event(0, apex, offset, Expression.emotion(shown, draws.between(*INTENSITY[type])))
    return Interval(0, apex, offset, emotion, type), event


def _later(interval: Interval, event: Event, by: int) -> tuple[Interval, Event]:
    from facebench_synthetic.event import Event

    onset, apex, offset = (frame + by for frame in interval[:3])
    return Interval(onset, apex, offset, *interval[3:]), Event(onset, apex, offset, event.expression)


@functools.lru_cache(MOST_KEPT)
def read(name: str, key: str) -> bench.Clip:
    """The clip of a name, drawn when asked for."""
    import numpy as np

    from facebench_synthetic.film import pictures

    wanted, _ = film(name)
    frames = np.stack(list(pictures(wanted)))
    frames.flags.writeable = False
    return bench.Clip(key, frames, wanted.fps)


def read_long(root: Path) -> bench.Content:
    """Eight clips of 20 seconds, each with three micro- and three macro-expressions; needs no data root."""
    recordings = []
    for name in films("spotting"):
        made, true = film(name)
        recordings.append(spotting.Recording(name, made.fps, tuple(true)))
    return spotting.content(recordings, CLASSES, read, types=tuple(INTENSITY), salt=LONG_CLIPS.name)


def read_short(root: Path) -> bench.Content:
    """Nine clips of each of twelve people, one micro-expression each, from its onset to its offset."""
    rows = [
        micro_expression.Row(name, name.partition("/")[0], film(name)[1][0].emotion, "synthetic")
        for name in films("micro_expression")
    ]
    return micro_expression.content(rows, CLASSES, read, salt=SHORT_CLIPS.name)


LONG_CLIPS = bench.Protocol(
    name="spotting/synthetic/clips",
    version=1,
    task=spotting.TASK,
    data=DATA,
    inputs="clip",
    read=read_long,
    metrics=tuple(map(bench.metric, spotting.METRICS_BY_TYPE)),
    trials_sha256="009670c4c556ce42ae7a1ac47e95e2858f496ed2060383c5e7acbcd60011e8b6",
    about="24 micro- and 24 macro-expressions of three classes in eight synthetic clips of 20 seconds, a subject each",
    cite=CITE,
    trains=True,
    settings={
        "classes": list(CLASSES),
        "types": list(INTENSITY),
        "micro_seconds": MICRO_SECONDS,
        "look": LOOK,
        "replicates": spotting.REPLICATES,
    },
)
SHORT_CLIPS = bench.Protocol(
    name="micro_expression/synthetic/clips",
    version=1,
    task=micro_expression.TASK,
    data=DATA,
    inputs="clip",
    read=read_short,
    metrics=tuple(map(bench.metric, micro_expression.METRICS)),
    trials_sha256="73524e96b8645a7d1b97451cb3fd78ef882f85eb855477ba194a566fc441e65d",
    about="108 synthetic clips of one micro-expression each, three classes, a subject of twelve left out at a time",
    cite=CITE,
    trains=True,
    ways=(SELECT,),
    settings={"classes": list(CLASSES), "look": LOOK, "replicates": micro_expression.REPLICATES},
)
