"""Raw images made into aligned ones: an aligner is asked once for a data set, faces it misses are counted."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bench.alignment import ALIGNED, COLUMNS, LANDMARKS, TABLE, TABLE_KIND, TASK, cut_out, read_table
from bench.answers import Cell, write
from bench.asking import ALL, Asking, Settings
from bench.cells import identity, in_force, slug
from bench.errors import DataMissing
from bench.images import Unreadable
from bench.method import Configured, Load, Method, Origin
from bench.protocol import Content, Data, Protocol, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]


def landmark_table(name: str, data: Data, root: Path | None) -> Configured:
    """The landmarks in ``landmarks_NAME.csv`` of a data set, for ``name`` NAME-table, in an aligner's place.

    Raises DataMissing where the file is not there.
    """
    asked = f"Faces of {data.name} were to be aligned by {name}."
    path = (root or Path()) / data.folder / f"landmarks_{name.removesuffix(TABLE)}.csv"
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        do = "Point --data (or FACEBENCH_DATA) at the folder that holds it, or align by an aligner."
        raise DataMissing(asked, f"{path}: {(error.strerror or 'not readable').lower()}.", do) from None
    about = "landmarks that came with the data set"
    method = Method(name, frozenset({TASK}), _never_loaded, about=about, licence=data.licence, cite=data.source)
    return Configured(method, {}, Origin(TABLE_KIND, "", "", "", str(path), digest))


def _never_loaded(given: Load) -> Any:
    raise AssertionError("a table is read, not loaded")


@dataclass(frozen=True, slots=True)
class Alignment:
    """The faces of a content found by an aligner.

    ``cell``: where the answers lie; ``landmarks``: float32 [samples, 5, 2] in the samples' order, NaN where none.
    """

    aligner: Configured
    cell: Cell
    content: Content
    landmarks: NDArray[Any]

    def aligned(self) -> Content:
        """The content with 112x112 crops for images; where no face was found reading one fails, and is counted."""
        return replace(self.content, samples=cut_out(self.content.samples, self.landmarks))

    def missed(self) -> list[bool]:
        """For each sample whether no face was found."""
        import numpy as np

        return [not found for found in np.isfinite(self.landmarks).all(axis=(1, 2)).tolist()]


def align(
    protocol: Protocol,
    aligner: Configured,
    content: Content,
    data: str,
    settings: Settings,
    models: Path | None,
    out: Path,
    progress: Progress,
) -> Alignment:
    """Find the faces of a content, going on from what is on disk; ``data`` is the content's fingerprint."""
    header: dict[str, Any] = {
        "facebench": 1,
        "protocol": protocol.name,
        "digest": protocol.digest_of(content.trials_sha256),
        "data": data,
        "roles": {"aligner": [identity(aligner)]},
        "seed": settings.seed,
        "limit": settings.limit,
        "samples": len(content.samples),
    }
    compute = [settings.batch_size, settings.threads, settings.device]
    digest = hashlib.sha256(json.dumps([header, compute], sort_keys=True).encode()).hexdigest()
    cell = Cell(out.joinpath(*protocol.name.split("/")) / slug(f"align {aligner}", digest))
    if aligner.origin.kind == TABLE_KIND:
        return Alignment(aligner, cell, content, _from_table(Path(aligner.origin.path), content))
    with cell.locked():
        force = cell.open({**header, "settings": in_force(settings, {"aligner": (aligner,)})})["settings"]
        chosen = replace(settings, **{name: force[name] for name in ("batch_size", "threads", "device")})
        told = lambda stage, done, total: progress("align", done, total)  # noqa: E731
        asking = Asking(protocol, {"aligner": (aligner,)}, content, cell, chosen, models, told)
        asking.ask_all("aligner", LANDMARKS)
        found = asking.answers()[ALL]["landmarks"]
    return Alignment(aligner, cell, content, found.reshape(-1, 5, 2))


def _from_table(path: Path, content: Content) -> NDArray[Any]:
    import numpy as np

    names = [sample.name.rpartition("/")[2] for sample in content.samples]
    table = read_table(path, names)
    nothing = (float("nan"),) * len(COLUMNS)
    return np.array([table.get(name, nothing) for name in names], np.float32).reshape(-1, 5, 2)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What ``prepare`` left: the folder, how many images there were, which were missed and why, a hash of the crops."""

    folder: Path
    images: int
    missed: tuple[str, ...]
    sha256: str


def prepare(alignment: Alignment, protocol: Protocol, data: str, progress: Progress) -> Prepared:
    """Write the crops, the landmarks and what they were made of into the alignment's folder.

    Crops are PNG under their owner's names in ``crops/``; one that is there is kept. ``landmarks.csv`` can serve as the
    table of a data set. ``prepared.json`` names what was missed; its ``sha256`` is over names and crops' pixels.
    """
    samples, folder = alignment.content.samples, alignment.cell.folder
    cut, digest, missed = alignment.aligned().samples, hashlib.sha256(), []
    order = sorted(range(len(samples)), key=lambda i: samples[i].name)
    for done, i in enumerate(order, 1):
        try:
            pixels = cut[i].read(cut[i].key).pixels
        except Unreadable as error:
            missed.append(f"{cut[i].name}: {error.reason}")
        else:
            digest.update(f"{cut[i].name}\0".encode() + pixels.tobytes())
            _write_crop(folder / "crops" / _place(samples[i]), pixels)
        progress("cut", done, len(samples))
    write(folder / "landmarks.csv", _csv(alignment, order))
    told = {
        "protocol": protocol.name,
        "digest": protocol.digest_of(alignment.content.trials_sha256),
        "data": data,
        "inputs": ALIGNED,
        "aligner": identity(alignment.aligner),
        "images": len(samples),
        "missed": missed,
        "sha256": digest.hexdigest(),
    }
    write(folder / "prepared.json", json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    return Prepared(folder, len(samples), tuple(missed), digest.hexdigest())


def _place(sample: Sample) -> PurePosixPath:
    """Where a crop goes: by the owner's name where that is a plain path, else by its key."""
    name = PurePosixPath(sample.name)
    plain = not name.is_absolute() and ".." not in name.parts and sample.name.isprintable() and "\\" not in sample.name
    return (name if plain else PurePosixPath(sample.key)).with_suffix(".png")


def _write_crop(path: Path, pixels: NDArray[Any]) -> None:
    from PIL import Image

    if not path.exists():
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        write(path, buffer.getvalue())


def _csv(alignment: Alignment, order: list[int]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file", *COLUMNS))
    missed = alignment.missed()
    for i in order:
        points = [""] * len(COLUMNS) if missed[i] else [f"{v:.2f}" for v in alignment.landmarks[i].ravel().tolist()]
        rows.writerow((alignment.content.samples[i].name, *points))
    return text.getvalue()
