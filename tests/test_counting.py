"""The counting oracle: what it refuses, what it counts, what it answers again, and that its gradients are right."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench.counting import BEST, LAST, CountingOracle, Reached, Terms
from bench.errors import BudgetSpent, ContractBroken
from bench.method import Configured, Origin
from bench.query_log import QueryLog
from bench.target import Target, best_batch
from bench.worker import Worker

SPEC = importlib.util.spec_from_file_location("toy_attacks", Path(__file__).parent / "attacks" / "toy_attacks.py")
assert SPEC is not None
assert SPEC.loader is not None
TOYS = importlib.util.module_from_spec(SPEC)
sys.modules["toy_attacks"] = TOYS
SPEC.loader.exec_module(TOYS)
cloudpickle.register_pickle_by_value(TOYS)

SIDE = 112
RNG = np.random.default_rng(3)
PICTURES = np.stack([TOYS.blocks(RNG) for _ in range(3)])


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A linear embedder in a process of its own."""
    card = bench.Method("linear", frozenset({"verification"}), TOYS.Linear, inputs=frozenset({"arcface-112"}))
    configured = Configured.parse(card, "", Origin("script", "", "", "", "", ""))
    with Worker(configured, bench.Load(), tmp_path_factory.mktemp("worker") / "log") as made:
        yield made


def templates(worker: Worker) -> Any:
    return Target(worker, np.zeros((1, 24), np.float32), 2, False).embeddings(PICTURES * 255)


def oracle_of(
    worker: Worker, folder: Path, budget: int = 100, access: str = "similarity", euclidean: bool = False, **terms: bool
) -> CountingOracle:
    target = Target(worker, templates(worker), 4, euclidean)
    asked = Terms(access, budget, terms.get("eight_bit", False), SIDE, SIDE)
    return CountingOracle(asked, target, QueryLog(folder, 8), "an attack")


def handle(oracle: CountingOracle) -> bench.Oracle:
    return bench.Oracle(oracle.about(), oracle.answer)


# What is refused.

FINE = {"call": "similarity", "images": np.zeros((2, SIDE, SIDE, 3), np.float32), "targets": np.array([0, 1])}
NAN = np.zeros((2, SIDE, SIDE, 3), np.float32)
NAN[1, 5, 5, 0] = np.nan


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"images": NAN}, "NaN or infinity"),
        ({"images": np.where(np.isnan(NAN), np.inf, NAN).astype(np.float32)}, "NaN or infinity"),
        ({"images": np.zeros((2, 100, SIDE, 3), np.float32)}, r"float32 \[2, 100, 112, 3\]"),
        ({"images": np.zeros((SIDE, SIDE, 3), np.float32)}, "float32"),
        ({"images": np.zeros((2, SIDE, SIDE, 3))}, "float64"),
        ({"images": "two"}, "no call"),
        ({"targets": np.array([0, 3])}, "target 0 or 3 of 3"),
        ({"targets": np.array([-1, 0])}, "target -1 or 0 of 3"),
        ({"targets": np.array([0, 1, 2])}, r"\[3\] for 2 images"),
        ({"targets": np.array([0.0, 1.0])}, "float64"),
        ({"images": np.zeros((0, SIDE, SIDE, 3), np.float32), "targets": np.zeros(0, np.int64)}, "at least one"),
        ({"call": "gradient"}, "access is similarity"),
        ({"call": "budget"}, "'budget'"),
        ({"call": None}, "no call"),
    ],
)
def test_what_is_no_question_ends_the_attack(worker: Worker, tmp_path: Path, change: dict[str, Any], text: str) -> None:
    oracle = oracle_of(worker, tmp_path)
    with pytest.raises(ContractBroken, match=text):
        oracle.answer({**FINE, **change})
    assert not oracle.reached.queries.any()


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (np.zeros((2, SIDE, SIDE, 3), np.float32), r"float32 \[2, 112, 112, 3\]"),
        (np.zeros((3, SIDE, SIDE, 3)), "float64"),
        (np.full((3, SIDE, SIDE, 3), np.nan, np.float32), "NaN"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_image_a_target_is_not_shown(worker: Worker, tmp_path: Path, images: Any, text: str) -> None:
    with pytest.raises(ContractBroken, match=text):
        oracle_of(worker, tmp_path).show(images)


def test_an_attack_that_shows_nothing_is_refused(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match="without yielding"):
        oracle_of(worker, tmp_path).finish()


def test_a_call_past_the_budget_is_refused_whole_and_a_smaller_one_answered(worker: Worker, tmp_path: Path) -> None:
    oracle = oracle_of(worker, tmp_path, budget=5)
    asked = handle(oracle)
    asked.similarity(PICTURES[[0, 0, 0]], [0, 0, 0])
    with pytest.raises(BudgetSpent):
        asked.similarity(PICTURES[[1, 0, 0, 0]], [1, 0, 0, 0])
    assert oracle.reached.queries.tolist() == [3, 0, 0]
    asked.similarity(PICTURES[[1, 0, 0]], [1, 0, 0])
    assert oracle.reached.queries.tolist() == [5, 1, 0]


# What is answered.


@pytest.mark.parametrize("euclidean", [False, True])
def test_scores_are_those_of_the_embeddings_whatever_the_size_of_calls(
    worker: Worker, tmp_path: Path, euclidean: bool
) -> None:
    oracle = oracle_of(worker, tmp_path, access="embedding", euclidean=euclidean)
    places = np.array([0, 1, 2, 2, 1, 0, 1])
    scores, vectors = handle(oracle).embedding(PICTURES[[0, 0, 0, 1, 1, 2, 2]], places)
    wanted = templates(worker).astype(float)[places]
    found = vectors.astype(float)
    if euclidean:
        expected = -np.linalg.norm(found - wanted, axis=1)
    else:
        expected = (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert scores == pytest.approx(expected, abs=1e-6)
    assert scores[0] == scores.max() == pytest.approx(0 if euclidean else 1, abs=1e-3)
    assert handle(oracle).lengths == pytest.approx(np.linalg.norm(templates(worker), axis=1))
    assert handle(oracle_of(worker, tmp_path / "other")).lengths is None


@pytest.mark.parametrize("euclidean", [False, True])
def test_the_gradient_is_that_of_the_score(worker: Worker, tmp_path: Path, euclidean: bool) -> None:
    asked = handle(oracle_of(worker, tmp_path, access="gradient", euclidean=euclidean))
    image, step = PICTURES[1:2], 0.05
    (_, slope) = asked.gradient(image, [0])
    for seed in range(3):
        direction = TOYS.blocks(np.random.default_rng(seed))[None] - np.float32(0.5)
        above, below = asked.similarity(np.concatenate([image + step * direction, image - step * direction]), [0, 0])
        assert (slope * direction).sum() == pytest.approx((above - below) / (2 * step), rel=0.02, abs=1e-4)


def test_8_bit_queries_are_clipped_and_rounded_before_they_are_asked(worker: Worker, tmp_path: Path) -> None:
    exact, rounded = (oracle_of(worker, tmp_path / str(bits), eight_bit=bits) for bits in (False, True))
    wild = PICTURES * 3 - 1
    stored = np.rint(wild.clip(0, 1) * 255).astype(np.float32) / 255
    every = np.arange(3)
    assert handle(rounded).similarity(wild, every) == pytest.approx(
        handle(exact).similarity(stored, every).round(4), abs=1.01e-4
    )
    assert rounded.reached.outside.tolist() == [1, 1, 1]
    assert exact.reached.outside.tolist() == [0, 0, 0]


# What is answered again.


@pytest.mark.parametrize("access", ["similarity", "gradient"])
def test_an_attack_begun_anew_gets_the_same_answers_and_goes_on_to_the_same_end(
    worker: Worker, tmp_path: Path, access: str
) -> None:
    def attack(oracle: CountingOracle, steps: int) -> list[Any]:
        asked, images, told = handle(oracle), PICTURES[::-1].copy(), []
        for step in range(steps):
            if access == "gradient" and step % 2:
                scores, slopes = asked.gradient(images, [0, 1, 2])
                images = images + slopes * np.float32(20)
            else:
                scores = asked.similarity(images, [0, 1, 2])
                images = images + np.float32(0.01) * scores.astype(np.float32)[:, None, None, None]
            told.append(scores)
            oracle.show(images)
        return told

    whole = oracle_of(worker, tmp_path / "whole", access=access)
    expected = attack(whole, 12)
    attack(oracle_of(worker, tmp_path / "cut", access=access), 7)  # of which two parts of three calls are on disk
    again = oracle_of(worker, tmp_path / "cut", access=access)
    assert np.array_equal(attack(again, 12), expected)
    one, other = whole.finish(), again.finish()
    assert all(np.array_equal(one[name], other[name], equal_nan=name == "told") for name in one)
    files = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert [(tmp_path / "whole" / f).read_bytes() for f in files] == [
        (tmp_path / "cut" / f).read_bytes() for f in files
    ]


def test_other_queries_the_second_time_are_refused(worker: Worker, tmp_path: Path) -> None:
    for _ in range(3):
        handle(oracle_of(worker, tmp_path / "same")).similarity(np.repeat(PICTURES, 3, axis=0), [0, 1, 2] * 3)
    with pytest.raises(ContractBroken, match="asked other queries"):
        handle(oracle_of(worker, tmp_path / "same")).similarity(np.repeat(PICTURES, 3, axis=0), [1, 0, 2] * 3)


# What is kept.


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-9, 9), st.booleans(), st.booleans()), max_size=40),
    st.integers(40, 60),
)
def test_best_and_last_image_are_those_of_the_queries_so_far(moves: list[Any], budget: int) -> None:
    reached = Reached(Terms("similarity", budget, False, 1, 1), 2)
    history: list[list[tuple[int, int]]] = [[], []]
    shown: list[list[int | None]] = [[], []]
    for number, (target, score, outside, show) in enumerate(moves):
        pixel = np.full((1, 1, 3), number, np.uint8)
        reached.query(target, score, outside, lambda pixel=pixel: pixel)  # type: ignore[misc]
        history[target].append((score, number))
        shown[target].append(int(reached.last[target, 0, 0, 0]) if reached.last is not None else None)
        if show:
            reached.last = np.full((2, 1, 1, 3), 100 + number, np.uint8)
    end = 255 if reached.last is None else int(reached.last[0, 0, 0, 0])
    reached.last = np.full((2, 1, 1, 3), end, np.uint8)
    table = reached.table()
    for target, mark, image, queries, pixels in zip(
        *(table[name] for name in ("target", "budget", "image", "queries", "pixels")), strict=True
    ):
        asked = history[target][:mark]
        assert queries == len(asked)
        if image == LAST:
            wanted = shown[target][mark - 1] if len(history[target]) >= mark else end
        else:
            wanted = max(asked, key=lambda one: (one[0], -one[1]))[1] if asked else end
        assert pixels[0] == wanted
    kinds = [*zip(table["target"].tolist(), table["budget"].tolist(), table["image"], strict=True)]
    assert {(t, budget, image) for t in (0, 1) for image in (BEST, LAST)} <= set(kinds)


def test_calls_have_the_size_that_answers_soonest(worker: Worker) -> None:
    assert best_batch(worker, PICTURES[0] * 255, 6) in {1, 2, 3, 4, 6, 8, 16, 32, 64}
