"""Verification: do two images show one person? Embeddings are compared, pair by pair.

The method gives one vector an image. A comparison's score is the cosine of two vectors, or minus their Euclidean
distance where the method's card says so. An image without a vector makes its comparisons fail, and a failed
comparison is a non-match: an error where the pair is mated.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.asking import ALL, Asking, Batches
from bench.contracts import Embedder
from bench.errors import ContractBroken, WrongUse
from bench.method import Method
from bench.metrics import biometric, resampling
from bench.metrics.metric import Estimate, Metric
from bench.protocol import Content, Protocol, Role, Scored, Task
from bench.results import Curve, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 1000, 0
MOST_DIMENSIONS = 65_536
AGREE = 1e-4  # of the vectors' length: how far the same face's vectors may lie apart in two batches


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

    def sha256(self, names: list[str]) -> str:
        """Digest over the trials by the samples' names, so it does not depend on their order."""
        digest = hashlib.sha256()
        for fold, a, b, mated in zip(
            self.fold.tolist(), self.reference.tolist(), self.probe.tolist(), self.mated.tolist(), strict=True
        ):
            digest.update(f"{fold}\t{names[a]}\t{names[b]}\t{int(mated)}\n".encode())
        return digest.hexdigest()


def ask(asking: Asking) -> None:
    """Embed every image once."""
    asking.ask_all("method", EMBED)


def _check(value: Any, count: int) -> Table:
    import numpy as np

    asked = f"embed() was called with {count} faces."
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        kind = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
        raise ContractBroken(
            asked, f"It returned a {kind}.", "Return a numpy array of float32: result.astype(np.float32)."
        )
    if value.ndim != 2 or value.shape[0] != count or not 1 <= value.shape[1] <= MOST_DIMENSIONS:
        raise ContractBroken(asked, f"It returned shape {list(value.shape)}.", f"Return [{count}, d], one row a face.")
    return {"embedding": value}


def _missing(columns: Table) -> list[str]:
    import numpy as np

    return ["" if finite else "no embedding" for finite in np.isfinite(columns["embedding"]).all(axis=1)]


def _empty(like: Table, count: int) -> Table:
    import numpy as np

    return {"embedding": np.full((count, like["embedding"].shape[1]), np.nan, np.float32)}


def _same(one: Table, other: Table) -> bool:
    import numpy as np

    a, b = one["embedding"].astype(np.float64), other["embedding"].astype(np.float64)
    gone = ~np.isfinite(a).all(axis=1)
    if not np.array_equal(gone, ~np.isfinite(b).all(axis=1)):
        return False
    a, b = a[~gone], b[~gone]
    apart = np.linalg.norm(a - b, axis=1)
    return bool((apart <= AGREE * np.maximum(np.linalg.norm(a, axis=1), 1e-12)).all())


EMBED = Batches("embed", _check, _missing, _empty, _same)


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Method, ...]]) -> Table:
    """Compare the vectors of every pair.

    Trials: ``trial`` int32, ``fold`` int16, ``mated`` bool; ``reference``, ``probe``, and ``_subject`` of each int32;
    ``score`` float64 (-inf where it failed), ``cosine`` float64 where the score is another; ``reference_failure``
    and ``probe_failure`` str, "" where there is a vector, or ``failure`` where only scores were given.
    """
    import numpy as np

    pairs: Pairs = content.truth
    table: Table = {"trial": np.arange(len(pairs.mated), dtype=np.int32)}
    table |= {"fold": pairs.fold.astype(np.int16), "mated": pairs.mated}
    for side, rows in (("reference", pairs.reference), ("probe", pairs.probe)):
        table |= {side: rows.astype(np.int32), f"{side}_subject": pairs.subjects[rows].astype(np.int32)}
    given = answers[ALL]
    reason: list[str] = given["failure"]
    if "score" in given:  # a stranger's own comparisons: nobody knows which of the two samples failed
        scores, failures = {"score": given["score"]}, {"failure": reason}
    else:
        euclidean = any(method.similarity == "euclidean" for method in roles.get("method", ()))
        cosine, distance = _compare(given["embedding"], pairs, euclidean)
        scores = {"score": -distance, "cosine": cosine} if euclidean else {"score": cosine}
        sides = (("reference_failure", pairs.reference), ("probe_failure", pairs.probe))
        failures = {side: [reason[i] for i in rows.tolist()] for side, rows in sides}
    gone = np.array([any(reasons) for reasons in zip(*failures.values(), strict=True)])
    return {**table, **{name: np.where(gone, -np.inf, score) for name, score in scores.items()}, **failures}


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


