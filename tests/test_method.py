"""A method: its card, the options in its name, its weights, and what it must keep to once it answers."""

from __future__ import annotations

import hashlib
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench
from bench import cells, contracts, runner, suite
from bench.errors import ContractBroken, DataDamaged, NeedsInstall, UnknownName, WrongUse
from bench.method import Configured, Folder, Method, Option, Origin
from bench.plugins import discover

ALIGNED = "verification/lfw/view2-arcface112"
SCRIPT = Origin("script", "", "", "", "", "")
FLIP, COUNT = Option("flip", True, "mirror it too"), Option("count", 3, "how many", (1, 3, 5))
GAIN, SIZE, TAG = Option("gain", 1.0, "a factor"), Option("size", "small", "which", ("small", "large")), "any text"
OPTIONS = (FLIP, COUNT, GAIN, SIZE, Option("tag", "", TAG))


def method(name: str = "made-here", load: Any = lambda given: None, **card: Any) -> Method:
    return Method(name, **({"tasks": {"verification"}, "load": load, "inputs": {"arcface-112"}, "batch": 8} | card))


def configured(chosen: str = "", options: tuple[Option, ...] = OPTIONS) -> Configured:
    return Configured.parse(method(options=options), chosen, SCRIPT)


# The card.


@pytest.mark.parametrize("name", ["a", "0", "arcface-r50", "who/net_v1.2", "a" * 200])
def test_a_name_is_lower_case_and_may_have_one_slash(name: str) -> None:
    assert method(name).name == name


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "a/b/c", "/a", "a/", "-a", ".a", "a..b", "a/../b", "a\n", "é", "a:b", "a,b", "a;b", "a=b"]
)
def test_a_name_that_could_not_be_typed_or_filed_is_refused(name: str) -> None:
    with pytest.raises(WrongUse) as raised:
        method(name)
    assert repr(name) in str(raised.value) and "lower-case letters" in str(raised.value)


def test_a_similarity_nobody_computes_is_refused_with_those_there_are() -> None:
    with pytest.raises(WrongUse, match=r"made-here says similarity 'dot'\.\nIt is cosine or euclidean"):
        method(similarity="dot")


def test_a_card_is_frozen_and_its_sets_are_too() -> None:
    tasks = {"verification"}
    card = method(tasks=tasks)
    tasks.add("personality")
    assert card.tasks == frozenset({"verification"})
    with pytest.raises(FrozenInstanceError):
        card.licence = "another"  # type: ignore[misc]


def test_a_result_carries_the_card_s_licence_and_training_data() -> None:
    weights = Folder("net", {"w.bin": "0" * 64})
    card = method(licence="MIT", trained_on=("A", "B"), withdrawn=("B",), floor=True, weights=weights)
    origin = Origin("installed", "dist", "1.2", "module", "", "c0de")
    said = runner.card(Configured(card, {}, origin))
    assert (said.licence, said.trained_on, said.withdrawn, said.floor) == ("MIT", ("A", "B"), ("B",), True)
    assert (said.distribution, said.version, said.code, said.weights) == ("dist", "1.2", "c0de", {"w.bin": "0" * 64})


def test_packages_that_cannot_be_imported_are_found_whole_or_in_part() -> None:
    assert method(needs=("numpy", "numpy.linalg", "json")).absent_packages() == []
    assert method(needs=("numpy", "no_such_package")).absent_packages() == ["no_such_package"]
    assert method(needs=("json.no_such", "no_such.part")).absent_packages() == ["json.no_such", "no_such.part"]


def test_a_package_may_be_needed_by_the_name_that_pip_knows() -> None:
    assert method(needs=("huggingface-hub", "huggingface_hub")).absent_packages() == []
    assert method(needs=("no-such-distribution", "")).absent_packages() == ["no-such-distribution", ""]


# Options.


@pytest.mark.parametrize(
    ("chosen", "changed"),
    [
        ("", {}),
        ("flip=off", {"flip": False}),
        ("flip=NO", {"flip": False}),
        ("flip=0,count=5", {"flip": False, "count": 5}),
        ("flip=Yes", {}),
        ("gain=2", {"gain": 2.0}),
        ("gain=-1e-3", {"gain": -0.001}),
        ("size=large,", {"size": "large"}),
        ("tag=a=b", {"tag": "a=b"}),
        ("tag=", {}),
    ],
)
def test_options_are_read_as_they_are_typed(chosen: str, changed: dict[str, Any]) -> None:
    found = configured(chosen).options
    assert found == {"flip": True, "count": 3, "gain": 1.0, "size": "small", "tag": ""} | changed
    assert [type(value) for value in found.values()] == [bool, int, float, str, str]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("flip=maybe", "flip takes on, off."),
        ("flip=", "flip takes on, off."),
        ("count=2", "count takes 1, 3, 5."),
        ("count=1.0", "count takes 1, 3, 5."),
        ("gain=loud", "gain takes a float."),
        ("size=Large", "size takes small, large."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_may_be_chosen(chosen: str, found: str) -> None:
    with pytest.raises(WrongUse) as raised:
        configured(chosen)
    assert f"{chosen} was asked for" in raised.value.asked
    assert raised.value.found == found
    assert raised.value.do in (FLIP.about, COUNT.about, GAIN.about, SIZE.about)


@pytest.mark.parametrize("chosen", ["flip=maybe", "flip", "flop=on"])
def test_a_refused_option_names_its_method(chosen: str) -> None:
    with pytest.raises(WrongUse, match="made-here"):
        configured(chosen)


def test_an_option_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName) as raised:
        configured("flp=on")
    assert "'flp'" in raised.value.asked and "'flip'" in raised.value.found
    assert "facebench show made-here" in raised.value.do


