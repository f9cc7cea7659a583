"""Templates: verification and identification where a person is shown by several images, as IJB-B and IJB-C have it.

The method gives one vector an image, ``bench.pooling`` makes one a template, and templates are compared by the cosine,
whatever similarity the method's card names. How images are pooled can be chosen, ``METHOD:norm=off,det=off``; the
defaults are those of InsightFace's IJB scripts (N1, D1). Their flip test (F2) is the method's own, where it has one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.asking import ALL
from bench.embedding import given_embeddings
from bench.errors import WrongUse
from bench.method import Configured, Option
from bench.metrics.metric import Metric
from bench.metrics.template_trials import FAILED, Images, TemplateTrials
from bench.pooling import Pooled, Pools, pool
from bench.protocol import Content, Protocol, Sample, Scored
from bench.scoring import scores
from bench.tasks import identification, verification
from bench.tasks.identification import Gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 100, 0  # a draw is two passes over millions of comparisons
NORM = Option("norm", True, "whether a vector's length counts when a template's images are averaged (N1), or not (N0)")
DETECTOR = Option("det", True, "whether vectors are weighted by the detector's score of the image (D1), or not (D0)")
WAYS = (NORM, DETECTOR)


@dataclass(frozen=True, slots=True)
class TemplatePairs:
    """The truth of a 1:1 protocol: ``reference`` and ``probe`` int32 [n] are templates, ``mated`` bool [n]."""

    pools: Pools
    reference: NDArray[Any]
    probe: NDArray[Any]
    mated: NDArray[Any]


@dataclass(frozen=True, slots=True)
class TemplateSearches:
    """The truth of a 1:N protocol: ``gallery`` says of templates what it says of samples in bench.tasks.identification.

    Each person is enrolled with one template.
    """

    pools: Pools
    gallery: Gallery


def pairs_content(
    samples: Sequence[Sample], truth: TemplatePairs, files: Mapping[str, Path], listed: Sequence[NDArray[Any]]
) -> Content:
    """The content of a 1:1 protocol; ``listed``: whole numbers as the owner's lists have them, for the digest."""
    return Content(samples, truth, _digest("1:1", listed), files)


def searches_content(
    samples: Sequence[Sample], truth: TemplateSearches, files: Mapping[str, Path], listed: Sequence[NDArray[Any]]
) -> Content:
    """The content of a 1:N protocol; ``listed`` as of ``pairs_content``."""
    return Content(samples, truth, _digest("1:N", listed), files)


def _digest(kind: str, listed: Sequence[NDArray[Any]]) -> str:
    import numpy as np

    digest = hashlib.sha256(kind.encode())
    for column in listed:
        digest.update(f"\n{len(column)}\n".encode())
        digest.update(np.ascontiguousarray(column, "<i4").data)
    return digest.hexdigest()


