"""Spotting: where in a long clip does an expression begin and end, and which is it?

Intervals are counted twice, as the challenge's own script does and strictly (bench.metrics.spotting), over all videos
together. Micro- and macro-expressions are matched apart. An interval of which the method does not say what it is counts
as micro where it lasts no longer than the protocol says, else as macro.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.asking import ALL, Asking
from bench.contracts import Spotter
from bench.errors import WrongUse
from bench.folds import ask_leaving_out, by_key, some_of_each
from bench.intervals import MOST, SPOT, Interval, in_order, interval_rows, read_line
from bench.method import Configured
from bench.metrics import resampling
from bench.metrics.metric import Estimate, Metric
from bench.metrics.spotting import BY_TYPE, SPOTTING, Span, Spotting, Video
from bench.protocol import Content, Protocol, Reading, Role, Sample, Scored, Task, opaque_order
from bench.scoring import scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 1000, 0
ELSEWHERE = "elsewhere"  # answers about videos that the truth does not name
CLASS, TYPE, VIDEO, TRUTH, ANSWER = "class", "type", "video", "truth", "answer"  # what a row of the trials is
METRICS = tuple(metric.name for metric in SPOTTING)
METRICS_BY_TYPE = (*METRICS, *(metric.name for metric in BY_TYPE))


@dataclass(frozen=True, slots=True)
class Recording:
    """One video as its owner tells it. ``name`` is its subject, a stroke and its own name; frames count from 0."""

    name: str
    fps: float
    intervals: tuple[Interval, ...]

    @property
    def subject(self) -> str:
        """Who is in it."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Recordings:
    """The truth of a spotting protocol.

    ``classes``: the emotions that are analysed; ``types``: those that are told apart, () where none are;
    ``micro_seconds``: the longest a micro-expression lasts; ``people``: who the opaque numbers in ``subjects``, int32
    [samples], stand for; ``fps`` and ``intervals`` of each sample; ``open``: answers may be about other videos too.
    """

    classes: tuple[str, ...]
    types: tuple[str, ...]
    micro_seconds: float
    people: tuple[str, ...]
    subjects: NDArray[Any]
    fps: tuple[float, ...]
    intervals: tuple[tuple[Interval, ...], ...]
    open: bool = False


def content(
    recordings: Sequence[Recording],
    classes: Sequence[str],
    read: Callable[[str, str], Any],
    *,
    types: Sequence[str] = (),
    micro_seconds: float = 0.5,
    files: Mapping[str, Path] | None = None,
    salt: str = "",
    open: bool = False,
) -> Content:
    """The content of a protocol of long videos; the order of samples and the numbers of people say nothing of them.

    ``read(name, key)``: the clip; ``files``: where each named file lies; ``salt``: the protocol's name; the others as
    in Recordings.
    """
    import numpy as np

    told = {one.name: one for one in recordings}
    names = opaque_order(sorted(told), salt)
    people = opaque_order(sorted({one.subject for one in recordings}), salt)
    number = {one: i for i, one in enumerate(people)}
    truth = Recordings(
        tuple(classes),
        tuple(types),
        micro_seconds,
        tuple(people),
        np.array([number[told[name].subject] for name in names], np.int32),
        tuple(told[name].fps for name in names),
        tuple(told[name].intervals for name in names),
        open,
    )
    digest = hashlib.sha256("\t".join(classes).encode())
    for one in sorted(recordings, key=lambda one: one.name):
        digest.update(f"\n{one.name}\t{one.fps:g}\t{[list(interval) for interval in one.intervals]}".encode())
    samples = [Sample(f"{i:06d}", name, partial(read, name)) for i, name in enumerate(names)]
    return Content(samples, truth, digest.hexdigest(), dict(files or {}))


