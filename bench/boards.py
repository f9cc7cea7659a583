"""Boards on disk: reading results, ranking, writing and checking pages, comparing and auditing."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench import data_card, leaderboard, results
from bench.answers import Table, contents_sha256, read_table, write
from bench.cells import slug
from bench.disagreement import Disagreement, disagreement
from bench.errors import Mismatch, NotAResult, NotWritten
from bench.leaderboard import Board, Entry
from bench.metrics import resampling
from bench.plugins import discover
from bench.protocol import Protocol
from bench.results import Result
from bench.selection import picked_on_test

# Of the trials' columns those that say which trials they are, in every task.
IDENTITY = ("trial", "fold", "mated", "truth", "cluster", "reference", "probe", "reference_subject", "probe_subject")
SAME = 1e-6  # how far a score recomputed on another processor may lie off


def read_results(folders: Iterable[str | Path]) -> list[Entry]:
    """All results under some folders: ``result.json`` of runs, and every JSON of a folder of boards."""
    entries: list[Entry] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise NotAResult(f"{folder} was to be ranked.", "There is no such folder.")
        pattern = "result.json" if holds_runs(folder) else "*.json"
        entries += [Entry(results.read(path), path) for path in sorted(folder.rglob(pattern))]
    if not entries:
        raise NotAResult(
            f"{', '.join(map(str, folders))} was to be ranked.", "There is no result in it.", "Run something first."
        )
    return entries


def holds_runs(folder: Path) -> bool:
    """Whether runs lie below a folder, rather than boards."""
    return any(folder.rglob("header.json")) or any(folder.rglob("result.json"))


def rank(entries: Iterable[Entry]) -> dict[str, Board]:
    """A board a protocol; methods that a paired test does not tell apart share ranks.

    Raises MixedProtocols where results of one name answer different questions.
    """
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(entry.result.protocol, []).append(entry)
    boards = {}
    for name, group in sorted(grouped.items()):
        protocol = discover().protocols.get(name)
        shown = protocol.shown if protocol is not None else ()
        alike = tuple(role.name for role in protocol.task.roles if role.alike) if protocol is not None else ()
        boards[name] = leaderboard.rank(group, partial(_p_value, _headlines(protocol, group)), shown, alike)
    return boards


def _headlines(protocol: Protocol | None, entries: list[Entry]) -> dict[str, tuple[str, list[float]]]:
    """The headline under draw after draw of every result whose trials are at hand and its own, and what was drawn."""
    drawn: dict[str, tuple[str, list[float]]] = {}
    for entry in entries:
        if protocol is not None and len(entries) > 1 and entry.trials.exists():
            trials = read_table(entry.trials)
            if contents_sha256(trials) == entry.result.trials_sha256:
                values = [row[0] for row in protocol.task.replicates(protocol.metrics[:1], trials)]
                drawn[str(entry.path)] = contents_sha256(_identities(protocol, trials)), values
    return drawn


def _p_value(drawn: Mapping[str, tuple[str, list[float]]], one: Entry, other: Entry) -> float | None:
    """The p-value of the paired difference; None where the draws are not of the same, and so are no pairs."""
    (first, a), (second, b) = (drawn.get(str(entry.path), ("", [])) for entry in (one, other))
    if not first or first != second:
        return None
    return resampling.paired_p_value([x - y for x, y in zip(a, b, strict=True)])


def pages(folder: Path) -> dict[Path, str]:
    """Every README that belongs into a folder of boards, as it should read; a data set of the Hub has a card, too."""
    boards = rank(read_results([folder]))
    texts = {folder / "README.md": leaderboard.index(boards)}
    if (folder / data_card.EVAL).exists():  # a data set of the Hub
        texts[folder / "README.md"] = data_card.front_matter(boards) + texts[folder / "README.md"]
        texts[folder / data_card.EVAL] = data_card.eval_yaml(boards)
    for name, board in boards.items():
        place = folder.joinpath(*name.split("/"))
        texts[place / "README.md"] = leaderboard.markdown(
            board, discover().protocols.get(name), leaderboard.read_reported(place)
        )
    return texts


def write_boards(folder: Path) -> list[Path]:
    """Write the pages of a folder of boards and return those that changed."""
    changed = [path for path, text in pages(folder).items() if not path.exists() or path.read_text("utf-8") != text]
    texts = pages(folder) if changed else {}
    refuse_others(folder, texts)
    for path in changed:
        write(path, texts[path])
    return changed


def refuse_others(folder: Path, texts: Iterable[Path]) -> None:
    """Raise NotWritten where a README of somebody's own would be lost; a head without a text below it is none."""
    for path in texts:
        text = path.read_text("utf-8", "replace") if path.name == "README.md" and path.exists() else ""
        body = re.sub(r"\A---\n.*?^---$", "", text, count=1, flags=re.DOTALL | re.MULTILINE)
        if body.strip() and leaderboard.GENERATED not in body:
            asked = f"Pages of boards were to be written, {path.relative_to(folder)} among them."
            raise NotWritten(asked, "It is there, and facebench did not write it.", "Move its text elsewhere first.")


