"""Templates: pooled and compared as the official scripts do it, in all their modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from bench.asking import ALL
from bench.errors import WrongUse
from bench.method import Configured, Method, Origin
from bench.metrics import METRICS, metric
from bench.metrics.biometric import Comparisons
from bench.metrics.template_trials import TemplateTrials
from bench.pooling import Pools
from bench.protocol import Content, Sample
from bench.protocols.ijb import PAIR_METRICS, PROTOCOLS
from bench.tasks import templates
from bench.tasks.identification import Gallery
from bench.tasks.templates import WAYS, TemplatePairs, TemplateSearches

ORIGIN = Origin("script", "", "", "", "", "")
METHOD = Method("some", frozenset({"verification"}), lambda given: None)
MODES = ["", "norm=off", "det=off", "det=off,norm=off"]


def asked(mode: str) -> dict[str, tuple[Configured, ...]]:
    return {"method": (Configured.parse(METHOD, mode, ORIGIN, WAYS),)}


class Made:
    """Random images in templates of several media, some without a vector, and pairs of the templates."""

    def __init__(self, seed: int, count: int = 12, gone: float = 0.2) -> None:
        generator = np.random.default_rng(seed)
        template = np.concatenate([np.arange(count), generator.integers(0, count, 5 * count)]).astype(np.int32)
        n = len(template)
        self.subjects = np.append(generator.permutation(count // 2), generator.integers(0, count // 2, count // 2))
        detected = generator.uniform(0, 1, n).astype(np.float32)
        self.pools = Pools(template, generator.integers(0, 4, n).astype(np.int32), detected, self.subjects)
        people = generator.normal(0, 1, (count // 2, 8))
        made = people[self.subjects[template]] + generator.normal(0, 1, (n, 8))
        self.embedding = (made * generator.uniform(0.1, 9, (n, 1))).astype(np.float32)
        self.reasons = ["no embedding" if one else "" for one in generator.random(n) < gone]
        for i in np.flatnonzero(template == 0).tolist():
            self.reasons[i] = "image cannot be decoded"
        self.embedding[[bool(reason) for reason in self.reasons]] = np.nan
        a, b = np.divmod(np.arange(count * count), count)
        self.truth = TemplatePairs(self.pools, a, b, self.subjects[a] == self.subjects[b])
        samples = [Sample(f"{i:06d}", f"{i}.jpg", lambda key: None) for i in range(n)]
        self.content = Content(samples, self.truth, "")
        self.answers = {ALL: {"embedding": self.embedding, "failure": self.reasons}}

    def trials(self, mode: str = "") -> dict[str, Any]:
        return templates.judge(self.content, self.answers, asked(mode))

    def vectors(self, mode: str) -> list[Any]:
        """Each template's vector the slow way: a mean a medium, their sum, its length; None where there is no image."""
        made = []
        for number in range(len(self.subjects)):
            media: dict[int, list[Any]] = {}
            for i in np.flatnonzero(self.pools.template == number).tolist():
                if self.reasons[i]:
                    continue
                vector = self.embedding[i].astype(np.float64)
                vector = vector / np.linalg.norm(vector) if "norm=off" in mode else vector
                vector = vector if "det=off" in mode else vector * self.pools.detected[i]
                media.setdefault(int(self.pools.media[i]), []).append(vector)
            total = sum((np.mean(frames, axis=0) for frames in media.values()), np.zeros(8))
            made.append(total / np.linalg.norm(total) if media else None)
        return made


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_a_plain_transcription_in_each_mode(mode: str, seed: int) -> None:
    made = Made(seed)
    vectors, trials = made.vectors(mode), made.trials(mode)
    for a, b, score, failed in zip(
        made.truth.reference, made.truth.probe, trials["score"], trials["failed"], strict=True
    ):
        gone = vectors[a] is None or vectors[b] is None
        assert failed == gone
        assert score == (-np.inf if gone else pytest.approx(float(vectors[a] @ vectors[b]), abs=1e-12))
    assert trials["failed"].any() and not trials["failed"].all()


def test_the_modes_are_part_of_the_name_and_make_other_scores() -> None:
    made = Made(0)
    names = [str(asked(mode)["method"][0]) for mode in MODES]
    assert names == ["some", "some:norm=off", "some:det=off", "some:det=off,norm=off"]
    scores = [made.trials(mode)["score"] for mode in MODES]
    assert len({score.tobytes() for score in scores}) == len(MODES)
    assert np.array_equal(scores[0], templates.judge(made.content, made.answers, {})["score"])


