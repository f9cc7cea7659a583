"""LFW's View 2: where its files may lie, what its list of pairs must be, and what is said where they are not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bench.errors import DataDamaged, DataMissing
from bench.protocol import Content
from bench.protocols import PROTOCOLS, lfw

ALIGNED, RAW = PROTOCOLS["verification/lfw/view2-arcface112"], PROTOCOLS["verification/lfw/view2"]
REAL = Path(os.environ.get("FACEBENCH_DATA") or "-") / "lfw" / "pairs.txt"
needs_lfw = pytest.mark.skipif(not REAL.is_file(), reason="point FACEBENCH_DATA at a folder that holds lfw/pairs.txt")


def listed(folds: int = 10, each: int = 300) -> list[str]:
    """The lines of a pairs file in the official layout."""
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        lines += [f"Some_One{fold}\t{i + 1}\t{i + 2}" for i in range(each)]
        lines += [f"Some_One{fold}\t{i + 1}\tOther_Two{fold}\t{i + 2}" for i in range(each)]
    return lines


def pairs_file(folder: Path, lines: list[str], end: str = "\n") -> Path:
    path = folder / "pairs.txt"
    path.write_bytes((end.join(lines) + end).encode())
    return path


def refusal(folder: Path, lines: list[str]) -> str:
    with pytest.raises(DataDamaged) as raised:
        lfw.read_pairs(pairs_file(folder, lines))
    assert str(folder / "pairs.txt") in raised.value.asked
    return str(raised.value)


def sample(content: Content, name: str):  # type: ignore[no-untyped-def]
    (found,) = (one for one in content.samples if one.name == name)
    return found.read(found.key)


# The list of pairs.


def test_the_official_layout_is_ten_folds_of_300_mated_and_300_non_mated_pairs(tmp_path: Path) -> None:
    rows = lfw.read_pairs(pairs_file(tmp_path, listed()))
    assert len(rows) == 6000
    assert Counter((fold, mated) for fold, _, _, mated in rows) == {(f, m): 300 for f in range(10) for m in (0, 1)}
    assert rows[0] == (0, "Some_One0_0001.jpg", "Some_One0_0002.jpg", True)
    assert rows[-1] == (9, "Some_One9_0300.jpg", "Other_Two9_0301.jpg", False)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_line_ends_of_either_kind_give_the_same_pairs(end: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    expected = lfw.read_pairs(pairs_file(tmp_path / "other", listed(2, 3)))
    assert lfw.read_pairs(pairs_file(tmp_path, listed(2, 3), end)) == expected


def test_spaces_part_the_cells_as_well_as_tabs(tmp_path: Path) -> None:
    lines = [line.replace("\t", "  ") for line in listed(2, 3)]
    assert lfw.read_pairs(pairs_file(tmp_path, lines))[0][1] == "Some_One0_0001.jpg"


def test_an_empty_line_moves_no_pair_to_another_fold(tmp_path: Path) -> None:
    lines = listed(2, 3)
    expected = lfw.read_pairs(pairs_file(tmp_path, lines))
    assert lfw.read_pairs(pairs_file(tmp_path, [*lines[:3], "", *lines[3:], ""])) == expected


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: lines[:-1], "It has 11 pairs, not 2 folds of 3 mated and 3 non-mated ones."),
        (lambda lines: [*lines, lines[-1]], "It has 13 pairs"),
        (lambda lines: [lines[0], *lines[4:7], *lines[1:4], *lines[7:]], "not 2 folds of 3 mated and 3 non-mated"),
        (lambda lines: ["3\t3", *lines[1:]], "It has 12 pairs, not 3 folds"),
        (lambda lines: ["1\t6", *lines[1:4], *lines[7:10], *lines[4:7], *lines[10:]], "not 1 folds"),
    ],
)
def test_wrong_numbers_of_pairs_are_refused_with_what_was_found(change, found: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert found in refusal(tmp_path, change(listed(2, 3)))


@pytest.mark.parametrize("head", ["", "10", "ten\t300", "2\t3\t4", "-2\t3", "2.0\t3", "2\t0", "0\t3", "٢\t٣"])
def test_a_first_line_that_is_not_two_counts_is_refused(head: str, tmp_path: Path) -> None:
    assert "first line" in (found := refusal(tmp_path, [head, *listed(2, 3)[1:]])) or "pairs, not" in found


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_bytes(b"")
    with pytest.raises(DataDamaged, match="first line"):
        lfw.read_pairs(tmp_path / "pairs.txt")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_bytes(b"2\t3\n\xff\xfe\x00")
    with pytest.raises(DataDamaged, match="cannot be"):
        lfw.read_pairs(tmp_path / "pairs.txt")


@pytest.mark.parametrize(
    "row",
    [
        "Some_One\tfirst\t2",
        "Some_One\t1\t-2",
        "Some_One\t1\t12345",
        "Some_One\t1\t1.0",
        "Some_One\t1\t٢",
        "Some_One\t1",
        "Some_One\t1\tOther\t2\t3",
        "Some_One\t1\tSome_One\t2",
        "Some_One\t1\t2\t",
        "\t1\t2",
    ],
)
def test_a_line_that_is_no_pair_is_refused_by_its_number(row: str, tmp_path: Path) -> None:
    lines = listed(2, 3)
    lines[2] = row
    assert "Line 3 is no pair" in refusal(tmp_path, lines)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "a/b",
        "a..b",
        "..\\..\\x",
        "a\\b",
        "C:",
        "C:x",
        "~",
        "a\0b",
        "-",
        "é",
    ],
)
@pytest.mark.parametrize("place", ["{}\t1\t2", "{}\t1\tOther\t2", "Other\t1\t{}\t2"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str, place: str, tmp_path: Path) -> None:
    lines = listed(2, 3)
    lines[1] = place.format(name)
    assert "Line 2 is no pair" in refusal(tmp_path, lines)


# Where images may lie.


def test_raw_images_lie_in_original_or_beside_the_list_and_aligned_ones_in_their_folder(own: Path) -> None:
    beneath = RAW.read(own)
    fingerprint = beneath.fingerprint()
    assert sample(beneath, "Person_0_0001.jpg").pixels.shape == (250, 250, 3)
    assert sample(ALIGNED.read(own), "Person_0_0001.jpg").pixels.shape == (112, 112, 3)
    for person in list((own / "lfw" / "original").iterdir()):
        person.rename(own / "lfw" / person.name)
    (own / "lfw" / "original").rmdir()
    beside = RAW.read(own)
    assert beside.files["Person_0_0001.jpg"] == own / "lfw" / "Person_0" / "Person_0_0001.jpg"
    assert beside.fingerprint() == fingerprint, "the fingerprint says nothing of where they lie"


def test_keys_and_order_tell_a_method_nothing_of_names_or_pairs(own: Path) -> None:
    content = ALIGNED.read(own)
    names = [one.name for one in content.samples]
    assert [one.key for one in content.samples] == [f"{i:06d}" for i in range(16)]
    assert names != sorted(names)
    assert names != [one.name for one in RAW.read(own).samples], "each protocol has an order of its own"
    neighbours = [a.rpartition("_")[0] == b.rpartition("_")[0] for a, b in pairwise(names)]
    assert sum(neighbours) < len(names) // 2, "one person's images do not stand together"


def test_the_truth_is_the_list_whatever_the_order_of_samples(own: Path) -> None:
    content = ALIGNED.read(own)
    names, truth = [one.name for one in content.samples], content.truth
    again = [
        (int(fold), names[a], names[b], bool(mated))
        for fold, a, b, mated in zip(truth.fold, truth.reference, truth.probe, truth.mated, strict=True)
    ]
    assert again == lfw.read_pairs(own / "lfw" / "pairs.txt")
    same = truth.subjects[truth.reference] == truth.subjects[truth.probe]
    assert (same == truth.mated).all()
    assert content.trials_sha256 == RAW.read(own).trials_sha256


# What is absent is named.


def missing(protocol, root: Path) -> DataMissing:  # type: ignore[no-untyped-def]
    with pytest.raises(DataMissing) as raised:
        protocol.read(root)
    assert "vis-www.cs.umass.edu/lfw" in raised.value.do, "it says where the owner hands it out"
    return raised.value


def test_an_absent_data_set_names_its_list_and_its_source(tmp_path: Path) -> None:
    assert str(tmp_path / "lfw" / "pairs.txt") in missing(ALIGNED, tmp_path).found


def test_an_absent_folder_of_images_is_named_with_how_many_belong_in_it(own: Path) -> None:
    shutil.rmtree(own / "lfw" / "aligned_112")
    error = missing(ALIGNED, own)
    assert "16 images" in error.asked
    assert str(own / "lfw" / "aligned_112") in error.asked
    assert "no such folder" in error.found


def test_absent_images_are_counted_and_the_first_ones_named(own: Path) -> None:
    for name in ("Person_0_0001.jpg", "Person_1_0002.jpg"):
        (own / "lfw" / "aligned_112" / name.rpartition("_")[0] / name).unlink()
    error = missing(ALIGNED, own)
    assert "2 are missing" in error.found
    assert "Person_0/Person_0_0001.jpg" in error.found and "Person_1/Person_1_0002.jpg" in error.found


@pytest.mark.parametrize("person", range(8))
def test_one_absent_person_of_the_official_layout_is_named_whoever_it_is(person: int, own: Path) -> None:
    for folder in list((own / "lfw" / "original").iterdir()):
        folder.rename(own / "lfw" / folder.name)
    (own / "lfw" / "original").rmdir()
    shutil.rmtree(own / "lfw" / f"Person_{person}")
    assert "2 are missing, such as" in missing(RAW, own).found


def test_a_folder_in_the_place_of_an_image_counts_as_absent(own: Path) -> None:
    image = own / "lfw" / "aligned_112" / "Person_0" / "Person_0_0001.jpg"
    image.unlink()
    image.mkdir()
    assert "1 are missing" in missing(ALIGNED, own).found


# The fingerprint is over what the protocol uses, and nothing else.


def test_one_changed_byte_of_one_image_changes_the_fingerprint(own: Path) -> None:
    before = ALIGNED.read(own).fingerprint()
    image = own / "lfw" / "aligned_112" / "Person_3" / "Person_3_0002.jpg"
    data = bytearray(image.read_bytes())
    data[-10] ^= 1
    image.write_bytes(data)
    assert ALIGNED.read(own).fingerprint() != before


def test_two_images_in_each_others_place_change_the_fingerprint(own: Path) -> None:
    before = ALIGNED.read(own).fingerprint()
    one, two = (own / "lfw" / "aligned_112" / "Person_3" / f"Person_3_000{i}.jpg" for i in (1, 2))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert ALIGNED.read(own).fingerprint() != before


def test_files_that_no_pair_names_do_not_change_the_fingerprint(own: Path) -> None:
    before = ALIGNED.read(own).fingerprint()
    aligned = own / "lfw" / "aligned_112"
    (aligned / "Person_0" / "Person_0_0003.jpg").write_bytes(b"another")
    (aligned / "Person_99").mkdir()
    (aligned / "Thumbs.db").write_bytes(b"left by a file browser")
    (own / "lfw" / "README").write_text("notes")
    assert ALIGNED.read(own).fingerprint() == before


# The real data set.


@needs_lfw
@pytest.mark.realdata_smoke
@pytest.mark.parametrize("protocol", [ALIGNED, RAW], ids=["aligned", "raw"])
def test_view_2_has_6000_pairs_in_ten_folds_over_7701_images(protocol, data_root: Path) -> None:  # type: ignore[no-untyped-def]
    content = protocol.read(data_root)
    groups = Counter(zip(content.truth.fold.tolist(), content.truth.mated.tolist(), strict=True))
    assert groups == {(fold, mated): 300 for fold in range(10) for mated in (False, True)}
    assert len(content.samples) == len(content.files) == len({one.name for one in content.samples}) == 7701
    assert content.trials_sha256 == protocol.trials_sha256, "these are the official trials"


@needs_lfw
@pytest.mark.realdata_smoke
def test_a_limited_run_of_the_floors_ends_well(tmp_path: Path, data_root: Path) -> None:
    words = ["run", ALIGNED.name, "--method", "random", "--method", "constant", "--limit", "100"]
    command = [sys.executable, "-m", "bench", *words, "--data", str(data_root), "--out", str(tmp_path / "runs")]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 2
