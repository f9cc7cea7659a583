"""Encrypted matching: what is timed is checked, and one thing that is wrong voids all."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_matchers import Caching, Claiming, Inexact, Leaking, Lossy, Misleading, Plain, Raises, Toy, Wrong, method

import bench
from bench import submission
from bench.errors import ContractBroken, MethodFailed, Mismatch
from bench.leaderboard import Entry
from bench.measuring import MOST_REPEATS, PRIME, measure, transform
from bench.metrics import METRICS, timing
from bench.metrics.timing import NOISY, Timings
from bench.protocols import encryption as protocols
from bench.protocols.encryption import protocol
from bench.results import Result
from bench.tasks.encryption import TASK, Work, metrics, shown

GALLERIES = (("plaintext", 3), ("encrypted", 2))


def session(gallery: str = "", rows: int = 0, **other: Any) -> dict[str, Any]:
    work = {"dimension": 4, "bits": 512, "division": "public", "gallery": gallery, "rows": rows, "measured": rows}
    return {**work, "seed": [0], **other}


def run(kind: type, out: Path, reference: type = Claiming, rounds: int = 1, **work: Any) -> Result:
    question = protocol("encryption/toy/cell", Work(4, 2048, rounds=rounds, **{"galleries": GALLERIES, **work}))
    (result,) = bench.run(question, roles={"method": method(kind), "reference": method(reference)}, out=out)
    return result


def test_an_exact_matcher_passes_every_check() -> None:
    for gallery, rows in (("", 0), *GALLERIES):
        assert measure(Toy(), session(gallery, rows))["failures"] == []


@pytest.mark.parametrize(
    ("kind", "gallery", "said"),
    [
        (Leaking, "", "two encryptions of one vector are the same"),
        (Wrong, "", "does not decrypt to itself"),
        (Lossy, "", "read and written again"),
        (Inexact, "plaintext", "scores are not exact"),
        (Inexact, "encrypted", "scores are not exact"),
        (Caching, "plaintext", "kept from an earlier call"),
        (Misleading, "encrypted", "not the most alike"),
    ],
)
def test_what_a_matcher_does_wrong_is_named(kind: type, gallery: str, said: str) -> None:
    failures = measure(kind(), session(gallery, 2 if gallery else 0))["failures"]
    assert any(said in failure for failure in failures)


def test_only_durations_counts_and_short_texts_leave_the_worker() -> None:
    given = measure(Claiming(), session("plaintext", 3))
    lists = ("stage", "seconds", "wall", "bytes", "failures")
    assert set(given) == {*lists, "offered", "security", "load", "about"}
    assert all(isinstance(value, float) for name in ("seconds", "wall") for value in given[name])
    assert all(isinstance(value, int) for value in given["bytes"]) and len(given["about"]) <= 200


def test_a_stage_on_fewer_rows_counts_what_all_rows_would_take() -> None:
    whole = measure(Claiming(), session("plaintext", 1000, measured=10))
    place = whole["stage"].index("scores@plaintext=1000")
    assert whole["bytes"][place] == 1000 * 16


def test_a_cell_has_figures_of_each_stage_and_ratios_in_the_same_rounds(tmp_path: Path) -> None:
    result = run(Claiming, tmp_path, rounds=2)
    assert result.name == "method=claiming reference=claiming"
    assert result.score("security_bits").value == 128
    assert result.score("bytes.probe").value == 4 * 16
    assert result.score("search@plaintext=3.seconds") is not None
    assert result.score("answer@encrypted=2.wall_seconds") is not None
    assert not [score for score in result.scores if "extrapolated" in score.metric]


def test_a_finished_cell_is_not_measured_again(tmp_path: Path) -> None:
    assert run(Claiming, tmp_path) == run(Claiming, tmp_path)


@pytest.mark.parametrize("kind", [Toy, Leaking, Inexact, Caching])
def test_one_failed_check_voids_the_cell(kind: type, tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match="void"):
        run(kind, tmp_path)
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("trials.parquet"))


def test_a_reference_that_fails_voids_the_cell_too(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match="reference: its keys give 0 bits"):
        run(Claiming, tmp_path, reference=Toy)


def test_what_a_method_does_not_offer_is_left_out(tmp_path: Path) -> None:
    result = run(Plain, tmp_path)
    assert result.score("match@plaintext=3.seconds") and not result.score("match@encrypted=2.seconds")


def test_a_division_that_a_method_does_not_offer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MethodFailed, match="it is plain"):
        run(Plain, tmp_path, division="packed", galleries=())


def test_a_matcher_that_raises_ends_its_cell_and_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(MethodFailed, match="It raised RuntimeError: not today"):
        run(Raises, tmp_path)
    assert not list(tmp_path.rglob("result.json"))


def test_a_pool_is_charged_for_its_making(tmp_path: Path) -> None:
    result = run(Claiming, tmp_path, division="pool", galleries=())
    trials = made_trials(stages=("encrypt", "pool", "encrypt_total"))
    assert metrics(Work(4, 2048, "pool"))[0].name == "encrypt_total.ratio"
    assert result.score("pool.seconds") and Timings(trials).has("method", "encrypt_total")


def test_divisions_are_questions_of_their_own() -> None:
    digests = {one.digest for one in protocols.PROTOCOLS}
    names = {one.name for one in protocols.PROTOCOLS}
    assert len(digests) == len(protocols.PROTOCOLS) == 17
    assert {f"encryption/random-{d}/{b}-bit" for d in (128, 512) for b in (2048, 3072)} <= names


def test_timings_of_elsewhere_are_refused() -> None:
    with pytest.raises(Mismatch):
        TASK.external(Work(4, 2048).content(), {})


def made_trials(
    stages: tuple[str, ...] = ("encrypt",), rounds: int = 9, spread: float = 0.0, measured: int = 8, seed: int = 1
) -> dict[str, Any]:
    """Trials as ``judge`` makes them: the reference takes four times as long."""
    generator = np.random.default_rng(seed)
    rows = [(turn, role, stage) for turn in range(rounds) for role in ("method", "reference") for stage in stages]
    base = np.array([0.1 if role == "method" else 0.4 for _, role, _ in rows])
    seconds = base * (1 + spread * generator.uniform(-1, 1, len(rows)))
    return {
        "round": np.array([turn for turn, _, _ in rows], np.int16),
        "role": [role for _, role, _ in rows],
        "stage": [stage for _, _, stage in rows],
        "seconds": seconds,
        "wall": seconds * 2,
        "bytes": np.full(len(rows), 7),
        "rows": np.full(len(rows), 8, np.int32),
        "measured": np.full(len(rows), measured, np.int32),
        "security": np.full(len(rows), 112, np.int16),
        "exact": np.full(len(rows), True),
        "failure": [""] * len(rows),
        "about": [""] * len(rows),
    }


def test_figures_are_medians_over_rounds_and_their_ratio() -> None:
    trials = made_trials(spread=0.3)
    of = {
        role: [s for s, r in zip(trials["seconds"].tolist(), trials["role"], strict=True) if r == role]
        for role in ("method", "reference")
    }
    scored = TASK.score(protocol("encryption/toy/cell", Work(4, 2048)), trials)
    by_name = {score.metric: score for score in scored.scores}
    assert by_name["encrypt.seconds"].value == statistics.median(of["method"])
    expected = statistics.median(of["reference"]) / statistics.median(of["method"])
    assert math.isclose(by_name["encrypt.ratio"].value, expected)
    assert by_name["encrypt.ratio"].low <= expected <= by_name["encrypt.ratio"].high


def test_a_figure_of_fewer_rows_has_another_name_and_says_of_how_many() -> None:
    timings = Timings(made_trials(stages=("match@plaintext=8",), measured=2))
    assert math.isnan(timing.seconds("match@plaintext=8").compute(timings).value)
    estimate = timing.ratio("match@plaintext=8", extrapolated=True).compute(timings)
    assert math.isclose(estimate.value, 4) and "extrapolated from 2 of 8 rows" in estimate.note


def test_a_noisy_stage_is_marked_and_counted_and_not_published(tmp_path: Path) -> None:
    quiet = TASK.score(protocol("encryption/toy/cell", Work(4, 2048)), made_trials())
    noisy = TASK.score(protocol("encryption/toy/cell", Work(4, 2048)), made_trials(spread=0.9))
    assert not quiet.reasons and sum(noisy.reasons.values()) == 2
    assert all(score.note.startswith(NOISY) for score in noisy.scores if score.metric.startswith("encrypt."))
    measured = run(Claiming, tmp_path)
    (path,) = tmp_path.rglob("result.json")
    entry = Entry(replace(measured, scores=noisy.scores), path)
    assert any(NOISY in why for why in submission.unfit(entry))


def test_no_vector_is_timed_twice() -> None:
    seen: list[bytes] = []

    class Watching(Claiming):
        def encrypt(self, probe: Any) -> Any:
            seen.append(probe.tobytes())
            return super().encrypt(probe)

    measure(Watching(), session(dimension=16))
    assert 3 <= len(seen) <= MOST_REPEATS + 2 and len(set(seen[1:])) == len(seen) - 1


def test_the_kernels_of_the_machine_are_measured_in_the_same_session() -> None:
    stages = measure(Claiming(), session())["stage"]
    assert {"kernel.modexp_2048", "kernel.modexp_3072", "kernel.ntt", "kernel.copy"} <= set(stages)


def test_the_transform_that_is_timed_is_linear_as_one_of_lattices_is() -> None:
    a, b = (np.random.default_rng(seed).integers(0, PRIME, 64).astype(np.uint64) for seed in (0, 1))
    joined = transform((a + b) % PRIME)
    assert np.array_equal(joined, (transform(a) + transform(b)) % PRIME)


def test_a_listing_names_the_families_of_figures() -> None:
    assert {"encrypt.ratio", "search@plaintext=1000.ratio", "answer@encrypted=16.seconds", "bytes.probe"} <= set(
        METRICS
    )


@pytest.mark.parametrize("division", ["public", "pool"])
def test_a_board_shows_the_headline_stages_of_its_protocol(division: str) -> None:
    galleries = (("plaintext", 1000), ("encrypted", 16), ("encrypted", 64)) if division == "public" else ()
    work = Work(4, 2048, division, galleries)
    named = {metric.name for metric in metrics(work)}
    assert set(shown(work)) <= named and len(shown(work)) < 15
    assert ("search@plaintext=1000.extrapolated_ratio" in shown(work)) == (division == "public")
