"""IJB-B and IJB-C from lists of their layout: read, asked, scored, and refused where they are malformed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Said, picture
from ijb_layout import PEOPLE, PROBES, template_of, write_ijb

import bench
from bench.answers import read_table
from bench.errors import DataDamaged, DataMissing
from bench.images import Unreadable
from bench.protocols import PROTOCOLS
from bench.tasks import identification, templates

PAIRS, SEARCHES = "verification/ijb-c/1-1", ("identification/ijb-c/1-n-g1", "identification/ijb-c/1-n-g2")
LISTS = ("face_tid_mid.txt", "name_5pts_score.txt", "template_pair_label.txt")
PEOPLE_LISTS = ("1N_gallery_G1.csv", "1N_gallery_G2.csv", "1N_probe_mixed.csv")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root that no test changes."""
    return write_ijb(tmp_path_factory.mktemp("ijb"))


@pytest.fixture
def mine(data: Path, tmp_path: Path) -> Path:
    """A data root of the test's own."""
    return Path(shutil.copytree(data, tmp_path / "mine"))


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "REPLICATES", 20)
    monkeypatch.setattr(identification, "REPLICATES", 20)


def meta(root: Path, name: str) -> Path:
    return root / "ijb-c" / "meta" / f"ijbc_{name}"


def values(result: bench.Result) -> dict[str, float]:
    return {score.metric: score.value for score in result.scores}


def test_samples_are_crops_by_the_landmarks_under_keys_that_say_nothing(data: Path) -> None:
    content = PROTOCOLS[PAIRS].read(data)
    names = [sample.name for sample in content.samples]
    assert sorted(names, key=lambda name: int(name[:-4])) == [f"{i + 1}.jpg" for i in range(len(names))]
    assert names != sorted(names) and [s.key for s in content.samples] == [f"{i:06d}" for i in range(len(names))]
    by_name = {sample.name: sample for sample in content.samples[10:]}
    for image, shot in (("1.jpg", 0), ("2.jpg", 1)):  # the first lies off the middle of its loose crop
        sample = by_name.get(image) or next(s for s in content.samples if s.name == image)
        pixels = sample.read(sample.key).pixels.astype(float)
        assert pixels.shape == (112, 112, 3)
        assert abs(pixels - np.asarray(picture(0, shot), float)).mean() < 4


def test_the_truth_is_that_of_the_lists(data: Path) -> None:
    content = PROTOCOLS[PAIRS].read(data)
    truth: templates.TemplatePairs = content.truth
    rows = [line.split() for line in meta(data, LISTS[2]).read_text().splitlines()]
    assert truth.mated.tolist() == [label == "1" for *_, label in rows]
    assert (truth.pools.subjects[truth.reference] == truth.pools.subjects[truth.probe]).tolist() == truth.mated.tolist()
    number = {int(a): int(n) for (a, *_), n in zip(rows, truth.reference.tolist(), strict=True)}
    number |= {int(b): int(n) for (_, b, _), n in zip(rows, truth.probe.tolist(), strict=True)}
    assert sorted(number.values()) == list(range(len(number))) and list(number.values()) != sorted(number.values())
    listed = {name: (int(t), int(m)) for name, t, m in map(str.split, meta(data, LISTS[0]).read_text().splitlines())}
    score = {line.split()[0]: float(line.split()[-1]) for line in meta(data, LISTS[1]).read_text().splitlines()}
    for i, sample in enumerate(content.samples):
        template, media = listed[sample.name]
        assert truth.pools.template[i] == number[template] and truth.pools.media[i] == media
        assert truth.pools.detected[i] == pytest.approx(score[sample.name])


def test_where_nobody_is_named_each_template_is_a_person_and_the_question_stays_the_same(mine: Path) -> None:
    before = PROTOCOLS[PAIRS].read(mine)
    fingerprint = before.fingerprint()
    assert len(set(before.truth.pools.subjects.tolist())) == PEOPLE
    meta(mine, PEOPLE_LISTS[1]).unlink()
    after = PROTOCOLS[PAIRS].read(mine)
    assert len(set(after.truth.pools.subjects.tolist())) == PEOPLE * (PROBES + 1)
    assert after.trials_sha256 == before.trials_sha256 and after.fingerprint() != fingerprint
    assert set(after.files) == {f"meta/ijbc_{name}" for name in LISTS} | {sample.name for sample in after.samples}
    assert len(after.files) == len(set(after.files))


