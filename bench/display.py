"""What a person sees in a terminal: progress of long work, results, boards and where everything lies."""

from __future__ import annotations

import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table as Grid

from bench import boards, leaderboard, results, suite
from bench.disagreement import Disagreement
from bench.groups import ByGroup
from bench.plugins import discover
from bench.protocol import Reading
from bench.terminal import escape

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


def grid_of(*head: str) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in head:
        grid.add_column(name, overflow="fold")
    return grid


def words(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        return "; ".join(
            f"{f.name}: {words(getattr(value, f.name))}"
            for f in fields(value)
            if getattr(value, f.name) not in ("", ())
        )
    if isinstance(value, (list, tuple, set, frozenset)):
        return "\n".join(map(words, sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items()) or "none"
    return "none" if value is None or value == "" else str(getattr(value, "__name__", value))


def show_result(result: results.Result) -> None:
    console = Console()
    grid = grid_of("metric", "value", "95 % interval", "")
    for score in result.scores:
        value = leaderboard.number(score) + (" %" if score.unit == "%" else "")
        interval = leaderboard.number(score, interval=True).partition("[")[2]
        notes = [score.note] if score.note else []
        if score.standard_error is not None and score.population_std is not None:
            notes.append(
                f"s.e. {score.standard_error * 100:.2f}, population std {score.population_std * 100:.2f} over folds"
            )
        shown = (score.metric, value, f"[{interval}" if interval else "", "; ".join(notes))
        grid.add_row(*map(escape, shown))
    console.print(f"\n[bold]{escape(result.protocol)}[/]  {escape(result.name)}")
    if not result.official:
        console.print(
            f"[yellow]Not the official question ({escape(leaderboard.why_apart(result))}): this goes on no board.[/]"
        )
    console.print(grid)
    reasons = ", ".join(f"{reason}: {count}" for reason, count in result.reasons.items())
    protocol = discover().protocols.get(result.protocol)
    reading = protocol.task.reading if protocol is not None else Reading()
    told = f"{result.failures:,} of {result.samples:,} {reading.counted} {reading.amiss}"
    console.print(f"{told}{': ' + escape(reasons) if reasons else ''}")
    for name, card in result.cards.items():
        if card.withdrawn:
            console.print(
                f"[yellow]{escape(name)} was trained on data since withdrawn: {escape(', '.join(card.withdrawn))}[/]"
            )


def show_comparison(rows: tuple[boards.Difference, ...], apart: Disagreement | None, pairs: int) -> None:
    """Paired differences, then where the two decide differently; ``pairs`` of those decisions one by one."""
    console = Console(highlight=False)
    grid = grid_of("metric", "first", "second", "difference \\[95 %]", "p")
    for row in rows:
        f, form = 100 if row.unit == "%" else 1, leaderboard.FORMS.get(row.unit, ".2f")
        sign = {"at most": "≤ ", "at least": "≥ "}.get(row.bound or "", "")
        values, difference = [f"{sign}{value * f:{form}}" for value in (row.first, row.second)], "not resolved"
        if row.low is not None and row.high is not None:
            difference = f"{row.difference * f:+{form}} \\[{row.low * f:+{form}}, {row.high * f:+{form}}]"
        grid.add_row(escape(row.metric), *values, difference, "" if row.p_value is None else f"{row.p_value:.3f}")
    console.print(grid)
    if apart is None:
        return
    console.print(f"\nDecided rightly ({escape(apart.rule)}):")
    told = ("both", apart.both_right), ("only the first", apart.only_first), ("only the second", apart.only_second)
    console.print(", ".join(f"{who} {count:,}" for who, count in (*told, ("neither", apart.both_wrong))))
    p_value = f"{apart.p_value:.3g}" if apart.p_value else "under 1e-300"
    console.print(f"McNemar's exact p: {p_value}. [dim]{escape(apart.caution)}[/]")
    if pairs:
        console.print()
    for decision in apart.decisions[:pairs]:
        shown = (f"{name} {f'{v:.4f}' if isinstance(v, float) else v}" for name, v in decision.items())
        console.print(escape(", ".join(shown)))


def show_groups(found: ByGroup) -> None:
    """Counts by group, then each error rate by group."""
    console = Console(highlight=False)
    console.print(f"\n[bold]{escape(found.protocol)}[/]  {escape(found.method)}, by {escape(found.column)}")
    grid = grid_of("group", "people", *found.groups[0].counts, "")
    for group in found.groups:
        counts = (f"{count:,}" for count in (group.people, *group.counts.values()))
        grid.add_row(escape(group.name), *counts, "[yellow]few[/]" if group.few else "")
    console.print(grid)
    for name, about in found.about.items():
        grid = grid_of("group", "value \\[95 %]", "of", "")
        for group in (group for group in found.groups if group.of[name]):
            score = next((score for score in group.rates if score.metric == name), None)
            shown = escape(leaderboard.number(score, interval=True))
            grid.add_row(escape(group.name), shown, f"{group.of[name]:,}", "[yellow]few[/]" if group.few else "")
        console.print(f"\n[bold]{name}[/]: {about}", grid, sep="\n")
    unused = f"{found.unused:,} rows of the table are of no image that was asked about" if found.unused else ""
    for note in filter(None, (*found.notes, unused)):
        console.print(f"[yellow]{escape(note)}[/]")
    console.print(f"\n[dim]{escape(found.how)} {escape(found.limits)}[/]")


def show_board(board: leaderboard.Board) -> None:
    """A board's ranks, with as many metrics as the terminal is wide."""
    console = Console()
    console.print(f"\n[bold]{escape(board.protocol)}[/]")
    metrics = leaderboard.columns(board)
    if metrics:
        results = [row.entry.result for row in board.rows]
        floors = [leaderboard.is_floor(result, board.role) for result in results]
        names = [r.title + (" (floor)" if floor else "") for r, floor in zip(results, floors, strict=True)]
        shown = [
            ("rank", [row.rank for row in board.rows]),
            ("method", names),
            (f"{metrics[0]} [95 %]", [leaderboard.number(r.scores[0], interval=True) for r in results]),
        ]
        shown += [(metric, [leaderboard.number(r.score(metric)) for r in results]) for metric in metrics[1:]]
        grid, width = Grid(box=None, pad_edge=False, header_style="bold"), -2
        for place, (head, cells) in enumerate(shown):
            width += 2 + max(map(len, (head, *cells)))
            if place < 3 or width <= console.width:
                grid.add_column(escape(head), overflow="fold", no_wrap=width <= console.width)
        for row in zip(*(cells for _, cells in shown[: len(grid.columns)]), strict=True):
            grid.add_row(*map(escape, row))
        console.print(grid)
        if hidden := [head for head, _ in shown[len(grid.columns) :]]:
            console.print(f"[dim]not shown at this width: {escape(', '.join(hidden))}[/]")
    for entry, why in board.apart:
        console.print(f"[dim]not ranked: {escape(entry.result.title)} ({escape(why)})[/]")


def show_boards(outcomes: list[suite.Outcome]) -> None:
    """The boards of what was run, then what was skipped and what would enable it."""
    for board in boards.rank([boards.entry(o.folder) for o in outcomes if o.result is not None]).values():
        show_board(board)
    console = Console(highlight=False)
    skipped = [o for o in outcomes if o.skipped]
    for first in {str(o.error): o for o in reversed(skipped)}.values():
        alike = [o for o in skipped if str(o.error) == str(first.error)]
        methods, protocols = dict.fromkeys(o.methods for o in alike), dict.fromkeys(o.protocol for o in alike)
        cells = f"{', '.join(methods)} on {', '.join(protocols)}"
        console.print(f"\n[yellow]skipped:[/] {escape(cells)}\n{escape(str(first.error))}")
    console.print()


def show_places(outcomes: list[suite.Outcome], out: Path) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for outcome in outcomes:
        if outcome.skipped:
            continue
        files = "result.json, trials.parquet, answers, log" if outcome.result else "what was answered so far, log"
        console.print(f"{escape(str(outcome.folder))}/  [dim]{files}[/]")
    failed = sum(outcome.error is not None and not outcome.skipped for outcome in outcomes)
    if failed:
        console.print(f"[bold red]{failed} of {len(outcomes)} cells failed[/]; the same command goes on with them.")
    else:
        console.print(f"[dim]Boards of what was run: facebench rank {escape(str(out))}[/]")
