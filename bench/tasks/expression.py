"""Expression: which of some declared expressions does the face on a still picture show?

A method is a Classifier, which is told the labels, or an Answerer, which is asked in words as bench.questions says;
the ways to ask are part of an Answerer's identity, and a Classifier has none of them. Labels are names everywhere.
What says no class is wrong, a column of its own in the confusion, and counted by its reason. Pictures that repeat one
another, or each other's mirror image, are drawn together in the bootstrap; those that repeat one of the training split
are known where its pictures, or a table of them, are at hand, and every figure also stands without them.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.asking import ALL, Asking
from bench.cases import Decisions
from bench.classifying import answered, asking_for, given_classes
from bench.contracts import Answerer, Classifier
from bench.errors import WrongUse
from bench.image_probe import check_probes, probes
from bench.method import Configured
from bench.metrics import expression
from bench.metrics.classification import within
from bench.metrics.expression import ACCURACY, UNKNOWN, Scorer
from bench.metrics.expression_trials import NOT_KNOWN, REPLICATES, UNSEEN, UNTRAINED, ExpressionTrials, other_naming
from bench.metrics.metric import Metric
from bench.parsed import table
from bench.protocol import Content, Protocol, Reading, Role, Sample, Scored, Task, opaque_order
from bench.questions import GENERATE, LISTED, LOGLIK, PMI, Strategy, ways, wordings
from bench.replies import read_replies
from bench.scoring import scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Folds beside that of the pictures: pictures that must be told apart, and questions without one.
PROBE, BLANK = "probe", "blank"
WAYS = ways()
METRICS: tuple[Metric, ...] = expression.METRICS
WITHOUT_REPEATS: tuple[Metric, ...] = tuple(
    replace(within(part, metric), about=f"{metric.about}; without pictures that repeat one of {what}")
    for part, what in ((UNTRAINED, "the training split"), (UNSEEN, "the training or validation split"))
    for metric in METRICS[:2]
)
# Words that the expressions are offered and read by: adjectives, as people are asked about.
ADJECTIVES = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprised",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "afraid",
    "contempt": "contemptuous",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One picture as its owner tells it: its name and the label it has."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Repeats:
    """Which pictures are one another's copies, by name: ``group``; and ``seen``: "train", "valid", or "" for neither.

    A name that is in neither mapping repeats nothing. ``known``: whether the training split was looked at.
    """

    group: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    known: bool = False


@dataclass(frozen=True, slots=True)
class Labelled:
    """The truth of an expression protocol.

    ``labels``: the declared ones; ``words``: by which an Answerer is offered them; ``truth``: int64 [samples],
    positions among the labels; ``training``: makes samples and labels of the training split; ``repeats``: finds out
    which pictures are copies, when asked; ``listed``: the prompt that a list of questions brings, "" for none, and
    ``scorer``: how its authors read answers to it.
    """

    labels: tuple[str, ...]
    words: tuple[str, ...]
    truth: NDArray[Any]
    training: Callable[[], tuple[Sequence[Sample], Any]] | None = None
    repeats: Callable[[], Repeats] = Repeats
    listed: str = ""
    scorer: Scorer | None = None


def content(
    rows: Sequence[Row],
    labels: Sequence[str],
    read: Callable[[str, str], Any],
    files: Mapping[str, Path] | None = None,
    salt: str = "",
    **known: Any,
) -> Content:
    """The content of a protocol of labelled pictures, in an order that says nothing of them.

    ``rows``: names are unique; ``read(name, key)``: the record; ``files``: where each named file lies; ``salt``: the
    protocol's name; ``known``: fields of Labelled, ``words`` by default the adjectives of bench.tasks.expression.
    """
    import numpy as np

    told = {row.name: row.label for row in rows}
    names, labels = opaque_order(sorted(told), salt), tuple(labels)
    known.setdefault("words", tuple(ADJECTIVES[label] for label in labels))
    truth = Labelled(labels, truth=np.array([labels.index(told[name]) for name in names], np.int64), **known)
    digest = hashlib.sha256("".join(f"{name}\t{told[name]}\n" for name in sorted(told)).encode()).hexdigest()
    return Content([Sample(f"{i:06d}", n, partial(read, n)) for i, n in enumerate(names)], truth, digest, files or {})


def settings(labels: Sequence[str], words: Mapping[str, str] = ADJECTIVES, **more: Any) -> dict[str, Any]:
    """What of the labels, their words and the reading of answers is part of the question."""
    return {
        "replicates": REPLICATES,
        "labels": {label: words[label] for label in labels},
        "wordings": f"{wordings()['version']} {wordings()['sha256']}",
        "reading": f"{table()}",
        **more,
    }


def ask(asking: Asking) -> None:
    """Ask a Classifier of each picture; a trainable one after it was fitted on the training split. Ask an Answerer."""
    truth: Labelled = asking.content.truth
    (configured,) = asking.roles["method"]
    if configured.method.contract == Answerer.__name__:
        return _ask_in_words(asking, configured, _strategy(configured, truth))
    chosen = [o.name for o in configured.ways if configured.asked[o.name] != o.default and o.name in _OWN_WAYS]
    if chosen:
        found = f"{configured.method.name} is a Classifier: it is told the labels, and not asked in words."
        raise WrongUse(f"{configured} was asked for.", found, f"Leave {', '.join(chosen)} out.")
    if configured.method.trainable:
        assert truth.training is not None, "a protocol that says it trains has a training split"
        asking.fit("method", ALL, *truth.training())
    asking.ask_all("method", asking_for(truth.labels))


_OWN_WAYS = {option.name for option in WAYS}


def _strategy(configured: Configured, truth: Labelled) -> Strategy:
    asked = {name: value for name, value in configured.asked.items() if name in _OWN_WAYS}
    return Strategy.of(asked, truth.labels, truth.words, truth.listed)


def _ask_in_words(asking: Asking, configured: Configured, strategy: Strategy) -> None:
    """Ask whether pictures are seen, then about each, then, where scores need it, without a picture."""
    if not configured.method.floor:
        asking.ask_all("method", strategy.batches(), PROBE, probes(strategy))
        check_probes(str(configured), asking.answers()[PROBE])
    asking.ask_all("method", strategy.batches(), ALL, strategy.asked_of(asking.content.samples))
    if strategy.score == PMI:
        asking.ask_all("method", strategy.batches(), BLANK, strategy.without_picture())


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Compare the answer about every picture with its label.

    Trials: ``trial`` and ``cluster`` int32, pictures of one cluster being copies; ``truth`` and ``answer`` str, the
    last "" where there is none; ``failure`` str, why there is none; ``seen`` str, which other split has the picture
    too. Where there are probabilities a column ``p.<label>`` float32 each; of an Answerer ``reading`` str, the parser
    or how options followed the prompt; where a list of questions was asked ``ferbench`` str, what its scorer finds.
    """
    import numpy as np

    truth: Labelled = content.truth
    given = answers[ALL]
    made: Table = {}
    if "scores" in given:
        label = [truth.labels[i] if i >= 0 else "" for i in answered(given).tolist()]
        failure, probability = list(given["failure"]), _probabilities(given)
    else:
        strategy = _strategy(roles["method"][0], truth)
        read = read_replies(strategy, given, answers[BLANK] if strategy.score == PMI else None)
        label, failure, probability = read.label, read.failure, read.probability
        how = f"options joined: {', '.join(read.joint)}" if strategy.answer == LOGLIK else str(table())
        made["reading"] = [how] * len(label)
        asked_once = strategy.answer == GENERATE and len(strategy.prompts()) == 1
        if truth.scorer is not None and strategy.wording == LISTED and asked_once:
            made["ferbench"] = _as_published(truth, truth.scorer, given)
    if probability is not None:
        made |= {f"p.{name}": probability[:, i].astype(np.float32) for i, name in enumerate(truth.labels)}
    repeats = truth.repeats()
    names = [sample.name for sample in content.samples]
    groups = {group: i for i, group in enumerate(dict.fromkeys(repeats.group.get(name, name) for name in names))}
    return {
        "trial": np.arange(len(names), dtype=np.int32),
        "cluster": np.array([groups[repeats.group.get(name, name)] for name in names], np.int32),
        "truth": [truth.labels[i] for i in truth.truth.tolist()],
        "answer": label,
        "failure": failure,
        "seen": [repeats.seen.get(name, "") if repeats.known else NOT_KNOWN for name in names],
        **made,
    }


