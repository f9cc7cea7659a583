"""Official lists of AgeDB-30, CFP, CALFW and CPLFW: generated in their owners' layout, scored, and refused by line."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

import bench
from bench.errors import DataDamaged, DataMissing
from bench.protocols import PROTOCOLS, agedb
from bench.tasks import verification

EACH = {"agedb-30": 300, "cfp-fp": 350, "cfp-ff": 350, "calfw": 300, "cplfw": 300}
LISTS = {
    "calfw": "calfw/pairs_CALFW.txt",
    "cplfw": "cplfw/pairs_CPLFW.txt",
    "cfp-fp": "cfp/Protocol/Split/FP/02/diff.txt",
    "cfp-ff": "cfp/Protocol/Split/FF/02/diff.txt",
    "agedb-30": "agedb-30/04_FINAL_protocol_30_years.mat",
}
PLACES = {
    "calfw": "calfw/images&landmarks/images&landmarks/images",
    "cplfw": "cplfw/images",
    "cfp-fp": "cfp/Data/Images",
    "cfp-ff": "cfp/Data/Images",
    "agedb-30": "agedb-30/03_Protocol_Images",
}
Shot = Callable[[int, int], str]
Pair = tuple[int, str, str, bool]


def official(name: str) -> bench.Protocol:
    return PROTOCOLS[f"verification/{name}/official"]


def draw(path: Path, person: int, shot: int) -> None:
    """A picture of any size: the person's number in stripes, and a corner that is dark for every fifth."""
    high, wide = 40 + 8 * (shot % 3), 48 + 4 * (person % 5)
    bits = [(person + 1) >> bit & 1 for bit in range(8)]
    pixels = np.repeat(np.repeat(np.array(bits) * 160 + 48, high // 8)[:, None], wide, axis=1)
    pixels[:8, :8] = 255 if (person + shot) % 5 else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(pixels[:, :, None], 3, axis=2).astype(np.uint8)).save(path, quality=95)


def pairs(each: int, left: Shot, right: Shot, shots: int = 3) -> list[Pair]:
    """Pairs of twenty invented people, two a fold, in the order of folds, mated ones first."""
    rows: list[Pair] = []
    for fold in range(10):
        people = (2 * fold, 2 * fold + 1)
        several = list(itertools.product(range(shots), repeat=2))
        same = [(left(p, i), right(p, j)) for p in people for i, j in several]
        mated = itertools.cycle(pair for pair in same if pair[0] != pair[1])
        others = itertools.cycle((left(people[0], i), right(people[1], j)) for i, j in several)
        for kind, source in ((True, mated), (False, others)):
            rows += [(fold, *pair, kind) for pair in itertools.islice(source, each)]
    return rows


def cross(name: str, digits: int) -> Callable[[Path], list[Pair]]:
    def write(root: Path) -> list[Pair]:
        rows = pairs(300, *[lambda p, i: f"Some_One{p}_{i + 1:0{digits}d}.jpg"] * 2)
        lines = []
        for fold, one, other, mated in sorted(rows, key=lambda row: not row[3]):
            tag = (fold + 1 if name == "calfw" else 1) if mated else 0
            lines += [f"{one} {tag}", f"{other} {tag}"]
        (root / name).mkdir()
        (root / LISTS[name]).write_text("\n".join(lines) + "\n")
        for person, shot in itertools.product(range(20), range(3)):
            draw(root / PLACES[name] / f"Some_One{person}_{shot + 1:0{digits}d}.jpg", person, shot)
        return rows

    return write


def cfp(letters: str) -> Callable[[Path], list[Pair]]:
    def image(kind: str) -> Shot:
        return lambda p, i: f"{p + 1:03d}/{kind}/{i + 1:02d}.jpg"

    def write(root: Path) -> list[Pair]:
        kinds = {"F": ("frontal", 10), "P": ("profile", 4)}
        rows = pairs(350, *[image(kinds[letter][0]) for letter in letters])
        numbers = {}
        for letter, (kind, count) in kinds.items():
            listed = [image(kind)(p, i) for p in range(500) for i in range(count)]
            numbers |= {name: number for number, name in enumerate(listed, 1)}
            path = root / "cfp" / "Protocol" / f"Pair_list_{letter}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{n} ../Data/Images/{name}\n" for n, name in enumerate(listed, 1)))
        for fold, mated in itertools.product(range(10), (True, False)):
            folder = root / "cfp" / "Protocol" / "Split" / letters / f"{fold + 1:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            chosen = [f"{numbers[a]},{numbers[b]}" for f, a, b, m in rows if (f, m) == (fold, mated)]
            (folder / ("same.txt" if mated else "diff.txt")).write_text("\r\n".join(chosen))
        for kind, person, shot in itertools.product(("frontal", "profile"), range(20), range(3)):
            draw(root / "cfp" / "Data" / "Images" / image(kind)(person, shot), person, shot)
        return rows

    return write


