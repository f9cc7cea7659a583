"""Templates: the vectors of several images of one person made one, as the IJB evaluations do.

A template's vector is the sum over its media (a photograph, a video) of the mean over a medium's images, brought to
unit length: deepinsight/insightface, recognition/_evaluation_/ijb/ijb_11.py. All sums here are in float64; the script
has those within a template in float32. An image without a vector is left out of the mean; a template without any fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 4096  # images, or comparisons, in memory at a time in float64
NOTHING = 1e-300


@dataclass(frozen=True, slots=True)
class Pools:
    """Which image is in which template.

    ``template``: int32 [samples], from 0; ``media``: int32 [samples]; ``detected``: float32 [samples], the detector's
    score, 0 or more; ``subjects``: int32 [templates], an opaque number for the person of each.
    """

    template: NDArray[Any]
    media: NDArray[Any]
    detected: NDArray[Any]
    subjects: NDArray[Any]

    def of(self, rows: NDArray[Any]) -> Pools:
        """Those of some samples; templates keep their numbers."""
        return Pools(self.template[rows], self.media[rows], self.detected[rows], self.subjects)


@dataclass(frozen=True, slots=True)
class Pooled:
    """The vectors of templates.

    ``vectors``: float64 [templates, d] of length 1, 0 where the images' vectors add up to nothing, NaN where none has
    one; ``images``: int32 [templates], how many each has; ``failed``: reason to int32 [templates], how many failed so.
    """

    vectors: NDArray[Any]
    images: NDArray[Any]
    failed: Mapping[str, NDArray[Any]]

    @property
    def empty(self) -> NDArray[Any]:
        """Which templates have no vector: bool [templates]."""
        gone: NDArray[Any] = sum(self.failed.values(), 0 * self.images) == self.images
        return gone

    def cosine(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """The cosines of templates, position by position: float64 [n], -inf where one has no vector.

        Products and sums are in float64, as in the official script.
        """
        import numpy as np

        cosine = np.empty(len(first))
        for start in range(0, len(first), ROWS):
            rows = slice(start, start + ROWS)
            np.einsum("ij,ij->i", self.vectors[first[rows]], self.vectors[second[rows]], out=cosine[rows])
        np.clip(cosine, -1, 1, out=cosine)
        empty = self.empty
        cosine[empty[first] | empty[second]] = -np.inf
        return cosine


def pool(pools: Pools, embedding: NDArray[Any], reasons: Sequence[str], norm: bool, detector: bool) -> Pooled:
    """Make the vectors of templates of those of images.

    ``embedding``: float32 [samples, d]; ``reasons``: why a sample has none, "" where it has; ``norm``: whether vectors
    keep their lengths before the mean (N1) or get length 1; ``detector``: whether they are multiplied by the detector's
    score (D1).
    """
    import numpy as np

    count = len(pools.subjects)
    named = sorted(set(reasons) - {""})
    code = _codes(reasons, named)
    share = np.zeros(len(code))
    there = np.flatnonzero(code == 0)
    share[there] = 1 / _alike(pools.template[there], pools.media[there])
    if detector:
        share *= pools.detected
    vectors = np.zeros((count, embedding.shape[1]))
    order = there[np.argsort(pools.template[there], kind="stable")]
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        block = embedding[rows].astype(np.float64)
        weight = share[rows] if norm else share[rows] / np.maximum(_lengths(block), NOTHING)
        block *= weight[:, None]
        template = pools.template[rows]
        begins = np.flatnonzero(np.diff(template, prepend=-1))
        vectors[template[begins]] += np.add.reduceat(block, begins, axis=0)
    vectors /= np.maximum(_lengths(vectors), NOTHING)[:, None]
    images = np.bincount(pools.template, minlength=count).astype(np.int32)
    failed = {
        reason: np.bincount(pools.template[code == i], minlength=count).astype(np.int32)
        for i, reason in enumerate(named, 1)
    }
    pooled = Pooled(vectors, images, failed)
    vectors[pooled.empty] = np.nan
    return pooled


def _codes(reasons: Sequence[str], named: list[str]) -> NDArray[Any]:
    """Each sample's reason by number, 0 for none."""
    import numpy as np

    numbers = {reason: i for i, reason in enumerate(["", *named])}
    return np.fromiter((numbers[reason] for reason in reasons), np.int32, len(reasons))


def _alike(template: NDArray[Any], media: NDArray[Any]) -> NDArray[Any]:
    """How many images share template and medium with each."""
    import numpy as np

    both = template.astype(np.int64) * (int(media.max(initial=0)) + 1) + media
    _, place, count = np.unique(both, return_inverse=True, return_counts=True)
    alike: NDArray[Any] = count[place]
    return alike


def _lengths(rows: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    lengths: NDArray[Any] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths
