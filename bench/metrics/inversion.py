"""How well reconstructed faces pass for their owners: four published kinds of success, each under its own name.

All thresholds stay as they are on the clean pairs of the same embedder. Type-1 compares a reconstruction with the very
image that was attacked, Type-2 with other images of that person (Mai et al., NBNet, arXiv 1703.00832).

(a) ``type1_tar@far``, ``type2_tar@far``: the share accepted at a threshold that lets at most that share of the clean
    non-mated pairs pass (NBNet).
(b) ``ps1``, ``ps2``: balanced accuracy at Youden's threshold, half of acceptance and of clean non-mated pairs rejected,
    so at most 50 % where nothing passes (MAP2V, CVPR 2024, privacy scores I and II).
(c) ``asr1``, ``asr2``, ``asr``: the share accepted at the threshold of equal error rates; ``asr`` is of both types
    together, (type 1 + (K - 1) type 2) / K where a person has K images (DiffMI, arXiv 2504.18015).
(d) ``substitution_refit``, ``substitution_frozen``: k-fold verification accuracy after the first image of each attacked
    mated pair was replaced. ``refit`` learns each fold's threshold on the replaced pairs of the others, as DarkerBB
    (arXiv 2506.09777); ``frozen`` on the clean ones. Where some first images were not attacked it is over the attacked
    pairs and a drawn non-mated pair for each (*partial*), neighbouring folds put together until each has MERGED of a
    kind.

``best.``: the best image queried; ``last.``: the last one shown, as published; ``transfer.``: the mean over critics
that are another network than the target; ``realigned.``: over those of them for which an aligner cut every image anew,
reconstructions and the originals, which were aligned before (DarkerBB's evaluation across networks). Their control is
``realigned.clean.accuracy``, of the originals aligned twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.metrics import biometric
from bench.metrics.clean_pairs import EQUAL, YOUDEN, CleanPairs
from bench.metrics.metric import Estimate, Metric
from bench.metrics.substitution import Substitution
from bench.results import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEST, LAST = "best", "last"  # the best image queried so far; the last one that the attack showed
TYPE_1, TYPE_2 = "type-1", "type-2"
TARGET, SAME, CRITIC, REALIGNED = "target", "same", "critic", "realigned"
CLEAN = "clean."
# What a figure's name begins with, and the role of the embedders that it is of.
PREFIXES = {"": TARGET, "transfer.": CRITIC, "realigned.": REALIGNED}
RATES = ("1e-3", "1e-2")
SEEN = "the attack was made from {}, and the targets are of that data set"


@dataclass(frozen=True, slots=True)
class View:
    """What one embedder makes of one image a target: scores by type, whose they are, cosines of type 1.

    ``scores``, ``owners``: by TYPE_1 and TYPE_2, float64 [n] and int [n], positions among the attacked people.
    """

    clean: CleanPairs
    scores: dict[str, NDArray[Any]]
    owners: dict[str, NDArray[Any]]
    cosine: NDArray[Any]
    substitution: Substitution


Figure = Callable[[View, Any], Estimate]


def _mean(values: NDArray[Any], owners: NDArray[Any], draw: NDArray[Any] | None) -> float:
    """The mean over comparisons, each counted as often as its person was drawn; NaN of none."""
    import numpy as np

    if not len(values):
        return float("nan")
    if draw is None:
        return float(np.mean(values))
    weights = draw[owners]
    return float(values @ weights / weights.sum()) if weights.any() else float("nan")


def _passed(view: View, draw: Any, *, types: tuple[str, ...], rule: str) -> float:
    import numpy as np

    passed = np.concatenate([view.clean.accepts(view.scores[one], rule) for one in types]).astype(np.float64)
    return _mean(passed, np.concatenate([view.owners[one] for one in types]), draw)


def _people(view: View, types: tuple[str, ...]) -> int:
    """On how many people such a rate rests."""
    import numpy as np

    return len(np.unique(np.concatenate([view.owners[one] for one in types])))


def _tar(view: View, draw: Any, *, type: str, rate: str) -> Estimate:
    bound, note = biometric.resolved(view.clean.comparisons.sides[1].count, rate)
    value = _passed(view, draw, types=(type,), rule=rate)
    return Estimate(value, bound=bound, note=note, resolution=_people(view, (type,)))


def _privacy_score(view: View, draw: Any, *, type: str) -> Estimate:
    passed, rejected = _passed(view, draw, types=(type,), rule=YOUDEN), view.clean.youden[1]
    return Estimate((passed + rejected) / 2, resolution=_people(view, (type,)), ends=(rejected / 2, (1 + rejected) / 2))


def _success(view: View, draw: Any, *, types: tuple[str, ...]) -> Estimate:
    return Estimate(_passed(view, draw, types=types, rule=EQUAL), resolution=_people(view, types))


def _refit(view: View, draw: Any) -> Estimate:
    return view.substitution.refit(draw)


def _frozen(view: View, draw: Any) -> Estimate:
    return view.substitution.frozen(draw)


def _cosine(view: View, draw: Any) -> Estimate:
    return Estimate(_mean(view.cosine, view.owners[TYPE_1], draw))


def _found(view: View, draw: Any) -> Estimate:
    import numpy as np

    there = np.isfinite(view.scores[TYPE_1]).astype(np.float64)
    return Estimate(_mean(there, view.owners[TYPE_1], draw), resolution=_people(view, (TYPE_1,)))


def _over(attack: Attack, draw: Any, *, role: str, image: str, figure: Figure) -> Estimate:
    """A figure of the target, or its mean over the critics of a role; NaN without any."""
    names = attack.of(role)
    found = [figure(view, draw) for name in names if (view := attack.view(name, image)) is not None]
    return _mean_over(names, found, role)


def _clean(attack: Attack, draw: Any, *, role: str, metric: Metric) -> Estimate:
    return attack.clean_figure(role, metric)


def _mean_over(names: list[str], found: list[Estimate], role: str) -> Estimate:
    import numpy as np

    if not found or len(found) < len(names):
        return Estimate(float("nan"))
    if role == TARGET:
        return found[0]
    notes = dict.fromkeys([f"mean over critics: {', '.join(names)}", *(one.note for one in found if one.note)])
    lows, highs = zip(*(one.ends for one in found), strict=True)
    return Estimate(
        float(np.mean([one.value for one in found])),
        bound=next((one.bound for one in found if one.bound), None),
        resolution=min(one.resolution for one in found),
        note="; ".join(notes),
        ends=(float(np.mean(lows)), float(np.mean(highs))),
    )


def _queries(attack: Attack, draw: Any) -> Estimate:
    return Estimate(_mean(attack.queries, attack.owner, draw))


def _outside(attack: Attack, draw: Any) -> Estimate:
    asked = _mean(attack.queries, attack.owner, draw)
    return Estimate(_mean(attack.outside, attack.owner, draw) / asked if asked else 0.0)


NBNET, MAP2V = "Mai et al., NBNet, arXiv:1703.00832", "MAP2V, CVPR 2024"
DIFFMI, DARKERBB = "DiffMI, arXiv:2504.18015", "DarkerBB, arXiv:2506.09777"


def _figures(rates: tuple[str, ...]) -> Iterator[tuple[str, str, str, str, Figure]]:
    """Name, unit, source, meaning and function of every kind of success."""
    kinds = (("1", TYPE_1, "of the attacked image"), ("2", TYPE_2, "of other images of its person"))
    for rate in rates:
        for digit, kind, of in kinds:
            about = f"{of}, accepted at the clean threshold of FMR {rate}"
            yield f"type{digit}_tar@far={rate}", "%", NBNET, about, partial(_tar, type=kind, rate=rate)
    for digit, kind, of in kinds:
        about = f"{of}, half of what passes Youden's clean threshold and of non-mated pairs that do not"
        yield f"ps{digit}", "%", MAP2V, about, partial(_privacy_score, type=kind)
    for digit, types, of in (*((d, (k,), of) for d, k, of in kinds), ("", (TYPE_1, TYPE_2), "of any image")):
        about = f"{of}, accepted at the clean threshold of equal error rates"
        yield f"asr{digit}", "%", DIFFMI, about, partial(_success, types=types)
    about = "k-fold accuracy with the attacked images replaced, thresholds"
    yield "substitution_refit", "%", DARKERBB, f"{about} learned of replaced pairs", _refit
    yield "substitution_frozen", "%", DARKERBB, f"{about} of clean pairs", _frozen
    yield "cosine", "", DARKERBB, "mean cosine with the attacked image", _cosine


def metrics(rates: tuple[str, ...] = RATES) -> tuple[Metric, ...]:
    """Every figure, of the best and of the last image, of the target and of critics; then the cost, and the clean ones.

    The first, the headline, is that of the best image queried, type 1, at the first of ``rates``.
    """
    made = [
        Metric(
            f"{prefix}{image}.{name}",
            "higher",
            unit,
            partial(_over, role=role, image=image, figure=figure),
            cite,
            f"{_WHO[role]}, {image} image: {about}",
            over_folds=name.startswith("substitution") and role == TARGET,
        )
        for prefix, role in PREFIXES.items()
        for image in (BEST, LAST)
        for name, unit, cite, about, figure in (*_figures(rates), *([_FOUND] if role == REALIGNED else []))
    ]
    own = "facebench: counted by the oracle"
    made += [
        Metric("queries", "lower", "", _queries, own, "mean queries a target"),
        Metric("outside", "lower", "%", _outside, own, "share of queries with a value outside of [0, 1]"),
    ]
    clean = (biometric.ACCURACY, biometric.EER, *map(biometric.tar_at_far, rates))
    made += [
        Metric(
            f"{prefix}{CLEAN}{m.name}",
            m.better,
            m.unit,
            partial(_clean, role=role, metric=m),
            m.cite,
            f"{_WHO[role]}, {m.about}",
        )
        for prefix, role in PREFIXES.items()
        for m in clean
    ]
    return tuple(made)


_WHO = {TARGET: "target", CRITIC: "critics", REALIGNED: "critics, every image aligned again"}
_FOUND = ("found", "%", "facebench", "of the attacked image, share in which a face was found", _found)


class Attack:
    """The trials of an inversion (bench.tasks.inversion) as the metrics take them.

    ``target``: the attacked embedder as it is typed; ``others``: all others; ``clean``: thresholds by embedder;
    ``people``: int [people], the numbers of those that were attacked;
    ``budgets``: at which images were kept, the last one is the attack's.
    """

    def __init__(self, trials: dict[str, Any]) -> None:
        import numpy as np

        self._trials = {name: np.asarray(column) for name, column in trials.items()}
        embedder, role, kind = (self._trials[name] for name in ("embedder", "role", "kind"))
        self._roles = dict(zip(embedder.tolist(), role.tolist(), strict=True))
        (self.target,) = self.of(TARGET)
        self.others = [name for name in self._roles if name != self.target]
        self._pair = np.isin(kind, ("mated", "non_mated"))
        self.clean = {name: self._clean_pairs(name) for name in self._roles}
        self.budgets: list[int] = np.unique(self._trials["budget"][~self._pair]).tolist()
        own = (embedder == self.target) & (kind == TYPE_1) & (self._trials["image"] == BEST)
        own &= self._trials["budget"] == self.budgets[-1]
        subjects = self._trials["reference_subject"]
        self.people = np.unique(subjects[own])
        self.owner = np.searchsorted(self.people, subjects[own])
        self.queries, self.outside = (self._trials[name][own].astype(np.float64) for name in ("queries", "outside"))
        self.targets, self.seen = int(own.sum()), str(self._trials["seen"][0])
        self.failures: list[str] = self._trials["failure"][own].tolist()
        self._views: dict[tuple[str, str, int], View | None] = {}
        self._clean_figures: dict[tuple[str, str], Estimate] = {}

    def _rows(self, chosen: NDArray[Any], *names: str) -> Iterator[NDArray[Any]]:
        return (self._trials[name][chosen] for name in names)

    def _clean_pairs(self, embedder: str) -> CleanPairs:
        rows = self._pair & (self._trials["embedder"] == embedder)
        score, kind, fold = self._rows(rows, "score", "kind", "fold")
        return CleanPairs(score, kind == "mated", fold)

    def draws(self, count: int, seed: int) -> Iterator[NDArray[Any]]:
        """How often each attacked person is drawn, n of n with replacement, draw after draw: float64 [people]."""
        import numpy as np

        generator, people = np.random.default_rng(seed), len(self.people)
        for _ in range(count):
            yield generator.multinomial(people, np.full(people, 1 / people)).astype(np.float64)

    def of(self, role: str) -> list[str]:
        """The embedders of a role, as they are typed."""
        return [name for name, one in self._roles.items() if one == role]

    def clean_figure(self, role: str, metric: Metric) -> Estimate:
        """A metric of the clean pairs by the embedders of a role, whoever is drawn; NaN without any."""
        key = role, metric.name
        if key not in self._clean_figures:
            names = self.of(role)
            found = [metric.compute(self.clean[name].comparisons, None) for name in names]
            self._clean_figures[key] = _mean_over(names, found, role)
        return self._clean_figures[key]

    def has(self, metric: Metric) -> bool:
        """Whether there is such a figure of these targets and critics."""
        value = metric.compute(self, None).value
        return value == value  # NaN where not

    def view(self, embedder: str, image: str, budget: int | None = None) -> View | None:
        """What an embedder makes of the images at a budget, by default the whole; None where a target had none yet."""
        key = embedder, image, self.budgets[-1] if budget is None else budget
        if key not in self._views:
            self._views[key] = self._seen_by(*key)
        return self._views[key]

    def _seen_by(self, embedder: str, image: str, budget: int) -> View | None:
        import numpy as np

        trials = self._trials
        rows = (trials["embedder"] == embedder) & (trials["image"] == image) & (trials["budget"] == budget)
        kinds = {one: rows & (trials["kind"] == one) for one in (TYPE_1, TYPE_2)}
        if kinds[TYPE_1].sum() != self.targets and budget != self.budgets[-1]:
            return None
        clean = self.clean[embedder]
        (cosine,) = self._rows(kinds[TYPE_1], "cosine")
        return View(
            clean,
            {one: trials["score"][chosen] for one, chosen in kinds.items()},
            {one: np.searchsorted(self.people, trials["reference_subject"][chosen]) for one, chosen in kinds.items()},
            np.where(np.isfinite(cosine), cosine, -1.0),  # of what no vector was made
            self._substitution(embedder, clean, kinds[TYPE_2]),
        )

    def _substitution(self, embedder: str, clean: CleanPairs, others: NDArray[Any]) -> Substitution:
        """The protocol's pairs with the reconstructions in the place of their first images."""
        import numpy as np

        pairs = self._pair & (self._trials["embedder"] == embedder)
        reference, probe, subject = self._rows(pairs, "reference", "probe", "reference_subject")
        made = {(a, b): s for a, b, s in zip(*(c.tolist() for c in self._rows(others, *_WHICH)), strict=True)}
        ends = zip(reference.tolist(), probe.tolist(), clean.comparisons.mated.tolist(), strict=True)
        score = np.array([made.get((a, b), np.nan) if mated else np.nan for a, b, mated in ends])
        owner = np.searchsorted(self.people, subject).clip(0, len(self.people) - 1)
        return Substitution(clean, score, owner)

    def curves(self) -> tuple[Curve, ...]:
        """Cosine and success over the queries, of the best and of the last image, of the target and of each other."""
        made = []
        chosen = {name: figure for name, _, _, _, figure in _figures(RATES) if name in _OVER_QUERIES}
        for embedder in self._roles:
            for image in (BEST, LAST):
                views = [(budget, self.view(embedder, image, budget)) for budget in self.budgets]
                for name, figure in chosen.items():
                    points = [(float(b), float(f"{figure(v, None).value:.6g}")) for b, v in views if v is not None]
                    made.append(Curve(f"{image}.{name} {embedder}", "queries", name, tuple(points)))
        return tuple(made)


_WHICH = ("reference", "probe", "score")
_OVER_QUERIES = ("cosine", "type1_tar@far=1e-2", "asr1", "asr2")