def ask(asking: Asking) -> None:
    """Ask about each clip alone; a trainable method a subject at a time, fitted on the others.

    What it learns of a clip is a list of [onset, apex, offset, emotion, type], apex -1 where nobody told it.
    """
    truth: Recordings = asking.content.truth
    ask_leaving_out(asking, SPOT, truth.subjects, [[list(i) for i in intervals] for intervals in truth.intervals])


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Put true and found intervals side by side.

    Trials: ``row`` str, what it is: a "class" that is analysed, a "type" that is told apart, a "video", a "truth" or an
    "answer" in it; ``video``, ``subject``, ``onset``, ``apex``, ``offset`` int32, -1 where there is none; ``emotion``
    and ``type`` str; ``failure`` str, why a video has no answer. Intervals are in the order that official counting goes
    by.
    """
    import numpy as np

    truth: Recordings = content.truth
    rows: list[tuple[Any, ...]] = [(CLASS, *[-1] * 5, name, "", "") for name in truth.classes]
    rows += [(TYPE, *[-1] * 5, "", name, "") for name in truth.types]
    known = {fold: answers[fold] for fold in answers if fold != ELSEWHERE}
    given = by_key(known, [sample.key for sample in content.samples])
    for video, subject in enumerate(truth.subjects.tolist()):
        found = [_typed(truth, one, truth.fps[video]) for one in read_line(given["intervals"][video])]
        rows += _rows(video, subject, truth.intervals[video], found, given["failure"][video])
    people = list(truth.people)
    extra = answers.get(ELSEWHERE, {"key": [], "intervals": []})
    for video, (name, line) in enumerate(zip(extra["key"], extra["intervals"], strict=True), len(truth.fps)):
        subject = name.partition("/")[0]
        if subject not in people:
            people.append(subject)
        found = [_typed(truth, one, 0.0) for one in read_line(line)]
        rows += _rows(video, people.index(subject), (), found, "")
    columns = list(zip(*rows, strict=True))
    named = zip(("video", "subject", "onset", "apex", "offset"), columns[1:6], strict=True)
    return {
        "row": list(columns[0]),
        **{name: np.array(column, np.int32) for name, column in named},
        **dict(zip(("emotion", "type", "failure"), map(list, columns[6:]), strict=True)),
    }


def _typed(truth: Recordings, found: Interval, fps: float) -> Interval:
    if not truth.types:
        return found._replace(type="")
    if found.type or len(truth.types) == 1:
        return found._replace(type=found.type or truth.types[0])
    frames = found.offset - found.onset + 1
    return found._replace(type="micro" if frames <= truth.micro_seconds * fps else "macro")


def _rows(
    video: int, subject: int, true: Sequence[Interval], found: Sequence[Interval], failure: str
) -> Iterator[tuple[Any, ...]]:
    yield VIDEO, video, subject, -1, -1, -1, "", "", failure
    for row, intervals in ((TRUTH, true), (ANSWER, found)):
        for one in intervals:
            yield row, video, subject, one.onset, one.apex, one.offset, one.emotion, one.type, ""


class _Prepared:
    """Trials as the metrics take them."""

    def __init__(self, trials: Table) -> None:
        names = ("row", "video", "subject", "onset", "offset", "emotion", "type", "failure")
        columns = [trials[name] if isinstance(trials[name], list) else trials[name].tolist() for name in names]
        classes, types, self.reasons = list[str](), list[str](), list[str]()
        videos: dict[tuple[int, str], tuple[int, dict[str, list[Span]]]] = {}
        for row, video, subject, onset, offset, emotion, type, failure in zip(*columns, strict=True):
            if row == CLASS:
                classes.append(emotion)
            elif row == TYPE:
                types.append(type)
            elif row == VIDEO:
                self.reasons.append(failure)
                videos |= {(video, one): (subject, {TRUTH: [], ANSWER: []}) for one in types or [""]}
            elif (video, type) in videos:  # what is called macro is no error where micro-expressions alone are asked
                videos[video, type][1][row].append(Span(onset, offset, emotion))
        sides = [
            Video(who, type, tuple(spans[TRUTH]), tuple(spans[ANSWER]), str(video))
            for (video, type), (who, spans) in videos.items()
        ]
        self.spotting = Spotting(sides, classes)

    def weights(self) -> Iterator[Any]:
        """Draws of subjects, the same for the same trials."""
        each = range(len(self.spotting.subjects))
        return resampling.identity_weights(each, each, REPLICATES, SEED)

    def compute(self, metric: Metric, weights: Any = None) -> Estimate:
        """A metric's value, under one draw of subjects where ``weights`` are given."""
        return metric.compute(self.spotting, weights)