def _pooled(pools: Pools, given: Table, roles: Mapping[str, tuple[Configured, ...]]) -> Pooled:
    """The templates' vectors, made in the way that the method was asked."""
    asked = {option.name: option.default for option in WAYS}
    for configured in roles.get("method", ()):
        asked |= configured.asked
    return pool(pools, given["embedding"], given["failure"], bool(asked[NORM.name]), bool(asked[DETECTOR.name]))


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Compare the templates of every pair; row i is the owner's pair i.

    Trials: ``mated`` bool; ``score`` float64, the cosine, -inf where a template has no vector; ``failed`` bool, whether
    that is so; and of each side, reference and probe, the int32 columns of bench.metrics.template_trials.Images.
    """
    truth: TemplatePairs = content.truth
    pooled = _pooled(truth.pools, answers[ALL], roles)
    score, empty = pooled.cosine(truth.reference, truth.probe), pooled.empty
    table: Table = {"mated": truth.mated, "score": score, "failed": empty[truth.reference] | empty[truth.probe]}
    for side, templates in (("reference", truth.reference), ("probe", truth.probe)):
        table |= _side(side, templates, pooled, truth.pools)
    return table


def _side(side: str, templates: NDArray[Any], pooled: Pooled, pools: Pools) -> Table:
    """What trials say of the templates on one side; -1 is no template, and has no image."""
    import numpy as np

    known = {"_subject": pools.subjects, "_images": pooled.images}
    known |= {FAILED + reason: failed for reason, failed in pooled.failed.items()}
    table: Table = {side: templates.astype(np.int32)}
    for name, column in known.items():
        table[side + name] = np.where(templates >= 0, column[templates], 0).astype(np.int32)
    return table


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric with an interval by bootstrap over people, and the DET curve; what failed is counted by image."""
    prepared = TemplateTrials(trials, REPLICATES, SEED)
    made = scores(protocol.metrics, prepared.compute, prepared.weights())
    return Scored(made, prepared.curves(), prepared.images.count, prepared.images.reasons)


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of people, the same draws for the same trials."""
    prepared = TemplateTrials(trials, REPLICATES, SEED)
    for draw in prepared.weights():
        yield [prepared.compute(metric, draw).value for metric in metrics]


def search(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Search for every probe template among the enrolled ones.

    Trials: those of bench.tasks.identification, of templates, and the columns that Images names: the probe's template
    and, as reference, the one of its person, -1 where nobody of that name is enrolled.
    """
    import numpy as np

    truth: TemplateSearches = content.truth
    pools, gallery = truth.pools, truth.gallery
    pooled = _pooled(pools, answers[ALL], roles)
    reason = np.where(pooled.empty, "no image gave a vector", "").tolist()
    vectors = {"embedding": pooled.vectors, "failure": reason}
    table = identification.judge(replace(content, truth=gallery), {ALL: vectors}, {})
    enrolled = np.full(int(pools.subjects.max()) + 1, -1, np.int32)
    enrolled[pools.subjects[gallery.enrolled]] = gallery.enrolled
    reference = enrolled[pools.subjects[gallery.probes]]
    table |= _side("probe", gallery.probes, pooled, pools)
    return table | _side("reference", reference, pooled, pools)


def score_searches(protocol: Protocol, trials: Table) -> Scored:
    """As bench.tasks.identification does; what failed is counted by image, of probes and of whom they show."""
    images = Images(trials)
    return replace(identification.score(protocol, trials), samples=images.count, reasons=images.reasons)


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` pairs, of both kinds as evenly as can be, the first ones; raises WrongUse for under two."""
    import numpy as np

    truth: TemplatePairs = content.truth
    if count >= len(truth.mated):
        return content
    if count < 2:
        found = "A mated and a non-mated pair are needed."
        raise WrongUse(f"--limit {count} was asked for.", found, "Give 2 or more.")
    mated, non_mated = np.flatnonzero(truth.mated), np.flatnonzero(~truth.mated)
    few = min(max(count // 2, count - len(non_mated)), len(mated))
    kept = np.sort(np.concatenate([mated[:few], non_mated[: count - few]]))
    fewer = replace(truth, reference=truth.reference[kept], probe=truth.probe[kept], mated=truth.mated[kept])
    return _cut(content, fewer, np.concatenate([fewer.reference, fewer.probe]))


def limit_searches(content: Content, count: int) -> Content:
    """Keep ``count`` probe templates and the whole gallery, as bench.tasks.identification does."""
    import numpy as np

    truth: TemplateSearches = content.truth
    gallery = identification.limit(replace(content, truth=truth.gallery), count).truth
    if gallery is truth.gallery:
        return content
    return _cut(content, replace(truth, gallery=gallery), np.concatenate([gallery.enrolled, gallery.probes]))


def _cut(content: Content, truth: Any, templates: NDArray[Any]) -> Content:
    """The content with those samples only that are in one of the templates."""
    import numpy as np

    rows = np.flatnonzero(np.isin(truth.pools.template, templates))
    samples = [content.samples[row] for row in rows.tolist()]
    return replace(content, samples=samples, truth=replace(truth, pools=truth.pools.of(rows)))


def external(content: Content, table: Table) -> dict[str, Table]:
    """Embeddings made elsewhere (bench.embedding), one an image, pooled in the default way; absent is a failure."""
    return {ALL: given_embeddings(content, table, "name and an embedding")}


PAIRS = replace(
    verification.TASK,
    about="Do two sets of images show one person?",
    limits=(
        "Pictures and videos of public figures say little about other people, cameras or age groups; error rates by "
        "group are not measured here. A score is no proof of identity, and nothing here is made for deployment on "
        "people."
    ),
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
    decide=None,
    cases=None,
)
SEARCHES = replace(
    identification.TASK,
    about="Who in a gallery do these images show, if anyone?",
    judge=search,
    score=score_searches,
    limit=limit_searches,
    external=external,
    cases=None,
)
