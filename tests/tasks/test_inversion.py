"""Inversion end to end: what is counted, what a stopped attack goes on from, what an attack cannot know."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.answers import read_table
from bench.errors import ContractBroken, MethodFailed, Mismatch, WrongUse
from bench.method import Configured, Method, Origin
from bench.plugins import discover
from bench.tasks import inversion

PROTOCOL = "inversion/lfw/view2-arcface112"
TARGET, CRITIC = "toy", "toy-crops"
METHOD = Method("some-attack", frozenset({"inversion"}), print)
ORIGIN = Origin("script", "", "", "", "", "")


@pytest.fixture(autouse=True)
def attacks(toys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy attacks are plugged in beside the toys, and few draws are enough."""
    here = Path(__file__).parent.parent
    monkeypatch.setenv("FACEBENCH_PLUGINS", os.pathsep.join([str(here / "toys"), str(here / "attacks")]))
    monkeypatch.setattr(inversion, "REPLICATES", 50)
    discover.cache_clear()


@pytest.fixture
def attacked(synthetic: Path, tmp_path: Path) -> Any:
    """Run an attack on the synthetic people and return its result and its folder."""

    def call(attack: str, protocol: str = PROTOCOL, out: str = "out", target: Any = TARGET, **roles: str) -> Any:
        given = {"attack": attack, "target": target, "critics": CRITIC, **roles}
        (result,) = bench.run(protocol, roles=given, data=synthetic, out=tmp_path / out)
        (header,) = (tmp_path / out / protocol).glob(f"*{attack.partition(':')[0]}*/header.json")
        return result, header.parent

    return call


def value(result: bench.Result, metric: str) -> float:
    score = result.score(metric)
    assert score is not None, metric
    return score.value


def shown(folder: Path) -> dict[str, Any]:
    return read_table(folder / "reconstructions" / "group-00000.parquet")


def logged(folder: Path) -> dict[str, Any]:
    tables = [read_table(path) for path in sorted((folder / "queries-00000").glob("part-*.parquet"))]
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


# Floor and ceiling.