def matlab(path: Path, rows: list[Any]) -> None:
    """The owner's file of rows (fold, one, other, annotation)."""
    splits = np.empty((10, 1), object)
    for fold in range(10):
        chosen = [row for row in rows if row[0] == fold]
        cells = np.empty((2, len(chosen)), object)
        for k, (_, one, other, _) in enumerate(chosen):
            cells[:, k] = [{"name": str(n).removesuffix(".jpg"), "age": 7.0} for n in (one, other)]
        annotations = [{True: 1.0, False: -1.0}.get(row[3], row[3]) for row in chosen]
        splits[fold, 0] = {"pairs": cells, "annot": np.array([annotations])}
    path.parent.mkdir(exist_ok=True)
    scipy.io.savemat(path, {"about": "thirty years", "splits": splits}, do_compression=True)


def aged(person: int, shot: int) -> str:
    return f"{person + 1}_NoBody_{person}_{shot}_A_{20 + 30 * shot}.jpg"


def write_agedb(root: Path) -> list[Pair]:
    rows = pairs(300, aged, aged)
    matlab(root / LISTS["agedb-30"], rows)
    for person, shot in itertools.product(range(20), range(3)):
        draw(root / PLACES["agedb-30"] / aged(person, shot), person, shot)
    return rows


WRITERS = {
    "agedb-30": write_agedb,
    "cfp-fp": cfp("FP"),
    "cfp-ff": cfp("FF"),
    "calfw": cross("calfw", 4),
    "cplfw": cross("cplfw", 1),
}


@pytest.fixture(params=sorted(EACH))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(verification, "REPLICATES", 20)
    yield


def damaged(name: str, root: Path) -> DataDamaged:
    with pytest.raises(DataDamaged) as raised:
        official(name).read(root)
    assert str(root) in raised.value.asked and raised.value.do
    return raised.value


