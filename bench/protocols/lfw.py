"""Labeled Faces in the Wild: the official View 2 pairs over the 7,701 images that they name.

Huang, Ramesh, Berg, Learned-Miller: Labeled Faces in the Wild, University of Massachusetts report 07-49, 2007.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import images
from bench.errors import DataDamaged, DataMissing
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol, Sample, opaque_order
from bench.records import Face
from bench.tasks import verification

LFW = Data(
    name="Labeled Faces in the Wild (LFW)",
    folder="lfw",
    licence="none stated by its owner; photographs of public figures from the news, for research use",
    source=(
        "its owner's page, vis-www.cs.umass.edu/lfw (deprecated there); scikit-learn's fetch_lfw_pairs fetches the "
        "same images and pairs.txt"
    ),
    trials_publishable=True,
)
# Over fold, names and kind of the 6,000 official trials; the list's own file has MD5 9f1ba174e4e1c508ff7cdf10ac338a7d.
VIEW2 = "9c5411d37b94301c805ff1189fcef7709ae557126d0131b41119dcac9a5120fc"
PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9'._-]*", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)

Row = tuple[int, str, str, bool]


def read_pairs(path: Path) -> list[Row]:
    """Rows (fold, reference, probe, mated) of a pairs file, images as ``Name_0001.jpg``.

    Raises DataMissing where it is absent and DataDamaged, with the line, for a row that is not of the official
    layout or a name that could lead out of the data set's folder.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise DataMissing(f"The pairs of {LFW.name} were asked for.", f"{path} does not exist.", _get()) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataDamaged(f"{path} was read.", f"It cannot be: {error}.", _get()) from None
    head = lines[0].split() if lines else []
    if len(head) != 2 or not all(NUMBER.fullmatch(n) for n in head):
        raise DataDamaged(f"{path} was read.", "Its first line is not two numbers, folds and pairs.", _get())
    folds, each = map(int, head)
    rows = [
        _row(path, number, line, (number - 2) // (2 * each)) for number, line in enumerate(lines[1:], 2) if line.strip()
    ]
    kinds = [mated for *_, mated in rows]
    if kinds != ([True] * each + [False] * each) * folds or folds < 2 or each < 1:
        found = f"It has {len(rows)} pairs, not {folds} folds of {each} mated and {each} non-mated ones."
        raise DataDamaged(f"{path} was read.", found, _get())
    return rows


def _row(path: Path, number: int, line: str, fold: int) -> Row:
    cells = line.split("\t") if "\t" in line else line.split()
    people, shots = (cells[:1] * 2, cells[1:]) if len(cells) == 3 else (cells[0::2], cells[1::2])
    fits = len(cells) in (3, 4) and all(NUMBER.fullmatch(shot) for shot in shots)
    fits = fits and (len(cells) == 3 or people[0] != people[1])
    if not fits or not all(PERSON.fullmatch(person) and ".." not in person for person in people):
        raise DataDamaged(
            f"{path} was read.",
            f"Line {number} is no pair: {line[:80]!r}.",
            "A line is name, number, number or name, number, name, number; a name has letters, digits, '_', '-', '.'.",
        )
    first, second = (f"{person}_{int(shot):04d}.jpg" for person, shot in zip(people, shots, strict=True))
    return fold, first, second, len(cells) == 3


def _get() -> str:
    return f"Get it from {LFW.source}."


def _person(name: str) -> str:
    return name.rpartition("_")[0]


def read_view2(root: Path, folders: tuple[str, ...], size: tuple[int, int] | None, salt: str) -> Content:
    """View 2 under a data root, its images in the first of ``folders`` that is there.

    Raises DataMissing naming the folder, how many images are absent and the first of them.
    """
    import numpy as np

    base = Path(root) / LFW.folder
    rows = read_pairs(base / "pairs.txt")
    names = opaque_order(sorted({name for _, a, b, _ in rows for name in (a, b)}), salt)
    images_root = next((base / f for f in folders if (base / f / _person(names[0])).is_dir()), base / folders[0])
    files = [images_root / _person(name) / name for name in names]
    absent = [f for f in files if not f.is_file()]
    if absent:
        shown = ", ".join(f"{f.parent.name}/{f.name}" for f in absent[:3])
        raise DataMissing(
            f"{len(names):,} images of {LFW.name} were looked for in {images_root}.",
            f"{len(absent):,} are missing, such as {shown}." if images_root.is_dir() else "There is no such folder.",
            f"Images lie as <Name>/<Name>_0001.jpg. {_get()}",
        )
    place = {name: i for i, name in enumerate(names)}
    people = {person: i for i, person in enumerate(opaque_order(sorted({_person(n) for n in names}), salt))}
    pairs = verification.Pairs(
        reference=np.array([place[a] for _, a, _, _ in rows], np.int32),
        probe=np.array([place[b] for _, _, b, _ in rows], np.int32),
        mated=np.array([mated for *_, mated in rows]),
        fold=np.array([fold for fold, *_ in rows], np.int16),
        subjects=np.array([people[_person(name)] for name in names], np.int32),
    )
    samples = [
        Sample(f"{i:06d}", name, functools.partial(_face, file, size))
        for i, (name, file) in enumerate(zip(names, files, strict=True))
    ]
    return Content(samples, pairs, pairs.sha256(names), dict(zip(names, files, strict=True)))


def _face(file: Path, size: tuple[int, int] | None, key: str) -> Face:
    return Face(key, images.read(file, size))


def _view2(name: str, inputs: str, folders: tuple[str, ...], size: tuple[int, int] | None, about: str) -> Protocol:
    read: Callable[[Path], Any] = functools.partial(read_view2, folders=folders, size=size, salt=name)
    return Protocol(
        name=name,
        version=1,
        task=verification.TASK,
        data=LFW,
        inputs=inputs,
        read=read,
        metrics=tuple(map(metric, METRICS)),
        trials_sha256=VIEW2,
        about=about,
        cite="Huang et al., Labeled Faces in the Wild, UMass report 07-49, 2007",
        settings={"replicates": verification.REPLICATES},
    )


METRICS = (
    "accuracy",
    "accuracy_insightface",
    "tar@far=1e-2",
    "tar@far=1e-3",
    "eer",
    "fnmr@fmr=1e-3",
    "fnmr@fmr=1e-4",
    "fte",
)
PROTOCOLS = (
    _view2(
        "verification/lfw/view2",
        "raw",
        ("original", "."),
        None,
        "6,000 pairs in ten folds over the 250x250 images as handed out, in lfw/original/<Name>/ or lfw/<Name>/",
    ),
    _view2(
        "verification/lfw/view2-arcface112",
        "arcface-112",
        ("aligned_112",),
        (112, 112),
        "the same pairs over faces aligned to the 112x112 ArcFace template, in lfw/aligned_112/<Name>/",
    ),
)
