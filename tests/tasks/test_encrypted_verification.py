"""Verification under encryption: integers by a stated rule, some pairs through the protocol, and nothing inexact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trials import made_trials
from toy_matchers import Claiming, Inexact, Plain, Raises, Toy, method

import bench
from bench.answers import read_table
from bench.errors import ContractBroken, MethodFailed, Mismatch, WrongUse
from bench.metrics import METRICS
from bench.metrics.encrypted_trials import ENCRYPTED_METRICS, EncryptedTrials
from bench.protocols.encrypted_pairs import ALIGNED, PROTOCOLS, under_encryption
from bench.results import Result
from bench.tasks import verification
from bench.tasks.encrypted_verification import TASK, EncryptedPairs, _drawn, formula, quantised
from bench.tasks.verification import Pairs

ENCRYPTED, PLAINTEXT = under_encryption(ALIGNED, "encryption/toy/pairs")


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.tasks.encrypted_verification.REPLICATES", 20)


def run(kind: type, data: Path, out: Path, embedder: str = "toy", asked: bench.Protocol = ENCRYPTED) -> Result:
    (result,) = bench.run(asked, roles={"method": method(kind), "embedder": embedder}, data=data, out=out)
    return result


@given(st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=30)
def test_integers_are_within_half_a_step_of_the_unit_vector_unless_cut_off(d: int, seed: int) -> None:
    given_ = np.random.default_rng(seed).normal(size=(3, d)).astype(np.float32) * 50
    unit = given_ / np.linalg.norm(given_, axis=1, keepdims=True)
    scale = 127 * np.sqrt(d) / 4
    made = quantised(given_)
    assert made.dtype == np.int8 and abs(made.astype(int)).max() <= 127
    assert (np.abs(made - np.clip(unit * scale, -127, 127)) <= 0.5 + 1e-3).all()


def test_a_vector_that_is_not_there_becomes_zeros() -> None:
    assert not quantised(np.array([[np.nan, 1.0], [0.0, 0.0], [np.inf, 0.0]], np.float32)).any()


def test_the_formula_is_the_inner_product_or_the_squared_distance() -> None:
    rows, probes = (np.random.default_rng(i).integers(-127, 128, (5, 9)).astype(np.int8) for i in (0, 1))
    for i in range(5):
        a, b = rows[i].tolist(), probes[i].tolist()
        assert formula(rows, probes, "plaintext")[i] == sum(x * y for x, y in zip(a, b, strict=True))
        assert formula(rows, probes, "encrypted")[i] == sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def test_every_pair_is_scored_twice_and_some_go_through_the_protocol(synthetic: Path, tmp_path: Path) -> None:
    result = run(Claiming, synthetic, tmp_path, "perfect")
    found = {score.metric: score.value for score in result.scores}
    assert result.scores[0].metric == "accuracy_encrypted"
    assert found["accuracy_encrypted"] == found["accuracy"] == 1 and found["differing_pairs"] == 0
    assert found["matched_pairs"] == 48 and found["matched_security_bits"] == 128  # there are no more pairs
    (path,) = tmp_path.rglob("trials.parquet")
    trials = read_table(path)
    assert trials["score"].max() <= 0 and (trials["plain_score"] <= 1).all()
    assert {text.partition(";")[0] for text in trials["about"]} == {"a toy"}
    assert run(Claiming, synthetic, tmp_path, "perfect") == result  # it is not asked again


@pytest.mark.parametrize(("kind", "said"), [(Inexact, "are not the formula's"), (Toy, "0 bits of security")])
def test_what_is_not_exact_or_not_secure_voids_the_result(kind: type, said: str, own: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match=said):
        run(kind, own, tmp_path)
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("trials.parquet"))


def test_a_matcher_that_raises_ends_its_cell_and_is_told_of(own: Path, tmp_path: Path) -> None:
    with pytest.raises(MethodFailed, match="It raised RuntimeError: not today"):
        run(Raises, own, tmp_path)


def test_a_gallery_that_a_matcher_does_not_offer_is_refused(own: Path, tmp_path: Path) -> None:
    with pytest.raises(MethodFailed, match="it is plain"):
        run(Plain, own, tmp_path)
    assert run(Plain, own, tmp_path, asked=PLAINTEXT).score("matched_pairs").value == 16  # type: ignore[union-attr]


def test_images_without_a_vector_are_counted_and_not_matched(own: Path, tmp_path: Path) -> None:
    result = run(Claiming, own, tmp_path, "fails-some")
    (path,) = tmp_path.rglob("trials.parquet")
    trials = read_table(path)
    assert result.failures > 0 and result.score("fte").value > 0  # type: ignore[union-attr]
    assert np.isfinite(trials["score"][trials["matched"]]).all() and not trials["matched"].all()


def test_each_role_takes_methods_of_its_own_kind(own: Path, tmp_path: Path) -> None:
    for roles in ({"method": "toy", "embedder": "toy"}, {"method": method(Claiming), "embedder": method(Claiming)}):
        with pytest.raises(Mismatch, match="answers"):
            bench.run(ENCRYPTED, roles=roles, data=own, out=tmp_path)


def test_the_draw_follows_the_seed_and_has_as_many_of_each_kind() -> None:
    side = np.arange(100, dtype=np.int32)
    mated = side % 4 == 0
    pairs = Pairs(side, side[::-1], mated, np.zeros(100, np.int16), side)
    answered = {"failure": [""] * 100}
    truth = EncryptedPairs(pairs, 2048, "encrypted", 20)
    one = _drawn(truth, answered, 0)
    assert one == sorted(set(one)) == _drawn(truth, answered, 0) != _drawn(truth, answered, 1)
    assert len(one) == 20 and sum(mated[one]) == 10
    assert len(_drawn(EncryptedPairs(pairs, 2048, "encrypted", 90), answered, 0)) == 90


def judged(seed: int) -> dict[str, Any]:
    """Trials as ``judge`` makes them: the second score is the first with some noise."""
    trials = made_trials(seed)
    noise = np.random.default_rng(seed).normal(0, 0.3, len(trials["score"]))
    return {
        **trials,
        "plain_score": trials["score"],
        "score": trials["score"] + noise,
        "matched": np.arange(len(noise)) < 7,
        "security": np.full(len(noise), 112, np.int16),
        "about": [""] * len(noise),
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_and_the_pairs_decided_differently_are_those_of_the_two_decisions(seed: int) -> None:
    trials = judged(seed)
    by_name = {score.metric: score for score in TASK.score(ENCRYPTED, trials).scores}
    right = [verification.decide({**trials, "score": trials[name]}).right for name in ("plain_score", "score")]  # type: ignore[union-attr]
    assert by_name["differing_pairs"].value == np.count_nonzero(right[0] != right[1]) > 0
    loss = by_name["accuracy"].value - by_name["accuracy_encrypted"].value
    assert by_name["accuracy_loss"].value == pytest.approx(loss)
    assert by_name["matched_pairs"].value == 7


def test_trials_with_short_keys_have_no_score() -> None:
    trials = judged(0)
    with pytest.raises(ContractBroken, match="80 bits"):
        TASK.score(ENCRYPTED, {**trials, "security": np.full(len(trials["score"]), 80)})


def test_fewer_pairs_are_kept_as_in_verification(synthetic: Path) -> None:
    content = ENCRYPTED.read(synthetic)
    fewer = TASK.limit(content, 16)
    assert len(fewer.truth.pairs.mated) == 16 and fewer.truth.gallery == "encrypted"
    with pytest.raises(WrongUse):
        TASK.limit(content, 2)
    with pytest.raises(Mismatch):
        TASK.external(content, {})


def test_a_score_under_weights_of_one_is_the_score_itself() -> None:
    prepared = EncryptedTrials(judged(1), 5, 0)
    ones = np.ones(len(next(prepared.encrypted.weights())))
    for metric in ENCRYPTED_METRICS:
        assert metric.compute(prepared, ones).value == pytest.approx(metric.compute(prepared).value, abs=1e-9)


def test_the_galleries_are_questions_of_their_own_and_the_metrics_are_listed() -> None:
    assert len({one.digest for one in PROTOCOLS}) == len(PROTOCOLS) == 2
    assert {metric.name for metric in ENCRYPTED_METRICS} <= set(METRICS)
    assert all(one.settings["quantisation"].startswith("unit vectors") for one in PROTOCOLS)


@pytest.mark.realdata
@pytest.mark.parametrize("asked", PROTOCOLS, ids=lambda asked: asked.settings["gallery"])
def test_mobilefacenet_under_pura_decides_lfw_as_in_the_clear(
    asked: bench.Protocol, data_root: Path, models_root: Path, tmp_path: Path
) -> None:
    pytest.importorskip("facebench_pura", reason="needs facebench-pura")
    roles = {"method": "pura", "embedder": "mobilefacenet"}
    (result,) = bench.run(asked, roles=roles, data=data_root, models=models_root, out=tmp_path)
    found = {score.metric: score.value for score in result.scores}
    assert found["matched_pairs"] == 50 and found["matched_security_bits"] == 112
    assert found["accuracy"] == pytest.approx(0.9947, abs=0.0005) and abs(found["accuracy_loss"]) < 0.002