def test_methods_are_scored_over_the_official_pairs(name: str, fewer_draws: None, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    methods = ["perfect", "random", "fails-some"]
    perfect, random, failing = bench.run(official(name).name, methods, data=tmp_path, out=tmp_path / "runs")
    assert perfect.score("accuracy").value == 1 and perfect.score("eer").value == 0
    assert 0.3 < random.score("accuracy").value < 0.8, "twenty people say little, and pairs come more than once"
    dark = [(p + i) % 5 == 0 for p in range(20) for i in range(3)] * (2 if name == "cfp-fp" else 1)
    assert (failing.samples, failing.failures) == (len(dark), sum(dark))
    assert failing.score("fte").value == sum(dark) / len(dark)
    assert failing.score("accuracy").value < 1, "a failed comparison is an error where mated"
    assert not perfect.official


def test_the_truth_is_the_list_with_its_folds_and_people(name: str, tmp_path: Path) -> None:
    rows = WRITERS[name](tmp_path)
    content = official(name).read(tmp_path)
    truth, names = content.truth, [one.name for one in content.samples]
    read = zip(truth.fold, truth.reference, truth.probe, truth.mated, strict=True)
    assert [(int(fold), names[a], names[b], bool(mated)) for fold, a, b, mated in read] == rows
    counts = Counter(zip(truth.fold.tolist(), truth.mated.tolist(), strict=True))
    assert counts == {(fold, mated): EACH[name] for fold in range(10) for mated in (True, False)}
    assert (truth.subjects[truth.reference] == truth.subjects[truth.probe]).tolist() == truth.mated.tolist()
    assert len(set(truth.subjects.tolist())) == 20
    learned, _ = truth.training(0)
    assert len(set(truth.subjects[learned].tolist())) == 18, "the two people of a fold are not learned from"
    sizes = {one.read(one.key).pixels.shape[:2] for one in content.samples}
    assert len(sizes) > 1, "images are as handed out"
    assert sorted(content.files) == sorted(names)


def test_no_result_is_official_and_the_protocol_says_why(name: str) -> None:
    protocol = official(name)
    assert protocol.trials_sha256 == "" and "not pinned" in protocol.about
    assert f"{20 * EACH[name]:,} pairs" in protocol.about
    assert protocol.inputs == "raw" and protocol.trains and not protocol.data.trials_publishable
    assert protocol.metrics == PROTOCOLS["verification/lfw/view2"].metrics


def test_absent_lists_and_images_are_named_with_their_source(name: str, tmp_path: Path) -> None:
    def missing() -> DataMissing:
        with pytest.raises(DataMissing) as raised:
            official(name).read(tmp_path)
        assert official(name).data.source in raised.value.do
        return raised.value

    assert str(tmp_path / official(name).data.folder) in missing().found
    WRITERS[name](tmp_path)
    image = sorted(official(name).read(tmp_path).files.values())[7]
    image.unlink()
    error = missing()
    assert f"1 are missing, such as {image.relative_to(tmp_path / PLACES[name])}" in error.found
    assert str(tmp_path / PLACES[name]) in error.asked
    (tmp_path / PLACES[name]).rename(tmp_path / "elsewhere")
    assert "None of them is there" in missing().found


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("cfp-fp", "cfp", "cfp/cfp-dataset"),
        ("calfw", PLACES["calfw"], "calfw/images"),
        ("calfw", PLACES["calfw"], "calfw/images&landmarks/images"),
        ("agedb-30", PLACES["agedb-30"], "agedb-30/03_Protocol_Images/03_Protocol_Images"),
    ],
)
def test_trees_may_be_unpacked_a_folder_deeper_or_flatter(name: str, before: str, after: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    fingerprint = official(name).read(tmp_path).fingerprint()
    (tmp_path / before).rename(tmp_path / "moved")
    (tmp_path / after).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "moved").rename(tmp_path / after)
    assert official(name).read(tmp_path).fingerprint() == fingerprint


ONE, OTHER = "Some_One0_0001.jpg", "Some_One0_0002.jpg"
NAMES = ["Some_One0_0001.png", f"../{ONE}", f"/{ONE}", "Some..One0_0001.jpg", "Some_One0_0001\\x.jpg", "Some_One0.jpg"]
TEXTS = [
    ("calfw", 3, "Line 3 is no image with a tag", [ONE, f"{ONE} 11", f"{ONE} 01", f"{ONE} -1", f"{ONE} 1 1"]),
    ("calfw", 3, "Line 3 is no image with a tag", [f"{name} 1" for name in NAMES]),
    ("calfw", 4, "Lines 3 and the next are no pair", [f"{OTHER} 2", f"{ONE} 1", "Some_One1_0001.jpg 1"]),
    ("calfw", 6001, "Lines 6001 and the next are no pair", ["Some_One1_0001.jpg 0"]),
    ("calfw", 12000, "odd count of lines, 11,999", [""]),
    ("calfw", 4, "It has 6,001 pairs, not 10 folds of 300 mated", [f"{OTHER} 1\n{ONE} 2\n{OTHER} 2"]),
    ("cplfw", 3, "Lines 3 and the next are no pair", ["Some_One0_1.jpg 2"]),
    ("cplfw", 2, "fold 11 has 1 and 0", ["Some_One0_2.jpg 1\nSome_One0_1.jpg 1\nSome_One0_2.jpg 1"]),
    ("cplfw", 3, "odd count", [""]),
    ("cfp-fp", 5, "Line 5 is no pair", ["1;2", "1", "1,2,3", "0,9", "5001,9", "1,2001", "-1,9", "1,٢"]),
    ("cfp-fp", 5, "Line 5 is 001/frontal/01.jpg and 001/profile/01.jpg, which is no pair of two people", ["1,1"]),
    ("cfp-fp", 5, "fold 2 has 350 and 349", [""]),
    ("cfp-fp", 5, "It has 7,001 pairs", ["1,9\n1,10"]),
    ("cfp-ff", 5, "no pair of two people", ["3,3", "3,4"]),
]


