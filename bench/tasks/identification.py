"""Identification: who in a gallery is this, if anyone? One vector an image, every probe against every person enrolled.

A person's score is the best over that person's images in the gallery: the cosine of two vectors, or minus their
Euclidean distance where the method's card says so.
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
from bench.cases import Cases, Decisions, ErrorRate
from bench.contracts import Embedder
from bench.embedding import EMBED, given_embeddings
from bench.errors import WrongUse
from bench.method import Configured
from bench.metrics import biometric, identification, resampling
from bench.metrics.metric import Estimate, Metric
from bench.protocol import Content, Protocol, Role, Sample, Scored, Task, opaque_order
from bench.records import Face
from bench.results import Curve
from bench.scoring import scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 1000, 0
TRAINING = "training"
BLOCK = 256


@dataclass(frozen=True, slots=True)
class Gallery:
    """The truth of an identification protocol.

    ``enrolled``, ``probes``: int32, positions among the samples; ``subjects``: int32 [samples], an opaque number for
    the person of each; ``training``: samples to learn from, of people in neither, and ``people``, a number for each.
    """

    enrolled: NDArray[Any]
    probes: NDArray[Any]
    subjects: NDArray[Any]
    training: tuple[Sample, ...] = ()
    people: NDArray[Any] | None = None


def content(
    enrolled: Sequence[str],
    probes: Sequence[str],
    person: Callable[[str], str],
    read: Callable[[str, str], Face],
    training: Sequence[str] = (),
    files: Mapping[str, Path] | None = None,
    salt: str = "",
) -> Content:
    """The content of a protocol of searches; the order of samples and the numbers of people say nothing of them.

    ``enrolled``, ``probes``, ``training``: the images' names; ``person(name)``: who it is; ``read(name, key)``: the
    record; ``files``: where each named file lies; ``salt``: the protocol's name. Raises WrongUse where a person to
    learn from is enrolled or searched for.
    """
    import numpy as np

    names = opaque_order(sorted({*enrolled, *probes}), salt)
    if seen := {person(name) for name in training} & {person(name) for name in names}:
        raise WrongUse("A gallery was made.", f"{len(seen)} people are to be learned from and searched for.")
    place = {name: i for i, name in enumerate(names)}
    people = {one: i for i, one in enumerate(opaque_order(sorted({person(name) for name in names}), salt))}
    learned = opaque_order(training, salt)
    numbers = {one: i for i, one in enumerate(opaque_order(sorted({person(name) for name in learned}), salt))}
    samples = [Sample(f"{i:06d}", name, partial(read, name)) for i, name in enumerate(names)]
    truth = Gallery(
        np.array([place[name] for name in enrolled], np.int32),
        np.array([place[name] for name in probes], np.int32),
        np.array([people[person(name)] for name in names], np.int32),
        tuple(Sample(f"training-{i:06d}", name, partial(read, name)) for i, name in enumerate(learned)),
        np.array([numbers[person(name)] for name in learned], np.int64),
    )
    digest = hashlib.sha256()
    for kind, listed in (("enrolled", enrolled), ("probe", probes), ("training", sorted(training))):
        for name in listed:
            digest.update(f"{kind}\t{name}\n".encode())
    return Content(samples, truth, digest.hexdigest(), dict(files or {}))


def ask(asking: Asking) -> None:
    """Embed every image once; fit a trainable method on the training split before."""
    truth: Gallery = asking.content.truth
    if any(configured.method.trainable for configured in asking.roles["method"]):
        asking.fit("method", TRAINING, truth.training, truth.people)
        asking.ask_all("method", EMBED, TRAINING)
    else:
        asking.ask_all("method", EMBED)


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Search for every probe.

    Trials: ``trial`` int32; ``probe_subject`` int32; ``mated`` bool; ``rank`` int32, the gallery's size + 1 where the
    person was not found; ``mated_score`` and ``best_non_mated`` float64, -inf where there is none; ``failure`` str of
    the probe and ``enrolment_failure`` str of its person, "" where there is a vector.
    """
    import numpy as np

    truth: Gallery = content.truth
    given = answers[TRAINING if TRAINING in answers else ALL]
    euclidean = any(c.method.similarity == "euclidean" for c in roles.get("method", ()))
    people = np.unique(truth.subjects[truth.enrolled])
    who = truth.subjects[truth.probes]
    place = np.searchsorted(people, who)
    mated = people[np.minimum(place, len(people) - 1)] == who
    rank = np.full(len(who), len(people) + 1, np.int32)
    own, other = np.full(len(who), -np.inf), np.full(len(who), -np.inf)
    for start in range(0, len(who), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(who)))
        score = _search(given["embedding"], truth, truth.probes[rows], people, euclidean)
        known, column = rows[mated[rows]], place[rows[mated[rows]]]
        own[known] = score[known - start, column]
        score[known - start, column] = -np.inf
        other[rows] = score.max(axis=1)
        ahead = (score[known - start] >= own[known, None]).sum(axis=1)  # ties count against the method
        rank[known] = np.where(own[known] > -np.inf, ahead + 1, len(people) + 1)
    reason: list[str] = given["failure"]
    unenrolled = _unenrolled(truth, reason)
    return {
        "trial": np.arange(len(who), dtype=np.int32),
        "probe_subject": who.astype(np.int32),
        "mated": mated,
        "rank": rank,
        "mated_score": own,
        "best_non_mated": other,
        "failure": [reason[i] for i in truth.probes.tolist()],
        "enrolment_failure": [unenrolled.get(person, "") for person in who.tolist()],
    }


