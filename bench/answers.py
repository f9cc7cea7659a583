"""Answers and trials on disk: whole files or none, in parts that a stopped run goes on from.

A table is a dict of equally long columns: numpy arrays (a 2-D one is a vector a row) or lists of str.
Parts of one run never change once written.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from bench.errors import NotWritten, RunDamaged

Table = dict[str, Any]
MOST_BYTES = 2 << 30  # of a table in memory; IJB-C's trials have 15.7 million rows and take 0.7 GB
OBJECT = 64  # bytes of a text beside its letters
TEXT = "BYTE_ARRAY"
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}


def write(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all.

    Raises NotWritten, with what to do, where the disk is full or the folder may not be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise NotWritten(
            f"{path} was to be written.",
            f"It could not be: {error.strerror or error}.",
            "Make room or give a writable --out; the same command goes on from what is already there.",
        ) from None


def write_table(path: Path, table: Table) -> None:
    """Write a table as parquet, the same bytes for the same contents."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: _arrow(column) for name, column in table.items()}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink, compression="zstd", write_page_checksum=True, store_schema=True)
    write(path, sink.getvalue().to_pybytes())


def read_table(path: Path, most: int = MOST_BYTES) -> Table:
    """Read a table that ``write_table`` wrote, of at most so many bytes in memory, as its head declares them.

    A few kilobytes may stand for gigabytes, where many rows hold one long text. Raises RunDamaged where the table is
    not whole, or larger.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True, memory_map=False) as file:
            if len({*file.schema_arrow.names}) < len(file.schema_arrow.names):
                raise ValueError("two columns have one name")
            sure, longest = _declared(file.metadata)
            read = file.read(use_threads=False) if sure + sum(longest.values()) <= most else None
        if read is None:
            read = _weighed(path, longest, most - sure)
        return dict(zip(read.column_names, map(_columns, read.columns), strict=True))
    except _TooLarge:
        found = f"In memory it is over {most:,} bytes, and so larger than any table that is read here."
        raise RunDamaged(f"{path} was read.", found) from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunDamaged(
            f"{path} was read.",
            f"It is damaged or cut off: {str(error).splitlines()[0][:160]}.",
            "Nothing else is lost: remove this one file, and the same command makes it again.",
        ) from None


class _TooLarge(Exception):
    """A table that is not read."""


def _declared(metadata: Any) -> tuple[int, dict[str, int]]:
    """Bytes in memory that a file declares: those of numbers, and for each column of texts the most there can be.

    A text is counted in the table and as a Python object; none is longer than all that its column holds.
    """
    import pyarrow.parquet as pq

    schema: pq.ParquetSchema = metadata.schema
    sure, longest = 0, dict[str, int]()
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for place in range(metadata.num_columns):
            chunk = group.column(place)
            width = WIDTHS.get(chunk.physical_type) or schema.column(place).length
            if chunk.physical_type == TEXT:
                most = chunk.num_values * 2 * chunk.total_uncompressed_size
                longest[chunk.path_in_schema] = longest.get(chunk.path_in_schema, 0) + most
                width = OBJECT
            sure += max(chunk.num_values * width, chunk.total_uncompressed_size)
    return sure, longest


def _weighed(path: Path, longest: Iterable[str], most: int) -> Any:
    """A table whose texts are read once each, and written out where all of them take no more than ``most`` bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if most < 0:
        raise _TooLarge
    texts = [*longest]
    with pq.ParquetFile(path, page_checksum_verification=True, memory_map=False, read_dictionary=texts) as file:
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        chunks = (group.column(place) for group in groups for place in range(file.metadata.num_columns))
        if any("DELTA_BYTE_ARRAY" in chunk.encodings for chunk in chunks):  # its texts are longer than what they take
            raise _TooLarge
        read = file.read(use_threads=False)
    for name in texts:
        if name not in read.column_names or not pa.types.is_dictionary(read.column(name).type):  # texts within lists
            raise _TooLarge
        for chunk in read.column(name).chunks:
            most -= 2 * (pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0)
    if most < 0:
        raise _TooLarge
    for name in texts:
        column = read.column(name)
        read = read.set_column(read.column_names.index(name), name, column.cast(column.type.value_type))
    return read


def _arrow(column: Any) -> Any:
    import pyarrow as pa

    if isinstance(column, list):
        return pa.array(column, pa.string())
    if column.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(column.reshape(-1)), column.shape[1])
    return pa.array(column)