def test_a_perfect_method_is_perfect_one_that_fails_is_counted_and_nothing_is_official(
    data: Path, tmp_path: Path
) -> None:
    results = bench.run(PAIRS, ["perfect", "fails-some", "random"], data=data, out=tmp_path)
    perfect, failing, random = map(values, results)
    assert perfect["tar@far=1e-1"] == perfect["tar_nearest@far=1e-1"] == 1 and perfect["eer"] == perfect["fte"] == 0
    assert 0 < failing["fte"] < 1 and random["eer"] > 0.3
    assert results[1].reasons == {"no embedding": results[1].failures} and results[1].failures > 0
    assert not any(result.official for result in results)
    bound = next(score for score in results[0].scores if score.metric == "tar@far=1e-4")
    assert bound.bound == "at most" and bound.low is None
    (nothing,) = bench.run(PAIRS, "fails-all", data=data, out=tmp_path)
    assert nothing.failures == nothing.samples and values(nothing)["fte"] == 1 and values(nothing)["tar@far=1e-1"] == 0


def test_ways_are_boards_rows_of_their_own_and_a_finished_run_is_kept(data: Path, tmp_path: Path) -> None:
    named = ["toy", "toy:norm=off", "toy:det=off", "toy:det=off,norm=off"]
    results = bench.run(PAIRS, named, data=data, out=tmp_path)
    assert [result.roles["method"] for result in results] == [(name,) for name in named]
    assert len({result.trials_sha256 for result in results}) == 4
    assert bench.run(PAIRS, named, data=data, out=tmp_path) == results
    table = read_table(next(tmp_path.glob(f"{PAIRS}/toy-*/trials.parquet")))
    assert all(isinstance(column, np.ndarray) for column in table.values()), "no string a row"


def test_searches_in_either_gallery(data: Path, tmp_path: Path) -> None:
    for protocol in SEARCHES:
        perfect, failing = bench.run(protocol, ["perfect", "fails-some"], data=data, out=tmp_path)
        assert values(perfect)["rank-1"] == 1 and values(perfect)["fnir@fpir=1e-1"] == 0
        assert failing.reasons == {"no embedding": failing.failures} and failing.failures > 0
    truth = PROTOCOLS[SEARCHES[0]].read(data).truth
    assert len(truth.gallery.enrolled) == PEOPLE // 2 and len(truth.gallery.probes) == PEOPLE * PROBES


def test_ijb_b_has_galleries_of_other_names(tmp_path: Path) -> None:
    root = write_ijb(tmp_path / "data", "ijb-b")
    for protocol in ("verification/ijb-b/1-1", "identification/ijb-b/1-n-s1", "identification/ijb-b/1-n-s2"):
        (result,) = bench.run(protocol, "perfect", data=root, out=tmp_path / "out", limit=20)
        assert result.scores[0].value == 1


def test_the_commands_know_the_protocol_and_its_ways(data: Path, said: Said) -> None:
    status, _, err = said("run", PAIRS, "--method", "toy:det=off", "--data", data)
    assert status == 0, err
    status, _, err = said("run", PAIRS, "--method", "toy:det=maybe", "--data", data)
    assert status and "det takes on, off" in err


def test_an_image_that_cannot_be_cut_out_is_a_failure_and_no_end(mine: Path, tmp_path: Path) -> None:
    lines = meta(mine, LISTS[1]).read_text().splitlines()
    lines[0] = "1.jpg " + "5 5 " * 5 + "0.9"
    meta(mine, LISTS[1]).write_text("\n".join(lines))
    (mine / "ijb-c" / "loose_crop" / "2.jpg").write_bytes(b"no image")
    samples = {sample.name: sample for sample in PROTOCOLS[PAIRS].read(mine).samples}
    for name in ("1.jpg", "2.jpg"):
        with pytest.raises(Unreadable):
            samples[name].read(samples[name].key)
    (result,) = bench.run(PAIRS, "perfect", data=mine, out=tmp_path / "out")
    assert result.reasons == {"image cannot be decoded": 1, "landmarks that give no crop": 1}


Edit = Callable[[list[str]], list[str]]


def at(line: int, text: str) -> Edit:
    return lambda lines: [*lines[: line - 1], text, *lines[line:]]


def same(lines: list[str]) -> list[str]:
    return lines


