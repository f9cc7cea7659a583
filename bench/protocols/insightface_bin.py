"""InsightFace's packed verification sets: LFW, AgeDB-30, CFP-FP, CALFW and CPLFW as a ``.bin`` each.

A ``.bin`` is a pickle of ``(images, same)``: 2·P encoded images, of which 2k and 2k+1 are pair k, and P booleans.
How many pairs there must be is known of each set; the ten folds follow the order of the file. It names nobody, so each
pair has people of its own: one where it is mated, two where it is not. Intervals are therefore over pairs, as if nobody
were in two; they say less than those over identities. An image that is in several pairs is there, asked and counted as
often. InsightFace's verification.py scales an image that is not 112x112; here that is a failure, and counted.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import images, pickled
from bench.errors import DataDamaged, DataMissing
from bench.metrics import metric
from bench.pickled import Blob, Refused
from bench.protocol import Content, Data, Protocol
from bench.records import Face
from bench.tasks import verification

FOLDS = 10


def read_bin(path: Path, pairs: int) -> tuple[list[Blob], list[bool]]:
    """Where the images of a ``.bin`` of so many pairs lie in it, and for each two whether they are of one person.

    Raises DataDamaged for what is not such a file; whatever it holds, nothing of it is executed.
    """
    try:
        return _parted(pickled.read(path), pairs)
    except OSError as error:
        found = f"It cannot be: {error.strerror}."
    except Refused as refused:
        found = str(refused)
    do = (
        f"Such a file is a pickle of {2 * pairs:,} images and {pairs:,} booleans; nothing in it was executed. "
        f"Get it from {SOURCE}."
    )
    raise DataDamaged(f"{path} was read.", found, do) from None


def _parted(value: Any, pairs: int) -> tuple[list[Blob], list[bool]]:
    match value:
        case [[*found], [*same]]:
            pass
        case _:
            raise Refused("It is not two lists, of images and of booleans.")
    strange = [i for i, image in enumerate(found) if not isinstance(image, Blob) or image.kind == "text"]
    if strange:
        raise Refused(f"Its image {strange[0]} is no string of bytes.")
    strange = [i for i, one in enumerate(same) if type(one) not in (bool, int) or one not in (0, 1)]
    if strange:
        raise Refused(f"Its boolean {strange[0]} is none.")
    if len(found) % 2:
        raise Refused(f"It has an odd count of images, {len(found):,}.")
    if len(found) != 2 * len(same):
        raise Refused(f"It has {len(found):,} images and {len(same):,} booleans, not two images for each.")
    if len(same) != pairs:
        raise Refused(f"It has {len(same):,} pairs, not {pairs:,}.")
    if len(set(map(bool, same))) < 2:
        raise Refused("Its pairs are all of one kind.")
    return found, [bool(one) for one in same]


def _decoded(path: Path, blob: Blob, key: str) -> Face:
    if blob.length > images.MOST_BYTES:
        raise images.Unreadable("image file over 256 MiB")
    try:
        with open(path, "rb") as file:
            file.seek(blob.offset)
            data = file.read(blob.length)
        if blob.kind == "latin1":
            data = data.decode("utf-8").encode("latin-1")
    except OSError as error:
        raise images.Unreadable(f"image file: {(error.strerror or 'not readable').lower()}") from None
    except UnicodeError:
        raise images.Unreadable("image cannot be decoded") from None
    return Face(key, images.decode(data, (112, 112)))


def _places(root: Path, name: str) -> Iterator[Path]:
    spelt = dict.fromkeys((name, name.replace("-", "_")))
    return (Path(root) / folder / f"{file}.bin" for folder, file in itertools.product(spelt, spelt))


def read_pairs(root: Path, name: str, pairs: int, salt: str) -> Content:
    """The ``pairs`` pairs of the set ``name`` under a data root, images called ``00000a`` and ``00000b`` by their pair.

    Raises DataMissing naming every place where the file may lie, and DataDamaged as ``read_bin`` does.
    """
    places = list(_places(root, name))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        found = (
            f"None of these exists: {', '.join(map(str, places))}." if places[1:] else f"{places[0]} does not exist."
        )
        raise DataMissing(f"The packed set {name} was asked for.", found, f"Get it from {SOURCE}.")
    blobs, same = read_bin(path, pairs)
    rows = [(i * FOLDS // len(same), f"{i:05d}a", f"{i:05d}b", mated) for i, mated in enumerate(same)]
    lies = {f"{i // 2:05d}{'ab'[i % 2]}": blob for i, blob in enumerate(blobs)}
    people = {image: image[:-1] if mated else image for _, *pair, mated in rows for image in map(str, pair)}
    reader = functools.partial(_face, path, lies)
    return verification.content(rows, people.__getitem__, reader, {f"{name}.bin": path}, salt)


def _face(path: Path, lies: dict[str, Blob], name: str, key: str) -> Face:
    return _decoded(path, lies[name], key)


SOURCE = (
    "InsightFace, whose verification.py reads it; no one file is official (two different lfw.bin go round), so the "
    "SHA-256 of yours is part of a result's fingerprint"
)
# The booleans in the order of LFW's pairs.txt: in each of ten folds 300 mated pairs, then 300 non-mated ones.
VIEW2_ORDER = "dc182d8cbd00dc63160316c8047491a13e286b9a34cfcda333ff33e9544e4202"
ABOUT = (
    "{pairs} pairs as InsightFace packs them at 112x112, in {place}; folds in file order; people are not named, so "
    "intervals are over pairs, not identities; {official}"
)
UNPINNED = "the order of its official booleans is not pinned here, so no result is marked official"
SETS = {"lfw": 6000, "agedb-30": 6000, "cfp-fp": 7000, "calfw": 6000, "cplfw": 6000}


def _packed(name: str, pairs: int) -> Protocol:
    full, known = f"verification/{name}/bin", name == "lfw"
    place = f"{name}/{name}.bin" + (" (or with underscores)" if "-" in name else "")
    official = "official by the order of its booleans, whatever its images are" if known else UNPINNED
    return Protocol(
        name=full,
        version=1,
        task=verification.TASK,
        data=Data(
            name=f"{name} as InsightFace packs it",
            folder=name,
            licence="see its owner; for research use",
            source=SOURCE,
            trials_publishable=known,
        ),
        inputs="arcface-112",
        read=functools.partial(read_pairs, name=name, pairs=pairs, salt=full),
        metrics=tuple(map(metric, verification.METRICS)),
        trials_sha256=VIEW2_ORDER if known else "",
        about=ABOUT.format(pairs=f"{pairs:,}", place=place, official=official),
        cite="the rule of InsightFace's verification.py (accuracy_insightface) beside exact thresholds",
        settings={"replicates": verification.REPLICATES},
    )


PROTOCOLS = tuple(_packed(name, pairs) for name, pairs in SETS.items())
