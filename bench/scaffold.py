"""A new plugin's folder: a small method that works and passes its checks, with comments where to change it."""

from __future__ import annotations

import re
from pathlib import Path

from bench.answers import write
from bench.contracts import Embedder
from bench.errors import UnknownName, WrongUse
from bench.tasks import TASKS

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "facebench-@NAME@"
version = "0.1.0"
description = "@NAME@ for facebench"
readme = "README.md"
license = "Apache-2.0"
requires-python = ">=3.11"
dependencies = ["facebench", "numpy"]

[project.entry-points.facebench]
@NAME@ = "@MODULE@"

[tool.setuptools]
py-modules = ["@MODULE@"]
"""

TEST = '''\
"""The method plays by the rules; whether it is any good is for a board to say."""

from __future__ import annotations

import bench


# A rule that it is known to break goes here with the reason: known={"batches": "batch norm, as published"}.
@bench.parametrize_with_checks(["@NAME@"])
def test_it_plays_by_the_rules(check):
    check()
'''

README = """\
# facebench-@NAME@

`@NAME@`: grey pictures of 16x16 pixels, compared by cosine. An example: change this line, then those below.

* **Source**: none; written by `facebench new method @NAME@`. Name the repository and commit the method comes from.
* **Inputs**: pictures of any size. **Tasks**: @TASK@.
* **Trained on**: nothing. Name every data set, and whether its publisher took it back.
* **Licence**: Apache-2.0. **Needs**: numpy.
* **Deviations**: none. Each one from what was published is an option, off by default.
* **How it was checked**: `facebench check @NAME@`. Compare with an official number or output, if there is one.
* **Limits**: knows nothing of pose and light. Not for use on people.

```
pip install -e .
facebench check @NAME@
pytest
```
"""

EMBEDDER = '''\
"""@NAME@: grey pictures of 16x16 pixels, compared by cosine."""

from __future__ import annotations

import bench

# Heavy imports (numpy, torch, …) go inside load() and the calls, so that `facebench list` stays fast.

SIDE = 16


@bench.hookimpl
def facebench_methods():
    """The methods of this plugin."""
    return [
        bench.Method(
            name="@NAME@",
            tasks=frozenset({"@TASK@"}),
            inputs=frozenset({"raw", "arcface-112"}),  # one of them, if the method wants only that
            load=load,
            about="grey pictures of 16x16 pixels",  # change: what it is, in a line
            licence="Apache-2.0",  # change: of its code and weights
            trained_on=(),  # change: every data set; those taken back by their publisher in withdrawn=(…) too
            cite="none: an example",  # change: the paper
            needs=("numpy",),  # what load() and the calls import
            # weights=bench.Folder("@NAME@", {"model.safetensors": "its SHA-256"}, source="where it is handed out"),
            # options=(bench.Option("flip", True, "add the embedding of the mirror image"),),
        )
    ]


def load(given):
    """Make the method: given.weights, given.device, given.threads, given.seed, given.options."""
    return Embedder()


class Embedder:
    """Turns faces into vectors."""

    def embed(self, faces):
        """float32 [n, 256]: row i answers faces[i]; a row of NaN says that no face was found."""
        import numpy as np

        return np.stack([self.vector(face.pixels) for face in faces]).astype(np.float32)

    def vector(self, pixels):
        """One face's vector; pixels is uint8 [height, width, 3], RGB, read-only. Change this."""
        import numpy as np

        rows, columns = (np.linspace(0, side - 1, SIDE).round().astype(int) for side in pixels.shape[:2])
        grey = pixels[rows][:, columns].mean(axis=2).ravel()
        if grey.min() == grey.max():  # nothing to see: a failure is NaN and no exception
            return np.full(SIDE * SIDE, np.nan)
        return grey - grey.mean()
'''
WEIGHTS = """bench.Folder("@NAME@", {"model.safetensors": "its SHA-256"}, source="where it is handed out"),"""
BESIDE = """bench.SameCommit({"model.safetensors": "its SHA-256"}),  # a file of this folder, sent with it"""
INSTALL = "pip install -e .\nfacebench check @NAME@\npytest\n"
PUBLISH = "facebench check .\nfacebench publish method . --to OWNER/@NAME@\nfacebench pin OWNER/@NAME@\n"
MODULES: dict[type, str] = {Embedder: EMBEDDER}


def new_method(name: str, task: str = "verification", into: str | Path = ".", hub: bool = False) -> list[Path]:
    """Write the folder ``name`` and return its files; ``facebench-toy`` makes the method toy, too.

    ``hub``: its comments and README lead to publishing it on the Hub. What is sent there is made from the method's
    card, so the folder works from a disk, too.

    Raises WrongUse for a name that is not allowed, a folder that exists, or a task there is no template for, and
    UnknownName for a task that does not exist.
    """
    asked = f"A new method {name!r} was asked for."
    if not NAME.fullmatch(name):
        found = "A name is lower-case letters and digits in words joined by '-', and begins with a letter."
        raise WrongUse(asked, found, "Such as mobilefacenet or grey-pixels.")
    if task not in TASKS:
        raise UnknownName.of("task", task, TASKS, "facebench list tasks")
    contract = TASKS[task].roles[0].contract
    if contract not in MODULES:
        raise WrongUse(
            asked, f"There is no template yet for {task}.", "CONTRIBUTING.md shows how to write one by hand."
        )
    folder, name = Path(into).expanduser() / name, name.removeprefix("facebench-")
    if folder.exists():
        raise WrongUse(asked, f"{folder} exists.", "Give another name, or --into another folder.")
    module = f"facebench_{name.replace('-', '_')}"
    texts = {
        "pyproject.toml": PYPROJECT,
        f"{module}.py": MODULES[contract],
        f"tests/test_{name.replace('-', '_')}.py": TEST,
        "README.md": README,
    }
    for file, text in texts.items():
        text = text.replace(WEIGHTS, BESIDE).replace(INSTALL, PUBLISH) if hub else text
        filled = text.replace("@NAME@", name).replace("@MODULE@", module).replace("@TASK@", task)
        write(folder / file, filled.encode())
    return [folder / file for file in texts]
