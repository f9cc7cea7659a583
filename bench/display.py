"""Progress of long work, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

LINE_EVERY = 10.0  # seconds, where no terminal shows a bar


class Progress:
    """Called with cell, stage, done and total; shows rate and time left."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        self._bar = quiet or self._console.is_terminal
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        columns += [TextColumn("{task.fields[rate]}"), TimeRemainingColumn()]
        self._bars = Bars(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task: Any = None
        self._stage: tuple[str, str] | None = None
        self._began, self._at, self._line = 0.0, 0, 0.0

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def __call__(self, cell: str, stage: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done; a rate counts from where this start began."""
        now = time.monotonic()
        if self._stage != (cell, stage):
            self.clear()
            self._stage, self._began, self._at, self._line = (cell, stage), now, done, now
            self._task = self._bars.add_task(f"{escape(cell)} {stage}", total=total, rate="")
        speed = (done - self._at) / (now - self._began) if now > self._began else 0.0
        rate = f"{speed:.1f}/s" if speed and total > 1 else ""
        self._bars.update(self._task, completed=done, total=total, rate=rate)
        if not self._bar and now - self._line >= LINE_EVERY:
            self._line = now
            left = f", {(total - done) / speed:.0f} s left" if speed else ""
            self._console.print(
                f"{escape(cell)} {stage}: {done:,} of {total:,}, {rate}{left}", highlight=False, soft_wrap=True
            )

    def clear(self) -> None:
        """End the bar of what is done."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = self._stage = None

    def print(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, highlight=False, soft_wrap=True)
