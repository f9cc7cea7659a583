"""Which files of a model are read, a folder that holds them and nothing else, and a digest over them."""

from __future__ import annotations

import functools
import hashlib
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors", re.ASCII)
SETTINGS = (".json", ".txt", ".model", ".jinja")
ADAPTER = "adapter_config.json"  # would lead to the weights of another repository
DIGITS = 12  # of the digest, in a method's name


def is_read(name: str) -> bool:
    """Whether a file is one that a model is made of: its safetensors, and settings beside them."""
    return "/" not in name and name != ADAPTER and bool(WEIGHTS.fullmatch(name) or name.endswith(SETTINGS))


@contextmanager
def sealed(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """A folder of links to what is read of ``folder``: no code, no pickle and no adapter can be found in it.

    ``names``: the files whose hashes were checked; none are named where those of a pin were, which are all there is.
    """
    with tempfile.TemporaryDirectory(prefix="facebench-vlm-") as made:
        for path in sorted(folder.iterdir()):
            if is_read(path.name) and path.is_file() and (not names or path.name in names):
                Path(made, path.name).symlink_to(path.resolve())
        yield Path(made)


def digest(folder: Path) -> str:
    """Twelve digits of the SHA-256 over names and hashes of all that is read of a folder."""
    rows = [f"{path.name}\0{_sha256(path)}\n" for path in sorted(folder.iterdir()) if is_read(path.name)]
    return hashlib.sha256("".join(rows).encode()).hexdigest()[:DIGITS]


def _sha256(path: Path) -> str:
    state = path.stat()
    return _hashed(path.resolve(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1024)  # a name is parsed more than once
def _hashed(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
