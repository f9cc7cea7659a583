"""Sets of labelled faces are read as their owners hand them out, labels by name, copies found, odd rows refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.errors import DataDamaged, DataMissing
from bench.images import Unreadable
from bench.protocol import Content
from bench.protocols import PROTOCOLS
from bench.protocols.fer2013 import CODES
from bench.tasks.expression import Repeats


def pixels(number: int, side: int = 48) -> Any:
    return np.random.default_rng(number).integers(0, 256, (side, side), np.uint8)


def save(path: Path, grey: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)


def told(content: Content) -> dict[str, str]:
    """Names and labels of what is asked about."""
    return {s.name: content.truth.labels[i] for s, i in zip(content.samples, content.truth.truth.tolist(), strict=True)}


def read(name: str, root: Path) -> Content:
    content = PROTOCOLS[name].read(root)
    for sample in content.samples:
        face = sample.read(sample.key)
        assert face.pixels.ndim == 3 and face.pixels.shape[2] == 3 and face.key == sample.key
    assert len(content.fingerprint()) == 64
    return content


def fer_plus(root: Path, inside: str = "ferplus") -> Path:
    """Two test pictures and a training one in FER+'s layout, and one row without a picture, one that comes twice."""
    rows = [
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF",
        "Training,fer0000000.png,8,2,0,0,0,0,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "PrivateTest,fer0000002.png,0,9,1,0,0,0,0,0,0,0",
        "PrivateTest,fer0000003.png,0,0,0,0,1,0,0,9,0,0",
        "PrivateTest,fer0000002.png,0,0,0,0,0,0,0,0,0,10",
    ]
    base = root / "ferplus"
    base.mkdir(parents=True)
    (base / "fer2013new.csv").write_text("\n".join(rows) + "\n")
    for number in (2, 3):
        save(root / inside / "FER2013Test" / f"fer000000{number}.png", pixels(number))
    return base


@pytest.mark.parametrize("inside", ["ferplus", "ferplus/data"])
def test_fer_plus_is_read_in_both_layouts_and_by_its_first_row(inside: str, tmp_path: Path) -> None:
    fer_plus(tmp_path, inside)
    eight, seven = (read(f"expression/ferplus/majority-raw-{n}", tmp_path) for n in (8, 7))
    assert told(eight) == {"fer0000002.png": "happiness", "fer0000003.png": "contempt"}
    assert told(seven) == {"fer0000002.png": "happiness"}
    assert eight.truth.repeats() == Repeats({f"fer000000{n}.png": f"fer000000{n}.png" for n in (2, 3)})
    samples, labels = eight.truth.training()
    assert [sample.name for sample in samples] == ["fer0000000.png"] and labels.tolist() == [0]
    with pytest.raises(Unreadable):
        samples[0].read("k")  # its picture is not at hand, its label is


def test_copies_of_training_pictures_are_found_even_mirrored_else_taken_from_the_table(tmp_path: Path) -> None:
    base = fer_plus(tmp_path)
    (base / "test_duplicates.csv").write_text(
        "test_image,relation,split,other_image\nfer0000003.png,same,FER2013Valid,x.png\n"
        "fer0000003.png,same,FER2013Train,y.png\nfer0000002.png,mirrored,FER2013Valid,z.png\n"
    )
    name = "expression/ferplus/argmax-8-8"
    by_table = read(name, tmp_path).truth.repeats()
    assert by_table.known and by_table.seen == {"fer0000003.png": "train", "fer0000002.png": "valid"}
    save(base / "FER2013Train" / "fer0000000.png", pixels(2)[:, ::-1])
    with (base / "fer2013new.csv").open("a") as file:
        file.write("PublicTest,fer0000009.png,8,2,0,0,0,0,0,0,0,0\n")
    save(base / "FER2013Valid" / "fer0000009.png", pixels(9))
    found = read(name, tmp_path).truth.repeats()
    assert found.known and found.seen == {"fer0000002.png": "train"}


