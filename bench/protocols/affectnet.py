"""AffectNet: its validation split in eight classes, or in seven without contempt, since its test labels are not public.

Mollahosseini, Hasani and Mahoor, AffectNet, IEEE Transactions on Affective Computing 2019. Two layouts: the csv tables
of the first release, and that of 2021 with a number in an .npy file a picture. Its training split of 290,000 pictures
is not looked through for copies.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.errors import DataDamaged
from bench.protocol import Content, Data, Protocol
from bench.protocols import labelled_faces
from bench.protocols.labelled_faces import damaged, first_there, missing, plain
from bench.sheets import below_header, read
from bench.tasks.expression import Row

AFFECTNET = Data(
    name="AffectNet",
    folder="affectnet",
    licence="for research, by agreement with its owners",
    source="its owners' page, mohammadmahoor.com/affectnet, on request",
)
CODES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
OTHERS = ("8", "9", "10")  # none, uncertain, no face: of no class
VALIDATION, TRAINING = "validation.csv", "training.csv"
PLACES = (
    *("Manually_Annotated_Images", "Manually_Annotated", "Manually_Annotated/Manually_Annotated_Images"),
    *("Manually_Annotated/validation", "validation", "."),
)
COLUMNS = (("subDirectory_filePath",), ("expression",))
MOST_NUMBER = 4096  # bytes of an .npy file of one number
CITE = "Mollahosseini, Hasani and Mahoor, AffectNet, IEEE TAC 2019"


def read_csv(root: Path, labels: tuple[str, ...], salt: str) -> Content:
    """The validation split of the tables of the first release under a data root; raises DataMissing and DataDamaged."""
    base = Path(root) / AFFECTNET.folder
    table = first_there(AFFECTNET, [base / VALIDATION, base / "Manually_Annotated_file_lists" / VALIDATION])
    rows = []
    for number, (name, code) in below_header(table, read(table), COLUMNS):
        if label := _label(table, number, str(code)):
            rows.append(Row(plain(table, number, name), label))
    places = [base / place for place in PLACES]
    place = next((one for one in places if rows and (one / rows[0].name).is_file()), places[0])

    def training() -> tuple[list[tuple[str, Path]], list[str]]:
        learned = table.with_name(TRAINING)
        named = list(_training(first_there(AFFECTNET, [learned])))
        return [(name, place / name) for name, _ in named], [label for _, label in named]

    files = {row.name: place / row.name for row in rows}
    beside = {VALIDATION: table}
    return labelled_faces.content(rows, files, AFFECTNET, labels, salt, beside=beside, training=training)


def _label(path: Path, number: int, code: str) -> str:
    """The label of a code, "" for the three that are of none; raises DataDamaged for another."""
    if code.isdigit() and int(code) < len(CODES):
        return CODES[int(code)]
    if code not in OTHERS:
        raise damaged(path, number, f"{code[:20]!r} is no expression's number")
    return ""


def _training(path: Path) -> Iterator[tuple[str, str]]:
    """Names and labels of the table of the training split, row by row: it is longer than other tables may be."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            for number, row in enumerate(csv.DictReader(file), 2):
                if label := _label(path, number, str(row.get("expression"))):
                    yield plain(path, number, row.get("subDirectory_filePath")), label
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataDamaged(f"{path} was read.", f"It is no table: {error}.", "Get it again.") from None


def read_npy(root: Path, labels: tuple[str, ...], salt: str) -> Content:
    """The validation split of the release of 2021 under a data root; raises DataMissing and DataDamaged."""
    base = Path(root) / AFFECTNET.folder
    files, told = _numbered(first_there(AFFECTNET, [base / "val_set"]))
    rows = [Row(name, label) for name, label in told.items()]

    def training() -> tuple[list[tuple[str, Path]], list[str]]:
        learned, given = _numbered(first_there(AFFECTNET, [base / "train_set"]))
        return [(name, learned[name]) for name in given], list(given.values())

    return labelled_faces.content(rows, files, AFFECTNET, labels, salt, training=training)


def _numbered(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Pictures ``images/<id>.jpg`` with a label by ``annotations/<id>_exp.npy``: where each lies, and its label."""
    files, told = {}, {}
    for path in sorted((folder / "images").glob("*.jpg")):
        numbered = folder / "annotations" / f"{path.stem}_exp.npy"
        if not numbered.is_file():
            raise missing(AFFECTNET, [numbered])
        if label := _label(numbered, 1, read_number(numbered)):
            files[path.name], told[path.name] = path, label
    return files, told


def read_number(path: Path) -> str:
    """The one number of an .npy file, as text, which is how its owner stores it; raises DataDamaged."""
    import numpy as np

    try:
        if path.stat().st_size > MOST_NUMBER:
            raise ValueError("it is too large")
        value = np.load(path, allow_pickle=False)
        return str(int(value.item()))
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise DataDamaged(f"{path} was read.", f"It is no number: {str(error)[:80]}.", "Get it again.") from None


def _protocols() -> Iterator[Protocol]:
    layouts: dict[str, tuple[Callable[..., Content], str]] = {
        "": (read_csv, "affectnet/validation.csv and affectnet/Manually_Annotated_Images/"),
        "-2021": (read_npy, "affectnet/val_set/images/<id>.jpg and annotations/<id>_exp.npy"),
    }
    for layout, (reader, place) in layouts.items():
        for count in (8, 7):
            yield labelled_faces.protocol(
                f"expression/affectnet/{count}{layout}",
                AFFECTNET,
                functools.partial(reader),
                CODES[:count],
                f"500 validation pictures of each of {count} classes; {place}",
                cite=CITE,
            )


PROTOCOLS = tuple(_protocols())