def counted(trials: Table) -> Spotting:
    """The videos of trials as the metrics count them."""
    return _Prepared(trials).spotting


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of subjects, the same draws for the same trials."""
    prepared = _Prepared(trials)
    for weights in prepared.weights():
        yield [prepared.compute(metric, weights).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric with an interval by bootstrap over subjects; those of one type where types are told apart."""
    prepared = _Prepared(trials)
    told = len({type for row, type in zip(trials["row"], trials["type"], strict=True) if row == TYPE}) > 1
    metrics = [metric for metric in protocol.metrics if told or metric not in BY_TYPE]
    made = scores(metrics, prepared.compute, prepared.weights())
    return Scored(made, (), len(prepared.reasons), dict(Counter(sorted(filter(None, prepared.reasons)))))


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` videos of as many subjects as can be; raises WrongUse for fewer than two."""
    truth: Recordings = content.truth
    if count >= len(content.samples):
        return content
    kept = some_of_each(truth.subjects, count)
    fewer = replace(
        truth,
        subjects=truth.subjects[kept],
        fps=tuple(truth.fps[i] for i in kept),
        intervals=tuple(truth.intervals[i] for i in kept),
    )
    return replace(content, samples=[content.samples[i] for i in kept], truth=fewer)


def external(content: Content, table: Table) -> dict[str, Table]:
    """Intervals found elsewhere, in the table's order; a video that it does not name has none.

    ``table`` has ``subject``, ``video``, ``onset``, ``offset``, ``emotion`` and may have ``apex`` and ``type``; frames
    count as the protocol's truth does. Raises WrongUse, naming the row, for what is no interval or of no known video.
    """
    truth: Recordings = content.truth
    found: dict[str, list[Interval]] = {}
    for name, interval in interval_rows(table):
        found.setdefault(name, []).append(interval)
    known = [sample.name for sample in content.samples]
    strange = sorted(set(found) - set(known))
    if strange and not truth.open:
        raise WrongUse("A table of answers was read.", f"It names the video {strange[0]!r}.", f"One is {known[0]!r}.")
    if len(truth.types) > 1 and truth.open and any(not one.type for intervals in found.values() for one in intervals):
        do = 'Give a column type, "micro" or "macro" in each row.'
        raise WrongUse("A table of answers was read.", "The truth tells types apart, and it does not.", do)
    if crowded := [name for name, intervals in found.items() if len(intervals) > MOST]:
        raise WrongUse("A table of answers was read.", f"{crowded[0]!r} has over {MOST:,} intervals.")
    lines = {name: in_order(intervals) for name, intervals in found.items()}
    return {
        ALL: {
            "key": [sample.key for sample in content.samples],
            "intervals": [lines.get(name, in_order([])) for name in known],
            "failure": [""] * len(known),
        },
        ELSEWHERE: {"key": strange, "intervals": [lines[name] for name in strange], "failure": [""] * len(strange)},
    }


TASK = Task(
    name="spotting",
    about="Where in a long clip does an expression begin and end, and which is it?",
    limits=(
        "The F1 of analysis rests on the few intervals that were spotted: read the counts beside it. The sets are "
        "small; a label is an annotator's reading of a face in a laboratory, not what a person felt. Nothing here is "
        "made for deployment on people."
    ),
    roles=(Role("method", Spotter, "finds expressions in a clip"),),
    ask=ask,
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
    reading=Reading(legend="Rates in percent. Intervals: 95 %, by bootstrap over subjects."),
)