def test_a_table_of_copies_with_another_split_is_refused(tmp_path: Path) -> None:
    base = fer_plus(tmp_path)
    (base / "test_duplicates.csv").write_text("test_image,relation,split,other_image\na,same,Elsewhere,b\n")
    with pytest.raises(DataDamaged, match="Row 2 is no copy"):
        PROTOCOLS["expression/ferplus/argmax-8-8"].read(tmp_path).truth.repeats()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("PrivateTest,../x.png,0,9,1,0,0,0,0,0,0,0", "is no picture's name"),
        ("PrivateTest,x.png,0,99,1,0,0,0,0,0,0,0", "no split and ten votes"),
        ("Elsewhere,x.png,0,9,1,0,0,0,0,0,0,0", "no split and ten votes"),
        ("PrivateTest,x.png,0,-1,1,0,0,0,0,0,0,0", "no split and ten votes"),
    ],
)
def test_odd_rows_of_fer_plus_are_refused_by_number(row: str, message: str, tmp_path: Path) -> None:
    base = fer_plus(tmp_path)
    with (base / "fer2013new.csv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(DataDamaged, match=f"Row 7: .*{message}"):
        PROTOCOLS["expression/ferplus/majority-8"].read(tmp_path)


def test_missing_pictures_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    base = fer_plus(tmp_path)
    (base / "FER2013Test" / "fer0000003.png").unlink()
    with pytest.raises(DataMissing, match=r"1 are missing, such as .*fer0000003\.png"):
        PROTOCOLS["expression/ferplus/majority-8"].read(tmp_path)


def test_a_picture_of_another_size_is_a_failure(tmp_path: Path) -> None:
    base = fer_plus(tmp_path)
    save(base / "FER2013Test" / "fer0000003.png", pixels(1, 20))
    content = PROTOCOLS["expression/ferplus/majority-8"].read(tmp_path)
    with pytest.raises(Unreadable, match="48x48"):
        [sample.read(sample.key) for sample in content.samples]


FER_HEADS = {
    "fer2013.csv": ("emotion,pixels,Usage", "{emotion},{pixels},{usage}"),
    "icml_face_data.csv": ("emotion, Usage, pixels", "{emotion},{usage},{pixels}"),
}


@pytest.mark.parametrize("name", FER_HEADS)
def test_fer_2013_is_read_from_either_csv_with_its_copies(name: str, tmp_path: Path) -> None:
    head, form = FER_HEADS[name]
    rows = [(0, 1, "Training"), (6, 2, "Training"), (3, 3, "PublicTest"), (3, 1, "PrivateTest"), (5, 4, "PrivateTest")]
    rows.append((4, 3, "PrivateTest"))
    lines = [
        form.format(emotion=code, pixels=" ".join(map(str, pixels(number).ravel())), usage=usage)
        for code, number, usage in rows
    ]
    (tmp_path / "fer2013").mkdir()
    (tmp_path / "fer2013" / name).write_text("\n".join([head, *lines]) + "\n")
    content = read("expression/fer2013/private", tmp_path)
    assert told(content) == {"fer0000003.png": "happiness", "fer0000004.png": "surprise", "fer0000005.png": "sadness"}
    face = next(sample for sample in content.samples if sample.name == "fer0000004.png").read("k")
    assert np.array_equal(face.pixels[:, :, 1], pixels(4))
    samples, labels = content.truth.training()
    assert {s.name: CODES[i] for s, i in zip(samples, labels, strict=True)} == {
        "fer0000000.png": "anger",
        "fer0000001.png": "neutral",
    }
    assert content.truth.repeats().seen == {"fer0000003.png": "train", "fer0000005.png": "valid"}


@pytest.mark.parametrize(
    ("line", "message"), [("7,1 2,PrivateTest", "Row 2: no emotion"), ("1,1 2,Other", "Row 2"), ("1", "Row 2")]
)
def test_odd_rows_of_fer_2013_are_refused(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "fer2013").mkdir()
    (tmp_path / "fer2013" / "fer2013.csv").write_text(f"emotion,pixels,Usage\n{line}\n")
    with pytest.raises(DataDamaged, match=message):
        PROTOCOLS["expression/fer2013/private"].read(tmp_path)


def test_a_row_of_too_few_pixels_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "fer2013").mkdir()
    (tmp_path / "fer2013" / "fer2013.csv").write_text("emotion,pixels,Usage\n1,1 2 3,PrivateTest\n")
    (sample,) = PROTOCOLS["expression/fer2013/private"].read(tmp_path).samples
    with pytest.raises(Unreadable, match="row of pixels"):
        sample.read("k")