def _probabilities(given: Table) -> NDArray[Any] | None:
    """The scores of a Classifier, if all that it gave are probabilities: from 0 to 1, and 1 together."""
    import numpy as np

    found = np.asarray(given["scores"], np.float64)
    there = found[np.isfinite(found).all(axis=1)]
    summed = abs(there.sum(axis=1) - 1) < 1e-3
    return found if len(there) and (there >= 0).all() and summed.all() else None


def _as_published(truth: Labelled, scorer: Scorer, given: Table) -> list[str]:
    """What the list's own scorer finds in each answer: a label, "unknown", or "" for what it leaves out."""
    named = {**dict(zip(truth.words, truth.labels, strict=True)), UNKNOWN: UNKNOWN}
    texts = zip(given["text"], given["failure"], strict=True)
    return ["" if failure else named[scorer.read(str(text))] for text, failure in texts]


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of clusters, the same draws for the same trials."""
    prepared = ExpressionTrials(trials)
    for weights in prepared.weights():
        yield [prepared.compute(metric, weights).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric that the trials tell, with an interval by bootstrap over clusters; notes on what is odd in them."""
    prepared = ExpressionTrials(trials)
    metrics = [metric for metric in protocol.metrics if prepared.has(metric)]
    made = scores(metrics, prepared.compute, prepared.weights())
    notes = "; ".join(filter(None, (_oddities(protocol, prepared, trials))))
    made = tuple(
        replace(s, note="; ".join(filter(None, (s.note, notes)))) if s.metric == ACCURACY.name else s for s in made
    )
    reasons = Counter(sorted(filter(None, trials["failure"])))
    return Scored(made, (), len(trials["truth"]), dict(reasons))


