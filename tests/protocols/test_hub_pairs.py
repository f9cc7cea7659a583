"""Pairs of a data set of the Hub are read at the pinned commit, and a mirror that is not as declared is refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from conftest import picture
from loopback_hub import LoopbackHub

import bench
from bench import hub as door
from bench import pins
from bench.errors import DataDamaged, DataMissing, NotFetched
from bench.hub import Pin
from bench.images import Unreadable
from bench.pins import Pinned
from bench.plugins import discover
from bench.protocol import Content
from bench.protocols import hub_pairs
from bench.protocols.hub_pairs import MATED_FIRST, HubPairs

datasets = pytest.importorskip("datasets", reason="needs datasets: pip install datasets -c constraints.txt")

REPO, PAIRS = "lab/pairs", 40
DECLARED = HubPairs(REPO, "toy", PAIRS, PAIRS // 2, order=MATED_FIRST, size=(112, 112))


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the test's own for pins and caches; no wait between attempts."""
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user" / "pins.toml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(door, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


@pytest.fixture
def hub(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The Hub on loopback; ``datasets`` took its address when it was imported."""
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.endpoint)
    return hub


def encoded(person: int, shot: int) -> bytes:
    made = io.BytesIO()
    picture(person, shot).save(made, "PNG")
    return made.getvalue()


def rows(mated: list[bool]) -> dict[str, list[Any]]:
    """Pairs of one person, or of two, two pairs a person."""
    first = [{"bytes": encoded(i // 2, 0), "path": None} for i in range(len(mated))]
    second = [{"bytes": encoded(i // 2 if same else i + 100, 1), "path": None} for i, same in enumerate(mated)]
    return {"image1": first, "image2": second, "target": [int(same) for same in mated]}


OFFICIAL = [True, True, False, False] * 10


def put(hub: LoopbackHub, table: dict[str, list[Any]], target: Any = None, split: str = "toy") -> Pin:
    """Lay a table into the repository and pin it."""
    told: dict[str, Any] = {name: datasets.Image() for name in table if name.startswith("image")}
    told |= {name: target or datasets.Value("int64") for name in table if not name.startswith("image")}
    made = io.BytesIO()
    # As it is: datasets' own writer would put the bytes of files that paths lead to into the table.
    pyarrow.parquet.write_table(datasets.Dataset.from_dict(table, features=datasets.Features(told)).data.table, made)
    commit = hub.store.put("dataset", REPO, {f"data/{split}-00000-of-00001.parquet": made.getvalue()})
    pin = Pin(REPO, commit, "dataset")
    pins.put(Path("pins.toml"), Pinned(pin))
    return pin


def content(declared: HubPairs = DECLARED) -> Content:
    return hub_pairs.read(Path("/nowhere"), declared, "salt")


def test_pairs_images_and_folds_are_those_of_the_rows(hub: LoopbackHub) -> None:
    pin, table = put(hub, rows(OFFICIAL)), rows(OFFICIAL)
    found = content()
    named = {sample.name: sample for sample in found.samples}
    assert len(named) == 2 * PAIRS
    for name in ("00000a", "00013b", "00039a"):
        column = "image1" if name.endswith("a") else "image2"
        told = np.asarray(datasets.Image().decode_example(table[column][int(name[:-1])]))
        np.testing.assert_array_equal(named[name].read("key").pixels, told)
    assert found.truth.mated.tolist() == OFFICIAL
    assert found.truth.fold.tolist() == [i // 4 for i in range(PAIRS)]
    assert all(name.startswith(f"{pin}/toy/data/") for name in found.files)


def test_the_fingerprint_is_of_commit_split_and_files(hub: LoopbackHub) -> None:
    put(hub, rows(OFFICIAL))
    one = content()
    assert one.fingerprint() == content().fingerprint()
    other = rows(OFFICIAL)
    other["image1"][0] = other["image1"][1]
    put(hub, other)
    assert content().fingerprint() != one.fingerprint() and content().trials_sha256 == one.trials_sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": 44}, "It has 40 pairs, not 44"),
        ({"mated": 10}, "20 of its 40 pairs are mated, not 10"),
        ({"columns": ("image1", "image3", "target")}, "no column 'image3'; it has 'image1', 'image2', 'target'"),
        ({"columns": ("image1", "target", "target")}, "column 'target' holds .*, not images"),
        ({"classes": {"same": True, "different": False}}, "names no classes; 'same', 'different' are declared"),
    ],
)
def test_a_data_set_that_is_not_as_declared_is_refused(hub: LoopbackHub, changes: Any, message: str) -> None:
    put(hub, rows(OFFICIAL))
    with pytest.raises(DataDamaged, match=message):
        content(replace(DECLARED, **changes))


def test_swapped_or_strange_targets_are_refused(hub: LoopbackHub) -> None:
    table = rows(OFFICIAL)
    put(hub, {**table, "target": [1 - value for value in table["target"]]})
    with pytest.raises(DataDamaged, match=r"Fold 1 has 2 mated pairs of 4, not the first half.*wrong way round"):
        content()
    put(hub, {**table, "target": [3, *table["target"][1:]]})
    with pytest.raises(DataDamaged, match="has the value '3', which is no class"):
        content()


def test_named_classes_are_taken_by_name_whatever_their_order(hub: LoopbackHub) -> None:
    table, meaning = rows(OFFICIAL), {"same": True, "different": False}
    for names in (["different", "same"], ["same", "different"]):
        words = [names.index("same" if value else "different") for value in table["target"]]
        put(hub, {**table, "target": words}, datasets.ClassLabel(names=names))
        assert content(replace(DECLARED, classes=meaning)).truth.mated.tolist() == OFFICIAL
    with pytest.raises(DataDamaged, match="has the classes 'same', 'different'; declared: none"):
        content()


def test_a_corrupt_absent_or_odd_image_is_counted_as_failed(hub: LoopbackHub, tmp_path: Path) -> None:
    table = rows(OFFICIAL)
    picture(1, 1, 64).save(tmp_path / "small.png")
    table["image1"][0] = {"bytes": b"no image", "path": None}
    table["image1"][1] = {"bytes": None, "path": str(tmp_path / "small.png")}  # leads out of the data set
    table["image1"][2] = {"bytes": (tmp_path / "small.png").read_bytes(), "path": None}
    put(hub, table)
    named = {sample.name: sample for sample in content().samples}
    for name, reason in (("00000a", "cannot be decoded"), ("00001a", "no image"), ("00002a", "is not 112x112")):
        with pytest.raises(Unreadable, match=reason):
            named[name].read("key")


def test_a_run_needs_no_data_root_and_counts_what_cannot_be_read(hub: LoopbackHub, tmp_path: Path) -> None:
    table = rows(OFFICIAL)
    table["image2"][3] = {"bytes": b"no image", "path": None}
    put(hub, table)
    data = bench.Data("toy pairs", "", licence="none needed", source="drawn by code")
    question = hub_pairs.protocol("toy", DECLARED, data, inputs="arcface-112")
    (result,) = bench.run(question, "toy", out=tmp_path / "out")
    assert (result.samples, result.failures) == (2 * PAIRS, 1)
    assert dict(result.reasons) == {"image cannot be decoded": 1}


def test_an_unpinned_data_set_is_listed_and_refused_with_the_command_that_pins() -> None:
    listed = discover().protocol("verification/cfp-ff/hub")
    assert listed.data.folder == "" and "no result is marked official" in listed.about
    assert "official by the order" in discover().protocol("verification/lfw/hub").about
    with pytest.raises(DataMissing, match="facebench pin cat-claws/face-verification --kind dataset"):
        listed.read(Path())


def test_a_split_that_is_not_there_is_refused(hub: LoopbackHub) -> None:
    put(hub, rows(OFFICIAL), split="other")
    with pytest.raises(DataDamaged, match=r"no file data/toy-\*\.parquet for its split toy"):
        content()
    with pytest.raises(NotFetched, match="toy"):
        content(replace(DECLARED, files="data/*.parquet"))


READ = """
import sys
from pathlib import Path
from bench import pins
from bench.pins import Pinned
from bench.hub import Pin
from bench.protocols.hub_pairs import HubPairs, read
for commit in sys.argv[1:]:
    pins.put(Path("pins.toml"), Pinned(Pin("lab/pairs", commit, "dataset")))
    found = read(Path(), HubPairs("lab/pairs", "toy", 40, 20), "salt")
    print(found.fingerprint(), found.truth.mated.tolist()[:4], found.samples[0].read("k").pixels.sum())
"""


def test_each_commit_is_read_as_it_was_without_a_network(hub: LoopbackHub) -> None:
    first = put(hub, rows(OFFICIAL)).revision
    second = put(hub, rows([not same for same in OFFICIAL])).revision

    def run(**variables: str) -> list[str]:
        words = [sys.executable, "-c", READ, first, second]
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **variables}, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.splitlines()

    online = run()
    assert online[0] != online[1] and "[True, True, False, False]" in online[0]
    hub.stop()
    assert run(HF_HUB_OFFLINE="1") == online
