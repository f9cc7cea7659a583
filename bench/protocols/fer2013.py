"""FER2013 as it was handed out: one csv of 48x48 grey pixels in three splits, or folders of pictures made of it.

Goodfellow et al., Challenges in Representation Learning, ICONIP 2013. Its test split is PrivateTest. The folders are
those of a widely used copy, whose "test" holds the pictures of PublicTest too, which are told by their names and left
out. FER2013 repeats pictures across its splits; they are found where they stand.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataDamaged
from bench.images import Unreadable
from bench.protocol import Content, Data, Sample, opaque_order
from bench.protocols import labelled_faces, repeats
from bench.protocols.labelled_faces import damaged, first_there, missing
from bench.records import Face
from bench.tasks import expression
from bench.tasks.expression import Repeats, Row

FER2013 = Data(
    name="FER2013",
    folder="fer2013",
    licence="of a challenge; pictures found by a web search, for research",
    source="kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge (fer2013.csv)",
)
TABLES = ("fer2013.csv", "icml_face_data.csv")
CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FOLDERS = dict(zip(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"), CODES, strict=True))
TRAINING, VALIDATION, TEST = "Training", "PublicTest", "PrivateTest"
NUMBERS = {str(i).encode() for i in range(len(CODES))}
SIDE = 48
MOST_LINE = 1 << 14  # 48 x 48 numbers of three digits and blanks are less
CITE = "Goodfellow et al., ICONIP 2013"


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the csv: its number among the rows from 0, split, label, and where its pixels' text is in the file."""

    number: int
    split: str
    label: str
    start: int
    size: int

    @property
    def name(self) -> str:
        """The name that FER+ gives the picture."""
        return f"fer{self.number:07d}.png"


@functools.lru_cache(1)
def read_lines(path: Path, changed: int) -> tuple[Line, ...]:
    """Every row of fer2013.csv, or of the copy with other columns; raises DataDamaged, naming the row.

    ``changed``: when the file was last written, so that another file is read anew.
    """
    made: list[Line] = []
    with open(path, "rb") as file:
        head = [cell.strip().lower() for cell in file.readline(MOST_LINE).decode("utf-8", "replace").split(",")]
        if sorted(head) != ["emotion", "pixels", "usage"]:
            raise DataDamaged(f"{path} was read.", "Its columns are not emotion, pixels and Usage.", "Get it again.")
        start = file.tell()
        while line := file.readline(MOST_LINE):
            cells = dict(zip(head, line.rstrip(b"\r\n").split(b","), strict=False))
            split = cells.get("usage", b"").strip().decode("ascii", "replace")
            code, pixels = cells.get("emotion", b"").strip(), cells.get("pixels", b"")
            if not pixels or split not in (TRAINING, VALIDATION, TEST) or code not in NUMBERS:
                raise damaged(path, len(made) + 2, f"no emotion, pixels and split: {line[:40]!r}")
            made.append(Line(len(made), split, CODES[int(code)], start + line.index(pixels), len(pixels)))
            start += len(line)
    return tuple(made)


