"""Success of an attack, each figure against a plain transcription of its definition."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import biometric, inversion
from bench.metrics.clean_pairs import EQUAL, YOUDEN, CleanPairs
from bench.metrics.inversion import BEST, CRITIC, LAST, REALIGNED, SAME, TARGET, TYPE_1, TYPE_2, Attack
from bench.metrics.substitution import Substitution
from bench.scoring import scores

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=12)
METRICS = {metric.name: metric for metric in inversion.metrics()}


def clean_pairs(mated: list[int], non_mated: list[int], folds: int = 2) -> CleanPairs:
    score = np.array([*mated, *non_mated], float)
    kind = np.arange(len(score)) < len(mated)
    return CleanPairs(score, kind, np.arange(len(score)) % folds)


# Thresholds.


@given(SCORES, SCORES, SCORES)
def test_youdens_threshold_is_the_highest_of_the_best(mated: list[int], non_mated: list[int], asked: list[int]) -> None:
    clean = clean_pairs(mated, non_mated)
    levels = sorted({*mated, *non_mated}, reverse=True)
    gains = [np.mean([m >= v for m in mated]) - np.mean([n >= v for n in non_mated]) for v in levels]
    best = next(v for v, gain in zip(levels, gains, strict=True) if gain >= max(gains) - 1e-12)
    expected = best if max(gains) > 1e-12 else np.inf
    assert clean.youden[0] == expected
    assert clean.youden[1] == pytest.approx(np.mean([n < expected for n in non_mated]))
    assert clean.accepts(np.array(asked, float), YOUDEN).tolist() == [score >= expected for score in asked]


@given(SCORES, SCORES)
def test_the_threshold_of_equal_errors_has_the_nearest_rates(mated: list[int], non_mated: list[int]) -> None:
    def apart(threshold: float) -> float:
        false_matches = np.mean([n >= threshold for n in non_mated])
        return float(abs(false_matches - np.mean([m < threshold for m in mated])))

    clean = clean_pairs(mated, non_mated)
    candidates = [np.inf, *sorted({*mated, *non_mated})]
    assert apart(clean.equal) == pytest.approx(min(map(apart, candidates)))
    assert clean.equal == max(c for c in candidates if apart(c) <= min(map(apart, candidates)) + 1e-12)
    assert clean.accepts(np.array([clean.equal, min(clean.equal, 9) - 0.5]), EQUAL).tolist() == [True, False]


@given(SCORES, SCORES, st.sampled_from(["1e-1", "5e-1"]))
def test_a_rate_lets_at_most_its_share_of_clean_pairs_pass(mated: list[int], non_mated: list[int], rate: str) -> None:
    clean = clean_pairs(mated, non_mated)
    assert clean.accepts(np.array(non_mated, float), rate).mean() <= float(rate)
    assert clean.accepts(np.array(mated, float), rate).mean() == pytest.approx(
        biometric.tar_at_far(rate).compute(clean.comparisons).value
    )


def test_what_has_no_vector_never_passes() -> None:
    clean = clean_pairs([1, 2], [3, 4])  # the worst embedder: every threshold is low
    for rule in (YOUDEN, EQUAL, "1e-1"):
        assert not clean.accepts(np.array([-np.inf]), rule).any()


# Substitution.


def pairs(seed: int, folds: int, each: int) -> tuple[CleanPairs, Any, Any]:
    generator = np.random.default_rng(seed)
    mated = np.tile(np.repeat([True, False], each), folds)
    fold = np.repeat(np.arange(folds), 2 * each)
    score = generator.normal(size=len(mated)) + 2 * mated
    return CleanPairs(score, mated, fold), mated, fold


def best_threshold(score: Any, mated: Any) -> float:
    levels = np.unique(score)
    between = np.concatenate([[levels[0] - 1], (levels[1:] + levels[:-1]) / 2, [levels[-1] + 1]])
    right = np.array([((score > t) == mated).sum() for t in between])
    return statistics.median_low(between[right == right.max()].tolist())


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_with_every_first_image_replaced_all_pairs_count_in_their_folds(seed: int) -> None:
    clean, mated, fold = pairs(seed, 4, 6)
    made = np.where(mated, np.random.default_rng(seed + 1).normal(size=len(mated)), np.nan)
    found = Substitution(clean, made, np.zeros(len(mated), int))
    score = np.where(mated, made, clean.comparisons.score)
    refit, frozen = [], []
    for k in range(4):
        inside = fold == k
        for shares, learned in ((refit, score), (frozen, clean.comparisons.score)):
            threshold = best_threshold(learned[~inside], mated[~inside])
            shares.append(float(((score[inside] > threshold) == mated[inside]).mean()))
    assert not found.partial
    assert found.refit(None).folds == pytest.approx(refit)
    assert found.frozen(None).folds == pytest.approx(frozen)
    assert found.frozen(np.ones(1)).value == pytest.approx(np.mean(frozen))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 40))
def test_a_partial_one_has_as_many_drawn_pairs_in_folds_of_ten_of_a_kind(seed: int, count: int) -> None:
    clean, mated, _ = pairs(seed, 10, 5)
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(mated))[: max(count, 1)]
    made = np.full(len(mated), np.nan)
    made[chosen] = 9
    found = Substitution(clean, made, np.zeros(len(mated), int))
    assert found.partial
    assert found.mated.sum() == (~found.mated).sum() == len(chosen)
    sizes = np.bincount(found.fold, found.mated)
    assert len(sizes) == 1 or sizes.min() >= 10
    assert (found.refit(None).value != found.refit(None).value) == (len(sizes) == 1)
    assert 0.5 <= found.frozen(None).value <= 1  # each replaced one passes
    assert "partial" in found.note


# The whole.


def trials(attacked: dict[str, Any], seen: str = "", failed: int = 0) -> dict[str, Any]:
    """Six people with three images each, the first of all attacked; ``attacked``: scores by embedder and image."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}

    def add(**row: Any) -> None:
        for name in COLUMNS:
            columns[name].append(row.get(name, DEFAULTS.get(name, 0)))

    generator = np.random.default_rng(0)
    for embedder, role in zip(EMBEDDERS, (TARGET, SAME, CRITIC, CRITIC, REALIGNED), strict=True):
        for number in range(12):
            person, mated = number % 6, number < 6
            probe = 3 * person + 1 if mated else 3 * ((person + 1) % 6) + 2
            score = float(generator.normal()) + 2 * mated
            add(
                embedder=embedder,
                role=role,
                kind="mated" if mated else "non_mated",
                fold=person % 2,
                trial=number,
                reference=3 * person,
                probe=probe,
                reference_subject=person,
                probe_subject=probe // 3,
                score=score,
                cosine=score / 9,
            )
        for budget in (1, 2):
            for image in (BEST, LAST):
                for person in range(6):
                    for other in range(3):
                        score = attacked[embedder](person, other, image, budget)
                        add(
                            embedder=embedder,
                            role=role,
                            kind=TYPE_2 if other else TYPE_1,
                            image=image,
                            budget=budget,
                            queries=0 if other else budget,
                            outside=0 if other else person % 2,
                            reference=3 * person,
                            probe=3 * person + other,
                            reference_subject=person,
                            probe_subject=person,
                            score=score,
                            cosine=score / 9,
                        )
    made: dict[str, Any] = {n: c if isinstance(c[0], str) else np.array(c) for n, c in columns.items()}
    return {**made, "seen": [seen] * len(made["kind"])}


