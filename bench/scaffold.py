"""A new plugin's folder: a small method that works and passes its checks, with comments where to change it."""

from __future__ import annotations

import re
from pathlib import Path

from bench.answers import write
from bench.errors import UnknownName, WrongUse
from bench.tasks import TASKS
from bench.templates import TEMPLATES

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

`@NAME@`: @ABOUT@. An example: change this line, then those below.

* **Source**: none; written by `facebench new method @NAME@`. Name the repository and commit the method comes from.
* **Inputs**: @TOLD@. **Tasks**: @TASK@.
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

WEIGHTS = """bench.Folder("@NAME@", {"model.safetensors": "its SHA-256"}, source="where it is handed out"),"""
BESIDE = """bench.SameCommit({"model.safetensors": "its SHA-256"}),  # a file of this folder, sent with it"""
INSTALL = "pip install -e .\nfacebench check @NAME@\npytest\n"
PUBLISH = "facebench check .\nfacebench publish method . --to OWNER/@NAME@\nfacebench pin OWNER/@NAME@\n"


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
    if task not in TEMPLATES:
        contract = TASKS[task].roles[0].contract.__name__
        do = f"Write what bench.contracts.{contract} says, on a card like that of another task's template."
        raise WrongUse(asked, f"There is no template yet for {task}; there is for {', '.join(TEMPLATES)}.", do)
    template = TEMPLATES[task]
    folder, name = Path(into).expanduser() / name, name.removeprefix("facebench-")
    if folder.exists():
        raise WrongUse(asked, f"{folder} exists.", "Give another name, or --into another folder.")
    module = f"facebench_{name.replace('-', '_')}"
    texts = {
        "pyproject.toml": PYPROJECT,
        f"{module}.py": template.module,
        f"tests/test_{name.replace('-', '_')}.py": TEST,
        "README.md": README.replace("@ABOUT@", template.about).replace("@TOLD@", template.told),
    }
    for file, text in texts.items():
        text = text.replace(WEIGHTS, BESIDE).replace(INSTALL, PUBLISH) if hub else text
        filled = text.replace("@NAME@", name).replace("@MODULE@", module).replace("@TASK@", task)
        write(folder / file, filled.encode())
    return [folder / file for file in texts]
