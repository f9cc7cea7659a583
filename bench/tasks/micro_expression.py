"""Micro-expression recognition: which expression does a short clip, or an image made of it, show?

A fitted method is fitted once a subject, on all others, and answers that subject; all answers go into one confusion,
from which UF1, UAR and accuracy are computed. The mean of the subjects' own scores is not that and is not shown. The
protocol declares the classes; bench.metrics.classification says what becomes of one that no truth has.
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
from bench.classifying import answered, asking_for, given_classes
from bench.contracts import Classifier
from bench.folds import ask_leaving_out, by_key, some_of_each
from bench.method import Configured
from bench.metrics import classification, resampling
from bench.metrics.classification import Classified
from bench.metrics.metric import Estimate, Metric
from bench.protocol import Content, Protocol, Reading, Role, Sample, Scored, Task, opaque_order
from bench.scoring import scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 1000, 0
METRICS = ("uf1", "uar", "war")


@dataclass(frozen=True, slots=True)
class Row:
    """One clip as its owner tells it: its name, its subject, the class it shows, and the data set it is part of."""

    name: str
    subject: str
    emotion: str
    part: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """The truth of a micro-expression protocol.

    ``classes``: the declared ones; ``truth``: int64 [samples], positions among them; ``subjects``: int32 [samples],
    opaque numbers; ``parts``: the data set of each sample.
    """

    classes: tuple[str, ...]
    truth: NDArray[Any]
    subjects: NDArray[Any]
    parts: tuple[str, ...]


def content(
    rows: Sequence[Row],
    classes: Sequence[str],
    read: Callable[[str, str], Any],
    files: Mapping[str, Path] | None = None,
    salt: str = "",
) -> Content:
    """The content of a protocol of labelled clips; the order of samples and the numbers of people say nothing of them.

    ``rows``: names are unique, subjects are people, one name for each; ``read(name, key)``: the record; ``files``:
    where each named file lies; ``salt``: the protocol's name.
    """
    import numpy as np

    told = {row.name: row for row in rows}
    names = opaque_order(sorted(told), salt)
    people = {one: i for i, one in enumerate(opaque_order(sorted({row.subject for row in rows}), salt))}
    truth = Labelled(
        tuple(classes),
        np.array([list(classes).index(told[name].emotion) for name in names], np.int64),
        np.array([people[told[name].subject] for name in names], np.int32),
        tuple(told[name].part for name in names),
    )
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row.name):
        digest.update(f"{row.name}\t{row.subject}\t{row.emotion}\t{row.part}\n".encode())
    samples = [Sample(f"{i:06d}", name, partial(read, name)) for i, name in enumerate(names)]
    return Content(samples, truth, digest.hexdigest(), dict(files or {}))


def ask(asking: Asking) -> None:
    """Ask which of the classes each clip shows; a trainable method a subject at a time, fitted on the others."""
    truth: Labelled = asking.content.truth

    def measure(answers: Table, labels: Any) -> float:
        """UF1, by which a snapshot is chosen."""
        return classification.uf1(Classified(truth.classes, labels, answered(answers))).value

    ask_leaving_out(asking, asking_for(truth.classes), truth.subjects, truth.truth, measure)


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Compare the answer to every clip with its class.

    Trials: ``trial`` and ``subject`` int32; ``part``, ``truth`` and ``answer`` str, the last "" where there is none;
    ``failure`` str, "" where there is one.
    """
    import numpy as np

    truth: Labelled = content.truth
    given = by_key(answers, [sample.key for sample in content.samples])
    return {
        "trial": np.arange(len(truth.truth), dtype=np.int32),
        "subject": truth.subjects.astype(np.int32),
        "part": list(truth.parts),
        "truth": [truth.classes[i] for i in truth.truth.tolist()],
        "answer": [truth.classes[i] if i >= 0 else "" for i in answered(given).tolist()],
        "failure": given["failure"],
    }


class _Prepared:
    """Trials as the metrics take them, all together and each data set alone.

    The classes are those that the trials name, in the order of the alphabet: one that is nowhere changes no metric.
    """

    def __init__(self, trials: Table) -> None:
        import numpy as np

        classes = sorted({*trials["truth"], *trials["answer"]} - {""})
        place = {name: i for i, name in enumerate(classes)} | {"": classification.UNANSWERED}
        truth, answer = ([place[name] for name in trials[column]] for column in ("truth", "answer"))
        parts: Any = np.array(trials["part"])
        self.subjects: Any = trials["subject"]
        self._rows = {"": np.arange(len(truth))} | {part: np.flatnonzero(parts == part) for part in set(trials["part"])}
        self._classified = {
            part: Classified(classes, np.array(truth)[rows], np.array(answer)[rows])
            for part, rows in self._rows.items()
        }

    def weights(self) -> Iterator[Any]:
        """Draws of subjects, the same for the same trials."""
        return resampling.identity_weights(self.subjects, self.subjects, REPLICATES, SEED)

    def compute(self, metric: Metric, weights: Any = None) -> Estimate:
        """A metric's value, of one data set where its name begins with one; NaN where a draw left nothing of it."""
        part = metric.name.rpartition(".")[0]
        if part not in self._classified:
            return Estimate(float("nan"))
        return metric.compute(self._classified[part], None if weights is None else weights[self._rows[part]])


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of subjects, the same draws for the same trials."""
    prepared = _Prepared(trials)
    for weights in prepared.weights():
        yield [prepared.compute(metric, weights).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric with an interval by bootstrap over subjects, but of data sets that a limit left out."""
    prepared = _Prepared(trials)
    there = {"", *trials["part"]}
    metrics = [metric for metric in protocol.metrics if metric.name.rpartition(".")[0] in there]
    made = scores(metrics, prepared.compute, prepared.weights())
    reasons = Counter(sorted(filter(None, trials["failure"])))
    return Scored(made, (), len(trials["truth"]), dict(reasons))


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` clips of as many subjects as can be; raises WrongUse for fewer than two."""
    truth: Labelled = content.truth
    if count >= len(content.samples):
        return content
    kept = some_of_each(truth.subjects, count)
    fewer = replace(
        truth, truth=truth.truth[kept], subjects=truth.subjects[kept], parts=tuple(truth.parts[i] for i in kept)
    )
    return replace(content, samples=[content.samples[i] for i in kept], truth=fewer)


def external(content: Content, table: Table) -> dict[str, Table]:
    """Classes named elsewhere (bench.classifying), in our order; what is absent is a failure."""
    return {ALL: given_classes(content, table, content.truth.classes)}


TASK = Task(
    name="micro_expression",
    about="Which expression does a brief movement of the face show?",
    limits=(
        "A class is what annotators agreed on in a laboratory, not what a person felt; the sets are small, and their "
        "subjects few. Nothing here is made for deployment on people."
    ),
    roles=(Role("method", Classifier, "says which expression a clip shows"),),
    ask=ask,
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
    reading=Reading(legend="Rates in percent. Intervals: 95 %, by bootstrap over subjects."),
)