MALFORMED: list[tuple[str, Edit, str]] = [
    (LISTS[0], at(3, "3.jpg 3"), "Line 3"),
    (LISTS[0], at(3, "3.jpg three 1003"), "Line 3"),
    (LISTS[0], at(3, "3.jpg -3 1003"), "Line 3"),
    (LISTS[0], at(3, "../3.jpg 3 1003"), "Line 3"),
    (LISTS[0], at(3, "3.jpg 99999999999 1003"), "Line 3"),
    (LISTS[0], at(3, "2.jpg 3 1003"), "Line 3: it is of 3.jpg"),
    (LISTS[0], lambda lines: lines[:-1], "images, ijbc_face_tid_mid.txt has"),
    (LISTS[0], lambda lines: [], "no rows"),
    (LISTS[1], at(5, "5.jpg 1 2 3"), "Line 5"),
    (LISTS[1], at(5, "5.jpg " + "nan " * 10 + "0.9"), "Line 5"),
    (LISTS[1], at(5, "5.jpg " + "1 " * 10 + "inf"), "Line 5"),
    (LISTS[1], at(5, "5.jpg " + "1 " * 10 + "-0.5"), "Line 5"),
    (LISTS[2], at(4, "3 10"), "Line 4"),
    (LISTS[2], at(4, "3 10 2"), "Line 4"),
    (LISTS[2], at(4, '3 "10" 1'), "Line 4"),
    (LISTS[2], at(4, "3  10 1"), "Line 4"),
    (LISTS[2], at(4, f"{template_of(0, 0)} 4 1"), "Line 4: template 4 has no images"),
    (LISTS[2], at(4, f"{template_of(0, 0)} {template_of(1, 1)} 1"), "Line 4: it says 1 of people"),
    (LISTS[2], lambda lines: ["", *at(4, f"{template_of(0, 0)} 4 1")(lines)], "Line 5: template 4"),
    (LISTS[2], lambda lines: [line for line in lines if line.endswith("0")], "all of one kind"),
    (PEOPLE_LISTS[0], at(2, "3,nobody,frames/1.jpg,1"), "Line 2"),
    (PEOPLE_LISTS[0], at(3, "3,999,frames/1.jpg,1"), "Line 3: template 3 is of another person"),
    (PEOPLE_LISTS[2], at(2, "3,101,frames/1.jpg,1"), "Line 2: template 3 is of another person"),
]


@pytest.mark.parametrize(("name", "edit", "said"), MALFORMED)
def test_a_malformed_list_is_refused_by_file_and_line(name: str, edit: Edit, said: str, mine: Path) -> None:
    path = meta(mine, name)
    path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")
    with pytest.raises(DataDamaged) as raised:
        PROTOCOLS[PAIRS].read(mine)
    assert f"ijbc_{LISTS[1] if 'it is of' in said or 'images, ' in said else name}" in raised.value.asked
    assert said in raised.value.found


SEARCH_MALFORMED: list[tuple[str, Edit, str]] = [
    (PEOPLE_LISTS[0], at(2, "4,777,x,1"), "Line 2: template 4 has no images"),
    (PEOPLE_LISTS[0], lambda lines: [*lines, f"{template_of(1, 0)},100,x,1"], "its person has another template here"),
    (PEOPLE_LISTS[2], lambda lines: [*lines, f"{template_of(2, 0)},102,x,1"], "is in ijbc_1N_gallery_G1.csv too"),
    (
        PEOPLE_LISTS[2],
        lambda lines: [line for line in lines if not line.split(",")[1].endswith("1")][:4],
        "All or none",
    ),
]


@pytest.mark.parametrize(("name", "edit", "said"), SEARCH_MALFORMED)
def test_lists_of_people_that_do_not_go_together_are_refused(name: str, edit: Edit, said: str, mine: Path) -> None:
    path = meta(mine, name)
    path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")
    with pytest.raises(DataDamaged) as raised:
        PROTOCOLS[SEARCHES[0]].read(mine)
    assert f"ijbc_{name}" in raised.value.asked and said in raised.value.found


@pytest.mark.parametrize("name", LISTS)
def test_an_absent_list_and_an_absent_image_are_missing_data(name: str, mine: Path) -> None:
    (mine / "ijb-c" / "loose_crop" / "7.jpg").unlink()
    with pytest.raises(DataMissing) as raised:
        PROTOCOLS[PAIRS].read(mine)
    assert "1 are missing, such as 7.jpg" in raised.value.found
    meta(mine, name).unlink()
    with pytest.raises(DataMissing) as raised:
        PROTOCOLS[PAIRS].read(mine)
    assert f"ijbc_{name} does not exist" in raised.value.found


def test_a_list_with_windows_line_ends_and_no_last_one_is_the_same_list(mine: Path) -> None:
    before = PROTOCOLS[PAIRS].read(mine).trials_sha256
    for name in LISTS:
        meta(mine, name).write_bytes(meta(mine, name).read_bytes().rstrip().replace(b"\n", b"\r\n"))
    assert PROTOCOLS[PAIRS].read(mine).trials_sha256 == before


def test_trials_are_not_to_be_published() -> None:
    for name in (PAIRS, *SEARCHES):
        assert not PROTOCOLS[name].data.trials_publishable and "NIST" in PROTOCOLS[name].data.licence
        assert replace(PROTOCOLS[name], trials_sha256="other").digest != PROTOCOLS[name].digest
