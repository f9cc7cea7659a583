"""What is to be pinned or sent, shown in a terminal, and a person asked whether to."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table as Grid

from bench.cards import pickled
from bench.errors import WrongUse
from bench.hub import size
from bench.method import Method
from bench.pinning import Inspection
from bench.terminal import escape


def show_inspection(inspection: Inspection) -> None:
    """A repository's files, methods and needs, on standard error; every word of it is the repository's own."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    pinned = inspection.pinned
    console.print(f"[bold]{pinned.pin.repo}[/] ({pinned.pin.kind}) at commit {pinned.pin.revision}")
    grid = _grid("file", "size", "SHA-256", "")
    for file in inspection.files:
        grid.add_row(escape(file.path), size(file.size), file.sha256[:16], file.part)
    console.print(grid)
    if pinned.methods:
        console.print(f"code: SHA-256 {pinned.digest}; needs {escape(', '.join(inspection.dependencies)) or 'nothing'}")
    for method in pinned.methods:
        for name, text in _facts(method):
            console.print(f"  [bold]{name}[/] {escape(text)}")
    for change in inspection.changes:
        console.print(f"[yellow]changed:[/] {escape(change)}")


def _facts(method: Method) -> Iterable[tuple[str, str]]:
    yield method.name, f"({', '.join(sorted(method.tasks))}): {method.about}"
    yield "licence", method.licence or "none named"
    withdrawn = [f"{name} (withdrawn)" if name in method.withdrawn else name for name in method.trained_on]
    yield "trained on", ", ".join(withdrawn) or "nothing"
    if absent := method.absent_packages():
        yield "missing here", f"{', '.join(absent)}: pip install {' '.join(absent)} -c constraints.txt"
    if why := pickled(method):
        yield "pickles", f"its weights run code when they are read: {why}"


def show_files(title: str, files: Iterable[tuple[str, int]]) -> None:
    """Files that would be sent, on standard error."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(escape(title))
    grid = _grid("file", "size")
    for path, count in files:
        grid.add_row(escape(path), size(count))
    console.print(grid)


def _grid(*columns: str) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def agreed(question: str, yes: bool) -> bool:
    """Whether a person says yes; raises WrongUse where nobody can be asked and --yes was not given."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise WrongUse(f"It was to be asked: {question}", "There is no terminal to ask at.", "Programs say --yes.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