@pytest.mark.parametrize(("name", "number", "found", "rows"), TEXTS)
def test_a_row_of_a_list_is_refused_by_its_line(
    name: str, number: int, found: str, rows: list[str], tmp_path: Path
) -> None:
    WRITERS[name](tmp_path)
    path = tmp_path / LISTS[name]
    lines = path.read_text().splitlines()
    for row in rows:
        path.write_text("\n".join([*lines[: number - 1], row, *lines[number:]]))
        assert found in damaged(name, tmp_path).found, row


@pytest.mark.parametrize(
    ("number", "row", "found"),
    [
        (7, "8 ../Data/Images/001/frontal/07.jpg", "Line 7 is no entry 7"),
        (7, "7 /Data/Images/001/frontal/07.jpg", "Line 7 is no entry 7"),
        (7, "7 ../Data/Images/001/profile/07.jpg", "Line 7 is no entry 7"),
        (7, "7 ../Data/Images/../frontal/07.jpg", "Line 7 is no entry 7"),
        (7, "../Data/Images/001/frontal/07.jpg", "Line 7 is no entry 7"),
        (7, "", "Line 8 is no entry 7"),
        (5000, "", "It has 4,999 images, not 5,000"),
        (5000, "5000 ../Data/Images/500/frontal/10.jpg\n5001 ../Data/Images/500/frontal/11.jpg", "It has 5,001"),
    ],
)
def test_a_numbered_image_is_refused_by_its_line(number: int, row: str, found: str, tmp_path: Path) -> None:
    WRITERS["cfp-fp"](tmp_path)
    path = tmp_path / "cfp" / "Protocol" / "Pair_list_F.txt"
    lines = path.read_text().splitlines()
    lines[number - 1] = row
    path.write_text("\n".join(lines) + "\n")
    assert found in damaged("cfp-fp", tmp_path).found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("3_No_0_A_1", "4_No_1_A_2", 1.0), "Pair 5 of split 2 is none: ['3_No_0_A_1', '4_No_1_A_2'] as 1.0."),
        (("3_No_0_A_1", "3_No_1_A_2", -1.0), "Pair 5 of split 2 is none"),
        (("3_No_0_A_1", "3_No_0_A_1", 1.0), "Pair 5 of split 2 is none"),
        (("3_No_0_A_1", "3_No_1_A_2", 0.0), "Pair 5 of split 2 is none"),
        (("3_No/../0_A_1", "3_No_1_A_2", 1.0), "Pair 5 of split 2 is none"),
        (("../3_No_0", "3_No_1_A_2", 1.0), "Pair 5 of split 2 is none"),
        (("3_No\n_0", "3_No_1_A_2", 1.0), "Pair 5 of split 2 is none"),
        (("No_0", "No_1", 1.0), "Pair 5 of split 2 is none"),
        (None, "fold 2 has 299 and 300"),
    ],
)
def test_a_pair_of_the_matlab_list_is_refused_by_its_split_and_number(change: Any, found: str, tmp_path: Path) -> None:
    rows: list[Any] = pairs(300, aged, aged)
    rows[604:605] = [] if change is None else [(1, *change)]
    matlab(tmp_path / LISTS["agedb-30"], rows)
    assert found in damaged("agedb-30", tmp_path).found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"splits": np.eye(10)}, "Its splits are no 10 cells."),
        ({"other": np.eye(10)}, "no variable 'splits'"),
        ({"splits": np.array([[{"pairs": 1.0, "annot": 1.0}]] * 10, object)}, "Its split 1 is no pairs in two rows"),
        ({"splits": np.array([[1.0]] * 10, object)}, "Its split 1 is no pairs in two rows"),
    ],
)
def test_another_matlab_file_is_refused(value: dict[str, Any], found: str, tmp_path: Path) -> None:
    path = tmp_path / agedb.PAIRS
    scipy.io.savemat(path, value)
    with pytest.raises(DataDamaged) as raised:
        agedb.read_pairs(path)
    assert found in raised.value.found


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x00" * 200])
def test_bytes_that_are_no_list_are_refused(name: str, data: bytes, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    (tmp_path / LISTS[name]).write_bytes(data)
    damaged(name, tmp_path)
    (tmp_path / LISTS[name]).unlink()
    (tmp_path / LISTS[name]).mkdir()
    assert "It cannot be" in damaged(name, tmp_path).found
