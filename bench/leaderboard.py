"""Boards: results of one protocol, ranked, with ties, floors and what papers report, as Markdown."""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataDamaged, MixedProtocols
from bench.metrics.timing import NOISIEST, NOISY
from bench.protocol import Protocol, Reading
from bench.results import Result, Score
from bench.selection import PICKED_ON_TEST, picked_on_test

FORMS = {"s": ".3g", "B": ",.0f", "bit": ".0f", "pairs": ",.0f"}  # of units; all others have two decimals
MARK = " ~"  # of what is too noisy to be published
TIED = 0.05  # two methods whose paired difference has a larger p-value share their ranks


@dataclass(frozen=True, slots=True)
class Entry:
    """A result and the file it was read from."""

    result: Result
    path: Path

    @property
    def trials(self) -> Path:
        """Where its trials lie: beside it."""
        name = "trials.parquet" if self.path.name == "result.json" else f"{self.path.stem}.trials.parquet"
        return self.path.with_name(name)


@dataclass(frozen=True, slots=True)
class Row:
    """One method on a board; it could stand anywhere from rank ``first`` to ``last``."""

    entry: Entry
    first: int
    last: int

    @property
    def rank(self) -> str:
        """The rank, or the range of ranks that the paired tests leave open."""
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


@dataclass(frozen=True, slots=True)
class Board:
    """The ranked results of one question; ``apart`` are results of it that are not ranked, with why.

    ``shown``: the metrics that there is room for beside the headline, all where none is named.
    """

    protocol: str
    rows: tuple[Row, ...]
    apart: tuple[tuple[Entry, str], ...]
    shown: tuple[str, ...] = ()


def rank(
    entries: Iterable[Entry], p_value: Callable[[Entry, Entry], float | None], shown: tuple[str, ...] = ()
) -> Board:
    """Rank the results of one protocol by its headline.

    ``p_value(a, b)`` is that of the paired difference, None where it cannot be had (then their intervals
    decide). Raises MixedProtocols where two results answer different questions.
    """
    entries = list(entries)
    ranked = [e for e in entries if e.result.official and not e.result.provenance.external]
    for entry in ranked[1:]:
        if entry.result.digest != ranked[0].result.digest:
            raise MixedProtocols(
                f"{ranked[0].result.protocol} was to be ranked.",
                f"{entry.path} has digest {entry.result.digest[:12]}, {ranked[0].path} {ranked[0].result.digest[:12]}.",
                "They answer different versions of the question: run the older one again.",
            )
    ranked.sort(key=lambda e: (_order(e.result.scores[0]), e.result.name, str(e.path)))
    rows = []
    for place, entry in enumerate(ranked):
        tied = [_tied(entry, other, p_value) for other in ranked]
        better = sum(1 for i in range(place) if not tied[i])
        worse = sum(1 for i in range(place + 1, len(ranked)) if not tied[i])
        rows.append(Row(entry, 1 + better, len(ranked) - worse))
    apart = tuple((e, why_apart(e.result)) for e in entries if e not in ranked)
    return Board(entries[0].result.protocol, tuple(rows), apart, shown)


def _order(score: Score) -> float:
    return -score.value if score.better == "higher" else score.value


def why_apart(result: Result) -> str:
    """Why a result that is not official, or whose answers were made elsewhere, is not ranked."""
    if result.provenance.external:
        return "answers made elsewhere"
    if result.provenance.limit is not None:
        return f"limited to {result.provenance.limit:,} trials"
    if picked_on_test(result.roles):
        return PICKED_ON_TEST
    return "other trials than the official ones"


def _tied(one: Entry, other: Entry, p_value: Callable[[Entry, Entry], float | None]) -> bool:
    if one is other:
        return True
    p = p_value(one, other)
    if p is not None:
        return p > TIED
    a, b = one.result.scores[0], other.result.scores[0]
    if None in (a.low, a.high, b.low, b.high):
        return a.value == b.value
    return not (a.high < b.low or b.high < a.low)  # type: ignore[operator]


