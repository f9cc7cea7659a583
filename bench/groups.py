"""Errors by group: the images of a run sorted by a column of an attribute table, and how often each group fails.

A group is a label in somebody's table, no fact about a person. Data sets for benchmarks are no sample of people, so
error rates by group on them say little of people at large.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import boards, suite
from bench.cases import Cases, ErrorRate
from bench.errors import DataDamaged, Mismatch, NotAResult, WrongUse
from bench.metrics import biometric, resampling
from bench.metrics.metric import Estimate
from bench.plugins import discover
from bench.protocol import Sample
from bench.results import Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 1000, 0
ALL, MIXED, ABSENT = "(all)", "(mixed)", "(not in the table)"
FEW = 30  # people: fewer are too few to draw from
MOST_GROUPS, MOST_LABEL, MOST_BYTES = 50, 60, 256 << 20
HOW = (
    f"Rates in percent with 95 % intervals by bootstrap over identities, thresholds held. A pair is in a group where "
    f"both of its images are, else {MIXED}. A rate with fewer than three expected events is a bound (≤). Few: under "
    f"{FEW} people."
)
LIMITS = (
    "Groups are labels of a table, made by someone for some purpose, and no facts about the people pictured. These are "
    "not a sample of people: rates by group on such data say little of people at large."
)


@dataclass(frozen=True, slots=True)
class Group:
    """One group's counts and error rates; a rate of which it has no case is left out.

    ``people``: how many different ones; ``few``: whether that is under FEW; ``counts``: cases by kind; ``of``: how many
    cases each rate rests on, by its name.
    """

    name: str
    people: int
    few: bool
    counts: Mapping[str, int]
    rates: tuple[Score, ...]
    of: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ByGroup:
    """The error rates of a result by group, the whole first; ``unused``: rows of the table for no image asked about."""

    protocol: str
    method: str
    column: str
    groups: tuple[Group, ...]
    about: Mapping[str, str]
    unused: int
    notes: tuple[str, ...]
    how: str = HOW
    limits: str = LIMITS


def by_group(
    run: str | Path, table: Path, column: str, name_column: str = "name", data: str | Path | None = None
) -> ByGroup:
    """Error rates of a result by a column of ``table``, a CSV with the images' names as their owner writes them.

    A name may be a path; then its last part must say which image it is. Images without a row, or with an empty cell,
    are the group ABSENT. Raises Mismatch where the task's errors have no groups or the data under the root are not
    those of the result, and DataDamaged or WrongUse for a table that cannot be used.
    """
    found = boards.entry(run)
    protocol, limit = discover().protocol(found.result.protocol), found.result.provenance.limit
    asked = f"Errors of {found.path} by group were asked for."
    if protocol.task.cases is None:
        raise Mismatch(asked, f"The task {protocol.task.name} has no errors to be counted by group.")
    labels, trials = read_labels(table, column, name_column), boards.own_trials(found)
    content = suite.read_content(protocol, data)
    if protocol.digest_of(content.trials_sha256) != found.result.digest:
        raise Mismatch(asked, "The data under the data root give other trials.", "Give the data that it was run on.")
    content = content if limit is None else protocol.task.limit(content, limit)
    of_samples, unused = matched(labels, content.samples, table)
    try:
        cases = protocol.task.cases(content, trials)
        if cases.samples.min() < 0 or cases.samples.max() >= len(of_samples):
            raise ValueError("a sample that the data do not have")
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # a stranger's file may hold anything
        raise NotAResult(asked, f"Its trials do not fit the data: {type(error).__name__}: {error}.") from None
    about = {rate.name: rate.about for rate in cases.rates}
    groups = tuple(rates_by_group(cases, of_samples))
    return ByGroup(found.result.protocol, found.result.name, column, groups, about, unused, cases.notes)


def read_labels(path: Path, column: str, name_column: str) -> list[tuple[str, str]]:
    """The table's rows as (name, label), in its order; raises WrongUse or DataDamaged, with the line."""
    asked = f"{path} was read as an attribute table."
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataDamaged(asked, f"It is over {MOST_BYTES >> 20} MiB.")
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            head = next(lines, [])
            wanted = [_column(head, name, asked) for name in (name_column, column)]
            rows = []
            for row in filter(None, lines):
                if len(row) != len(head):
                    raise DataDamaged(asked, f"Line {lines.line_num} has {len(row)} cells, the first {len(head)}.")
                rows.append((row[wanted[0]].strip(), row[wanted[1]].strip()))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise WrongUse(asked, f"It cannot be read: {error}.", "Give a CSV with a header line.") from None
    names = {label for _, label in rows}
    if bad := sorted(label for label in names if len(label) > MOST_LABEL or not label.isprintable()):
        raise DataDamaged(asked, f"The column {column} holds {bad[0][:MOST_LABEL]!r}.", "A label is one short line.")
    if taken := names & {ALL, MIXED, ABSENT}:
        raise WrongUse(asked, f"{min(taken)} is a label in it.", "That name is ours: call the group something else.")
    if len(names) > MOST_GROUPS:
        do = f"Give a column with at most {MOST_GROUPS}: make ranges of numbers first."
        raise WrongUse(asked, f"The column {column} holds {len(names):,} different values.", do)
    return rows