COLUMNS = (
    *("embedder", "role", "kind", "image", "budget", "queries", "outside", "told", "trial", "fold", "reference"),
    *("probe", "reference_subject", "probe_subject", "score", "cosine", "failure"),
)
DEFAULTS: dict[str, Any] = {"image": "", "failure": "", "fold": -1, "trial": -1}
EMBEDDERS = ("net", "net:flip=off", "other", "third", "third:align=eyes")


def drawn(seed: int) -> dict[str, Any]:
    def scorer(name: str) -> Any:
        def score(person: int, other: int, image: str, budget: int) -> float:
            key = [seed, EMBEDDERS.index(name), person, other, int(image == BEST), budget]
            return float(np.random.default_rng(key).normal() + 1)

        return score

    return {name: scorer(name) for name in EMBEDDERS}


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_every_figure_is_what_its_definition_gives(seed: int) -> None:
    attacked = drawn(seed)
    attack = Attack(trials(attacked))

    def figure(name: str) -> float:
        return METRICS[name].compute(attack, None).value

    for prefix, names in (("", ["net"]), ("transfer.", ["other", "third"]), ("realigned.", ["third:align=eyes"])):
        for image in (BEST, LAST):
            expected: dict[str, list[float]] = {}
            for name in names:
                clean = attack.clean[name]
                first = np.array([attacked[name](p, 0, image, 2) for p in range(6)])
                others = np.array([[attacked[name](p, o, image, 2) for o in (1, 2)] for p in range(6)])
                non_mated = clean.comparisons.score[~clean.comparisons.mated]
                tar = max(non_mated)
                found = {
                    "type1_tar@far=1e-3": (first > tar).mean(),
                    "type2_tar@far=1e-3": (others > tar).mean(),
                    "ps1": ((first >= clean.youden[0]).mean() + (non_mated < clean.youden[0]).mean()) / 2,
                    "ps2": ((others >= clean.youden[0]).mean() + (non_mated < clean.youden[0]).mean()) / 2,
                    "asr1": (first >= clean.equal).mean(),
                    "asr2": (others >= clean.equal).mean(),
                    "asr": ((first >= clean.equal).mean() + 2 * (others >= clean.equal).mean()) / 3,
                    "cosine": first.mean() / 9,
                }
                for metric, number in found.items():
                    expected.setdefault(metric, []).append(float(number))
            for metric, numbers in expected.items():
                assert figure(f"{prefix}{image}.{metric}") == pytest.approx(np.mean(numbers))
        controls = [biometric.ACCURACY.compute(attack.clean[name].comparisons).value for name in names]
        assert figure(f"{prefix}clean.accuracy") == pytest.approx(np.mean(controls))
    assert figure("queries") == 2
    assert figure("outside") == pytest.approx(3 / 12)


