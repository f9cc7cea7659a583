"""DarkerBB's steps, its schedule and its queries are those that were published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from facebench_darkerbb.asking import generators
from facebench_darkerbb.prior import Prior
from facebench_darkerbb.zero_order import OFFICIAL, SHORT, DarkerBB, Schedule, Walk, chosen

SIDE, PIXELS = 8, 3 * 8 * 8
Against = Callable[..., Any]
FEW = Schedule(restarts=3, restart_steps=20, steps=130)


def run(prior: Prior, oracle: Any, plan: Schedule = FEW, seed: int = 0) -> Any:
    *_, answer = DarkerBB(prior, plan, seed).invert(oracle)
    return answer


def test_the_official_schedule_takes_40010_queries_and_the_short_one_5000() -> None:
    assert OFFICIAL.queries == 40_010
    assert SHORT.queries == 5_000


def test_a_step_is_the_published_formula(prior: Prior, against: Against) -> None:
    oracle = against(2)
    walk = Walk(prior, generators(4, 2))
    oracle.keep = True
    walk.step(oracle, OFFICIAL, 1.0)
    ((images, targets),) = oracle.asked
    assert targets.tolist() == [0, 1, 0, 1]
    for target, draw in enumerate(generators(4, 2)):
        n = 0.3 * draw.standard_normal(16)
        plus, minus = prior.decode(np.stack([n, -n])).reshape(2, SIDE, SIDE, 3)
        assert images[target] == pytest.approx(plus, abs=1e-6)
        assert images[target + 2] == pytest.approx(minus, abs=1e-6)
        scores = [oracle.cosines(np.stack([image] * 2))[target] for image in (plus, minus)]
        g = -37_632 * (scores[0] - scores[1]) / (2 * 0.3)
        assert walk.place[target] == pytest.approx(-1e-5 * g * n, rel=1e-4, abs=1e-9)


def test_the_expected_step_is_the_analytic_one(prior: Prior, against: Against) -> None:
    # s(x) = w . x, so grad_c s = basis @ w, and the mean step is rate * D * sigma * grad; many targets are many draws.
    count = 4000
    w = np.random.default_rng(0).standard_normal(PIXELS).astype("float32") / 100
    small = Prior(prior.mean, prior.basis[:4])
    moves = []
    for part in range(count // 100):
        oracle = against(100, score=lambda images, _: images.reshape(len(images), -1) @ w)
        walk = Walk(small, generators(part, 100))
        walk.step(oracle, OFFICIAL, 1.0)
        moves.append(walk.place)
    moved = np.concatenate(moves)
    expected = 1e-5 * 37_632 * 0.3 * (small.basis @ w)
    error = moved.std(axis=0) / np.sqrt(count)
    assert (np.abs(moved.mean(axis=0) - expected) < 4 * error).all()
    assert (error < 0.2 * np.abs(expected).max()).all()


def test_queries_are_the_formula_exactly_and_all_targets_are_asked_in_one_call(prior: Prior, against: Against) -> None:
    oracle = against(3)
    run(prior, oracle)
    assert oracle.used.tolist() == [FEW.queries] * 3 == [2 * (3 * 20 + 130) + 3] * 3
    assert oracle.sizes == ([6] * 20 + [3]) * 3 + [6] * 130


def test_the_same_seed_gives_the_same_images_and_another_others(prior: Prior, against: Against) -> None:
    first, again, other = (run(prior, against(2), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("plan", [FEW, replace(FEW, momentum=0.5), replace(FEW, sign=0.01)])
def test_a_targets_trace_does_not_depend_on_which_others_are_attacked(
    prior: Prior, plan: Schedule, against: Against
) -> None:
    attack = DarkerBB(prior, plan, 0)
    many, alone = attack.invert(against(10)), attack.invert(against(1))
    for together, single in zip(many, alone, strict=True):
        assert np.array_equal(together[:1], single)


def test_the_best_restart_is_gone_on_with_each_target_its_own(prior: Prior, against: Against) -> None:
    plan = Schedule(restarts=4, restart_steps=6, steps=0)
    oracle = against(5)
    oracle.keep = True
    answer = run(prior, oracle, plan)
    ends = [images for images, targets in oracle.asked if len(targets) == 5]
    scores = np.stack([oracle.cosines(images) for images in ends])
    assert len(ends) == 4 and len(set(scores.argmax(axis=0))) > 1
    assert oracle.cosines(answer) == pytest.approx(scores.max(axis=0))


@pytest.mark.parametrize("budget", [0, 1, 7, 41, 60, 123, 200])
def test_where_the_budget_ends_the_last_image_is_the_answer(prior: Prior, budget: int, against: Against) -> None:
    oracle = against(2, budget=budget)
    answer = run(prior, oracle)
    assert oracle.used.max() <= budget and len(answer) == 2
    assert np.isfinite(answer).all()
    assert (budget > 1) == (not np.array_equal(answer[0].reshape(-1), prior.mean))


def test_the_image_is_that_of_the_coordinates_after_many_steps(prior: Prior, against: Against) -> None:
    oracle, walk = against(2), Walk(prior, generators(0, 2))
    for momentum in (0.0, 0.9):
        for _ in range(99):
            walk.step(oracle, replace(OFFICIAL, momentum=momentum), 1.0)
        exact = prior.mean.astype("float64") + walk.place @ prior.basis.astype("float64")
        assert np.abs(walk.pixels - exact).max() < 5e-6
        walk.step(oracle, OFFICIAL, 1.0)


@pytest.mark.parametrize(
    "plan", [Schedule(2, 20, 200), Schedule(2, 20, 200, momentum=0.5), Schedule(0, 0, 200, sign=0.02)]
)
def test_similarity_rises(prior: Prior, plan: Schedule, against: Against) -> None:
    oracle = against(3)
    start = oracle.cosines(np.stack([prior.mean.reshape(SIDE, SIDE, 3)] * 3))
    assert (oracle.cosines(run(prior, oracle, plan)) > start + 0.1).all()


def test_deviations_change_the_walk_and_are_off_by_default(prior: Prior, against: Against) -> None:
    assert (OFFICIAL.momentum, OFFICIAL.sign, OFFICIAL.gain, OFFICIAL.last_gain) == (0, 0, 1, 1)
    plain = run(prior, against(1))
    for plan in (replace(FEW, momentum=0.5), replace(FEW, sign=0.01), replace(FEW, gain=2.0)):
        assert not np.array_equal(run(prior, against(1), plan), plain)


def test_options_that_contradict_each_other_are_refused() -> None:
    assert chosen("official", 10, 500, 15_000, 0.0, 0.0) == OFFICIAL
    assert chosen("short", 10, 500, 15_000, 0.5, 0.0) == replace(SHORT, momentum=0.5)
    with pytest.raises(ValueError, match="schedule=short has its own restarts and steps"):
        chosen("short", 3, 500, 15_000, 0.0, 0.0)
    with pytest.raises(ValueError, match=r"momentum=1\.0 is not in"):
        chosen("official", 10, 500, 15_000, 1.0, 0.0)
    with pytest.raises(ValueError, match="0 or more"):
        chosen("official", -1, 500, 15_000, 0.0, 0.0)


def test_an_oracle_of_another_size_is_refused(prior: Prior, against: Against) -> None:
    oracle = against(1)
    oracle.height = 64
    with pytest.raises(ValueError, match="takes 64x8"):
        run(prior, oracle)
