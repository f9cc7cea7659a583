"""Cross-Age LFW and Cross-Pose LFW: the official 6,000 pairs over the images as handed out.

Both lists have two lines a pair, ``Name_0001.jpg tag`` each (CPLFW: ``Name_1.jpg tag``), first 3,000 mated pairs, then
3,000 others. A pair that is not mated has tag 0. A mated one has its fold's number from 1 in CALFW, and 1 in CPLFW.
Where the tag says no fold, the k-th 300 pairs of a kind are those of fold k, as FaceX-Zoo reads the lists. The
``aligned images`` that lie beside the others are, as users report, not aligned to the ArcFace template; no protocol
takes them.

Zheng, Deng, Hu: Cross-Age LFW, arXiv:1708.08197, 2017. Zheng, Deng: Cross-Pose LFW, Beijing University of Posts and
Telecommunications, report 18-01, 2018.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from bench.protocol import Content, Data, Protocol
from bench.protocols import pair_lists
from bench.protocols.pair_lists import FOLDS, Row

EACH = 300
IMAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9'._-]*)_[0-9]{1,4}\.jpg", re.ASCII)
TAG = re.compile(r"10|[0-9]", re.ASCII)


def _person(name: str) -> str:
    return name.rpartition("_")[0]


def read_pairs(path: Path, data: Data, numbered: bool) -> list[Row]:
    """Rows (fold from 0, reference, probe, mated) of a list; ``numbered``: a mated pair's tag is its fold's number.

    Raises DataMissing where the list is absent and DataDamaged, with the line, for a row of another layout or one that
    contradicts itself, and for other counts than ten folds of 300 mated and 300 non-mated pairs.
    """
    halves = [_half(path, number, line, data) for number, line in pair_lists.lines(path, data)]
    if len(halves) % 2:
        raise pair_lists.damaged(path, f"It has an odd count of lines, {len(halves):,}, not two a pair.", data)
    kinds: dict[bool, list[Row]] = {True: [], False: []}
    for (number, one, tag), (_, other, again) in zip(halves[::2], halves[1::2], strict=True):
        mated = tag > 0
        if (
            tag != again
            or one == other
            or mated != (_person(one) == _person(other))
            or tag > (FOLDS if numbered else 1)
        ):
            found = f"Lines {number} and the next are no pair: {one} {tag}, {other} {again}."
            raise pair_lists.damaged(path, found, data)
        fold = tag - 1 if numbered and mated else len(kinds[mated]) // EACH
        kinds[mated].append((fold, one, other, mated))
    rows = sorted(kinds[True] + kinds[False], key=lambda row: (row[0], not row[3]))
    pair_lists.check_sizes(path, rows, EACH, data)
    return rows


def _half(path: Path, number: int, line: str, data: Data) -> tuple[int, str, int]:
    name, _, tag = line.partition(" ")
    if not IMAGE.fullmatch(name) or ".." in name or not TAG.fullmatch(tag.strip()):
        found = f"Line {number} is no image with a tag: {line[:80]!r}."
        raise pair_lists.damaged(path, found, data, "A line is an image's name, a space, and a number from 0 to 10.")
    return number, name, int(tag)


def read(root: Path, data: Data, numbered: bool, folders: tuple[str, ...]) -> Content:
    """The pairs under a data root, their images in the first of ``folders`` that holds one of them."""
    base = Path(root) / data.folder
    rows = read_pairs(base / f"pairs_{data.folder.upper()}.txt", data, numbered)
    places = [base / folder for folder in folders]
    return pair_lists.content(rows, _person, places, data, f"verification/{data.folder}/official")


def _official(name: str, title: str, numbered: bool, folders: tuple[str, ...], cite: str) -> Protocol:
    data = Data(
        name=title,
        folder=name,
        licence="see its owner; for research use",
        source=f"its owner's page, whdeng.cn/{name.upper()}",
    )
    return pair_lists.protocol(
        f"verification/{name}/official",
        data,
        partial(read, data=data, numbered=numbered, folders=folders),
        f"6,000 pairs in ten folds by {name}/pairs_{name.upper()}.txt, over the images in {name}/{folders[0]}/",
        cite,
    )


PROTOCOLS = (
    _official(
        "calfw",
        "Cross-Age LFW (CALFW)",
        True,
        ("images&landmarks/images&landmarks/images", "images&landmarks/images", "images"),
        "Zheng, Deng, Hu, Cross-Age LFW, arXiv:1708.08197, 2017",
    ),
    _official(
        "cplfw",
        "Cross-Pose LFW (CPLFW)",
        False,
        ("images",),
        "Zheng, Deng, Cross-Pose LFW, BUPT report 18-01, 2018",
    ),
)
