"""Which files of a repository are read, and a folder that holds them and nothing else."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors", re.ASCII)
SETTINGS = (".json", ".txt", ".model")
ADAPTER = "adapter_config.json"  # would lead to the weights of another repository


def is_read(name: str) -> bool:
    """Whether a file is one that a model is made of: its safetensors, and settings beside them."""
    return "/" not in name and name != ADAPTER and bool(WEIGHTS.fullmatch(name) or name.endswith(SETTINGS))


@contextmanager
def sealed(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """A folder of links to what is read of ``folder``: no code, no pickle and no adapter can be found in it.

    ``names``: the files whose hashes were checked; none are named where those of a pin were, which are all there is.
    """
    with tempfile.TemporaryDirectory(prefix="facebench-transformers-") as made:
        for path in sorted(folder.iterdir()):
            if is_read(path.name) and path.is_file() and (not names or path.name in names):
                Path(made, path.name).symlink_to(path.resolve())
        yield Path(made)