def number(score: Score | None, interval: bool = False) -> str:
    """A score as a person reads it: in its unit, a bound marked as such, the interval where asked."""
    if score is None:
        return "–"
    factor, form = 100 if score.unit == "%" else 1, FORMS.get(score.unit, ".2f")
    sign = {"at most": "≤ ", "at least": "≥ "}.get(score.bound or "", "")
    text = f"{sign}{score.value * factor:{form}}"
    if interval and score.low is not None and score.high is not None:
        text += f" [{score.low * factor:{form}}, {score.high * factor:{form}}]"
    return text + (MARK if score.note.startswith(NOISY) else "")


def spread(score: Score) -> str:
    """The standard error of a mean over folds, in the score's unit."""
    factor = 100 if score.unit == "%" else 1
    return "–" if score.standard_error is None else f"{score.standard_error * factor:.2f}"


def columns(board: Board) -> list[str]:
    """The metrics on a board, the headline first."""
    scores = [row.entry.result.scores for row in board.rows]
    if not board.shown or not scores:
        return [score.metric for score in scores[0]] if scores else []
    headline, there = scores[0][0].metric, {score.metric for row in scores for score in row}
    return [headline, *(metric for metric in board.shown if metric in there and metric != headline)]


def markdown(board: Board, protocol: Protocol | None, reported: list[dict[str, Any]]) -> str:
    """The board as a page, the same text for the same results."""
    lines = [f"# {plain(board.protocol)}", "", "Generated by `facebench rank`; do not edit.", ""]
    if protocol is not None:
        lines += [f"{_sentence(protocol.about)} {_sentence(protocol.cite)}", ""]
        lines += [f"Data: {plain(protocol.data.name)}; licence: {plain(protocol.data.licence)}.", ""]
    if board.rows:
        reading = protocol.task.reading if protocol is not None else Reading()
        lines += [_results_table(board), "", _legend(board, reading), "", "## Methods", ""]
        lines += [_methods_table(board, reading), ""]
    if board.apart:
        lines += ["## Not ranked", ""]
        lines += [f"- {plain(why)}: {plain(e.result.title)}" for e, why in board.apart] + [""]
    if reported:
        lines += ["## Reported elsewhere, not measured here", "", *_reported(reported), ""]
    if protocol is not None:
        lines += ["## Limits", "", protocol.task.limits, ""]
    if board.rows:
        first = board.rows[0].entry.result
        lines += [
            "## Recompute",
            "",
            f"Protocol digest `{plain(first.digest)}`, data fingerprint `{plain(first.provenance.data)}`.",
            "",
        ]
        others = "".join(f" --role {plain(role)}={plain(role).upper()}" for role in first.roles if role != "method")
        own = " --method METHOD" if "method" in first.roles else ""
        call = f"{' '.join(board.protocol.split())}{own}{others}"
        lines += [f"    facebench run {call} --data DIR --models DIR", ""]
    return "\n".join(lines)


# The keys of rows from papers, with the head of their table and what is told of them.
REPORTED: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {
    ("method", "trained_on", "value", "source"): (
        ("method", "trained on", "accuracy", "source"),
        "Figures as their sources state them, on images aligned and compared in their own way, so they are no rows of "
        "the table above.",
    ),
    ("method", "figure", "hardware", "source", "trust"): (
        ("method", "figure", "hardware", "source", "how it is known"),
        "Figures as their sources state them, each of its own machine, parameters and way of counting, so they are no "
        "rows of the table above and have no ratio.",
    ),
}


def _results_table(board: Board) -> str:
    headline, *others = columns(board)
    spreads = [spread(row.entry.result.scores[0]) for row in board.rows]
    folds = any(text != "–" for text in spreads)
    head = ["rank", "method", f"{headline} [95 %]", *(["s.e."] if folds else []), *others]
    body = []
    for row, text in zip(board.rows, spreads, strict=True):
        result = row.entry.result
        name = plain(result.title) + (" (floor)" if any(c.floor for c in result.cards.values()) else "")
        scores = [number(result.score(metric)) for metric in others]
        first = number(result.scores[0], interval=True)
        body.append([row.rank, name, first, *([text] if folds else []), *scores])
    return as_table([plain(cell).replace("\\[95", "[95") for cell in head], body)