def test_the_original_is_the_ceiling_of_every_figure(
    attacked: Any, synthetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_PICTURES", str(synthetic / "lfw" / "aligned_112"))
    result, _ = attacked("dictionary:budget=48")
    clean = value(result, "clean.accuracy")
    for image in ("best", "last", "transfer.best", "transfer.last"):
        assert value(result, f"{image}.cosine") == pytest.approx(1)
        for one in ("type1_tar@far=1e-3", "type1_tar@far=1e-2", "asr1"):
            assert value(result, f"{image}.{one}") == 1
        assert value(result, f"{image}.substitution_frozen") == pytest.approx(clean)
        assert value(result, f"{image}.substitution_refit") == pytest.approx(clean)
        assert value(result, f"{image}.ps1") > 0.5
    assert value(result, "best.type2_tar@far=1e-2") == pytest.approx(value(result, "clean.tar@far=1e-2"))
    assert value(result, "best.asr") == pytest.approx((1 + value(result, "best.asr2")) / 2)  # two images a person
    assert "LFW (all of it)" in result.scores[0].note


def test_a_random_image_is_the_floor_of_every_figure(attacked: Any) -> None:
    result, _ = attacked("blind:budget=10", target="perfect")
    assert value(result, "best.type1_tar@far=1e-3") == value(result, "best.type2_tar@far=1e-3") == 0
    assert value(result, "best.ps1") == value(result, "best.ps2") == 0.5
    assert value(result, "best.asr1") == value(result, "best.asr2") == value(result, "best.asr") == 0
    assert value(result, "best.substitution_frozen") == 0.5
    assert value(result, "best.substitution_refit") <= 0.6
    assert value(result, "clean.accuracy") == 1


def test_a_critic_with_an_aligner_sees_every_image_aligned_again_and_its_control_beside(
    attacked: Any, synthetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_PICTURES", str(synthetic / "lfw" / "aligned_112"))
    realigned = f"{CRITIC}:align=finds-some"
    result, folder = attacked("dictionary:budget=48", critics=[CRITIC, realigned, f"{TARGET}:align=finds-some"])
    assert value(result, "realigned.best.found") == value(result, "realigned.last.found") < 1
    assert value(result, "realigned.best.asr1") <= value(result, "realigned.best.found")
    assert value(result, "realigned.clean.accuracy") < value(result, "transfer.clean.accuracy")
    assert value(result, "realigned.best.substitution_frozen") == pytest.approx(
        value(result, "realigned.clean.accuracy")
    )
    assert "finds-some" in result.cards
    trials = read_table(folder / "trials.parquet")
    roles = dict(zip(trials["embedder"], trials["role"], strict=True))
    assert roles == {
        TARGET: "target",
        CRITIC: "critic",
        realigned: "realigned",
        f"{TARGET}:align=finds-some": "same",
    }
    missed = [i for i, reason in enumerate(trials["failure"]) if reason]
    assert missed and {trials["failure"][i] for i in missed} == {"no face found"}


@pytest.mark.parametrize("critic", [f"{CRITIC}:align=finds-some", "fails-some"])
def test_a_critic_that_has_no_vector_of_any_reconstruction_lets_none_pass(attacked: Any, critic: str) -> None:
    result, folder = attacked("dark:budget=4,targets=2", critics=critic)
    assert value(result, ("realigned" if ":" in critic else "transfer") + ".best.asr1") == 0
    attacked_by = read_table(folder / "attacked-critic-1" / "part-00000.parquet")
    assert all(attacked_by["failure"])


def test_a_table_of_landmarks_cannot_align_what_is_reconstructed(own: Path) -> None:
    table = own / "lfw" / "landmarks_made.csv"
    table.write_text("file\n")
    roles = {"attack": "blind:budget=10", "target": TARGET, "critics": f"{CRITIC}:align=made-table"}
    with pytest.raises(Mismatch, match="none of what is reconstructed"):
        bench.run(PROTOCOL, roles=roles, data=own)


# Counting, and going on.


def test_every_query_is_counted_to_the_budget_and_kept_for_the_owner_alone(attacked: Any) -> None:
    result, folder = attacked("guesses:budget=25,targets=3,queries=8bit")
    assert value(result, "queries") == 25
    assert value(result, "outside") == 1  # one of 147 normal draws always is
    log, table = logged(folder), shown(folder)
    assert np.bincount(log["target"]).tolist() == [25, 25, 25]
    assert np.array_equal(log["score"], log["score"].round(4))
    assert set(table["budget"].tolist()) == {1, 2, 5, 10, 20, 25}
    assert (table["queries"] == table["budget"]).all()
    best = [i for i in np.flatnonzero(table["budget"] == 25) if table["image"][i] == "best"]
    tops = sorted(log["score"][log["target"] == i].max() for i in range(3))
    assert sorted(table["told"][best]) == pytest.approx(tops)
    assert stat.S_IMODE((folder / "reconstructions").stat().st_mode) == 0o700


def test_a_killed_attack_goes_on_to_the_same_bytes(attacked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.attacking.LOGGED", 16)
    name = "climbs:budget=60,targets=3"
    whole, straight = attacked(name, out="straight")
    monkeypatch.setenv("TOY_DIES", "11")
    with pytest.raises(MethodFailed):
        attacked(name, out="killed")
    monkeypatch.delenv("TOY_DIES")
    again, killed = attacked(name, out="killed")
    for part in ("reconstructions/group-00000.parquet", "trials.parquet", "result.json"):
        assert (straight / part).read_bytes() == (killed / part).read_bytes()
    one, other = logged(straight), logged(killed)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert whole == again


def test_an_attack_that_asks_otherwise_the_second_time_is_refused(
    attacked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.attacking.LOGGED", 16)
    monkeypatch.setenv("TOY_DIES", "9")
    with pytest.raises(MethodFailed):
        attacked("unrepeatable-climbs:budget=60,targets=2")
    monkeypatch.delenv("TOY_DIES")
    with pytest.raises(ContractBroken, match="asked other queries than the first time"):
        attacked("unrepeatable-climbs:budget=60,targets=2")


def test_clean_images_are_asked_about_once_for_all_attacks_of_a_folder_of_runs(
    attacked: Any, synthetic: Path, tmp_path: Path
) -> None:
    critics = [CRITIC, f"{CRITIC}:align=finds-some"]
    _, alone = attacked("guesses:budget=9,targets=2", out="alone", critics=critics)
    attacked("blind:budget=4,targets=3", critics=critics)
    asked: list[str] = []
    roles = {"attack": "guesses:budget=9,targets=2", "target": TARGET, "critics": critics}
    tell = lambda cell, stage, done, total: asked.append(f"{stage} {done}")  # noqa: E731
    bench.run(PROTOCOL, roles=roles, data=synthetic, out=tmp_path / "out", progress=tell)
    clean = {line for line in asked if line.startswith("ask clean") or line.startswith("ask faces-clean")}
    assert clean == {
        f"ask {fold} 48" for fold in ("clean-target", "clean-critic-1", "clean-critic-2", "faces-clean-critic-2")
    }
    (beside,) = (tmp_path / "out" / PROTOCOL).glob("*guesses*/trials.parquet")
    assert beside.read_bytes() == (alone / "trials.parquet").read_bytes()


def test_an_embedder_with_another_option_is_asked_anew(attacked: Any, tmp_path: Path) -> None:
    attacked("blind:budget=4", target="toy-option", critics="toy-option:gain=2")
    answers = sorted((tmp_path / "out" / "answers").iterdir())
    assert len(answers) == 2


# What it cannot know, and what it may not do.


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/mem")
def test_an_attacks_process_holds_no_template_target_budget_or_critic(
    attacked: Any, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = discover().protocol(PROTOCOL)
    content = protocol.read(synthetic)
    place = content.truth.targets[0]
    pixels = content.samples[place].read("key").pixels
    template = toy_vector(pixels)
    unit = template.astype(np.float64) / np.linalg.norm(template.astype(np.float64))
    patterns = {
        "template": template[:8].tobytes(),
        "unit template": unit[:6].tobytes(),
        "picture": pixels[56].tobytes()[:64],
        "target": b"toy-big-batch",
        "critic": b"toy-crops",
        "budget": b"budget=91",
    }
    turned = {name: bytes(255 - byte for byte in pattern).hex() for name, pattern in patterns.items()}
    (tmp_path / "look-for.json").write_text(json.dumps(turned))
    monkeypatch.setenv("TOY_LOOK_FOR", str(tmp_path / "look-for.json"))
    monkeypatch.setenv("TOY_REPORT", str(tmp_path / "report.json"))
    attacked("spies:budget=91,targets=2", target="toy-big-batch")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["in memory"] == []
    words = "\n".join(report["words"])
    for secret in ("toy-big-batch", "toy-crops", "91", "FACEBENCH_DATA"):
        assert secret not in words.replace(str(tmp_path), "")


def toy_vector(pixels: Any) -> Any:
    """What the toy embedder makes of a picture."""
    grey = pixels.mean(axis=2, dtype=np.float32)
    rows = np.array_split(grey, 8)
    coarse = np.array([[cell.mean() for cell in np.array_split(row, 8, axis=1)] for row in rows], np.float32)
    return (coarse - coarse.mean()).reshape(-1)


@pytest.mark.parametrize(
    ("attack", "error", "text"),
    [
        ("shows-nan", ContractBroken, "yielded NaN"),
        ("raises", MethodFailed, "it needs more than similarity"),
        ("wants-more", MethodFailed, "this oracle gives similarity, not gradient"),
    ],
)
def test_an_attack_that_fails_ends_its_cell_and_says_how(
    attacked: Any, attack: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        attacked(f"{attack}:budget=20,targets=2")


def test_more_targets_than_there_are_and_two_targets_at_once_are_refused(attacked: Any) -> None:
    with pytest.raises(WrongUse, match="There are 24"):
        attacked("blind:targets=25")
    with pytest.raises(Mismatch, match="has place for one"):
        attacked("blind", target=["toy", "perfect"])


def test_fewer_targets_are_always_the_same_first_ones(synthetic: Path) -> None:
    protocol = discover().protocol(PROTOCOL)
    truth = protocol.read(synthetic).truth
    pairs = truth.pairs
    assert sorted(truth.targets) == sorted(set(pairs.reference[pairs.mated].tolist()))
    few, more = (Configured.parse(METHOD, f"targets={n}", ORIGIN, protocol.ways) for n in (2, 6))
    assert truth.chosen(few).tolist() == truth.chosen(more).tolist()[:2]
    assert len(truth.chosen(Configured.parse(METHOD, "", ORIGIN, protocol.ways))) == 24


# Protections.


def test_a_protection_stands_between_target_and_attack(attacked: Any) -> None:
    result, folder = attacked("guesses:budget=25,targets=3", protection="strict")
    assert result.roles["protection"] == ("strict",)
    assert value(result, "queries") == 10
    assert set(logged(folder)["score"].tolist()) <= {0.0, 1.0}
    cosines = read_table(folder / "trials.parquet")
    own = [i for i, role in enumerate(cosines["role"]) if role == "target"]
    kept = cosines["cosine"][own] * 32
    assert np.allclose(kept, kept.round())  # of 64 signs


def test_a_protection_that_tells_nan_is_refused(attacked: Any) -> None:
    with pytest.raises(ContractBroken, match="NaN or infinity"):
        attacked("guesses:budget=25,targets=3", protection="tells-nan")
