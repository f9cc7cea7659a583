"""Celebrities in Frontal-Profile in the Wild (CFP): frontal against profile faces, and frontal against frontal ones.

As handed out: ``Protocol/Pair_list_F.txt`` and ``Pair_list_P.txt`` number the 5,000 frontal and 2,000 profile images
from 1, a line each (``1 ../Data/Images/001/frontal/01.jpg``); ``Protocol/Split/FP/01/same.txt`` to ``10/diff.txt`` hold
350 lines each, ``frontal,profile`` by those numbers, and ``Split/FF`` the same of two frontal images. A person is a
folder of images.

Sengupta, Chen, Castillo, Patel, Chellappa, Jacobs: Frontal to profile face verification in the wild, WACV 2016.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from bench.protocol import Content, Data
from bench.protocols import pair_lists
from bench.protocols.pair_lists import FOLDS, Row

CFP = Data(
    name="Celebrities in Frontal-Profile (CFP)",
    folder="cfp",
    licence="see its owner; for research use",
    source="its owner's page, cfpw.io",
)
EACH = 350
# The letter of a list, the folder of its images, and how many there are.
KINDS = {"F": ("frontal", 5000), "P": ("profile", 2000)}
PLACES = (".", "cfp-dataset")
PAIR = re.compile(r"([0-9]{1,4})\s*,\s*([0-9]{1,4})", re.ASCII)


def read_images(path: Path, letter: str) -> list[str]:
    """The images of a list in order, as ``001/frontal/01.jpg``.

    Raises DataMissing where it is absent and DataDamaged, with the line, for a row of another layout or out of turn,
    and for another count of rows.
    """
    kind, count = KINDS[letter]
    entry = re.compile(rf"([0-9]{{1,4}})\s+\.\./Data/Images/([0-9]{{3}}/{kind}/[0-9]{{2}}\.jpg)", re.ASCII)
    found: list[str] = []
    for number, line in pair_lists.lines(path, CFP):
        match = entry.fullmatch(line)
        if match is None or int(match[1]) != len(found) + 1:
            do = f"A line is its number, counted from 1, and ../Data/Images/<person>/{kind}/<image>.jpg."
            text = f"Line {number} is no entry {len(found) + 1}: {line[:80]!r}."
            raise pair_lists.damaged(path, text, CFP, do)
        found.append(match[2])
    if len(found) != count:
        raise pair_lists.damaged(path, f"It has {len(found):,} images, not {count:,}.", CFP)
    return found


def read_pairs(protocol: Path, letters: str) -> list[Row]:
    """Rows (fold from 0, reference, probe, mated) of the splits ``FP`` or ``FF`` under a folder ``Protocol``.

    Raises DataMissing for a list that is absent and DataDamaged, with the line, for a row of another layout, one that
    names no image, or one that contradicts the images' folders, and for another count than 350 a file.
    """
    sides = [read_images(protocol / f"Pair_list_{letter}.txt", letter) for letter in letters]
    rows: list[Row] = []
    for fold in range(FOLDS):
        for mated, name in ((True, "same.txt"), (False, "diff.txt")):
            path = protocol / "Split" / letters / f"{fold + 1:02d}" / name
            rows += [(fold, *_pair(path, n, line, sides, mated), mated) for n, line in pair_lists.lines(path, CFP)]
    pair_lists.check_sizes(protocol / "Split" / letters, rows, EACH, CFP)
    return rows


def _pair(path: Path, number: int, line: str, sides: list[list[str]], mated: bool) -> tuple[str, str]:
    match = PAIR.fullmatch(line)
    places = [int(place) for place in match.groups()] if match else []
    if not places or not all(0 < place <= len(side) for place, side in zip(places, sides, strict=True)):
        do = f"A line is two numbers, from 1 to {len(sides[0]):,} and from 1 to {len(sides[1]):,}, with a comma."
        raise pair_lists.damaged(path, f"Line {number} is no pair: {line[:80]!r}.", CFP, do)
    one, other = (side[place - 1] for place, side in zip(places, sides, strict=True))
    if one == other or mated != (_person(one) == _person(other)):
        found = f"Line {number} is {one} and {other}, which is no pair of {'one person' if mated else 'two people'}."
        raise pair_lists.damaged(path, found, CFP)
    return one, other


def _person(name: str) -> str:
    return name.partition("/")[0]


def read(root: Path, letters: str) -> Content:
    """The pairs of ``FP`` or ``FF`` under a data root, in ``cfp`` or, as unpacked, in ``cfp/cfp-dataset``."""
    bases = [Path(root) / CFP.folder / place for place in PLACES]
    base = next((base for base in bases if (base / "Protocol").is_dir()), bases[0])
    rows = read_pairs(base / "Protocol", letters)
    salt = f"verification/cfp-{letters.lower()}/official"
    return pair_lists.content(rows, _person, [base / "Data" / "Images"], CFP, salt)


PROTOCOLS = tuple(
    pair_lists.protocol(
        f"verification/cfp-{letters.lower()}/official",
        CFP,
        partial(read, letters=letters),
        f"7,000 pairs of {what} in ten folds by cfp/Protocol/Split/{letters}/, over the images in cfp/Data/Images/",
        "Sengupta et al., Frontal to profile face verification in the wild, WACV 2016",
    )
    for letters, what in (("FP", "a frontal and a profile face"), ("FF", "two frontal faces"))
)
