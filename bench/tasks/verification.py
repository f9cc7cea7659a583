"""Verification: do two images show one person? Embeddings are compared, pair by pair.

The method gives one vector an image. A comparison's score is the cosine of two vectors, or minus their Euclidean
distance where the method's card says so. An image without a vector makes its comparisons fail, and a failed
comparison is a non-match: an error where the pair is mated.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import Table, joined
from bench.asking import ALL, Asking
from bench.cases import Cases, Decisions
from bench.contracts import Embedder
from bench.embedding import EMBED, given_embeddings, numbers, places
from bench.errors import WrongUse
from bench.method import Configured
from bench.metrics import biometric
from bench.metrics.comparison_trials import ComparisonTrials
from bench.metrics.metric import Metric
from bench.protocol import Content, Protocol, Role, Sample, Scored, Task, opaque_order
from bench.records import Face
from bench.scoring import scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 1000, 0
# What the boards of 6,000 or so pairs show, the headline first.
METRICS = (
    "accuracy",
    "accuracy_insightface",
    "tar@far=1e-2",
    "tar@far=1e-3",
    "eer",
    "fnmr@fmr=1e-3",
    "fnmr@fmr=1e-4",
    "fte",
)


@dataclass(frozen=True, slots=True)
class Pairs:
    """The truth of a verification protocol; position i of every array is trial i.

    ``reference``, ``probe``: int32 [n], positions among the samples; ``mated``: bool [n]; ``fold``: int16 [n];
    ``subjects``: int32 [samples], an opaque number for the person of each sample.
    """

    reference: NDArray[Any]
    probe: NDArray[Any]
    mated: NDArray[Any]
    fold: NDArray[Any]
    subjects: NDArray[Any]

    def folds(self) -> list[int]:
        """The folds' numbers."""
        return sorted(set(self.fold.tolist()))

    def training(self, fold: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The samples that a model for ``fold`` may learn from, those of people not in it, and a number a person."""
        import numpy as np

        inside = self.fold == fold
        tested = self.subjects[np.concatenate([self.reference[inside], self.probe[inside]])]
        rows = np.flatnonzero(~np.isin(self.subjects, tested))
        return rows, np.unique(self.subjects[rows], return_inverse=True)[1]

    def sha256(self, names: list[str]) -> str:
        """Digest over the trials by the samples' names, so it does not depend on their order."""
        digest = hashlib.sha256()
        for fold, a, b, mated in zip(
            self.fold.tolist(), self.reference.tolist(), self.probe.tolist(), self.mated.tolist(), strict=True
        ):
            digest.update(f"{fold}\t{names[a]}\t{names[b]}\t{int(mated)}\n".encode())
        return digest.hexdigest()


def content(
    rows: Sequence[tuple[int, str, str, bool]],
    person: Callable[[str], str],
    read: Callable[[str, str], Face],
    files: Mapping[str, Path] | None = None,
    salt: str = "",
) -> Content:
    """The content of a protocol of pairs; the order of samples and the numbers of people say nothing of them.

    ``rows``: (fold from 0, reference, probe, mated) by the images' names; ``person(name)``: who it is;
    ``read(name, key)``: the record; ``files``: where each named file lies; ``salt``: the protocol's name.
    """
    import numpy as np

    names = opaque_order(sorted({name for _, *pair, _ in rows for name in pair}), salt)
    place = {name: i for i, name in enumerate(names)}
    people = {one: i for i, one in enumerate(opaque_order(sorted({person(name) for name in names}), salt))}
    pairs = Pairs(
        reference=np.array([place[a] for _, a, _, _ in rows], np.int32),
        probe=np.array([place[b] for _, _, b, _ in rows], np.int32),
        mated=np.array([mated for *_, mated in rows]),
        fold=np.array([fold for fold, *_ in rows], np.int16),
        subjects=np.array([people[person(name)] for name in names], np.int32),
    )
    samples = [Sample(f"{i:06d}", name, partial(read, name)) for i, name in enumerate(names)]
    return Content(samples, pairs, pairs.sha256(names), dict(files or {}))


def ask(asking: Asking) -> None:
    """Embed every image once; of a trainable method, once a fold, by a model that saw nobody of that fold."""
    if not any(configured.method.trainable for configured in asking.roles["method"]):
        asking.ask_all("method", EMBED)
        return
    pairs: Pairs = asking.content.truth
    for fold in pairs.folds():
        rows, people = pairs.training(fold)
        asking.fit("method", _name(fold), [asking.content.samples[i] for i in rows.tolist()], people)
        asking.ask_all("method", EMBED, _name(fold))


def _name(fold: int) -> str:
    return f"fold-{fold}"


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Compare the vectors of every pair.

    Trials: ``trial`` int32, ``fold`` int16, ``mated`` bool; ``reference``, ``probe``, and ``_subject`` of each int32;
    ``score`` float64 (-inf where it failed), ``cosine`` float64 where the score is another; ``reference_failure``
    and ``probe_failure`` str, "" where there is a vector, or ``failure`` where only scores were given. Of a trainable
    method every pair comes once a fold's model, and ``model`` int16 says whose.
    """
    import numpy as np

    pairs: Pairs = content.truth
    euclidean = any(c.method.similarity == "euclidean" for c in roles.get("method", ()))
    if ALL in answers:
        return _judged(pairs, answers[ALL], euclidean)
    return joined(
        {"model": np.full(len(pairs.mated), fold, np.int16), **_judged(pairs, answers[_name(fold)], euclidean)}
        for fold in pairs.folds()
    )


def _judged(pairs: Pairs, given: Table, euclidean: bool) -> Table:
    """The trials of every pair, under one model's answers."""
    import numpy as np

    table: Table = {"trial": np.arange(len(pairs.mated), dtype=np.int32)}
    table |= {"fold": pairs.fold.astype(np.int16), "mated": pairs.mated}
    for side, rows in (("reference", pairs.reference), ("probe", pairs.probe)):
        table |= {side: rows.astype(np.int32), f"{side}_subject": pairs.subjects[rows].astype(np.int32)}
    reason: list[str] = given["failure"]
    if "score" in given:  # a stranger's own comparisons: nobody knows which of the two samples failed
        compared, failures = {"score": given["score"]}, {"failure": reason}
    else:
        cosine, distance = _compare(given["embedding"], pairs, euclidean)
        compared = {"score": -distance, "cosine": cosine} if euclidean else {"score": cosine}
        sides = (("reference_failure", pairs.reference), ("probe_failure", pairs.probe))
        failures = {side: [reason[i] for i in rows.tolist()] for side, rows in sides}
    gone = np.array([any(reasons) for reasons in zip(*failures.values(), strict=True)])
    return {**table, **{name: np.where(gone, -np.inf, score) for name, score in compared.items()}, **failures}


def _compare(embedding: NDArray[Any], pairs: Pairs, euclidean: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cosine and, where asked, Euclidean distance of every pair, in float64, a block of pairs at a time."""
    import numpy as np

    cosine, distance = np.empty(len(pairs.mated)), np.zeros(len(pairs.mated))
    for start in range(0, len(pairs.mated), 4096):
        rows = slice(start, start + 4096)
        a = embedding[pairs.reference[rows]].astype(np.float64)
        b = embedding[pairs.probe[rows]].astype(np.float64)
        if euclidean:
            distance[rows] = np.sqrt(((a - b) ** 2).sum(axis=1))
        # Over the lengths first, as the field does; a vector of zeros is like nothing: 0.
        a /= np.maximum(np.sqrt((a**2).sum(axis=1, keepdims=True)), 1e-300)
        b /= np.maximum(np.sqrt((b**2).sum(axis=1, keepdims=True)), 1e-300)
        cosine[rows] = np.clip((a * b).sum(axis=1), -1.0, 1.0)
    return cosine, distance


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of identities, the same draws for the same trials."""
    prepared = ComparisonTrials(trials, REPLICATES, SEED)
    known = [prepared.samples_known or metric.name != biometric.FTE.name for metric in metrics]
    for weights in prepared.weights():
        yield [
            prepared.compute(metric, weights).value if there else float("nan")
            for metric, there in zip(metrics, known, strict=True)
        ]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric with an interval by bootstrap over identities, and the DET curve.

    Of scores made elsewhere the failure rate of samples is not known and left out.
    """
    prepared = ComparisonTrials(trials, REPLICATES, SEED)
    metrics = [m for m in protocol.metrics if prepared.samples_known or m.name != biometric.FTE.name]
    made = scores(metrics, prepared.compute, prepared.weights())
    reasons = Counter(sorted(filter(None, prepared.reasons)))
    return Scored(made, prepared.curves(), len(prepared.reasons), dict(reasons))


def decide(trials: Table) -> Decisions | None:
    """Which pairs are decided rightly, as ``accuracy`` decides; None where there are no folds."""
    return ComparisonTrials(trials, REPLICATES, SEED).decisions()


def cases(content: Content, trials: Table) -> Cases:
    """False matches and non-matches of pairs, and images without a vector."""
    return ComparisonTrials(trials, REPLICATES, SEED).cases()


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` trials, as evenly as can be over folds and kinds, each group's first ones.

    Raises WrongUse where that leaves a fold without a mated or a non-mated pair.
    """
    import numpy as np

    pairs: Pairs = content.truth
    if count >= len(pairs.mated):
        return content
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, key in enumerate(zip(pairs.fold.tolist(), pairs.mated.tolist(), strict=True)):
        groups.setdefault(key, []).append(i)
    if count < len(groups):
        raise WrongUse(
            f"--limit {count} was asked for.",
            f"There are {len(groups)} groups (a fold's mated or non-mated pairs), each needs one.",
            f"Give at least --limit {len(groups)}.",
        )
    ranks = sorted((rank, key, i) for key, members in groups.items() for rank, i in enumerate(members))
    kept = np.array(sorted(i for _, _, i in ranks[:count]))
    used = np.unique(np.concatenate([pairs.reference[kept], pairs.probe[kept]]))
    place = np.zeros(len(content.samples), np.int32)
    place[used] = np.arange(len(used))
    fewer = Pairs(
        place[pairs.reference[kept]],
        place[pairs.probe[kept]],
        pairs.mated[kept],
        pairs.fold[kept],
        pairs.subjects[used],
    )
    samples = [content.samples[i] for i in used.tolist()]
    return replace(content, samples=samples, truth=fewer)


def external(content: Content, table: Table) -> dict[str, Table]:
    """Answers made elsewhere, in our order; what is absent is a failure.

    ``table`` has ``trial`` and ``score`` (the protocol's trial numbers from 0), or ``name`` (the images' names as their
    owner writes them) and ``embedding`` (a list column) or number columns, one a dimension.
    """
    import numpy as np

    if "trial" in table and "score" in table:
        scores = np.full(len(content.truth.mated), np.nan)
        scores[places(table["trial"], {str(i): i for i in range(len(scores))}, "trial")] = numbers(table["score"])
        failed = ["" if finite else "no score" for finite in np.isfinite(scores)]
        return {ALL: {"score": scores, "failure": failed}}
    return {ALL: given_embeddings(content, table, "trial and score, or name and an embedding")}


TASK = Task(
    name="verification",
    about="Do two images show one person?",
    limits=(
        "Photographs of public figures in the news say little about other people, cameras or age groups; error rates "
        "by group are not measured here. A score is no proof of identity, and nothing here is made for deployment on "
        "people."
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
