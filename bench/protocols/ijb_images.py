"""The images of IJB-B and IJB-C: their two lists as columns, and samples that are made when asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from bench import images
from bench.alignment import crop
from bench.errors import DataMissing
from bench.pooling import Pools
from bench.protocol import Data, Sample, opaque_order
from bench.protocols import ijb_lists
from bench.protocols.ijb_lists import at_line, first
from bench.records import Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES = "loose_crop"
NO_CROP = "landmarks that give no crop"


@dataclass(frozen=True, slots=True)
class Set:
    """One of the two benchmarks: its folder, what its lists' names begin with, and its two galleries."""

    data: Data
    prefix: str
    galleries: tuple[str, str]

    def list_of(self, root: Path, what: str) -> Path:
        """Where a list lies."""
        return Path(root) / self.data.folder / "meta" / f"{self.prefix}_{what}"

    def people(self, root: Path) -> list[Path]:
        """The lists that name people: those of the galleries, then that of the mixed probes."""
        names = [*(f"1N_gallery_{gallery}.csv" for gallery in self.galleries), "1N_probe_mixed.csv"]
        return [self.list_of(root, name) for name in names]


@dataclass(frozen=True, slots=True)
class LooseCrops(Sequence[Sample]):
    """The images of a set, made into samples when asked for, since there are too many to keep.

    ``names``, ``landmarks`` (float32 [n, 5, 2]): of each image; ``rows``: which of them these are.
    """

    folder: Path
    names: list[str]
    landmarks: NDArray[Any]
    rows: range

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Sample: ...

    @overload
    def __getitem__(self, at: slice) -> LooseCrops: ...

    def __getitem__(self, at: int | slice) -> Sample | LooseCrops:
        if isinstance(at, slice):
            return replace(self, rows=self.rows[at])
        row = self.rows[at]
        return Sample(f"{row:06d}", self.names[row], functools.partial(self._face, row))

    def _face(self, row: int, key: str) -> Face:
        pixels = crop(images.read(self.folder / self.names[row]), self.landmarks[row])
        if pixels is None:
            raise images.Unreadable(NO_CROP)
        return Face(key, pixels)


class Files(Mapping[str, Path]):
    """Lists and images by name, paths made when asked for."""

    def __init__(self, lists: list[Path], folder: Path, names: list[str]) -> None:
        self._lists, self._folder, self._names = {f"meta/{p.name}": p for p in lists}, folder, frozenset(names)

    def __getitem__(self, name: str) -> Path:
        return self._folder / name if name in self._names else self._lists[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._lists
        yield from self._names

    def __len__(self) -> int:
        return len(self._lists) + len(self._names)


@dataclass(frozen=True, slots=True)
class Listed:
    """The two lists of images: position i of every column is row i; ``template`` and ``media`` as the owner numbers."""

    lists: tuple[Path, Path]
    names: list[str]
    template: NDArray[Any]
    media: NDArray[Any]
    landmarks: NDArray[Any]
    detected: NDArray[Any]

    @classmethod
    def read(cls, root: Path, one: Set) -> Listed:
        """Both lists; raises DataDamaged, by file and line, where they do not go together."""
        import numpy as np

        lists = one.list_of(root, "face_tid_mid.txt"), one.list_of(root, "name_5pts_score.txt")
        pooled = ijb_lists.read(lists[0], ijb_lists.MEDIA, one.data)
        found = ijb_lists.read(lists[1], ijb_lists.DETECTED, one.data)
        names = pooled["image"]
        if len(names) != len(found["image"]):
            told = f"It has {len(found['image']):,} images, {lists[0].name} has {len(names):,}."
            raise ijb_lists.damaged(lists[1], told, one.data)
        for row, (here, there) in enumerate(zip(names, found["image"], strict=True)):
            if here != there:
                raise at_line(lists[1], row, f"it is of {there}; that of {lists[0].name} is of {here}.", one.data)
        if len(set(names)) < len(names):
            last = {name: row for row, name in enumerate(names)}
            twice = next(name for row, name in enumerate(names) if last[name] != row)
            raise at_line(lists[0], last[twice], f"{twice} is there twice.", one.data)
        points = np.stack([found[f"p{i}"] for i in range(ijb_lists.LANDMARKS)], axis=1).reshape(-1, 5, 2)
        return cls(lists, names, pooled["template"], pooled["media"], points, found["score"])

    def places(
        self, path: Path, column: NDArray[Any], ids: NDArray[Any], one: Set, named: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Where the templates of a list's ``column`` stand among ``ids``, int32.

        ``named``: the row of each, below a header; as they come, without one, by default. Raises DataDamaged, by line,
        for a template that has no images.
        """
        import numpy as np

        place = np.minimum(np.searchsorted(ids, column), len(ids) - 1).astype(np.int32)
        if (row := first(ids[place] != column)) is not None:
            found = f"template {column[row]} has no images in {self.lists[0].name}."
            line = row if named is None else int(named[row])
            raise at_line(path, line, found, one.data, header=named is not None)
        return place

    def samples(self, root: Path, one: Set, used: NDArray[Any], salt: str) -> tuple[LooseCrops, NDArray[Any]]:
        """The images of the ``used`` templates (by owner's number) in an order that says nothing, and their rows."""
        import numpy as np

        rows = np.flatnonzero(np.isin(self.template, used))
        row_of = {self.names[row]: row for row in rows.tolist()}
        folder = Path(root) / one.data.folder / IMAGES
        _check_there(folder, row_of, one.data)
        names = opaque_order(list(row_of), salt)
        order = np.fromiter((row_of[name] for name in names), np.int64, len(names))
        return LooseCrops(folder, names, self.landmarks[order], range(len(names))), order

    def pools(self, order: NDArray[Any], number: NDArray[Any], ids: NDArray[Any], subjects: NDArray[Any]) -> Pools:
        """Which sample is in which template; ``number``: what template i of ``ids`` is called."""
        import numpy as np

        template = number[np.searchsorted(ids, self.template[order])]
        return Pools(template, self.media[order], self.detected[order], subjects)


def _check_there(folder: Path, names: Mapping[str, int], data: Data) -> None:
    """Raise DataMissing where images are not there; the folder is listed once, as there are many."""
    asked = f"{len(names):,} images of {data.name} were looked for in {folder}."
    try:
        with os.scandir(folder) as entries:
            there = {entry.name for entry in entries}
    except OSError as error:
        found = f"It cannot be listed: {error.strerror}."
        raise DataMissing(asked, found, f"Get it from {data.source}.") from None
    absent = sorted(name for name in names if name not in there)
    if absent:
        found = f"{len(absent):,} are missing, such as {', '.join(absent[:3])}."
        raise DataMissing(asked, found, f"Get them from {data.source}.")
