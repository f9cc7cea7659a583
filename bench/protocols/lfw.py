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
from bench.alignment import ALIGN
from bench.errors import DataDamaged, DataMissing
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol
from bench.records import Face
from bench.tasks import identification, verification

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
# Over the names of who is enrolled, searched for and learned from.
VIEW2_IMAGES = "673f6e70e0cd61ec46932186ec2e550f51e03bd1ea83d61faaf10ce1081cfd25"
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
    filled = [(number, line) for number, line in enumerate(lines[1:], 2) if line.strip()]
    rows = [_row(path, number, line, place // max(2 * each, 1)) for place, (number, line) in enumerate(filled)]
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
    rows = read_pairs(Path(root) / LFW.folder / "pairs.txt")
    files = _files(root, rows, folders)
    return verification.content(rows, _person, _reader(files, size), files, salt)


def read_view2_images(root: Path, folders: tuple[str, ...], size: tuple[int, int] | None, salt: str) -> Content:
    """A gallery and searches over the images that View 2 names.

    Of each person with several of these images the one with the lowest number is enrolled and the others are
    probes. Of the people with one, in the order of their names, every other one is a non-mated probe and the rest is
    the training split. Raises as ``read_view2`` does.
    """
    rows = read_pairs(Path(root) / LFW.folder / "pairs.txt")
    files = _files(root, rows, folders)
    shots: dict[str, list[str]] = {}
    for name in sorted(files):
        shots.setdefault(_person(name), []).append(name)
    several = [names for names in shots.values() if len(names) > 1]
    single = [names[0] for names in shots.values() if len(names) == 1]
    probes = [name for names in several for name in names[1:]] + single[::2]
    enrolled = [names[0] for names in several]
    return identification.content(enrolled, probes, _person, _reader(files, size), single[1::2], files, salt)


def _files(root: Path, rows: list[Row], folders: tuple[str, ...]) -> dict[str, Path]:
    """Where each image that the pairs name lies."""
    base = Path(root) / LFW.folder
    names = sorted({name for _, a, b, _ in rows for name in (a, b)})
    here = [base / f for f in folders if any((base / f / _person(name)).is_dir() for name in names)]
    place = (here or [base / folders[0]])[0]
    files = {name: place / _person(name) / name for name in names}
    absent = [f for f in files.values() if not f.is_file()]
    if absent:
        shown = ", ".join(f"{f.parent.name}/{f.name}" for f in absent[:3])
        raise DataMissing(
            f"{len(names):,} images of {LFW.name} were looked for in {place}.",
            f"{len(absent):,} are missing, such as {shown}." if place.is_dir() else "There is no such folder.",
            f"Images lie as <Name>/<Name>_0001.jpg. {_get()}",
        )
    return files


def _reader(files: dict[str, Path], size: tuple[int, int] | None) -> Callable[[str, str], Face]:
    return lambda name, key: Face(key, images.read(files[name], size))


def _view2(name: str, inputs: str, folders: tuple[str, ...], size: tuple[int, int] | None, about: str) -> Protocol:
    read: Callable[[Path], Any] = functools.partial(read_view2, folders=folders, size=size, salt=name)
    return Protocol(
        name=name,
        version=1,
        task=verification.TASK,
        data=LFW,
        inputs=inputs,
        read=read,
        metrics=tuple(map(metric, verification.METRICS)),
        trials_sha256=VIEW2,
        about=about,
        cite="Huang et al., Labeled Faces in the Wild, UMass report 07-49, 2007",
        trains=True,
        settings={"replicates": verification.REPLICATES},
        ways=(ALIGN,) if inputs == "raw" else (),
    )


IMAGES = Protocol(
    name="identification/lfw/view2-images",
    version=1,
    task=identification.TASK,
    data=LFW,
    inputs="arcface-112",
    read=functools.partial(
        read_view2_images, folders=("aligned_112",), size=(112, 112), salt="identification/lfw/view2-images"
    ),
    metrics=tuple(map(metric, ("rank-1", "rank-5", "fnir@fpir=1e-1", "fnir@fpir=1e-2", "fte"))),
    trials_sha256=VIEW2_IMAGES,
    about=(
        "each person with several of the images that View 2 names is enrolled with the first and searched for with the "
        "others; half of those with one are searched for in vain, the other half may be learned from"
    ),
    cite="images of Huang et al., Labeled Faces in the Wild, UMass report 07-49, 2007; the split is facebench's own",
    trains=True,
    settings={"replicates": identification.REPLICATES},
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
    IMAGES,
)
