"""Does a card say how its model was trained? Pairs with known truth are asked again under other cards.

A wrong order of channels, mean or scale, and distances of vectors that were not normalised, give valid but lower
figures. So each is tried against what the card says: a change that tells mated from non-mated pairs apart by clearly
more is named. The card is never changed; the training code decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bench
from bench.metrics.biometric import Comparisons, eer
from facebench_onnx.cards import Card

# (mean, std) that are published with models, three numbers in the order of RGB.
PREPARATIONS: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = (
    ((127.5,) * 3, (127.5,) * 3),
    ((127.5,) * 3, (128.0,) * 3),
    ((0.0,) * 3, (1.0,) * 3),
    ((0.0,) * 3, (255.0,) * 3),
    ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
)
DRAWS, SEED = 1000, 0
LOWEST = 0.005  # quantile of the gain that must lie above 0: of a 99 % interval, as several changes are tried
LEAST = 0.02  # share by which the separation must grow; near preparations differ by less
Embed = Callable[[Card], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs with known truth: ``first``, ``second`` positions among the pictures [n], ``mated`` bool [n]."""

    first: NDArray[Any]
    second: NDArray[Any]
    mated: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """How well scores tell mated from non-mated pairs: ``eer``, a share; ``separation``, in standard deviations."""

    eer: float
    separation: float

    def __str__(self) -> str:
        return f"EER {self.eer * 100:.2f} %, separation {self.separation:.2f}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A change of the card that helps: which ``keys``, what they ``said`` and what to ``try_``, and the figures.

    ``gain``: 99 % interval of the separation's gain; ``alike``: other values that this data cannot tell from it.
    """

    keys: str
    said: str
    try_: str
    before: Figures
    after: Figures
    gain: tuple[float, float]
    alike: tuple[str, ...] = ()

    def __str__(self) -> str:
        before, after, (low, high) = self.before, self.after, self.gain
        text = (
            f"{self.keys}: the card says {self.said}. With {self.try_} instead, the scores of mated and non-mated "
            f"pairs lie {after.separation:.2f} standard deviations apart, not {before.separation:.2f} (99 % interval "
            f"of the gain {low:+.2f} to {high:+.2f}), and the EER goes from {before.eer * 100:.2f} to "
            f"{after.eer * 100:.2f} %. Look into the training code, and try {self.try_}."
        )
        return text + (f" These pairs do not tell it from {' or '.join(self.alike)}." if self.alike else "")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found on a card, the largest gain first; each finding's figures are with those before it mended."""

    card: Card
    pairs: int
    plain: Figures
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        head = f"{self.card.name} on {self.pairs} pairs, as its card says: {self.plain}."
        found = [str(finding) for finding in self.findings]
        nothing = "Nothing found: no other channels, mean and std, or similarity that were tried separate them better."
        return "\n".join([head, *(found or [nothing])])


def examine(card: Card, embed: Embed, pairs: Pairs) -> Report:
    """Try other cards than ``card``, one change after the other for as long as one helps.

    ``embed(card)`` gives float32 [pictures, d] as that card prepares them.
    """
    answers: dict[Any, NDArray[np.float32]] = {}

    def scored(other: Card) -> NDArray[np.float64]:
        key = other.channels, other.mean, other.std
        if key not in answers:
            answers[key] = embed(other)
        return scores(answers[key], pairs, other.similarity)

    found: list[Finding] = []
    plain, tried = figures(scored(card), pairs.mated), card
    for _ in range(3):  # channels, preparation and similarity can each be wrong once
        best = _best_change(tried, {finding.keys for finding in found}, scored, pairs.mated)
        if best is None:
            break
        finding, tried = best
        found.append(finding)
    return Report(card, len(pairs.mated), plain, tuple(found))


def _best_change(
    card: Card, done: set[str], scored: Callable[[Card], NDArray[np.float64]], mated: NDArray[Any]
) -> tuple[Finding, Card] | None:
    """The change that helps most, and the card with it; None where none helps clearly."""
    now, helping = scored(card), []
    before = figures(now, mated)
    for keys, changed in _changes(card):
        if keys in done:
            continue
        score = scored(changed)
        after, interval = figures(score, mated), gain(now, score, mated)
        if interval[0] > 0 and after.separation > before.separation * (1 + LEAST):
            helping.append((after, keys, changed, interval))
    if not helping:
        return None
    after, keys, best, interval = max(helping, key=lambda item: item[0].separation)
    alike = tuple(
        _said(keys, other)
        for _, name, other, _ in helping
        if name == keys and other is not best and gain(scored(other), scored(best), mated)[0] <= 0
    )
    return Finding(keys, _said(keys, card), _said(keys, best), before, after, interval, alike), best