def _column(head: Sequence[str], name: str, asked: str) -> int:
    if head.count(name) != 1:
        found = f"Its columns are {', '.join(head)[:200] or 'none'}; {head.count(name)} are called {name}."
        raise WrongUse(asked, found, "Give --by COLUMN and --name-column COLUMN as the header line has them.")
    return head.index(name)


def matched(labels: Sequence[tuple[str, str]], samples: Sequence[Sample], table: Path) -> tuple[list[str | None], int]:
    """Each sample's label, None without one, and how many rows are for no sample.

    A row is for the sample of that very name, else for the only one whose name ends in the same file name. Raises
    DataDamaged where that is not one image, or two rows say different things of one.
    """
    asked = f"The rows of {table} were matched with the images."
    exact = {sample.name: i for i, sample in enumerate(samples)}
    ends: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        ends.setdefault(_end(sample.name), []).append(i)
    given: list[str | None] = [None] * len(samples)
    unused = 0
    for number, (name, label) in enumerate(labels, 1):
        places = [exact[name]] if name in exact else ends.get(_end(name), [])
        if len(places) > 1:
            raise DataDamaged(asked, f"Row {number} may be any of {len(places)} images.", "Give the owner's names.")
        for place in places:
            if given[place] not in (None, label):
                raise DataDamaged(asked, f"Row {number} says another thing of an image than a row before it.")
            given[place] = label
        unused += not places
    if unused == len(labels):
        do = "Give --name-column COLUMN, with names as the data set's owner writes them."
        raise WrongUse(asked, f"None of its {len(labels):,} rows is for an image that was asked about.", do)
    return [label or None for label in given], unused


def _end(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def rates_by_group(cases: Cases, labels: Sequence[str | None]) -> Iterator[Group]:
    """Each group's counts and rates, that of all cases first; ``labels``: one a sample."""
    import numpy as np

    names = sorted({label for label in labels if label is not None})
    absent, mixed = len(names), len(names) + 1
    code = np.array([absent if label is None else names.index(label) for label in labels])
    one, other = code[cases.samples].T
    group = np.where(one == other, one, np.where(np.maximum(one, other) == absent, absent, mixed))
    drawn = list(_drawn(cases, group, mixed + 1))
    for place, name in [(-1, ALL), *enumerate([*names, ABSENT, MIXED])]:
        inside = np.ones(len(group), bool) if name == ALL else group == place
        if not inside.any():
            continue
        people = len(np.unique(cases.subjects[inside]))
        of = {rate.name: int((rate.counted & inside).sum()) for rate in cases.rates}
        scores = [
            _score(rate, inside, [draw[i][place] for draw in drawn])
            for i, rate in enumerate(cases.rates)
            if of[rate.name]
        ]
        counts = {kind: int((mask & inside).sum()) for kind, mask in cases.counts.items()}
        yield Group(name, people, people < FEW, counts, tuple(scores), of)


def _drawn(cases: Cases, group: NDArray[Any], groups: int) -> Iterator[list[NDArray[Any]]]:
    """Draw by draw of identities, each rate of each group, that of all cases last; NaN where a draw left no case."""
    import numpy as np

    counted = [np.flatnonzero(rate.counted) for rate in cases.rates]
    wrong = [np.flatnonzero(rate.counted & rate.wrong) for rate in cases.rates]
    first, second = cases.subjects.T
    for weights in resampling.identity_weights(first, second, REPLICATES, SEED, cases.compared):
        total = partial(_totals, weights, group, groups)
        with np.errstate(invalid="ignore"):
            yield [total(failed) / total(every) for failed, every in zip(wrong, counted, strict=True)]


def _totals(weights: NDArray[Any], group: NDArray[Any], groups: int, rows: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    by_group = np.bincount(group[rows], weights[rows], groups)
    return np.append(by_group, by_group.sum())


def _score(rate: ErrorRate, inside: NDArray[Any], drawn: Sequence[float]) -> Score:
    """A group's rate with its interval; with too few cases for the rate expected of it, the interval's upper end."""
    counted = rate.counted & inside
    of, value = int(counted.sum()), float(rate.wrong[counted].mean())
    known = [one for one in drawn if one == one] or [value]
    low, high = resampling.bounded_interval(Estimate(value, resolution=of), *resampling.interval(known))
    bound, note = biometric.resolved(of, rate.expected) if rate.expected else (None, "")
    if bound:
        return Score(rate.name, max(high, value), None, None, "lower", "%", bound, note=note)
    return Score(rate.name, value, low, high, "lower", "%")
