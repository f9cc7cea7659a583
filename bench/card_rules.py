"""Rules of a method's card and of its loading, before anything is asked of it."""

from __future__ import annotations

import ast
import difflib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.method import HUB
from bench.probing import Broken, Check, NotAsked, Subject
from bench.tasks import CONTRACTS, TASKS

HEAVY = (
    *("torch", "transformers", "tensorflow", "jax", "onnxruntime", "datasets", "huggingface_hub", "timm", "cv2"),
    *("scipy", "sklearn", "skimage", "pandas", "pyarrow", "matplotlib", "PIL", "numpy"),
)
# Tasks that a card may name although this version cannot ask them yet.
PLANNED = (
    *("dynamic_expression", "multiview_expression", "personality"),
    *("embedding_geometry", "inversion", "out_of_domain", "encryption"),
)
LIST = """import json, sys
from bench.worker_process import import_plugin
module = import_plugin(sys.argv[1], sys.argv[2])
list(module.facebench_methods())
print(json.dumps([module.__file__, [name for name in sys.argv[3:] if name in sys.modules]]))"""


def _card(subject: Subject) -> None:
    method, known = subject.method, sorted({*CONTRACTS, *PLANNED})
    faults = []
    for name in ("licence", "about"):
        if not getattr(method, name).strip():
            faults.append(f'The card has no {name}: write {name}="…" in bench.Method(…).')
    if not method.inputs:
        faults.append('The card has no inputs: write inputs={"arcface-112"} or {"raw"}.')
    if not method.tasks:
        faults.append('The card has no tasks: write tasks={"verification"}.')
    for task in sorted(method.tasks - set(known)):
        near = (difflib.get_close_matches(task, known, 1, 0.5) or ["verification"])[0]
        faults.append(f'{task!r} is no task: write tasks={{"{near}"}}, or another of {", ".join(known)}.')
    others = {one.__name__ for task in method.tasks & set(TASKS) for role in TASKS[task].roles for one in role.also}
    if method.contract not in ("", *others, *(one.__name__ for one in CONTRACTS.values())):
        faults.append(f"{method.contract!r} is no contract of its tasks: leave contract out.")
    if not (method.cite.strip() or method.floor):
        faults.append('The card cites nothing: write cite="…" (floor=True only for what knows nothing of faces).')
    if stray := sorted(set(method.withdrawn) - set(method.trained_on)):
        faults.append(f"withdrawn names {stray[0]!r}, which trained_on does not: write it in both.")
    if absent := method.absent_packages():
        faults.append(
            f"needs names {', '.join(absent)}, which cannot be imported here: pip install {' '.join(absent)}, "
            f"or mend the line needs=(…), which takes names as they are imported or installed."
        )
    if faults:
        raise Broken(" ".join(faults))


def _light(subject: Subject) -> None:
    origin = subject.configured.origin
    if origin.kind == "script":
        raise NotAsked("It was made in a script, so there is no plugin to list.")
    if origin.kind == HUB:
        raise NotAsked("It is pinned: it is listed from its card, and none of its code is run for that.")
    here = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    listed = subprocess.run(
        [sys.executable, "-P", "-c", LIST, origin.module, origin.path, *HEAVY],
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),
        env={**os.environ, "PYTHONPATH": path},
    )
    if listed.returncode:
        raise Broken(f"{origin.module} cannot be imported on its own: {(listed.stderr.splitlines() or [''])[-1]}")
    file, heavy = json.loads(listed.stdout.splitlines()[-1])
    if heavy:
        where = "; ".join(_imports(Path(file), heavy)) or f"in what {origin.module} imports"
        do = "Move it into load() or the call that uses it."
        raise Broken(f"Importing {origin.module} loads {', '.join(heavy)} ({where}), so listing is slow. {do}")


def _imports(file: Path, packages: Iterable[str]) -> Iterator[str]:
    """The lines of a file that import any of some packages when it is imported."""
    text = file.read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if {name.partition(".")[0] for name in named} & set(packages):
                yield f"{file.name}, line {node.lineno}: {ast.unparse(node)}"


def _loads(subject: Subject) -> None:
    try:
        subject.open(fitted=False).close()
    except Broken as error:
        hint = " Name what load() imports in needs=(…)." if "ModuleNotFoundError" in str(error) else ""
        raise Broken(f"load(): {str(error).rstrip('.')}. Mend load().{hint}") from None


def _offline(subject: Subject) -> None:
    subject.lend(fitted=False).close()
    try:
        subject.open(fitted=False, offline=True).close()
    except Broken as error:
        do = ". Read weights from given.weights, and name them on the card: weights=bench.Folder(…)."
        raise Broken(f"load() needs the network: {str(error).rstrip('.')}{do}") from None


COMMON = (
    Check("card", "the card is complete", _card),
    Check("light", "listing it loads nothing heavy", _light),
    Check("loads", "load() works here", _loads),
    Check("offline", "load() needs no network", _offline),
)
