"""Verification pairs in a data set of the Hub: two columns of images, one that says whether they show one person.

What a data set must be is declared: its columns, how many pairs and how many mated ones it has, the names of its two
classes where it names them, and the order of the pairs of a fold where that is known. Mirrors with other rows, or with
classes the wrong way round, are refused. The folds are tenths of the rows in their order. It names nobody, so each pair
has people of its own, as in bench.protocols.insightface_bin.

It is read at its pinned commit through ``datasets``, whose tables lie on disk and are mapped, not held; an image is
decoded when it is asked for, within the bounds of bench.images, and never by ``datasets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import images, pins
from bench.errors import DataDamaged, DataMissing
from bench.hub import Pin, fetch, load_dataset
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol
from bench.protocols.insightface_bin import VIEW2_ORDER
from bench.records import Face
from bench.tasks import verification

FOLDS = 10
MATED_FIRST = "mated first"  # in each fold, as in LFW's pairs.txt


@dataclass(frozen=True, slots=True)
class HubPairs:
    """What a data set of the Hub is declared to be.

    ``columns``: of the first image, of the second, and of the target; ``mated``: how many of ``pairs`` show one person;
    ``classes``: where the target is of named classes, each one's name and whether it means mated; ``order``:
    MATED_FIRST, or "" where the order within a fold is not known; ``size``: (height, width) of every image, or None;
    ``files``: a pattern of the split's files, as fnmatch reads it.
    """

    repo: str
    split: str
    pairs: int
    mated: int
    columns: tuple[str, str, str] = ("image1", "image2", "target")
    classes: Mapping[str, bool] = field(default_factory=dict)
    order: str = ""
    size: tuple[int, int] | None = None
    files: str = "data/{split}-*.parquet"


def read(root: Path, declared: HubPairs, salt: str) -> Content:
    """The pairs at the pinned commit, images called ``00000a`` and ``00000b`` by their row; ``root`` is not needed.

    Raises DataMissing with the command that pins where it is not pinned, NeedsInstall without ``datasets``, NotFetched
    where it cannot be had, and DataDamaged where it is not as declared.
    """
    pin = _pin(declared)
    pattern = declared.files.replace("{split}", declared.split)
    folder = fetch(pin, [pattern])
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob(pattern))}
    if not files:
        found = f"It has no file {pattern} for its split {declared.split}."
        raise DataDamaged(f"{pin} was read.", found, "Pin a commit that has it.")
    rows = load_dataset(pin, split=declared.split)
    target = _checked(rows, declared, pin)
    sides = {side: _images(rows, column) for side, column in zip("ab", declared.columns, strict=False)}
    trials = [(i * FOLDS // len(target), f"{i:05d}a", f"{i:05d}b", mated) for i, mated in enumerate(target)]
    people = {image: image[:-1] if mated else image for _, *pair, mated in trials for image in map(str, pair)}
    named = {f"{pin}/{declared.split}/{name}": path for name, path in files.items()}
    return verification.content(trials, people.__getitem__, partial(_face, sides, declared.size), named, salt)


def _pin(declared: HubPairs) -> Pin:
    if (found := pins.find(declared.repo, "dataset")) is None:
        asked = f"The pairs of {declared.repo} ({declared.split}) were asked for."
        raise DataMissing(asked, "That data set is not pinned.", f"facebench pin {declared.repo} --kind dataset")
    return found[1].pin


def _checked(rows: Any, declared: HubPairs, pin: Pin) -> list[bool]:
    """Whether each row is mated, the whole being as declared; raises DataDamaged."""
    asked = f"The split {declared.split} of {pin} was read."

    def refuse(found: str) -> DataDamaged:
        return DataDamaged(
            asked, found, "Pin a commit that is as declared, or declare this one in a protocol of its own."
        )

    if absent := [column for column in declared.columns if column not in rows.column_names]:
        raise refuse(f"It has no column {absent[0]!r}; it has {', '.join(map(repr, rows.column_names[:20]))}.")
    for column in declared.columns[:2]:
        if type(rows.features[column]).__name__ != "Image":
            raise refuse(f"Its column {column!r} holds {str(rows.features[column])[:100]}, not images.")
    if len(rows) != declared.pairs:
        raise refuse(f"It has {len(rows):,} pairs, not {declared.pairs:,}.")
    target = _target(rows, declared, refuse)
    if sum(target) != declared.mated:
        raise refuse(f"{sum(target):,} of its {len(rows):,} pairs are mated, not {declared.mated:,}.")
    if declared.order == MATED_FIRST:
        for fold in range(FOLDS):
            part = [mated for i, mated in enumerate(target) if i * FOLDS // len(target) == fold]
            if part != sorted(part, reverse=True) or 2 * sum(part) != len(part):
                found = f"Fold {fold + 1} has {sum(part):,} mated pairs of {len(part):,}, not the first half of them."
                raise refuse(f"{found} Its rows may be in another order, or its two classes the wrong way round.")
    return target


def _target(rows: Any, declared: HubPairs, refuse: Any) -> list[bool]:
    column = declared.columns[2]
    feature, values = rows.features[column], rows[column][:]
    names = getattr(feature, "names", None)
    if names is not None:
        if set(names) != set(declared.classes):
            known = ", ".join(map(repr, declared.classes)) or "none"
            raise refuse(
                f"Its column {column!r} has the classes {', '.join(map(repr, names[:20]))}; declared: {known}."
            )
        meaning: Mapping[Any, bool] = {i: declared.classes[name] for i, name in enumerate(names)}
    elif declared.classes:
        raise refuse(f"Its column {column!r} names no classes; {', '.join(map(repr, declared.classes))} are declared.")
    else:
        meaning = {0: False, 1: True}
    strange = [value for value in values if not isinstance(value, int) or value not in meaning]
    if strange:
        raise refuse(f"Its column {column!r} has the value {str(strange[0])[:50]!r}, which is no class.")
    return [meaning[int(value)] for value in values]


def _images(rows: Any, column: str) -> Any:
    """One column, its images as bytes."""
    import datasets

    return rows.select_columns([column]).cast_column(column, datasets.Image(decode=False))


def _face(sides: Mapping[str, Any], size: tuple[int, int] | None, name: str, key: str) -> Face:
    (value,) = sides[name[-1]][int(name[:-1])].values()
    data = value and value.get("bytes")  # a path would lead out of the data set, and is not followed
    if not data:
        raise images.Unreadable("no image in the data set")
    if len(data) > images.MOST_BYTES:
        raise images.Unreadable("image file over 256 MiB")
    return Face(key, images.decode(data, size))


def protocol(name: str, declared: HubPairs, data: Data, trials_sha256: str = "", **more: Any) -> Protocol:
    """The verification protocol ``verification/<name>/hub`` of a declared data set; ``more``: other fields of it."""
    full = f"verification/{name}/hub"
    return Protocol(
        name=full,
        version=1,
        task=verification.TASK,
        data=data,
        read=partial(read, declared=declared, salt=full),
        metrics=tuple(map(metric, verification.METRICS)),
        trials_sha256=trials_sha256,
        settings={"replicates": verification.REPLICATES},
        **more,
    )


CAT_CLAWS = "cat-claws/face-verification"
CLASSES = {"different": False, "same": True}  # as the page of the data set names them
# Pairs of each split; half of them are mated, as in the official lists that they are made of.
SETS = {"lfw": 6000, "agedb-30": 6000, "calfw": 6000, "cfp-ff": 7000, "cfp-fp": 7000, "cplfw": 6000}
ABOUT = (
    "{pairs:,} pairs of {repo} at the pinned commit; folds are tenths of its rows in order; people are not named, "
    "so intervals are over pairs, not identities; {order}"
)
KNOWN = "official by the order of its targets, whatever its images are"
UNKNOWN = "whether that order and its targets are the official ones is not known here, so no result is marked official"


def _of_cat_claws(name: str, pairs: int) -> Protocol:
    known = name == "lfw"
    order = MATED_FIRST if known else ""
    return protocol(
        name,
        HubPairs(CAT_CLAWS, name.replace("-", "_"), pairs, pairs // 2, classes=CLASSES, order=order, size=(112, 112)),
        Data(
            name=f"{name} of {CAT_CLAWS}",
            folder="",
            licence="see its owner and its page on the Hub; for research use",
            source=f"https://huggingface.co/datasets/{CAT_CLAWS}",
            trials_publishable=known,
        ),
        VIEW2_ORDER if known else "",
        inputs="arcface-112",
        about=ABOUT.format(pairs=pairs, repo=CAT_CLAWS, order=KNOWN if known else UNKNOWN),
        cite="the rule of InsightFace's verification.py (accuracy_insightface) beside exact thresholds",
    )


PROTOCOLS = tuple(_of_cat_claws(name, pairs) for name, pairs in SETS.items())
