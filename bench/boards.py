"""Boards on disk: reading results, ranking, writing and checking pages, comparing and auditing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench import auditing, data_card, leaderboard, results
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
from bench.trials import identities, other_trials

OF_RUNS = ("header", "result")  # what no file of a board is called, as files of runs are
UNFINISHED = ("header.json", "run.json", "prepared.json", "selection.json")  # what runs without a result have


def read_results(folders: Iterable[str | Path]) -> list[Entry]:
    """All results under some folders: ``result.json`` of runs, and every JSON of a folder of boards."""
    entries: list[Entry] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise NotAResult(f"{folder} was to be ranked.", "There is no such folder.")
        if holds_runs(folder):
            entries += [Entry(results.read(path), path) for path in sorted(folder.rglob("result.json"))]
        else:
            entries += _read_boards(folder)
    if not entries:
        raise NotAResult(
            f"{', '.join(map(str, folders))} was to be ranked.", "There is no result in it.", "Run something first."
        )
    return entries


def _read_boards(folder: Path) -> list[Entry]:
    """Every JSON of a folder of boards, whatever it is called: no file hides the others by its name."""
    return [Entry(results.read(path), path) for path in sorted(folder.rglob("*.json"))]


def holds_runs(folder: Path) -> bool:
    """Whether runs lie below a folder, rather than boards: headers with their results, or headers and no result yet."""
    headers = [*folder.rglob("header.json")]
    if any(path.with_name("result.json").exists() for path in headers):
        return True
    return bool(headers) and all(path.name in UNFINISHED for path in folder.rglob("*.json"))


def rank(entries: Iterable[Entry]) -> dict[str, Board]:
    """A board a protocol; methods that a paired test does not tell apart share ranks.

    Raises MixedProtocols where results of one name answer different questions.
    """
    boards = {}
    for name, group in sorted(_grouped(entries).items()):
        protocol = discover().protocols.get(name)
        shown = protocol.shown if protocol is not None else ()
        p_value = partial(_p_value, _headlines(protocol, group))
        first = protocol.task.roles[0].name if protocol is not None else ""
        boards[name] = leaderboard.rank(group, p_value, shown, _alike(protocol), first)
    return boards


def _grouped(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(entry.result.protocol, []).append(entry)
    return grouped


def _alike(protocol: Protocol | None) -> tuple[str, ...]:
    """The roles in which results of a protocol must have the same method to be ranked together."""
    return tuple(role.name for role in protocol.task.roles if role.alike) if protocol is not None else ()


def _headlines(protocol: Protocol | None, entries: list[Entry]) -> dict[str, tuple[str, list[float]]]:
    """The headline under draw after draw of every result whose trials are at hand and its own, and what was drawn."""
    drawn: dict[str, tuple[str, list[float]]] = {}
    for entry in entries:
        if protocol is not None and len(entries) > 1 and entry.trials.exists():
            trials = read_table(entry.trials)
            if contents_sha256(trials) == entry.result.trials_sha256:
                values = [row[0] for row in protocol.task.replicates(protocol.metrics[:1], trials)]
                drawn[str(entry.path)] = contents_sha256(identities(protocol, trials)), values
    return drawn


def _p_value(drawn: Mapping[str, tuple[str, list[float]]], one: Entry, other: Entry) -> float | None:
    """The p-value of the paired difference; None where the draws are not of the same, and so are no pairs."""
    (first, a), (second, b) = (drawn.get(str(entry.path), ("", [])) for entry in (one, other))
    if not first or first != second:
        return None
    return resampling.paired_p_value([x - y for x, y in zip(a, b, strict=True)])


def pages(folder: Path) -> dict[Path, str]:
    """Every README that belongs into a folder of boards, as it should read; a data set of the Hub has a card, too."""
    entries = _read_boards(folder)
    if not entries:
        found = "There is no result in it." if folder.is_dir() else "There is no such folder."
        raise NotAResult(f"{folder} was to be ranked.", found, "Run something first.")
    boards = rank(entries)
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
    changed = [path for path, text in pages(folder).items() if not path.exists() or path.read_bytes() != text.encode()]
    texts = pages(folder) if changed else {}
    refuse_others(folder, texts)
    for path in changed:
        write(path, texts[path])
    return changed


def refuse_others(folder: Path, texts: Iterable[Path]) -> None:
    """Raise NotWritten where a file of somebody's own would be lost; a README's head without a text is none."""
    for path in texts:
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        body = re.sub(r"\A---\n.*?^---$", "", text, count=1, flags=re.DOTALL | re.MULTILINE)
        ours = data_card.is_ours(text) if path.name == data_card.EVAL else leaderboard.GENERATED in body
        if body.strip() and not ours:
            asked = f"Pages of boards were to be written, {path.relative_to(folder)} among them."
            raise NotWritten(asked, "It is there, and facebench did not write it.", "Move its text elsewhere first.")


def check_boards(folder: Path) -> list[str]:
    """What on the boards is not what its files say: pages, scores, trials, places. Empty when all is true."""
    written = pages(folder)
    faults = [
        f"{path} is not what 'facebench rank {folder}' writes"
        for path, text in written.items()
        if not path.exists() or path.read_bytes() != text.encode()
    ]
    entries = _read_boards(folder)
    for entry in entries:
        expected = folder.joinpath(*entry.result.protocol.split("/"))
        if entry.path.parent != expected:
            faults.append(f"{entry.path} belongs into {expected}")
        faults += [f"{entry.path}: {what}" for what, fault in audited(entry) if fault]
        if why := forbidden(entry):
            faults.append(f"{entry.trials}: {why}")
    faults += [f"{entry.path}: {why}" for entry, why in other_trials(entries)]
    faults += [
        f"{path} is of a board that is gone" for path in sorted(folder.rglob("README.md")) if path not in written
    ]
    return faults


def audited(found: Entry) -> list[tuple[str, str]]:
    """The audit of a result on a board; where its data set forbids publishing trials, what can be had without them."""
    if not unseen(found):
        return audit(found.path)
    return audit(found.path)[:-1]


def unseen(found: Entry) -> bool:
    """Whether a result lies without its trials since its data set forbids publishing them: no score is recomputed."""
    return _forbids(found) and not found.trials.exists()


def forbidden(found: Entry) -> str:
    """Why the trials beside a result on a board may not lie there; "" where they may, or are not there."""
    return "its data set lets no trials be published" if _forbids(found) and found.trials.exists() else ""


def _forbids(found: Entry) -> bool:
    protocol = discover().protocols.get(found.result.protocol)
    return protocol is not None and not protocol.data.trials_publishable


def into_boards(entries: Iterable[Entry], folder: Path) -> list[Path]:
    """Copy official results and their trials into a folder of boards; return the result files, each once.

    Raises NotWritten where two would be one file or a README of somebody's own would be lost, and MixedProtocols where
    a board would mix questions; then nothing was changed.
    """
    asked = f"Results were to be copied into {folder}."
    chosen = [e for e in entries if e.result.official and not e.result.provenance.external]
    files: dict[str, Path] = {}
    for one in chosen:
        for place, source in board_files(one).items():
            other = files.setdefault(place, source)
            if other != source and other.read_bytes() != source.read_bytes():
                do = "A board has place for one of them: give the folder of that one."
                raise NotWritten(asked, f"{other} and {source} would both be {place}.", do)
    _check_room(chosen, files, folder)
    for place, source in files.items():
        write(folder / place, source.read_bytes())
    for one in chosen:
        (place, _), *_ = board_files(one).items()
        if _forbids(one):
            (folder / place).with_suffix(".trials.parquet").unlink(missing_ok=True)
    return [folder / place for place in files if place.endswith(".json")]


def _check_room(chosen: Iterable[Entry], files: Mapping[str, Path], folder: Path) -> None:
    """Raise what writing the pages would raise once ``files`` are there."""
    kept = [e for e in _read_boards(folder) if e.path.relative_to(folder).as_posix() not in files]
    grouped = _grouped([*kept, *chosen])
    for name, group in grouped.items():
        leaderboard.rank(group, lambda one, other: None, alike=_alike(discover().protocols.get(name)))
    pages_there = [folder.joinpath(*name.split("/")) / "README.md" for name in grouped]
    refuse_others(folder, [folder / "README.md", *pages_there])


def board_files(found: Entry) -> dict[str, Path]:
    """What of a result goes on a board, by its path there: the result, and its trials where their licence allows."""
    place = f"{found.result.protocol}/{file_name(found.result)}"
    protocol = discover().protocols.get(found.result.protocol)
    publishable = protocol is not None and protocol.data.trials_publishable and found.trials.exists()
    return {f"{place}.json": found.path} | ({f"{place}.trials.parquet": found.trials} if publishable else {})


def file_name(result: Result) -> str:
    """A result's file name on a board: its methods, with eight digits where the slug alone is not the name."""
    told = f"{result.name} seed={result.provenance.seed}"
    plain = slug(result.name) == result.name and result.name not in OF_RUNS and result.provenance.seed == 0
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
    if contents_sha256(identities(protocol, pairs[0])) != contents_sha256(identities(protocol, pairs[1])):
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
    checks += auditing.cards(result)
    try:
        trials = own_trials(found)
    except NotAResult as error:
        return [*checks, ("its trials are at hand and its own", error.found)]
    checks.append(("its trials are at hand and its own", ""))
    try:
        scored = protocol.task.score(protocol, trials)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # a stranger's file may hold anything
        return [*checks, ("its trials can be scored", f"{type(error).__name__}: {error}")]
    return [*checks, *auditing.recomputed(result, scored)]