def pixels_of(path: Path, line: Line) -> Any:
    """uint8 [48, 48, 3]; raises Unreadable where the row has other than 48 x 48 numbers of 0 to 255."""
    import numpy as np

    try:
        with open(path, "rb") as file:
            file.seek(line.start)
            values = np.array([int(one) for one in file.read(line.size).strip(b'" ').split()])
        grey = values.reshape(SIDE, SIDE)
        if values.min() < 0 or values.max() > 255:
            raise ValueError("a number that is no grey level")
    except (OSError, ValueError):
        raise Unreadable("row of pixels cannot be read") from None
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def read_csv(root: Path, labels: tuple[str, ...], salt: str) -> Content:
    """PrivateTest of the csv under a data root; raises DataMissing and DataDamaged."""
    base = Path(root) / FER2013.folder
    path = first_there(FER2013, [base / name for name in TABLES])
    lines = read_lines(path, path.stat().st_mtime_ns)
    of = {split: [line for line in lines if line.split == split] for split in (TRAINING, VALIDATION, TEST)}
    if not of[TEST]:
        raise DataDamaged(f"{path} was read.", f"It has no rows of {TEST}.", "Get it again.")

    def reader(held: dict[str, Line], name: str, key: str) -> Face:
        return Face(key, pixels_of(path, held[name]))

    def training() -> tuple[list[Sample], Any]:
        import numpy as np

        held = {line.name: line for line in of[TRAINING]}
        names = opaque_order(sorted(held), f"{salt} training")
        read = functools.partial(reader, held)
        samples = [Sample(f"t{i:06d}", name, functools.partial(read, name)) for i, name in enumerate(names)]
        return samples, np.array([labels.index(held[name].label) for name in names], np.int64)

    def copies() -> Repeats:
        return repeats.find_repeats(
            ((line.name, pixels) for line in of[TEST] for pixels in _readable(path, [line])),
            _readable(path, of[TRAINING]) if of[TRAINING] else None,
            _readable(path, of[VALIDATION]),
        )

    rows = [Row(line.name, line.label) for line in of[TEST]]
    read = functools.partial(reader, {line.name: line for line in of[TEST]})
    return expression.content(rows, labels, read, {path.name: path}, salt, training=training, repeats=copies)


def _readable(path: Path, lines: list[Line]) -> Iterator[Any]:
    for line in lines:
        try:
            yield pixels_of(path, line)
        except Unreadable:
            continue


def read_folders(root: Path, labels: tuple[str, ...], salt: str) -> Content:
    """PrivateTest of the folders ``test/<class>/`` under a data root; raises DataMissing."""
    base = Path(root) / FER2013.folder
    place = first_there(FER2013, [base / "test", base / TEST])
    held = in_folders(place)
    test = {name: one for name, one in held.items() if not Path(name).name.startswith(VALIDATION)}
    if not test:
        raise missing(FER2013, [place / next(iter(FOLDERS))])
    learned = in_folders(place.parent / ("train" if place.name == "test" else TRAINING))
    valid = [path for name, (path, _) in held.items() if name not in test]

    def training() -> tuple[list[tuple[str, Path]], list[str]]:
        return [(name, path) for name, (path, _) in learned.items()], [label for _, label in learned.values()]

    def copies() -> Repeats:
        of_train = repeats.pixels_of([path for path, _ in learned.values()]) if learned else None
        named = repeats.named_pixels({name: path for name, (path, _) in test.items()})
        return repeats.find_repeats(named, of_train, repeats.pixels_of(valid))

    rows = [Row(name, label) for name, (_, label) in test.items()]
    files = {name: path for name, (path, _) in test.items()}
    return labelled_faces.content(rows, files, FER2013, labels, salt, training=training, repeats=copies)


def in_folders(place: Path) -> dict[str, tuple[Path, str]]:
    """The pictures of folders named after classes, by class folder and file name: where each lies, and its label."""
    held = {}
    for folder, label in FOLDERS.items():
        for path in sorted((place / folder).glob("*.*")):
            if path.is_file() and path.suffix.lower() in (".png", ".jpg", ".jpeg"):
                held[f"{folder}/{path.name}"] = (path, label)
    return held


PROTOCOLS = (
    labelled_faces.protocol(
        "expression/fer2013/private",
        FER2013,
        read_csv,
        CODES,
        "the 3,589 pictures of PrivateTest in seven classes; fer2013/fer2013.csv, or fer2013/icml_face_data.csv",
        copies=True,
        cite=CITE,
    ),
    labelled_faces.protocol(
        "expression/fer2013/private-folders",
        FER2013,
        read_folders,
        CODES,
        "the same of a copy as files, fer2013/test/<class>/PrivateTest_* with the classes angry, disgust, fear, happy, "
        "sad, surprise and neutral, which may have been compressed again; its training split is fer2013/train/",
        copies=True,
        cite=CITE,
    ),
)