def _search(embedding: NDArray[Any], truth: Gallery, probes: NDArray[Any], people: Any, euclidean: bool) -> Any:
    """Each probe's score with each person: float64 [probes, people], -inf where either has no vector."""
    import numpy as np

    a, b = embedding[probes].astype(np.float64), embedding[truth.enrolled].astype(np.float64)
    if euclidean:
        squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
        score = -np.sqrt(np.maximum(squared, 0))
    else:
        a /= np.maximum(np.sqrt((a**2).sum(axis=1, keepdims=True)), 1e-300)
        b /= np.maximum(np.sqrt((b**2).sum(axis=1, keepdims=True)), 1e-300)
        score = a @ b.T
    score = np.where(np.isfinite(score), score, -np.inf)
    best = np.full((len(people), len(probes)), -np.inf)
    np.maximum.at(best, np.searchsorted(people, truth.subjects[truth.enrolled]), score.T)
    return best.T.copy()


def _unenrolled(truth: Gallery, reason: list[str]) -> dict[int, str]:
    """The people none of whose images in the gallery gave a vector, with the reason."""
    failed: dict[int, str] = {}
    for row in truth.enrolled.tolist():
        failed.setdefault(int(truth.subjects[row]), reason[row])
    for row in truth.enrolled.tolist():
        if not reason[row]:
            failed[int(truth.subjects[row])] = ""
    return {person: why for person, why in failed.items() if why}


class _Prepared:
    """Trials as the metrics take them."""

    def __init__(self, trials: Table) -> None:
        import numpy as np

        self.searches = identification.Searches(
            trials["mated"], trials["rank"], trials["mated_score"], trials["best_non_mated"]
        )
        self.subjects: Any = trials["probe_subject"]
        # A person is enrolled once, however often searched for.
        mated = np.flatnonzero(trials["mated"])
        once = mated[np.unique(self.subjects[mated], return_index=True)[1]]
        self.reasons: list[str] = trials["failure"] + [trials["enrolment_failure"][i] for i in once.tolist()]
        self.failed = np.array([bool(reason) for reason in self.reasons])
        self.asked = np.concatenate([np.arange(len(self.subjects)), once])

    def weights(self) -> Iterator[Any]:
        """Draws of the probes' people, the same for the same trials."""
        return resampling.identity_weights(self.subjects, self.subjects, REPLICATES, SEED)

    def compute(self, metric: Metric, weights: Any = None) -> Estimate:
        """A metric's value, under one draw of people where ``weights`` are given."""
        if metric.name == biometric.FTE.name:
            return metric.compute(self.failed, None if weights is None else weights[self.asked])
        return metric.compute(self.searches, weights)


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of the probes' people, the same draws for the same trials."""
    prepared = _Prepared(trials)
    for weights in prepared.weights():
        yield [prepared.compute(metric, weights).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric with an interval by bootstrap over the probes' people, the gallery held, and the CMC."""
    prepared = _Prepared(trials)
    made = scores(protocol.metrics, prepared.compute, prepared.weights())
    curve = Curve("cmc", "rank", "share", identification.cmc_points(prepared.searches))
    reasons = Counter(sorted(filter(None, prepared.reasons)))
    return Scored(made, (curve,), len(prepared.reasons), dict(reasons))


def decide(trials: Table) -> Decisions:
    """Which mated probes found their person at rank 1."""
    import numpy as np

    mated = np.flatnonzero(trials["mated"])
    return Decisions(
        rule="a mated probe is decided for the person at rank 1",
        right=trials["rank"][mated] == 1,
        which={name: trials[name][mated] for name in ("trial", "probe_subject")},
        given={name: trials[name][mated] for name in ("rank", "mated_score", "best_non_mated")},
    )


def cases(content: Content, trials: Table) -> Cases:
    """Misses at rank 1 of mated probes, and probes without a vector."""
    import numpy as np

    probes, mated = content.truth.probes[trials["trial"]], trials["mated"]
    every = np.ones(len(mated), bool)
    failed = np.array([bool(reason) for reason in trials["failure"]])
    missed = ErrorRate("fnir@rank=1", "mated probes whose person is not at rank 1", mated, trials["rank"] > 1)
    return Cases(
        samples=np.stack([probes] * 2, axis=1),
        subjects=np.stack([trials["probe_subject"]] * 2, axis=1),
        compared=None,
        counts={"images": every, "mated": mated, "non-mated": ~mated},
        rates=(missed, ErrorRate("fte", "probes of which the method made nothing", every, failed)),
    )


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` probes, mated and others in turn, and the whole gallery; raises WrongUse for fewer than two."""
    import numpy as np

    truth: Gallery = content.truth
    if count >= len(truth.probes):
        return content
    if count < 2:
        raise WrongUse(
            f"--limit {count} was asked for.", "A mated and a non-mated probe are needed.", "Give 2 or more."
        )
    mated = np.isin(truth.subjects[truth.probes], truth.subjects[truth.enrolled])
    turn = np.where(mated, np.cumsum(mated), np.cumsum(~mated))
    kept = np.sort(np.argsort(2 * turn + ~mated, kind="stable")[:count])
    return replace(content, truth=replace(truth, probes=truth.probes[kept]))


def external(content: Content, table: Table) -> dict[str, Table]:
    """Embeddings made elsewhere (bench.embedding), in our order; what is absent is a failure."""
    return {ALL: given_embeddings(content, table, "name and an embedding")}


TASK = Task(
    name="identification",
    about="Who in a gallery is this, if anyone?",
    limits=(
        "Rates depend on the gallery's size and on who is in it, so they do not carry over to another gallery; error "
        "rates by group are not measured here. Searching for people without their consent may be unlawful, and nothing "
        "here is made for deployment on people."
    ),
    roles=(Role("method", Embedder, "turns a face into a vector"),),
    ask=ask,
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
    decide=decide,
    cases=cases,
)