def _legend(board: Board, reading: Reading) -> str:
    there = set(columns(board))
    told = [(row, s) for row in board.rows for s in row.entry.result.scores if s.note and s.metric in there]
    noisy = [s for _, s in told if s.note.startswith(NOISY)]
    notes: dict[str, list[str]] = {}
    for row, score in told:
        if not score.note.startswith(NOISY) and row.entry.result.title not in notes.setdefault(score.note, []):
            notes[score.note].append(row.entry.result.title)
    text = reading.legend
    if any(row.entry.result.scores[0].standard_error is not None for row in board.rows):
        text += " s.e.: standard error of the mean over folds."
    text += f" A range of ranks: methods whose paired difference has p > {TIED} are not told apart."
    if noisy:
        text += f"{MARK}: noisy, quartiles over {NOISIEST:.0%} of the median apart."
    if board.shown:
        text += " All other metrics are in the results' files."
    for note, names in sorted(notes.items()):
        whose = f" ({'; '.join(names)})" if len(names) < len(board.rows) else ""
        text += f" {_sentence(note + whose)}"
    return text


def _methods_table(board: Board, reading: Reading) -> str:
    """A row a method, whatever roles and cells it is in; failures are those of all of its cells."""
    cards, counts = {}, dict[str, list[int]]()
    for result in (row.entry.result for row in board.rows):
        for name, card in result.cards.items():
            cards[name] = card
            count = counts.setdefault(name, [0, 0])
            count[0], count[1] = count[0] + result.failures, count[1] + result.samples
    body = []
    for name, card in cards.items():
        marks = dict.fromkeys(card.trained_on, "") | dict.fromkeys(card.withdrawn, " (withdrawn by its publisher)")
        trained = ", ".join(data + mark for data, mark in marks.items()) or "nothing"
        failed, made = "{:,} of {:,}".format(*counts[name]), f"{card.distribution} {card.version}"
        body.append([plain(cell) for cell in (name, card.licence, trained, made, failed)])
    return as_table(["method", "licence", "trained on", "plugin", reading.column], body)


def _reported(reported: list[dict[str, Any]]) -> list[str]:
    """What is told of the rows, and their table."""
    keys, (head, told) = next((keys, shape) for keys, shape in REPORTED.items() if set(keys) == set(reported[0]))
    body = [[plain(str(row[key])) for key in keys] for row in reported]
    return [told, "", as_table(list(head), body)]


def read_reported(folder: Path) -> list[dict[str, Any]]:
    """Rows of ``reported.toml`` in a board's folder, of one kind; raises DataDamaged where one lacks its source."""
    path = folder / "reported.toml"
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["row"]
        kinds = [set(keys) for keys in REPORTED]
        for row in rows:
            if set(row) not in kinds or set(row) != set(rows[0]):
                raise ValueError(f"a row has the keys {sorted(row)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        kinds_told = (f"{', '.join(keys[:-1])} and {keys[-1]}" for keys in REPORTED)
        do = f"Each [[row]] has {', or each '.join(kinds_told)}."
        raise DataDamaged(f"{path} was read.", f"It does not fit: {error}.", do) from None
    return rows


def as_table(head: list[str], body: list[list[str]]) -> str:
    """A table in Markdown; every cell is text as it is to be read, escaped by the caller."""
    from tabulate import tabulate

    return str(tabulate(body, head, tablefmt="github", disable_numparse=True))


def plain(text: str) -> str:
    """Text of a result file, fit for Markdown: names come from strangers."""
    text = html.escape(" ".join(text.split()), quote=False).replace("`", "'")
    return re.sub(r"([\\|\[])", r"\\\1", text)


def _sentence(text: str) -> str:
    text = plain(text)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def index(boards: Mapping[str, Board]) -> str:
    """The page over all boards: each with its leader."""
    body = []
    for name, board in sorted(boards.items()):
        leaders = [row.entry.result for row in board.rows if row.first == 1]
        headline = columns(board)[0] if board.rows else "–"
        best = number(leaders[0].scores[0], interval=True) if leaders else "–"
        body.append(
            [
                f"\\[{name}]({name}/README.md)"[1:],
                str(len(board.rows)),
                plain(headline),
                best,
                ", ".join(plain(r.title) for r in leaders),
            ]
        )
    table = as_table(["board", "methods", "headline", "best [95 %]", "first"], body)
    return f"# Boards\n\nGenerated by `facebench rank`; do not edit.\n\n{table}\n"
