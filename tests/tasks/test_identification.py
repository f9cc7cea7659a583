"""Identification end to end: a perfect, a fair, a random and a failing method search a gallery of toys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.answers import read_table
from bench.checkpoints import read_snapshot
from bench.errors import WrongUse
from bench.protocols.lfw import IMAGES
from bench.tasks import identification

SEARCHED = "identification/toy/gallery"
PEOPLE = 12


def read(root: Path) -> bench.Content:
    """Half of the people enrolled and searched for, a quarter searched for in vain, a quarter to learn from."""
    folder = root / "lfw" / "aligned_112"
    names = [f"Person_{p}_{shot:04d}.jpg" for p in range(2 * PEOPLE) for shot in (1, 2)]
    files = {name: folder / name.rpartition("_")[0] / name for name in names}

    def record(name: str, key: str) -> bench.Face:
        from bench import images

        return bench.Face(key, images.read(files[name]))

    enrolled = [f"Person_{p}_0001.jpg" for p in range(PEOPLE)]
    probes = [f"Person_{p}_0002.jpg" for p in range(PEOPLE)] + names[2 * PEOPLE : 3 * PEOPLE]
    training = names[3 * PEOPLE :]
    used = {name: files[name] for name in (*enrolled, *probes, *training)}
    return identification.content(enrolled, probes, lambda n: n.rpartition("_")[0], record, training, used, SEARCHED)


PROTOCOL = replace(IMAGES, name=SEARCHED, read=read, trials_sha256="")


@pytest.fixture
def asked(synthetic: Path, tmp_path: Path) -> Callable[..., bench.Result]:
    def ask(method: str, **settings: object) -> bench.Result:
        (result,) = bench.run(PROTOCOL, method, data=synthetic, out=tmp_path / "out", **settings)  # type: ignore[arg-type]
        return result

    return ask


def value(result: bench.Result, metric: str) -> float:
    score = result.score(metric)
    assert score is not None
    return score.value


def test_a_perfect_method_finds_everyone_and_no_one_else(asked: Callable[..., bench.Result]) -> None:
    result = asked("perfect")
    assert value(result, "rank-1") == 1
    assert value(result, "fnir@fpir=1e-1") == 0
    assert value(result, "fte") == 0


def test_random_and_constant_methods_stay_at_the_floor(asked: Callable[..., bench.Result]) -> None:
    assert value(asked("random"), "rank-1") <= 0.34
    assert value(asked("constant"), "rank-1") == 0, "ties count against the method"
    assert value(asked("constant"), "fnir@fpir=1e-1") == 1


def test_a_method_that_fails_is_counted_and_misses(asked: Callable[..., bench.Result]) -> None:
    result = asked("fails-all")
    assert value(result, "rank-1") == 0 and value(result, "fnir@fpir=1e-1") == 1 and value(result, "fte") == 1
    assert result.samples == result.failures == 3 * PEOPLE


def test_a_failed_probe_or_enrolment_costs_its_searches_only(
    asked: Callable[..., bench.Result], tmp_path: Path
) -> None:
    result = asked("fails-some")
    trials = read_table(next(tmp_path.rglob("trials.parquet")))
    lost = [bool(a or b) for a, b in zip(trials["failure"], trials["enrolment_failure"], strict=True)]
    mated = trials["mated"]
    assert any(lost) and (trials["rank"][mated & np.array(lost)] == PEOPLE + 1).all()
    assert (trials["rank"][mated & ~np.array(lost)] <= PEOPLE).all()
    assert result.failures == sum(result.reasons.values()) > 0


def test_ranks_and_scores_are_those_of_a_plain_search(
    asked: Callable[..., bench.Result], tmp_path: Path, synthetic: Path
) -> None:
    asked("toy")
    trials = read_table(next(tmp_path.rglob("trials.parquet")))
    content = read(synthetic)
    vectors = read_table(next(tmp_path.rglob("part-*.parquet")))["embedding"].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = content.truth
    for row, probe in enumerate(truth.probes):
        cosines = {int(truth.subjects[e]): float(vectors[probe] @ vectors[e]) for e in truth.enrolled}
        own = cosines.pop(int(truth.subjects[probe]), None)
        assert trials["best_non_mated"][row] == pytest.approx(max(cosines.values()))
        assert trials["mated"][row] == (own is not None)
        if own is not None:
            assert trials["mated_score"][row] == pytest.approx(own)
            assert trials["rank"][row] == 1 + sum(score >= own for score in cosines.values())


def test_a_person_with_several_images_is_found_by_the_best(synthetic: Path) -> None:
    content = read(synthetic)
    everyone = {sample.name: i for i, sample in enumerate(content.samples)}
    enrolled = np.array([everyone[f"Person_{p}_{shot:04d}.jpg"] for p in range(PEOPLE) for shot in (1, 2)])
    truth = replace(content.truth, enrolled=enrolled)
    generator = np.random.default_rng(0)
    answers = {
        "embedding": generator.normal(size=(len(everyone), 4)).astype(np.float32),
        "failure": [""] * len(everyone),
    }
    trials = identification.judge(replace(content, truth=truth), {"all": answers}, {})
    mated = trials["mated"]
    assert trials["mated_score"][mated] == pytest.approx(np.ones(mated.sum())), "each probe is enrolled itself"


def test_a_fitted_method_learns_from_people_who_are_neither_enrolled_nor_searched_for(
    asked: Callable[..., bench.Result], tmp_path: Path
) -> None:
    result = asked("spy")
    assert result.failures == 0 and value(result, "rank-1") == 1
    checkpoint = read_snapshot(next(tmp_path.rglob("training/checkpoint.safetensors")))
    assert len(checkpoint.weights["labels"]) == PEOPLE


def test_a_limit_keeps_mated_and_other_probes_in_turn(asked: Callable[..., bench.Result], tmp_path: Path) -> None:
    result = asked("toy", limit=8)
    trials = read_table(next(tmp_path.rglob("trials.parquet")))
    assert trials["mated"].sum() == 4 and len(trials["mated"]) == 8 and not result.official
    with pytest.raises(WrongUse, match="--limit 1"):
        asked("toy", limit=1)


def test_people_to_learn_from_may_not_be_searched_for() -> None:
    with pytest.raises(WrongUse, match="1 people are to be learned from"):
        identification.content(["a-0"], ["a-1"], lambda name: name[0], lambda n, k: bench.Face(k, None), ["a-2"])  # type: ignore[arg-type]


@pytest.mark.realdata_smoke
def test_the_official_gallery_is_the_documented_split(data_root: Path) -> None:
    content = IMAGES.read(data_root)
    truth = content.truth
    assert content.trials_sha256 == IMAGES.trials_sha256
    assert (len(truth.enrolled), len(truth.probes), len(truth.training)) == (1559, 4781, 1361)
    assert len(content.files) == 7701