def test_folders_of_fer_2013_leave_the_validation_pictures_out(tmp_path: Path) -> None:
    base = tmp_path / "fer2013"
    save(base / "test" / "angry" / "PrivateTest_1.png", pixels(1))
    save(base / "test" / "angry" / "PublicTest_2.png", pixels(2))
    save(base / "test" / "happy" / "PrivateTest_3.png", pixels(2))
    save(base / "train" / "sad" / "Training_4.png", pixels(1)[:, ::-1])
    content = read("expression/fer2013/private-folders", tmp_path)
    assert told(content) == {"angry/PrivateTest_1.png": "anger", "happy/PrivateTest_3.png": "happiness"}
    assert content.truth.repeats().seen == {"angry/PrivateTest_1.png": "train", "happy/PrivateTest_3.png": "valid"}


@pytest.mark.parametrize(("inside", "form"), [("basic", "{name} {code}"), (".", "{name} {split} {code}")])
def test_raf_db_numbers_its_classes_from_one_in_its_own_order(inside: str, form: str, tmp_path: Path) -> None:
    base = tmp_path / "rafdb" / inside
    rows = [("test_0001.jpg", "test", 1), ("test_0002.jpg", "test", 7), ("train_00001.jpg", "train", 5)]
    (base / "EmoLabel").mkdir(parents=True)
    lines = [form.format(name=name, split=split, code=code) for name, split, code in rows]
    (base / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    for number, (name, _, _) in enumerate(rows):
        save(base / "Image" / "aligned" / f"{Path(name).stem}_aligned.jpg", pixels(number, 100))
    content = read("expression/rafdb/basic", tmp_path)
    assert told(content) == {"test_0001.jpg": "surprise", "test_0002.jpg": "neutral"}
    samples, labels = content.truth.training()
    assert content.truth.labels[labels[0]] == "sadness" and samples[0].read("k").pixels.shape == (100, 100, 3)
    assert content.truth.repeats().known


@pytest.mark.parametrize("line", ["test_1.jpg 0", "test_1.jpg 8", "../x.jpg 1", "test_1.jpg train 3", "test_1.jpg"])
def test_odd_rows_of_raf_db_are_refused(line: str, tmp_path: Path) -> None:
    base = tmp_path / "rafdb" / "EmoLabel"
    base.mkdir(parents=True)
    (base / "list_patition_label.txt").write_text(f"{line}\n")
    with pytest.raises(DataDamaged, match="Row 1"):
        PROTOCOLS["expression/rafdb/basic"].read(tmp_path)


def affect_csv(base: Path) -> None:
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = [("1/a.jpg", 0), ("2/b.jpg", 7), ("2/c.jpg", 10)]
    lines = [f"{name},0,0,9,9,1;2,{code},0.1,0.2" for name, code in rows]
    base.mkdir(parents=True)
    (base / "validation.csv").write_text("\n".join([head, *lines]))
    (base / "training.csv").write_text("\n".join([head, "3/d.jpg,0,0,9,9,1;2,6,0.1,0.2"]))
    for name, code in rows:
        save(base / "Manually_Annotated_Images" / name, pixels(code, 30))


def affect_npy(base: Path) -> None:
    for name, code in (("1", "0"), ("2", "7"), ("3", "8")):
        save(base / "val_set" / "images" / f"{name}.jpg", pixels(int(code), 30))
        (base / "val_set" / "annotations").mkdir(exist_ok=True)
        np.save(base / "val_set" / "annotations" / f"{name}_exp.npy", np.array(code))


@pytest.mark.parametrize(("layout", "write"), [("", affect_csv), ("-2021", affect_npy)])
def test_affect_net_is_read_in_both_layouts(layout: str, write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / "affectnet")
    assert Counter(told(read(f"expression/affectnet/8{layout}", tmp_path)).values()) == {"neutral": 1, "contempt": 1}
    assert list(told(read(f"expression/affectnet/7{layout}", tmp_path)).values()) == ["neutral"]


def test_the_training_table_of_affect_net_is_read_by_name(tmp_path: Path) -> None:
    affect_csv(tmp_path / "affectnet")
    truth = PROTOCOLS["expression/affectnet/8"].read(tmp_path).truth
    samples, labels = truth.training()
    assert [(s.name, truth.labels[i]) for s, i in zip(samples, labels, strict=True)] == [("3/d.jpg", "anger")]


@pytest.mark.parametrize("value", [np.array([1, 2]), np.array("joy"), np.array(42)])
def test_an_annotation_that_is_no_expressions_number_is_refused(value: Any, tmp_path: Path) -> None:
    affect_npy(tmp_path / "affectnet")
    np.save(tmp_path / "affectnet" / "val_set" / "annotations" / "1_exp.npy", value)
    with pytest.raises(DataDamaged, match=r"no number|no expression's number"):
        PROTOCOLS["expression/affectnet/8-2021"].read(tmp_path)


def test_sfew_is_read_by_its_list(tmp_path: Path) -> None:
    base = tmp_path / "sfew"
    save(base / "Val" / "Angry" / "a_1.png", pixels(1))
    (base / "val.txt").write_text("Val/Angry/a_1.png Angry\n\n")
    assert told(read("expression/sfew/val", tmp_path)) == {"Val/Angry/a_1.png": "anger"}
    (base / "val.txt").write_text("Val/Angry/a_1.png joy\n")
    with pytest.raises(DataDamaged, match="Row 1"):
        PROTOCOLS["expression/sfew/val"].read(tmp_path)


WORDS = ["angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def question(**changes: Any) -> dict[str, Any]:
    made = {"image_path": "/FERPlus/test/sad/fer0000002.png", "true_label": "sad", "candidate_labels": WORDS}
    return {**made, "prompt": f"Which of these is it: {', '.join(WORDS)}?", **changes}


def test_a_list_of_questions_keeps_its_prompt_words_and_order(tmp_path: Path) -> None:
    base = fer_plus(tmp_path)
    (base / "ferplus_qa.json").write_text(json.dumps([question()]))
    content = read("expression/ferbench/ferplus", tmp_path)
    assert told(content) == {"fer0000002.png": "sadness"}
    assert content.truth.words == tuple(WORDS) and content.truth.listed == question()["prompt"]
    assert content.truth.labels[:2] == ("anger", "contempt")


@pytest.mark.parametrize(
    "given",
    [
        "no JSON",
        "[" * 100_000,
        {},
        [],
        [question(true_label="joy")],
        [question(image_path="/a/../../b.png")],
        [question(candidate_labels=WORDS[::-1])],
        [question(prompt="Which?")],
        [question(), question(image_path="/a/c.png", prompt=f"Another of {', '.join(WORDS)}?")],
        [question(), question()],
        [question(image_path=3)],
    ],
    ids=range(11),
)
def test_another_list_of_questions_is_refused(given: Any, tmp_path: Path) -> None:
    base = fer_plus(tmp_path)
    (base / "ferplus_qa.json").write_text(given if isinstance(given, str) else json.dumps(given))
    with pytest.raises(DataDamaged):
        PROTOCOLS["expression/ferbench/ferplus"].read(tmp_path)