def test_the_order_of_the_images_changes_no_score_by_more_than_rounding() -> None:
    made = Made(1)
    order = np.random.default_rng(9).permutation(len(made.embedding))
    answers = {ALL: {"embedding": made.embedding[order], "failure": [made.reasons[i] for i in order]}}
    turned = replace(made.content, truth=replace(made.truth, pools=made.pools.of(order)))
    assert np.allclose(templates.judge(turned, answers, asked(""))["score"], made.trials()["score"], rtol=0, atol=1e-12)


def test_vectors_that_cancel_out_are_like_nothing() -> None:
    pools = Pools(np.array([0, 0, 1], np.int32), np.arange(3, dtype=np.int32), np.ones(3, np.float32), np.arange(2))
    truth = TemplatePairs(pools, np.array([0, 1]), np.array([1, 1]), np.array([False, True]))
    answers = {ALL: {"embedding": np.array([[1, 0], [-1, 0], [0, 1]], np.float32), "failure": [""] * 3}}
    trials = templates.judge(Content([], truth, ""), answers, {})
    assert trials["score"].tolist() == [0, 1] and not trials["failed"].any()


def test_failed_images_are_counted_once_with_their_reasons_and_by_template() -> None:
    made = Made(2)
    scored = templates.score(PROTOCOLS[3], made.trials())
    assert scored.samples == len(made.reasons)
    assert scored.reasons == {reason: made.reasons.count(reason) for reason in set(made.reasons) - {""}}
    fte = next(one for one in scored.scores if one.metric == "fte")
    assert fte.value == sum(map(bool, made.reasons)) / len(made.reasons)
    assert fte.low is not None and fte.high is not None and fte.low <= fte.value <= fte.high


def official(mated: Any, score: Any, rate: float) -> float:
    """The script's reading of the curve: the largest TAR among the points nearest to the rate."""
    far, tar, _ = roc_curve(mated, score, drop_intermediate=False)
    nearest = np.abs(far - rate).min()
    return float(tar[np.abs(far - rate) == nearest].max())


@pytest.mark.parametrize("digits", [1, 3, 16])
def test_the_table_is_that_of_the_official_script_where_nothing_failed(digits: int) -> None:
    made = Made(3, count=40, gone=0)
    trials = made.trials()
    kept = ~trials["failed"]
    trials = {name: column[kept] for name, column in trials.items()} | {
        "score": np.round(trials["score"][kept], digits)
    }
    prepared = TemplateTrials(trials, 5, 0)
    for rate in ("1e-1", "1e-2", "1e-3"):
        value = prepared.compute(metric(f"tar_nearest@far={rate}")).value
        assert value == pytest.approx(official(trials["mated"], trials["score"], float(rate)), abs=1e-12)


def times(trials: dict[str, Any], people: Any) -> Any:
    a, b = people[trials["reference_subject"]], people[trials["probe_subject"]]
    return np.where(trials["reference_subject"] == trials["probe_subject"], a, a * b)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.sampled_from([1, 2, 16]))
def test_each_metric_under_a_draw_is_that_of_comparisons_written_down_as_often(seed: int, digits: int) -> None:
    trials = Made(seed, count=16).trials()
    trials["score"] = np.round(trials["score"], digits)
    prepared, names = TemplateTrials(trials, 3, seed), [name for name in PAIR_METRICS if name != "fte"]
    plain = Comparisons(trials["score"], trials["mated"])
    for name in names:
        assert prepared.compute(METRICS[name]) == METRICS[name].compute(plain)
    for draw in prepared.weights():
        assert draw.people is not None and draw.people.sum() == len(np.unique(trials["reference_subject"]))
        weights = times(trials, draw.people)
        written = Comparisons(np.repeat(trials["score"], weights), np.repeat(trials["mated"], weights))
        for name in names:
            expected = METRICS[name].compute(written).value
            assert prepared.compute(METRICS[name], draw).value == pytest.approx(expected, abs=1e-12)


def test_replicates_are_the_same_draws_for_the_same_trials() -> None:
    trials, metrics = Made(4).trials(), tuple(METRICS[name] for name in ("tar@far=1e-1", "eer", "fte"))
    first, again = (list(templates.replicates(metrics, trials)) for _ in range(2))
    assert first == again and len(first) == templates.REPLICATES
    assert len({tuple(row) for row in first}) > 1


