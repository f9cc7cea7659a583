"""A small plugin for tests of the Hub: a package with weights beside it, as its author has it in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save

REPO, NAME, MODULE = "owner/grey", "grey", "facebench_grey_hub"
MANIFEST = """\
[project]
name = "facebench-grey-hub"
version = "0.1.0"
dependencies = ["facebench", "numpy", "safetensors"]

[project.entry-points.facebench]
grey = "facebench_grey_hub"
"""
CODE = """\
import bench


@bench.hookimpl
def facebench_methods():
    return [
        bench.Method(
            name="grey",
            tasks=frozenset({"verification"}),
            inputs=frozenset({"arcface-112"}),
            load=load,
            weights=bench.SameCommit(@WEIGHTS@),
            about="grey rows & columns, weighed",
            licence="MIT",
            trained_on=("nothing",),
            cite="none: a test",
            needs=("numpy", "safetensors"),
            options=(bench.Option("flip", False, "add the mirror image"),),
            batch=8,
        )
    ]


def load(given):
    from facebench_grey_hub.network import Grey

    return Grey(given.weights / "w.safetensors")
"""
NETWORK = """\
from safetensors.numpy import load_file


class Grey:
    def __init__(self, weights):
        self.weights = load_file(weights)["w"]

    def embed(self, faces):
        import numpy as np

        grey = np.stack([face.pixels[::8, ::8].mean(axis=2).reshape(-1) for face in faces])
        return (grey * self.weights).astype("float32")
"""


def write_plugin(folder: Path, weights: str = "w.safetensors", pickled: str = "", first: str = "") -> Path:
    """The plugin's folder; ``first``: a line that is run when its module is imported."""
    data = save({"w": np.linspace(1, 2, 196, dtype=np.float32)})
    named = f"{{{weights!r}: {hashlib.sha256(data).hexdigest()!r}}}" + (f", pickled={pickled!r}" if pickled else "")
    (folder / MODULE).mkdir(parents=True)
    (folder / "pyproject.toml").write_text(MANIFEST)
    (folder / MODULE / "__init__.py").write_text(first + "\n" + CODE.replace("@WEIGHTS@", named))
    (folder / MODULE / "network.py").write_text(NETWORK.replace("w.safetensors", weights))
    (folder / weights).write_bytes(data)
    return folder