def _columns(column: Any) -> Any:
    import pyarrow as pa

    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = pa.concat_arrays(combined.chunks) if combined.num_chunks else pa.array([], column.type)
    if pa.types.is_fixed_size_list(combined.type):
        return combined.flatten().to_numpy(zero_copy_only=False).reshape(len(combined), combined.type.list_size)
    if pa.types.is_string(combined.type) or pa.types.is_large_string(combined.type):
        return combined.to_pylist()
    return combined.to_numpy(zero_copy_only=False)


def contents_sha256(table: Table) -> str:
    """A digest over a table's contents, whichever library or version wrote the file."""
    digest = hashlib.sha256()
    for name, column in table.items():
        if isinstance(column, list):
            kind, data = "str", json.dumps(column).encode()
        else:
            little = column.astype(column.dtype.newbyteorder("<"), copy=False)
            kind, data = f"{little.dtype.str}{list(column.shape)}", little.tobytes()
        digest.update(f"{name}:{kind}:{len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def joined(tables: Iterable[Table]) -> Table:
    """Tables of the same columns, one below the other."""
    import numpy as np

    first, *others = tables
    made: Table = {}
    for name, column in first.items():
        columns = [column, *(table[name] for table in others)]
        made[name] = [*chain(*columns)] if isinstance(column, list) else np.concatenate(columns)
    return made


class Cell:
    """The folder of one cell: a header, parts of answers, trials, the result.

    ``header`` says what the answers are answers to; a folder that holds another one is refused.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.trials, self.result, self.log = (folder / n for n in ("trials.parquet", "result.json", "worker.log"))

    def header(self) -> dict[str, Any] | None:
        """The header on disk, or None; raises RunDamaged where it cannot be read."""
        path = self.folder / "header.json"
        try:
            found = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunDamaged(f"{path} was read.", f"It is not a run's header: {error}.", _ELSEWHERE) from None
        if not isinstance(found, dict):
            raise RunDamaged(f"{path} was read.", "It is not a run's header.", _ELSEWHERE)
        return found

    def open(self, header: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``header`` or, where one is there, check that it asks the same, and return what is in force.

        Keys under ``settings`` are taken from the disk: a run goes on as it began.
        Raises RunDamaged where the folder holds answers to something else.
        """
        found = self.header()
        if found is None:
            write(self.folder / "header.json", json.dumps(header, indent=2) + "\n")
            return dict(header)
        for key in header:
            if key != "settings" and found.get(key) != header[key]:
                raise RunDamaged(
                    f"{self.folder} was to be gone on with.",
                    f"Its answers were given to another {key}: {_short(found.get(key))}, now {_short(header[key])}.",
                    _ELSEWHERE,
                )
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the cell against other runs; raises NotWritten where one is at work in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / ".lock", "wb")  # noqa: SIM115  closed below, with the lock
        except OSError as error:
            asked, do = f"{self.folder} was to be written.", "Give a writable --out."
            raise NotWritten(asked, f"It could not be: {error.strerror}.", do) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                asked = f"{self.folder} was to be gone on with."
                raise NotWritten(
                    asked, "Another run is at work in it.", "Wait for it, or give another --out."
                ) from None
            yield

    def part(self, fold: str, number: int) -> Path:
        """Where a fold's part lies."""
        return self.folder / fold / f"part-{number:05d}.parquet"

    def checkpoint(self, fold: str) -> Path:
        """Where the weights of the method that was fitted for a fold lie."""
        return self.folder / fold / "checkpoint.safetensors"

    def read(self, fold: str, sizes: list[int]) -> Table:
        """All answers of a fold, its parts in order; raises RunDamaged where one is absent or of another length."""
        tables = []
        for number, size in enumerate(sizes):
            path = self.part(fold, number)
            if not path.exists():
                raise RunDamaged(f"{path} was read.", "It does not exist.", "Run the same command again.")
            tables.append(check_length(path, read_table(path), size))
            if _columns_of(tables[-1]) != _columns_of(tables[0]):
                found = "Its columns are other ones than those of the part before it."
                raise RunDamaged(f"{path} was read.", found, "Remove it, and the same command makes it again.")
        return joined(tables)


def _columns_of(table: Table) -> dict[str, Any]:
    return {name: str if isinstance(c, list) else (c.dtype, c.shape[1:]) for name, c in table.items()}


def check_length(path: Path, table: Table, size: int) -> Table:
    """The table, if it has ``size`` rows; raises RunDamaged otherwise."""
    rows = len(next(iter(table.values()), ()))
    if rows != size:
        found = f"It has {rows} rows, {size} were asked."
        raise RunDamaged(f"{path} was read.", found, "Remove it, and the same command makes it again.")
    return table


_ELSEWHERE = "Give another --out, or move this folder away; nothing in it was changed."


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."