class _Prepared:
    """Trials as the metrics take them: comparisons, and the samples in them for the failure rate."""

    def __init__(self, trials: Table) -> None:
        import numpy as np

        self.comparisons = biometric.Comparisons(trials["score"], trials["mated"], trials["fold"], trials.get("cosine"))
        self.first, self.second = trials["reference_subject"], trials["probe_subject"]
        self.compared = len(self.first)
        if "failure" in trials:
            self.reasons: list[str] = trials["failure"]
            return
        _, once = np.unique(np.concatenate([trials["reference"], trials["probe"]]), return_index=True)
        both = trials["reference_failure"] + trials["probe_failure"]
        self.reasons = [both[i] for i in once.tolist()]
        self.failed = np.array([bool(reason) for reason in self.reasons])
        # A sample is drawn as often as its person, a comparison as the two persons in it.
        subjects = np.concatenate([self.first, self.second])[once]
        self.first, self.second = (np.concatenate([side, subjects]) for side in (self.first, self.second))

    @property
    def samples_known(self) -> bool:
        """Whether the trials say which samples failed, not only which comparisons."""
        return len(self.first) > self.compared

    def weights(self) -> Iterator[Any]:
        """Draws of identities, the same for the same trials."""
        return resampling.identity_weights(self.first, self.second, REPLICATES, SEED, self.compared)

    def compute(self, metric: Metric, weights: Any = None) -> Estimate:
        """A metric's value, under one draw of identities where ``weights`` are given."""
        if metric.name != biometric.FTE.name:
            return metric.compute(self.comparisons, None if weights is None else weights[: self.compared])
        return metric.compute(self.failed, None if weights is None else weights[self.compared :])


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of identities, the same draws for the same trials."""
    prepared = _Prepared(trials)
    for weights in prepared.weights():
        yield [prepared.compute(metric, weights).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric with an interval by bootstrap over identities, and the DET curve.

    A rate that is only bounded gets no interval. Of scores made elsewhere the failure rate of samples is not known
    and left out.
    """
    prepared = _Prepared(trials)
    metrics = [m for m in protocol.metrics if prepared.samples_known or m.name != biometric.FTE.name]
    drawn = [[prepared.compute(metric, w).value for metric in metrics] for w in prepared.weights()]
    scores = []
    for column, metric in enumerate(metrics):
        estimate = prepared.compute(metric)
        low, high = resampling.bounded_interval(estimate, *resampling.interval([row[column] for row in drawn]))
        folds = estimate.folds
        scores.append(
            Score(
                metric=metric.name,
                value=estimate.value,
                low=None if estimate.bound else low,
                high=None if estimate.bound else high,
                better=metric.better,
                unit=metric.unit,
                bound=estimate.bound,
                standard_error=resampling.standard_error(folds) if folds else None,
                population_std=resampling.population_std(folds) if folds else None,
                folds=folds,
                note=estimate.note,
            )
        )
    points = biometric.det_points(prepared.comparisons)
    reasons = Counter(sorted(filter(None, prepared.reasons)))
    return Scored(tuple(scores), (Curve("det", "fmr", "fnmr", points),), len(prepared.reasons), dict(reasons))


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
        scores[_places(table["trial"], {str(i): i for i in range(len(scores))}, "trial")] = _numbers(table["score"])
        failed = ["" if finite else "no score" for finite in np.isfinite(scores)]
        return {ALL: {"score": scores, "failure": failed}}
    if "name" not in table:
        found = f"Its columns are {', '.join(list(table)[:8])}."
        raise WrongUse("A table of answers was read.", found, "Give trial and score, or name and an embedding.")
    vectors = table.get("embedding")
    if vectors is None:
        vectors = np.column_stack([_numbers(column) for name, column in table.items() if name != "name"])
    embedding = np.full((len(content.samples), vectors.shape[1]), np.nan, np.float32)
    embedding[_places(table["name"], {s.name: i for i, s in enumerate(content.samples)}, "name")] = vectors
    return {ALL: {"embedding": embedding, "failure": _missing({"embedding": embedding})}}


def _numbers(column: Any) -> Any:
    import numpy as np

    try:
        return np.asarray([float("nan") if cell in (None, "") else cell for cell in column], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WrongUse("A table of answers was read.", f"A cell is no number: {error}.") from None


def _places(names: Any, known: dict[str, int], column: str) -> list[int]:
    """Where each row belongs; raises WrongUse for names that are unknown or come twice."""
    rows = [str(name.item() if hasattr(name, "item") else name) for name in names]
    unknown = sorted(set(rows) - set(known))
    if unknown or len(set(rows)) < len(rows):
        found = f"It has unknown ones, such as {unknown[0]!r}." if unknown else "Some come twice."
        example = next(iter(known))
        raise WrongUse(f"The column {column!r} of the answers was read.", found, f"One is written {example!r}.")
    return [known[row] for row in rows]


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
)
