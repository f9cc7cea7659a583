"""The hill climbs and floors ask as often as they say, and come nearer to a toy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from facebench_darkerbb.climbing import Blobs, Climb, Eigenfaces, HillClimb
from facebench_darkerbb.prior import Prior
from facebench_darkerbb.recovery import TemplateRecovery, recover
from facebench_darkerbb.searching import Best

SIDE = 112
Against = Callable[..., Any]
SMALL = Climb(population=6, restarts=2, restart_iterations=12, iterations=15)


def attacks(prior: Prior, seed: int = 0) -> dict[str, Any]:
    """Every attack but DarkerBB, with the access it needs."""
    return {
        "blobs": (HillClimb(Blobs("published"), SMALL, seed), "embedding"),
        "blobs by cosine": (HillClimb(Blobs("cosine"), SMALL, seed), "similarity"),
        "eigenface-climb": (HillClimb(Eigenfaces(prior), SMALL, seed), "similarity"),
        "random-search": (Best(prior, False, 40, seed), "similarity"),
        "nearest-prior": (Best(prior, True, 40, seed), "similarity"),
        "template-recovery": (TemplateRecovery(prior, 40, seed), "embedding"),
    }


def side_of(attack: Any) -> int:
    """Blobs are drawn for faces of 112x112; the others go by their prior."""
    return 112 if isinstance(attack, HillClimb) and isinstance(attack.proposals, Blobs) else 8


NAMES = pytest.mark.parametrize("name", attacks(Prior(*[np.zeros((1, 3), "float32")] * 2)))


def answer_of(attack: Any, oracle: Any) -> Any:
    *_, answer = attack.invert(oracle)
    assert answer.dtype == np.float32 and answer.shape == (oracle.targets, oracle.height, oracle.width, 3)
    return answer


@NAMES
def test_queries_are_the_formula_exactly(name: str, prior: Prior, against: Against) -> None:
    attack, access = attacks(prior)[name]
    oracle = against(2, side_of(attack), access=access)
    answer_of(attack, oracle)
    expected = {"random-search": 40, "nearest-prior": 40, "template-recovery": 45}.get(name, SMALL.queries)
    assert oracle.used.tolist() == [expected] * 2


@NAMES
def test_it_comes_nearer_than_where_it_began(name: str, prior: Prior, against: Against) -> None:
    attack, access = attacks(prior)[name]
    oracle = against(2, side_of(attack), access=access)
    climb = isinstance(attack, HillClimb)
    first = attack.proposals.show(attack.proposals.start()[None]) if climb else np.full((1, 8, 8, 3), 0.5, "float32")
    start = oracle.cosines(np.concatenate([first, first]))
    assert (oracle.cosines(answer_of(attack, oracle)) > start).all()


@NAMES
def test_a_targets_trace_does_not_depend_on_which_others_are_attacked(
    name: str, prior: Prior, against: Against
) -> None:
    attack, access = attacks(prior)[name]
    many, alone = (
        attack.invert(against(5, side_of(attack), access=access)),
        attack.invert(against(1, side_of(attack), access=access)),
    )
    for together, single in zip(many, alone, strict=True):
        assert np.array_equal(together[:1], single)


@NAMES
@pytest.mark.parametrize("budget", [0, 5, 30, 43])
def test_where_the_budget_ends_the_last_image_is_the_answer(
    name: str, budget: int, prior: Prior, against: Against
) -> None:
    attack, access = attacks(prior)[name]
    oracle = against(2, side_of(attack), access=access, budget=budget)
    assert np.isfinite(answer_of(attack, oracle)).all()
    assert oracle.used.max() <= budget


@NAMES
def test_another_seed_asks_other_queries(name: str, prior: Prior, against: Against) -> None:
    made = [attacks(prior, seed)[name] for seed in (0, 0, 1)]
    one, again, other = (answer_of(attack, against(1, side_of(attack), access=access)) for attack, access in made)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", ["blobs", "template-recovery"])
def test_too_little_access_is_refused(name: str, prior: Prior, against: Against) -> None:
    with pytest.raises(ValueError, match=f"{name} needs access=embedding; this oracle gives similarity"):
        attack, _ = attacks(prior)[name]
        answer_of(attack, against(1, side_of(attack)))


def test_the_published_lengths_of_the_climbs() -> None:
    assert Climb(80, 10, 100, 3000).queries == 320_000
    assert Climb(64, 10, 100, 1000).queries == 128_000
    with pytest.raises(ValueError, match="population is 1 or more"):
        Climb(0, 1, 1, 1)


def test_a_blob_is_faint_grey_and_symmetric() -> None:
    blobs = Blobs("published")
    draw = np.random.default_rng(0)
    start = np.full((SIDE, SIDE), 0.5, "float32")
    made = blobs.propose(start, 0.0, True, 50, draw)
    assert np.abs(made - made[:, :, ::-1]).max() < 1e-6
    assert np.abs(made - start).max() <= 0.02  # twice half of 0.02, where a blob and its mirror image meet
    assert not np.ptp(blobs.show(made), axis=3).any()
    assert blobs.propose(start, 0.0, True, 3, np.random.default_rng(1)).shape == (3, SIDE, SIDE)


def test_blobs_shrink_as_the_score_rises_and_stay_in_range() -> None:
    def spread(score: float) -> float:
        made = Blobs("published").propose(np.full((SIDE, SIDE), 0.5), score, True, 200, np.random.default_rng(0))
        return float((np.abs(made - 0.5) > 1e-4).mean())

    assert spread(-0.3) == spread(0.0) > spread(0.05) > spread(0.5)
    assert spread(0.5) == spread(0.9)
    assert Blobs("published").propose(np.zeros((SIDE, SIDE)), 0.0, True, 20, np.random.default_rng(0)).min() == 0


def test_the_published_fitness_pulls_the_length_of_the_embedding(against: Against) -> None:
    oracle = against(1, SIDE, access="embedding")
    images = np.random.default_rng(0).random((4, SIDE, SIDE, 3)).astype("float32")
    scores, fitness = Blobs("published").judge(oracle, images, np.zeros(4, int))
    lengths = np.linalg.norm(oracle.embedding(images, np.zeros(4, int))[1], axis=1)
    assert fitness == pytest.approx(scores - (oracle.lengths[0] - lengths) ** 2 / 400)


def test_a_proposal_of_eigenfaces_is_standardised(prior: Prior) -> None:
    climb = Eigenfaces(prior)
    assert climb.show(climb.start()[None]) == pytest.approx(0.5)  # half of a grey mean face in [-1, 1]
    added = climb.propose(climb.start(), 0.0, False, 5, np.random.default_rng(0)) - climb.start()
    assert added.mean(axis=1) == pytest.approx(np.zeros(5), abs=1e-6)
    assert added.std(axis=1) == pytest.approx(np.full(5, 0.001), rel=1e-3)


def test_the_fittest_of_a_population_follows_even_if_it_is_worse(prior: Prior, against: Against) -> None:
    oracle = against(1)
    oracle.score = lambda images, targets: -np.arange(sum(oracle.sizes) - len(images), sum(oracle.sizes), dtype=float)
    answer_of(HillClimb(Eigenfaces(prior), Climb(4, 0, 0, 3), 0), oracle)
    oracle.keep = True
    answer = answer_of(HillClimb(Eigenfaces(prior), Climb(4, 0, 0, 3), 0), oracle)
    assert np.array_equal(answer[0], oracle.asked[2][0][0])


def test_the_nearest_of_the_priors_own_faces_is_found(prior: Prior, against: Against) -> None:
    own = np.random.default_rng(2).standard_normal((60, prior.size)).astype("float32")
    own[17] = np.random.default_rng([5, 0]).standard_normal(prior.size)  # the target itself
    oracle = against(1)
    found = answer_of(Best(Prior(prior.mean, prior.basis, own), True, 1500, 0), oracle)
    assert oracle.used.tolist() == [60]
    assert oracle.cosines(found) == pytest.approx(1, abs=1e-6)


def test_a_template_is_recovered_from_as_many_probes_as_it_has_numbers() -> None:
    generator = np.random.default_rng(0)
    template, embeddings = 3 * generator.standard_normal(12), generator.standard_normal((13, 12)) * 5
    length = float(np.linalg.norm(template))
    cosines = embeddings @ template / np.linalg.norm(embeddings, axis=1) / length
    assert recover(cosines, embeddings, length) == pytest.approx(template / length, abs=1e-8)
    assert recover(cosines[:6], embeddings[:6], length) @ template > 0.3 * length  # fewer: the estimate of least norm
    distances = np.linalg.norm(embeddings - template, axis=1)
    assert recover(-distances, embeddings, length) == pytest.approx(template / length, abs=1e-8)


def test_images_of_which_the_target_makes_nothing_are_passed_over(prior: Prior, against: Against) -> None:
    for name in ("blobs", "template-recovery"):
        attack, access = attacks(prior)[name]
        oracle = against(1, side_of(attack), access=access)
        ask = oracle.embedding

        def fails_some(images: Any, targets: Any, ask: Any = ask) -> Any:
            scores, embeddings = ask(images, targets)
            embeddings[::2] = np.nan
            return np.where(np.arange(len(scores)) % 2, scores, -1.0), embeddings

        oracle.embedding = fails_some
        assert np.isfinite(answer_of(attack, oracle)).all()
