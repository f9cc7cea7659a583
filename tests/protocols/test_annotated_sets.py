"""Sets of annotated clips and videos in their owners' layouts: drawn frames, tables written here, faults named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image

from bench.errors import DataDamaged, DataMissing
from bench.images import Unreadable
from bench.intervals import Interval
from bench.protocols import casme2, casme3, casme_sq, interval_tables, megc2019, megc_unseen, samm, samm_lv, smic
from bench.protocols.annotations import parsed


def write_sheet(path: Path, *sheets: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = Workbook()
    book.remove(book.active)
    for rows in sheets:
        page = book.create_sheet()
        for row in rows:
            page.append(row)
    book.save(path)


def write_frames(folder: Path, numbers: range, name: str = "img{}.png", side: int = 8) -> None:
    """Frames whose grey is their number."""
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(np.full((side, side), number, np.uint8)).save(folder / name.format(number))


def greys(content: Any, name: str) -> list[int]:
    """The frames of a clip by their grey."""
    (sample,) = (sample for sample in content.samples if sample.name == name)
    return [int(grey) for grey in sample.read("k").frames[:, 0, 0, 0]]


def test_casme2_is_read_from_its_table_and_raw_frames(tmp_path: Path) -> None:
    head = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"]
    rows = [
        ["01", "EP1", 3, 4, 6, 12, "happiness"],
        ["02", "EP1", 2, 3, 4, 4, "others"],
        ["02", "EP2", 1, 2, 3, 4, "fear"],
    ]
    write_sheet(tmp_path / "casme2" / casme2.TABLE, [head, *rows])
    for subject in ("sub01", "sub02"):
        write_frames(tmp_path / "casme2" / "CASME2-RAW" / subject / "EP1", range(1, 9))
    content = casme2.read_loso(tmp_path)
    assert sorted(sample.name for sample in content.samples) == ["casme2/sub01/EP1", "casme2/sub02/EP1"]
    assert greys(content, "casme2/sub01/EP1") == [3, 4, 5, 6]
    assert sorted(content.files) == [f"casme2/sub01/EP1/{n}" for n in range(3, 7)] + [
        f"casme2/sub02/EP1/{n}" for n in range(2, 5)
    ]
    assert content.samples[0].read("k").fps == 200


def test_absent_clips_are_told_with_their_places(tmp_path: Path) -> None:
    head = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Estimated Emotion"]
    notes: list[list[Any]] = [["SAMM FACS codes"], [None]]
    write_sheet(tmp_path / "samm" / samm.TABLES[0], [*notes, head, ["006", "006_1_2", 3, 4, 6, "Anger"]])
    with pytest.raises(DataMissing, match=r"1 of their folders are missing, such as 006/006_1_2 or SAMM/006/006_1_2"):
        samm.read_loso(tmp_path)
    with pytest.raises(DataMissing, match="The annotations of CASME II were asked for"):
        casme2.read_loso(tmp_path)


def test_a_clip_without_an_offset_ends_at_its_apex_and_the_row_is_named(tmp_path: Path) -> None:
    head = ["data", "subject", "clip", "label", "onset_frame", "apex_frame", "offset_frame"]
    rows = [["smic", 3, "s3_ne_03", 0, 2, 4, 6], ["smic", 20, "s20_sur_01", 2, 2, 4, None]]
    write_sheet(tmp_path / "smic" / smic.TABLE, [head, *rows])
    write_frames(tmp_path / "smic" / "HS" / "s03" / "micro" / "negative" / "s3_ne_03", range(1, 9), "image{}.bmp")
    write_frames(tmp_path / "smic" / "HS" / "s20" / "s20_sur_01", range(1, 9), "image{}.bmp")
    with pytest.warns(UserWarning, match=r"SMIC_HS_apex.xlsx: no offset, it ends at its apex: row 3$"):
        content = smic.read_loso(tmp_path)
    assert greys(content, "smic/s20/s20_sur_01") == [2, 3, 4]
    assert greys(content, "smic/s03/s03_ne_03") == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("cells", "kept", "fault"),
    [
        ((5, 7, 9), (5, 7, 9, True), ""),
        (("5", "7.0", "9"), (5, 7, 9, True), ""),
        ((5.6, 7.2, 9.9), (5, 7, 9, True), ""),
        ((5, -1, 9), (5, -1, 9, True), ""),
        ((5, 0, 9), (5, -1, 9, True), ""),
        ((5, 7, 0), (5, 7, 7, True), "no offset, it ends at its apex"),
        ((5, 7, None), (5, 7, 7, True), "no offset, it ends at its apex"),
        ((5, 11, 9), (5, -1, 9, True), "apex outside of the interval, not used"),
        ((9, 7, 5), (9, -1, 9, False), "no onset, or an end before it; left out"),
        ((None, 7, 9), (0, -1, 0, False), "no onset, or an end before it; left out"),
        ((5, None, None), (5, -1, 5, False), "no onset, or an end before it; left out"),
        (("x", "nan", "inf"), (0, -1, 0, False), "no onset, or an end before it; left out"),
        ((5, 7, 3460), (5, 7, 3460, True), "a micro-expression of over 400 frames, kept"),
    ],
)
def test_a_row_is_used_as_far_as_it_can_be_and_what_is_wrong_is_named(
    cells: tuple[Any, ...], kept: tuple[int, int, int, bool], fault: str
) -> None:
    read = parsed(Path("t.xlsx"), [(12, ("s", "v", *cells, "Joy", "Micro - 1/2"))])
    (one,) = read.rows
    assert (one.onset, one.apex, one.offset, one.usable) == kept
    assert (one.emotion, one.type) == ("joy", "micro")
    assert read.report() == (f"t.xlsx: {fault}: row 12" if fault else "")


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_sheet(tmp_path / "casme2" / casme2.TABLE, [["Name", "Age"], ["x", 3]])
    with pytest.raises(DataDamaged, match="No row is its header, with the columns Subject, Filename"):
        casme2.read_loso(tmp_path)
    (tmp_path / "casme2" / casme2.TABLE).write_bytes(b"no workbook")
    with pytest.raises(DataDamaged, match="It cannot be read as a table"):
        casme2.read_loso(tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "", ".hidden", "a..b", "a\\b"])
def test_a_name_that_could_lead_out_of_the_folder_is_refused_by_its_row(name: str) -> None:
    for cells in ((name, "v"), ("s", name)):
        with pytest.raises(DataDamaged, match="Row 12 has a name that is none"):
            parsed(Path("t.xlsx"), [(12, (*cells, 1, 2, 3, "joy", ""))])


def write_casme_sq(root: Path) -> None:
    rows = [
        [1, "anger1_1", 3, 5, 7, "4", "negative", "macro-expression", "anger"],
        [1, "anger1_2", 4, 6, 0, "4", "positive", "micro-expression", "happiness"],
    ]
    write_sheet(root / "casme-sq" / casme_sq.TABLE, rows, [[15, "s15", 1]], [["0401", "anger1"], ["0508", "happy5"]])
    for video in ("15_0401girl", "15_0508kid"):
        write_frames(root / "casme-sq" / "rawpic" / "s15" / video, range(1, 13), "img{}.jpg")


def test_cas_me_2_counts_a_video_in_which_nothing_is_annotated_too(tmp_path: Path) -> None:
    write_casme_sq(tmp_path)
    with pytest.warns(UserWarning, match="row 2"):
        content = casme_sq.read_loso(tmp_path)
    told = dict(zip([sample.name for sample in content.samples], content.truth.intervals, strict=True))
    assert told == {
        "1/anger1": (Interval(2, 4, 6, "negative", "macro"), Interval(3, 5, 5, "positive", "micro")),
        "1/happy5": (),
    }
    assert len(greys(content, "1/happy5")) == 12


def test_samm_long_videos_are_read_every_eighth_frame_with_the_emotions_of_samm(tmp_path: Path) -> None:
    head = [
        "Subject",
        "Filename",
        "Inducement Code",
        "Onset",
        "Apex",
        "Offset",
        "Duration",
        "Type",
        "Action Units",
        "Notes",
    ]
    rows = [
        ["006", "006_1_1", 1, 9.4, 17, 40, 30, "Macro", "4", None],
        ["006", "006_1_2", 1, 1, -1, 16, 15, "Micro - 1/2", "4", ""],
    ]
    write_sheet(tmp_path / "samm-lv" / samm_lv.TABLES[1], [["notes"], [None], head, *rows])
    short = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Estimated Emotion"]
    write_sheet(tmp_path / "samm" / samm.TABLES[1], [short, ["006", "006_1_2", 5, 6, 7, "Contempt"]])
    write_frames(tmp_path / "samm-lv" / "006_1", range(1, 42), "006_1_{:04d}.png")
    content = samm_lv.read_loso(tmp_path)
    assert content.truth.intervals == ((Interval(1, 2, 4, "", "macro"), Interval(0, -1, 1, "negative", "micro")),)
    assert greys(content, "006/006_1") == [1, 9, 17, 25, 33, 41]


def test_cas_me_3_fills_the_frames_that_it_lacks(tmp_path: Path) -> None:
    head = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
    rows = [["spNO.1", "a", "2", "3", "4", "4", "I", "Disgust"], ["spNO.1", "a", "7", "2", "5", "4", "I", "happy"]]
    write_sheet(tmp_path / "casme3-a" / casme3.TABLES[1], [head, *rows])
    folder = tmp_path / "casme3-a" / "spNO.1" / "a" / "color"
    write_frames(folder, range(9), "{}.jpg")
    for number in (0, 3, 4):
        (folder / f"{number}.jpg").unlink()
    with pytest.warns(UserWarning, match="left out: row 3"):
        content = casme3.read_loso(tmp_path)
    assert content.truth.intervals == ((Interval(2, 3, 4, "negative", "micro"),),)
    assert greys(content, "spNO.1/a") == [1, 1, 2, 5, 5, 5, 6, 7, 8]


def test_unseen_videos_are_read_at_the_rate_that_their_table_tells(tmp_path: Path) -> None:
    folder = tmp_path / "megc-unseen"
    folder.mkdir()
    lines = ["subject,video,onset,offset,emotion,fps", "1,a,1,16,negative,200", "2,b,1,4,surprise,30"]
    (folder / "gt.csv").write_text("\n".join(lines))
    write_frames(folder / "1" / "a", range(1, 20))
    write_frames(folder / "2" / "b", range(6))
    content = megc_unseen.read_str(tmp_path)
    told = dict(zip([sample.name for sample in content.samples], content.truth.intervals, strict=True))
    assert told == {
        "1/a": (Interval(0, -1, 1, "negative", "micro"),),
        "2/b": (Interval(1, -1, 4, "surprise", "micro"),),
    }
    assert sorted(content.truth.fps) == [25, 30]
    (folder / "gt.csv").write_text("\n".join([lines[0], "1,a,1,16,negative,60"]))
    with pytest.raises(DataDamaged, match="Row 2 has fps '60'"):
        megc_unseen.read_str(tmp_path)


def test_a_truth_that_is_no_table_of_intervals_is_refused_by_its_row(tmp_path: Path) -> None:
    truth = tmp_path / "gt.csv"
    truth.write_text("subject,video,onset,offset,emotion\n1,a,5,9,x\n1,a,9,5,x\n")
    with pytest.raises(DataDamaged, match="Row 2 after the header is no interval"):
        interval_tables.PROTOCOLS[0].read(truth)
    truth.write_text("subject,video,onset,emotion\n1,a,5,x\n")
    with pytest.raises(DataDamaged, match="no column 'offset'"):
        interval_tables.PROTOCOLS[0].read(truth)
    with pytest.raises(DataMissing, match="--truth"):
        interval_tables.PROTOCOLS[0].read(tmp_path)


def test_flow_images_are_known_by_their_list(tmp_path: Path) -> None:
    folder = tmp_path / megc2019.FLOW.folder
    write_frames(folder / "flow", range(2), "s_{}.png", side=28)
    write_frames(folder / "flow2", range(2), "s_{}.png", side=27)
    (folder / "labels.csv").write_text("file,dataset,subject,label\ns_0.png,smic,s01,0\ns_1.png,samm,006,2\n")
    content = megc2019.read_flow(tmp_path)
    assert [sorted(content.truth.truth.tolist()), sorted(content.truth.parts)] == [[0, 2], ["samm", "smic"]]
    assert content.samples[0].read("k").pixels.shape == (28, 28, 3)
    (folder / "flow2" / "s_0.png").replace(folder / "flow" / "s_0.png")
    (sample,) = (sample for sample in content.samples if sample.name == "s_0.png")
    with pytest.raises(Unreadable, match="image is not 28x28"):
        sample.read("k")
    for line, said in (("../x.png,smic,s01,0", "Row 4 is no image's"), ("s_0.png,smic,s01,0", "An image comes twice")):
        text = (folder / "labels.csv").read_text().splitlines()[:3]
        (folder / "labels.csv").write_text("\n".join([*text, line]) + "\n")
        with pytest.raises(DataDamaged, match=said):
            megc2019.read_flow(tmp_path)


def empty_folders(root: Path, data_root: Path) -> None:
    """A data root with the real tables and a folder without frames for each clip and video that they name."""
    (root / "micro_expression").mkdir()
    for name in ("annotations", "megc2019_flow"):
        (root / "micro_expression" / name).symlink_to(data_root / "micro_expression" / name)
    places = [
        root / file.DATA.folder / file.COLLECTION.places(one)[0]
        for file in (casme2, samm, smic)
        for one in file.annotated(root).rows
    ]
    folders, codes = casme_sq.naming(casme_sq.annotated(root).path)
    for one in casme_sq.annotated(root).rows:
        name = f"{folders[one.subject].removeprefix('s')}_{codes[one.video]}"
        places.append(root / "casme-sq" / "rawpic" / folders[one.subject] / name)
    places += [root / "samm-lv" / one.video.rpartition("_")[0] for one in samm_lv.annotated(root).rows]
    places += [root / "casme3-a" / one.subject / one.video for one in casme3.annotated(root).rows]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)


@pytest.mark.realdata_smoke
def test_the_owners_tables_have_as_many_rows_as_they_say_and_give_the_official_trials(
    data_root: Path, tmp_path: Path
) -> None:
    if not (data_root / "micro_expression" / "annotations").is_dir():
        pytest.skip(f"needs {data_root / 'micro_expression' / 'annotations'}")
    empty_folders(tmp_path, data_root)
    files = (casme2, samm, smic, casme_sq, casme3, samm_lv)
    assert [len(file.annotated(tmp_path).rows) for file in files] == [255, 159, 164, 357, 860, 502]
    for file, kinds in ((casme_sq, (300, 57)), (samm_lv, (343, 159))):
        types = [one.type for one in file.annotated(tmp_path).rows]
        assert (types.count("macro"), types.count("micro")) == kinds
    report = casme3.annotated(tmp_path).report()
    assert "left out: row 751" in report
    assert "it ends at its apex: row 798, 800" in report
    assert "not used: row 170, 242, 262" in casme_sq.annotated(tmp_path).report()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in (casme2, samm, smic, megc2019, samm_lv, casme3):
            for protocol in file.PROTOCOLS:
                assert protocol.read(tmp_path).trials_sha256 == protocol.trials_sha256, protocol.name
        for protocol in megc2019.PROTOCOLS:
            truth = protocol.read(tmp_path).truth
            assert np.bincount(truth.truth).tolist() == [250, 109, 83]
            assert len(set(truth.subjects.tolist())) == 68
        assert len(casme_sq.read_loso(tmp_path).samples) == 95
