"""AgeDB-30: the official 6,000 pairs of AgeDB whose faces are 30 years apart, over the images as handed out.

The owner's protocol is a MATLAB file, ``04_FINAL_protocol_30_years.mat``, with the images ``03_Protocol_Images/*.jpg``.
Its variable ``splits`` is a cell of ten structs: ``pairs``, a 2x600 cell of structs whose ``name`` is an image without
``.jpg``, and ``annot``, 600 numbers, 1 for a mated pair and -1 for another. A name begins with its person's number and
"_". AgeDB's own images are named otherwise, ``<number>_<Name>_<age>_<m or f>.jpg``; no list that we know of names
those, and they are not read.

Moschoglou, Papaioannou, Sagonas, Deng, Kotsia, Zafeiriou: AgeDB: the first manually collected, in-the-wild age
database, CVPR Workshops 2017.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench import matfile
from bench.matfile import Cells
from bench.protocol import Content, Data
from bench.protocols import pair_lists
from bench.protocols.pair_lists import FOLDS, Row

AGEDB = Data(
    name="AgeDB",
    folder="agedb-30",
    licence="non-commercial research only; annotations are not to be passed on",
    source="its owner, ibug.doc.ic.ac.uk/resources/agedb; ask for the protocol of 30 years",
)
EACH = 300
NAME = "verification/agedb-30/official"
PAIRS = "04_FINAL_protocol_30_years.mat"
PLACES = ("03_Protocol_Images", "03_Protocol_Images/03_Protocol_Images")
IMAGE = re.compile(r"[0-9]{1,6}_[^/\\:]{1,200}", re.ASCII)


def read_pairs(path: Path) -> list[Row]:
    """Rows (fold from 0, reference, probe, mated) of the owner's list, images as ``<name>.jpg``.

    Raises DataMissing where it is absent and DataDamaged for another layout, and for a row, by split and number, that
    is no pair, contradicts its names, or could lead out of the data set's folder.
    """
    try:
        splits = matfile.read(path, "splits")
    except FileNotFoundError:
        raise pair_lists.missing(path, AGEDB) from None
    except OSError as error:
        raise pair_lists.damaged(path, f"It cannot be: {error.strerror}.", AGEDB) from None
    except matfile.Refused as refused:
        raise pair_lists.damaged(path, str(refused), AGEDB) from None
    if not isinstance(splits, Cells) or len(splits.items) != FOLDS:
        raise pair_lists.damaged(path, f"Its splits are no {FOLDS} cells.", AGEDB)
    rows = [row for fold, split in enumerate(splits.items) for row in _split(path, fold, split)]
    pair_lists.check_sizes(path, rows, EACH, AGEDB)
    return rows


def _split(path: Path, fold: int, split: Any) -> list[Row]:
    match split:
        case {"pairs": Cells((2, count), items), "annot": kinds} if getattr(kinds, "shape", None) == (count,):
            sides = zip(items[::2], items[1::2], kinds.tolist(), strict=True)
            return [(fold, *_pair(path, f"{k} of split {fold + 1}", *pair)) for k, pair in enumerate(sides, 1)]
        case _:
            found = f"Its split {fold + 1} is no pairs in two rows with an annotation each."
            raise pair_lists.damaged(path, found, AGEDB)


def _pair(path: Path, where: str, one: Any, other: Any, kind: float) -> tuple[str, str, bool]:
    names = [side.get("name") if isinstance(side, dict) else None for side in (one, other)]
    match names:
        case [str(first), str(second)] if _plain(first) and _plain(second):
            mated = kind == 1
            if kind in (1, -1) and first != second and mated == (_person(first) == _person(second)):
                return f"{first}.jpg", f"{second}.jpg", mated
    raise pair_lists.damaged(path, f"Pair {where} is none: {str(names)[:160]} as {kind}.", AGEDB)


def _plain(name: str) -> bool:
    return IMAGE.fullmatch(name) is not None and ".." not in name and name.isprintable()


def _person(name: str) -> str:
    return name.partition("_")[0]


def read(root: Path) -> Content:
    """The pairs under a data root, with their images."""
    base = Path(root) / AGEDB.folder
    return pair_lists.content(read_pairs(base / PAIRS), _person, [base / place for place in PLACES], AGEDB, NAME)


PROTOCOLS = (
    pair_lists.protocol(
        NAME,
        AGEDB,
        read,
        f"6,000 pairs 30 years apart in ten folds by agedb-30/{PAIRS}, over the images in agedb-30/{PLACES[0]}/",
        "Moschoglou et al., AgeDB, CVPR Workshops 2017",
    ),
)