def _changes(card: Card) -> Iterator[tuple[str, Card]]:
    """Cards that differ in one thing, which is told by its keys."""
    yield "channels", replace(card, channels="BGR" if card.channels == "RGB" else "RGB")
    for mean, std in PREPARATIONS:
        turned = -1 if card.channels == "BGR" else 1
        other = replace(card, mean=mean[::turned], std=std[::turned])
        if (other.mean, other.std) != (card.mean, card.std):
            yield "mean and std", other
    yield "similarity", replace(card, similarity="cosine" if card.similarity == "euclidean" else "euclidean")


def _said(keys: str, card: Card) -> str:
    if keys == "mean and std":
        return f"mean = {_numbers(card.mean)}, std = {_numbers(card.std)}"
    return f'{keys} = "{getattr(card, keys)}"'


def _numbers(triple: Sequence[float]) -> str:
    return f"{triple[0]:g}" if len(set(triple)) == 1 else f"[{', '.join(f'{value:g}' for value in triple)}]"


def scores(rows: NDArray[np.float32], pairs: Pairs, similarity: str) -> NDArray[np.float64]:
    """The pairs' cosines, or minus their squared distances, float64 [n]; -inf where a row is not finite.

    Squared, distances order pairs as they are and are a straight line over the cosine where all lengths are equal,
    so that the two then separate alike.
    """
    a, b = (rows[side].astype(np.float64) for side in (pairs.first, pairs.second))
    if similarity == "cosine":
        a, b = (side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-300) for side in (a, b))
    with np.errstate(invalid="ignore", over="ignore"):
        found = (a * b).sum(axis=1) if similarity == "cosine" else -((a - b) ** 2).sum(axis=1)
    return np.where(np.isfinite(found), found, -np.inf)


def figures(score: NDArray[np.float64], mated: NDArray[Any]) -> Figures:
    """EER and separation of scores."""
    return Figures(eer(Comparisons(score, mated)).value, float(_separations(score, mated, np.ones((1, len(score))))[0]))


def gain(before: NDArray[np.float64], after: NDArray[np.float64], mated: NDArray[Any]) -> tuple[float, float]:
    """99 % interval of the separation's gain, by bootstrap over the same pairs for both."""
    draw = np.random.default_rng(SEED)
    counts = np.zeros((DRAWS, len(mated)))
    for kind in (mated, ~mated):  # both kinds keep their number
        places = np.flatnonzero(kind)
        counts[:, places] = draw.multinomial(len(places), np.full(len(places), 1 / len(places)), DRAWS)
    differences = _separations(after, mated, counts) - _separations(before, mated, counts)
    low, high = np.quantile(differences, [LOWEST, 1 - LOWEST])
    return float(low), float(high)


def _separations(score: NDArray[np.float64], mated: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """The difference of the two means over the root of the mean of the two variances, a weighting each.

    Zero where a comparison failed or nothing varies: such scores are of no use.
    """
    if not np.isfinite(score).all():
        return np.zeros(len(counts))
    means, variances = [], []
    for kind in (mated, ~mated):
        weights = counts[:, kind] / counts[:, kind].sum(axis=1, keepdims=True)
        means.append(weights @ score[kind])
        variances.append((weights * (score[kind] - means[-1][:, None]) ** 2).sum(axis=1))
    spread = np.sqrt((variances[0] + variances[1]) / 2)
    return np.divide(means[0] - means[1], spread, out=np.zeros(len(counts)), where=spread > 1e-12 * abs(score).max())


def of_method(
    method: bench.Method, card: Card, given: bench.Load, pictures: Sequence[bench.Face], pairs: Pairs
) -> Report:
    """Examine the card of a method on pictures that it takes; raises ValueError where the model does not fit it."""
    from facebench_onnx.session import OnnxEmbedder

    loaded: OnnxEmbedder = method.load(given)

    def embed(other: Card) -> NDArray[np.float32]:
        asked = OnnxEmbedder(loaded.session, other, loaded.flip, loaded.label)
        size = method.batch
        return np.concatenate([asked.embed(pictures[start : start + size]) for start in range(0, len(pictures), size)])

    return examine(card, embed, pairs)