def _oddities(protocol: Protocol, prepared: ExpressionTrials, trials: Table) -> Iterator[str]:
    """What a reader of the figures should know: how answers were read, classes that are not there, a better naming."""
    yield next(iter(trials.get("reading", [])), "")
    absent = sorted(set(protocol.settings.get("labels", ())) - set(trials["truth"]))
    yield f"no picture of {', '.join(absent)}" if absent else ""
    never = sorted(set(trials["truth"]) - set(trials["answer"]))
    yield f"never answered {', '.join(never)}" if never else ""
    if better := other_naming(prepared.whole):
        warnings.warn(f"{protocol.name}: {better}", stacklevel=2)
        yield better


def limit(content: Content, count: int) -> Content:
    """Keep the first ``count`` pictures of an order that says nothing of them."""
    truth: Labelled = content.truth
    return replace(content, samples=content.samples[:count], truth=replace(truth, truth=truth.truth[:count]))


def external(content: Content, given: Table) -> dict[str, Table]:
    """Labels named elsewhere (bench.classifying), in our order; what is absent is a failure."""
    return {ALL: given_classes(content, given, content.truth.labels)}


def decide(trials: Table) -> Decisions:
    """Which pictures are answered rightly."""
    import numpy as np

    right = np.array([a == b for a, b in zip(trials["truth"], trials["answer"], strict=True)])
    return Decisions("a picture is decided by the class answered", right, {"trial": trials["trial"]}, {})


TASK = Task(
    name="expression",
    about="Which expression does the face on a picture show?",
    limits=(
        "A label is what annotators read from a picture, not what a person felt; sets differ in their rules, and a "
        "word more or less in a question moves figures by points. Nothing here is made for deployment on people."
    ),
    roles=(Role("method", Classifier, "says which expression a face shows", also=(Answerer,)),),
    ask=ask,
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
    reading=Reading(legend="Rates in percent. Intervals: 95 %, by bootstrap over pictures, copies of one together."),
    decide=decide,
)