def check_boards(folder: Path) -> list[str]:
    """What on the boards is not what its files say: pages, scores, trials, places. Empty when all is true."""
    written = pages(folder)
    faults = [
        f"{path} is not what 'facebench rank {folder}' writes"
        for path, text in written.items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    for entry in read_results([folder]):
        expected = folder.joinpath(*entry.result.protocol.split("/"))
        if entry.path.parent != expected:
            faults.append(f"{entry.path} belongs into {expected}")
        faults += [f"{entry.path}: {what}" for what, fault in audited(entry) if fault]
    faults += [
        f"{path} is of a board that is gone" for path in sorted(folder.rglob("README.md")) if path not in written
    ]
    return faults


def audited(found: Entry) -> list[tuple[str, str]]:
    """The audit of a result on a board; where its data set forbids publishing trials, what can be had without them."""
    protocol = discover().protocols.get(found.result.protocol)
    if protocol is None or protocol.data.trials_publishable or found.trials.exists():
        return audit(found.path)
    return audit(found.path)[:-1]


def into_boards(entries: Iterable[Entry], folder: Path) -> list[Path]:
    """Copy official results and their trials into a folder of boards; return the files written."""
    written = []
    for entry in entries:
        if not entry.result.official or entry.result.provenance.external:
            continue
        (place, source), *trials = board_files(entry).items()
        write(folder / place, source.read_bytes())
        for beside, source in trials:
            shutil.copyfile(source, folder / beside)
        written.append(folder / place)
    return written


def board_files(found: Entry) -> dict[str, Path]:
    """What of a result goes on a board, by its path there: the result, and its trials where their licence allows."""
    place = f"{found.result.protocol}/{file_name(found.result)}"
    protocol = discover().protocols.get(found.result.protocol)
    publishable = protocol is not None and protocol.data.trials_publishable and found.trials.exists()
    return {f"{place}.json": found.path} | ({f"{place}.trials.parquet": found.trials} if publishable else {})


def file_name(result: Result) -> str:
    """A result's file name on a board: its methods, with eight digits where the slug alone is not the name."""
    told = f"{result.name} seed={result.provenance.seed}"
    plain = slug(result.name) == result.name and result.provenance.seed == 0
    return slug(result.name, "" if plain else hashlib.sha256(told.encode()).hexdigest())


def entry(path: str | Path) -> Entry:
    """The result in a file, or in the folder of a run."""
    file = Path(path) / "result.json" if Path(path).is_dir() else Path(path)
    return Entry(results.read(file), file)


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two results on the same trials: ``difference`` is first minus second, with its 95 % interval.

    Where the comparisons cannot resolve the rate both values are bounds: ``bound`` says which, and there is no interval
    and no p-value.
    """

    metric: str
    first: float
    second: float
    difference: float
    unit: str
    better: str
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    bound: str | None = None


def compare(first: str | Path, second: str | Path) -> tuple[Difference, ...]:
    """Paired differences of two results, each draw of clusters taken for both.

    Raises Mismatch where they answer different questions or other trials, NotAResult where trials are absent.
    """
    one, other, pairs, protocol = _paired(first, second)
    drawn = zip(*(protocol.task.replicates(protocol.metrics, trials) for trials in pairs), strict=True)
    differences = [[a - b for a, b in zip(x, y, strict=True)] for x, y in drawn]
    rows = []
    for column, metric in enumerate(protocol.metrics):
        a, b = (e.result.score(metric.name) for e in (one, other))
        if a is not None and b is not None:
            difference = Difference(metric.name, a.value, b.value, a.value - b.value, metric.unit, metric.better)
            if bound := a.bound or b.bound:
                rows.append(replace(difference, bound=bound))
                continue
            values = [row[column] for row in differences]
            low, high = resampling.interval(values)
            rows.append(replace(difference, low=low, high=high, p_value=resampling.paired_p_value(values)))
    return tuple(rows)


def disagree(first: str | Path, second: str | Path) -> Disagreement | None:
    """The decisions that one of two results takes rightly and the other wrongly; None where their task has none.

    Raises as ``compare`` does.
    """
    _, _, trials, protocol = _paired(first, second)
    decided = [protocol.task.decide(table) for table in trials] if protocol.task.decide else []
    found = [decisions for decisions in decided if decisions is not None]
    return disagreement(*found) if len(found) == 2 else None


def _paired(first: str | Path, second: str | Path) -> tuple[Entry, Entry, list[Table], Protocol]:
    """Two results of one question on the same trials, their trials and the protocol."""
    one, other = entry(first), entry(second)
    asked = f"{one.path} and {other.path} were to be compared."
    if one.result.digest != other.result.digest or one.result.provenance.limit != other.result.provenance.limit:
        found = f"One answers {one.result.protocol}, the other {other.result.protocol}"
        raise Mismatch(asked, f"{found}; digest, limit or both differ.", "Compare results of one question.")
    pairs, protocol = [own_trials(one), own_trials(other)], discover().protocol(one.result.protocol)
    if contents_sha256(_identities(protocol, pairs[0])) != contents_sha256(_identities(protocol, pairs[1])):
        raise Mismatch(asked, "Their trials are not the same ones.", "Run both on the same data.")
    return one, other, pairs, protocol


def own_trials(found: Entry) -> Table:
    """A result's trials; raises NotAResult where they are absent or not the ones it was scored from."""
    asked = f"The trials of {found.path} were read."
    if not found.trials.exists():
        raise NotAResult(asked, f"{found.trials} does not exist.", "A comparison needs the trials beside the result.")
    trials = read_table(found.trials)
    if contents_sha256(trials) != found.result.trials_sha256:
        raise NotAResult(asked, f"{found.trials} is not what it was scored from.", "Score or run the cell again.")
    return trials


def _identities(protocol: Protocol, trials: Table) -> Table:
    """The columns that say which trials these are, whatever was answered; the first model's of several."""
    import numpy as np

    if protocol.task.drawn is not None:
        return protocol.task.drawn(trials)
    rows = slice(None) if "model" not in trials else np.flatnonzero(trials["model"] == trials["model"][0])
    return {name: trials[name][rows] for name in IDENTITY if name in trials}


def audit(path: str | Path) -> list[tuple[str, str]]:
    """Check a result against its protocol and recompute its scores from its trials.

    Returns (what was checked, fault), the fault being "" where it holds.
    """
    found = entry(path)
    result, protocol = found.result, discover().protocols.get(found.result.protocol)
    checks = [("the protocol is known here", "" if protocol else f"no protocol {result.protocol!r}")]
    if protocol is None:
        return checks
    same = result.digest == protocol.digest
    official = same and result.provenance.limit is None and not picked_on_test(result.roles)
    checks.append(
        ("it answers the official question", "" if same else f"digest {result.digest[:12]}, not {protocol.digest[:12]}")
    )
    checks.append(("it says so", "" if result.official == official else "its mark 'official' is wrong"))
    try:
        trials = own_trials(found)
    except NotAResult as error:
        return [*checks, ("its trials are at hand and its own", error.found)]
    checks.append(("its trials are at hand and its own", ""))
    try:
        scored = protocol.task.score(protocol, trials)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # a stranger's file may hold anything
        return [*checks, ("its trials can be scored", f"{type(error).__name__}: {error}")]
    again = {score.metric: score for score in scored.scores}
    for score in result.scores:
        other = again.pop(score.metric, None)
        near = other is not None and all(
            _near(getattr(score, n), getattr(other, n)) for n in ("value", "low", "high", "standard_error")
        )
        checks.append(
            (
                f"{score.metric} is what the trials give",
                "" if near else f"{score.value} against {other and other.value}",
            )
        )
    checks.append(("no metric is left out", f"{', '.join(again)} absent" if again else ""))
    counted = (result.samples, result.failures, dict(result.reasons))
    truly = (scored.samples, sum(scored.reasons.values()), dict(scored.reasons))
    checks.append(("no failure is left out", "" if counted == truly else f"{counted} against {truly}"))
    return checks


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=0, abs_tol=SAME)