def searches(made: Made, enrolled: Sequence[int], probes: Sequence[int]) -> Content:
    gallery = Gallery(np.array(enrolled), np.array(probes), made.subjects)
    return replace(made.content, truth=TemplateSearches(made.pools, gallery))


@pytest.mark.parametrize("mode", MODES)
def test_searches_rank_the_templates_of_the_slow_way(mode: str) -> None:
    made = Made(5, count=20, gone=0.1)
    enrolled, probes = [0, *range(2, 8)], list(range(10, 20))
    trials = templates.search(searches(made, enrolled, probes), made.answers, asked(mode))
    vectors = made.vectors(mode)
    for row, probe in enumerate(probes):
        scores = {made.subjects[t]: -np.inf if vectors[t] is None else vectors[t] @ vectors[probe] for t in enrolled}
        own = scores.pop(made.subjects[probe], None)
        assert trials["mated"][row] == (own is not None)
        assert trials["best_non_mated"][row] == pytest.approx(max(scores.values()), abs=1e-12)
        if own is not None:
            ahead = sum(other >= own for other in scores.values())
            assert trials["rank"][row] == (len(enrolled) + 1 if own == -np.inf else ahead + 1)
            assert trials["mated_score"][row] == pytest.approx(own, abs=1e-12)


def test_searches_count_the_images_of_probes_and_of_those_they_show() -> None:
    made = Made(6, count=40)
    enrolled, probes = [0, *range(2, 15)], list(range(20, 40))
    trials = templates.search(searches(made, enrolled, probes), made.answers, {})
    shown = [t for t in enrolled if made.subjects[t] in made.subjects[probes]]
    inside = np.isin(made.pools.template, [*probes, *shown])
    scored = templates.score_searches(PROTOCOLS[4], trials)
    assert scored.samples == inside.sum()
    assert sum(scored.reasons.values()) == sum(bool(r) for r, there in zip(made.reasons, inside, strict=True) if there)
    assert [one.metric for one in scored.scores][:3] == ["rank-1", "rank-5", "rank-10"]


@pytest.mark.parametrize("count", [2, 7, 20])
def test_a_limit_keeps_both_kinds_and_only_the_images_that_are_needed(count: int) -> None:
    made = Made(7)
    fewer = templates.limit(made.content, count)
    kept: TemplatePairs = fewer.truth
    assert len(kept.mated) == count and kept.mated.any() and not kept.mated.all()
    used = set(kept.reference.tolist()) | set(kept.probe.tolist())
    assert set(kept.pools.template.tolist()) == used
    rows = [int(sample.key) for sample in fewer.samples]
    answers = {ALL: {"embedding": made.embedding[rows], "failure": [made.reasons[row] for row in rows]}}
    some = templates.judge(fewer, answers, {})
    whole = {(a, b): s for a, b, s in zip(made.truth.reference, made.truth.probe, made.trials()["score"], strict=True)}
    for a, b, score in zip(kept.reference, kept.probe, some["score"], strict=True):
        assert score == pytest.approx(whole[a, b], abs=1e-12)


def test_a_limit_of_searches_keeps_the_gallery_and_one_below_two_is_refused() -> None:
    made = Made(8, count=20)
    content = searches(made, range(2, 8), range(10, 20))
    fewer = templates.limit_searches(content, 4)
    assert len(fewer.truth.gallery.probes) == 4 and len(fewer.truth.gallery.enrolled) == 6
    assert set(fewer.truth.pools.template.tolist()) == {*range(2, 8), *fewer.truth.gallery.probes.tolist()}
    assert templates.limit_searches(content, 10) is content and templates.limit(made.content, 10_000) is made.content
    for limited, whole in ((templates.limit, made.content), (templates.limit_searches, content)):
        with pytest.raises(WrongUse):
            limited(whole, 1)


def test_answers_made_elsewhere_are_pooled_by_default() -> None:
    made = Made(9)
    rows = [i for i, reason in enumerate(made.reasons) if not reason]
    table = {"name": [f"{i}.jpg" for i in rows]}
    table |= {f"d{k}": made.embedding[rows, k].tolist() for k in range(8)}
    given_answers = templates.external(made.content, table)
    assert np.array_equal(templates.judge(made.content, given_answers, {})["score"], made.trials()["score"])