def test_curves_end_at_the_scores_and_hold_every_embedder() -> None:
    attack = Attack(trials(drawn(1)))
    curves = {curve.name: curve for curve in attack.curves()}
    for image in (BEST, LAST):
        points = curves[f"{image}.asr1 net"].points
        assert [x for x, _ in points] == [1, 2]
        assert points[-1][1] == pytest.approx(METRICS[f"{image}.asr1"].compute(attack, None).value)
    assert {name.split(" ")[1] for name in curves} == set(EMBEDDERS)


def test_an_interval_draws_people_and_thresholds_stay() -> None:
    attack = Attack(trials(drawn(2)))
    draw = np.array([3.0, 0, 0, 3, 0, 0])
    clean, view = attack.clean["net"], attack.view("net", BEST)
    assert view is not None
    passed = view.scores[TYPE_1] >= clean.equal
    assert METRICS["best.asr1"].compute(attack, draw).value == pytest.approx((passed[0] + passed[3]) / 2)
    assert METRICS["clean.eer"].compute(attack, draw) == METRICS["clean.eer"].compute(attack, None)
    assert all(sum(draw) == 6 for draw in attack.draws(5, 0))


def test_where_an_aligner_finds_no_face_nothing_passes_and_it_is_counted() -> None:
    attacked = drawn(4)
    score = attacked["third:align=eyes"]
    attacked["third:align=eyes"] = lambda person, *of: score(person, *of) if person else -np.inf
    attack = Attack(trials(attacked))
    assert METRICS["realigned.best.found"].compute(attack, None).value == pytest.approx(5 / 6)
    view = attack.view("third:align=eyes", BEST)
    assert view is not None and not view.clean.accepts(view.scores[TYPE_1], EQUAL)[0]


@pytest.mark.parametrize(("score", "end"), [(99.0, "most"), (-99.0, "least")])
def test_where_all_or_none_pass_a_privacy_score_has_the_interval_of_its_rate(score: float, end: str) -> None:
    attack = Attack(trials({name: lambda *of: score for name in EMBEDDERS}))
    (ps,) = scores([METRICS["best.ps1"]], lambda m, draw: m.compute(attack, draw), attack.draws(20, 0))
    rejected = attack.clean["net"].youden[1]
    limit = 0.05 ** (1 / 6)  # of six people
    assert ps.low is not None and ps.high is not None
    assert ps.value == pytest.approx((rejected + (end == "most")) / 2)
    assert ps.low == pytest.approx((limit + rejected) / 2 if end == "most" else ps.value)
    assert ps.high == pytest.approx(ps.value if end == "most" else (1 - limit + rejected) / 2)


def test_the_pairs_of_the_protocol_are_replaced_by_type_2_comparisons() -> None:
    attacked = drawn(3)
    attack = Attack(trials(attacked))
    view = attack.view("net", LAST)
    assert view is not None
    replaced = view.substitution.score[view.substitution.mated]
    assert replaced == pytest.approx([attacked["net"](person, 1, LAST, 2) for person in range(6)])
    assert not view.substitution.partial


def test_names_say_which_is_which_and_the_first_is_the_headline() -> None:
    names = [metric.name for metric in inversion.metrics(("1e-2", "1e-1"))]
    assert len(names) == len(set(names))
    assert names[0] == "best.type1_tar@far=1e-2"
    assert next(iter(METRICS)) == "best.type1_tar@far=1e-3"