VALUES = {
    "flip": st.booleans(),
    "count": st.sampled_from([1, 3, 5]),
    "gain": st.floats(allow_nan=False),
    "size": st.sampled_from(["small", "large"]),
    "tag": st.text(st.characters(exclude_characters=",")),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
@settings(deadline=None)
def test_a_configured_method_is_read_back_from_its_own_name(changed: dict[str, Any]) -> None:
    before = Configured(method(options=OPTIONS), {o.name: o.default for o in OPTIONS} | changed, SCRIPT)
    name, _, chosen = str(before).partition(":")
    assert name == "made-here"
    assert configured(chosen) == before


def test_a_name_holds_only_what_differs_from_the_default_in_one_order() -> None:
    assert str(configured("gain=1,flip=on")) == "made-here"
    for chosen in ("flip=off,count=5,gain=2", "gain=2.0,count=5,flip=no"):
        assert str(configured(chosen)) == "made-here:count=5,flip=off,gain=2.0"


def test_whatever_changes_answers_gives_a_cell_of_its_own_and_nothing_else_does(tmp_path: Path) -> None:
    protocol = discover().protocol(ALIGNED)

    def folder(chosen: Configured, **settings: Any) -> Path:
        return cells.cell_folder(tmp_path, protocol, {"method": (chosen,)}, suite.Settings(**settings))

    plain = configured()
    code = Configured(plain.method, plain.options, Origin("script", "", "", "", "", "c0de"))
    weighed = [Configured(method(weights=Folder("net", {"w.bin": digit * 64})), {}, SCRIPT) for digit in ("0", "1")]
    others = [plain, configured("flip=off"), code, *weighed]
    places = [folder(c) for c in others]
    places += [folder(plain, **s) for s in ({"seed": 1}, {"limit": 9}, {"batch_size": 2}, {"threads": 2})]
    assert len({*places}) == len(places)
    assert folder(configured("flip=on"), workers=3, memory=10**9) == places[0]
    assert all(cell.is_relative_to(tmp_path) for cell in places)


# Weights.


def test_weights_are_found_by_their_contents(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "w.bin").write_bytes(b"weights")
    files = {"w.bin": hashlib.sha256(b"weights").hexdigest()}
    assert Folder("net", files).find(tmp_path, "m") == (tmp_path / "net").resolve()
    for models, name, file, error, text in (
        (None, "net", "w.bin", NeedsInstall, "No models root"),
        (tmp_path, "other", "w.bin", NeedsInstall, "does not exist"),
        (tmp_path, "net", "v.bin", NeedsInstall, "v.bin does not exist"),
    ):
        with pytest.raises(error, match=text) as raised:
            Folder(name, {file: files["w.bin"]}, "https://example.org").find(models, "m:flip=off")
        assert "m:flip=off needs the weights" in raised.value.asked
        assert "FACEBENCH_MODELS" in raised.value.do and "https://example.org" in raised.value.do
    (tmp_path / "net" / "w.bin").write_bytes(b"weightz")
    with pytest.raises(DataDamaged) as damaged:
        Folder("net", files).find(tmp_path, "m")
    assert files["w.bin"] in damaged.value.found and hashlib.sha256(b"weightz").hexdigest() in damaged.value.found


# What an embedder must keep to.


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows: np.concatenate([rows, rows[:1]]), "shape [9, 196]"),
        (lambda rows: rows[0], "shape [196]"),
        (lambda rows: rows[:, :0], "shape [8, 0]"),
        (lambda rows: np.zeros((8, 65_537), np.float32), "shape [8, 65537]"),
        (lambda rows: rows.astype(np.float16), "a float16 array"),
        (lambda rows: rows.tolist(), "a list"),
        (lambda rows: None, "a NoneType"),
        (lambda rows: {"embedding": rows}, "a dict"),
    ],
    ids=["one-more", "flat", "no-width", "too-wide", "half", "list", "nothing", "dict"],
)
def test_an_answer_of_another_shape_or_type_is_refused_with_what_is_wanted(
    change: Any, text: str, answered_by: Any
) -> None:
    with pytest.raises(ContractBroken) as raised:
        answered_by(lambda rows, faces: change(rows))
    assert raised.value.asked == "embed() was called with 8 faces."
    assert f"It returned {text}." == raised.value.found
    assert raised.value.do.startswith("Return ")


def test_vectors_that_change_their_length_from_call_to_call_are_refused(answered_by: Any) -> None:
    def embed(rows: Any, faces: Any) -> Any:
        calls.append(1)
        return rows[:, : 196 - (len(calls) > 3)]

    calls: list[int] = []
    with pytest.raises(ContractBroken, match="changed their length between two calls"):
        answered_by(embed)


def test_a_method_that_raises_at_first_is_asked_twice_all_the_same(answered_by: Any) -> None:
    def embed(rows: Any, faces: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not yet")
        return np.full_like(rows, 1 / len(calls))  # by when it is asked, not by what

    calls: list[int] = []
    with pytest.raises(ContractBroken, match="Row i must answer record i"):
        answered_by(embed)


def test_what_cannot_be_asked_is_refused_by_the_name_of_the_call(synthetic: Path, tmp_path: Path) -> None:
    card = method(load=lambda given: "a thing that embeds nothing")
    with pytest.raises(ContractBroken, match=r"It has no embed\(\)"):
        bench.run(ALIGNED, card, data=synthetic, out=tmp_path)


def test_the_calls_that_a_contract_asks_for_and_a_thing_lacks_are_named() -> None:
    class Halfway:
        embed = "not a call"

        def gradient(self) -> None:
            pass

    assert contracts.missing(Halfway(), contracts.Embedder) == ["embed"]
    assert contracts.missing(Halfway(), contracts.Differentiable) == []
    assert contracts.missing(None, contracts.Embedder) == ["embed"]
