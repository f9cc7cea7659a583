"""Boards published on the Hub, audited by a stranger: fetched at one commit, recomputed, a sample asked again."""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bench import boards, hub, suite
from bench.answers import read_table
from bench.errors import DataMissing, FacebenchError, NeedsInstall, NotAResult, RunDamaged
from bench.hub import PLAIN, Listing
from bench.leaderboard import Entry
from bench.plugins import discover
from bench.results import Result
from bench.submission import DATASET, to_be_had, unlike
from bench.trials import other_trials, which_trials

PAGES = ("README.md", "eval.yaml")
BESIDE = (".gitattributes", "LICENSE", "LICENSE.md", "LICENSE.txt")  # of a repository, and read by nobody here
AGREES = 1e-3  # how far a score asked again, perhaps on another processor, may lie off
# What scoring may raise: a stranger's trials may hold anything.
NOT_SCORED = (FacebenchError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
MOST_TRIALS = 2 << 30  # bytes of a table of trials
MOST_BATCH, MOST_THREADS = 4096, 256  # of a cell that is asked again
AGAIN = "asked again, it answers the same"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one file of a repository: ``fault`` is "" where it holds; ``skipped`` says why it was not made."""

    place: str
    check: str
    fault: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """Boards fetched at a commit: what the repository lists, and the folder its files are in.

    ``proposed``: they are a pull request's, whose pages are made after it is merged.
    """

    listing: Listing
    folder: Path
    proposed: bool = False

    def entries(self) -> list[tuple[str, Entry | FacebenchError]]:
        """Each result by its path, or why it is none."""
        found: list[tuple[str, Entry | FacebenchError]] = []
        for file in self.listing.files:
            if file.path.endswith(".json") and PLAIN.fullmatch(file.path):
                try:
                    found.append((file.path, boards.entry(self.folder / file.path)))
                except FacebenchError as error:
                    found.append((file.path, error))
        return found


def of_a_board(path: str) -> bool:
    """Whether a file may lie in a repository of boards."""
    pure = PurePosixPath(path)
    return path.endswith((".json", ".trials.parquet")) or pure.name in (*PAGES, "reported.toml")


def fetch(name: str) -> Published:
    """The boards in ``OWNER/NAME``, or ``OWNER/NAME@REVISION``, at the commit that stands for now.

    Only files of boards are downloaded. Raises WrongUse, NotFetched, NotAResult where there is none, and NotPinnable
    for too large a repository.
    """
    repo, _, revision = name.partition("@")
    listing = hub.resolve(repo, revision or "main", DATASET)
    names = [file.path for file in listing.files if of_a_board(file.path) and PLAIN.fullmatch(file.path)]
    if not any(name.endswith(".json") for name in names):
        raise NotAResult(f"{listing.pin} was to be audited.", "There is no result in it.")
    return Published(listing, hub.fetch(listing.pin, names), revision.startswith("refs/pr/"))


def audit(published: Published) -> Iterator[Finding]:
    """Check every file, recompute every score from its trials, and compare the pages with what the results give.

    Pages are not compared where a file is no result, trials cannot be read, or they are proposed.
    """
    yield from _files(published)
    readable, true = True, dict[int, tuple[str, Entry]]()
    for place, found in published.entries():
        if isinstance(found, FacebenchError):
            yield Finding(place, "it is a result", found.found)
            readable = False
            continue
        expected = next(iter(boards.board_files(found)))
        yield Finding(place, "it lies in its place", "" if place == expected else f"it belongs to {expected}")
        if why := _cannot_be_read(found.trials):
            yield Finding(place, "its trials can be read", why)
            readable = False
            continue
        if why := boards.forbidden(found):
            yield Finding(place, "its trials may lie here", why)
        if boards.unseen(found):
            yield Finding(place, "its scores follow from its trials", skipped="its data set lets none be published")
        findings = list(_scored(place, found))
        yield from findings
        if not any(finding.fault for finding in findings):
            true[id(found)] = place, found
    for found, why in other_trials(found for _, found in true.values()):
        yield Finding(true[id(found)][0], "its trials are those of the others", why)
    if readable and not published.proposed:
        yield from _pages(published)


def _scored(place: str, found: Entry) -> Iterator[Finding]:
    """The audit of one result, its trials being a stranger's file."""
    try:
        for what, fault in boards.audited(found):
            yield Finding(place, what, fault)
    except NOT_SCORED as error:
        yield Finding(place, "its trials can be scored", _said(error))


def _said(error: Exception) -> str:
    return f"{error.asked} {error.found}" if isinstance(error, FacebenchError) else f"{type(error).__name__}: {error}"


def _cannot_be_read(trials: Path) -> str:
    """Why a table of trials is not opened: no parquet, or larger in memory than any board's; "" where it is absent."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not trials.exists():
        return ""
    try:
        about = pq.read_metadata(trials)
        groups = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        declared = max(groups, 8 * about.num_rows * about.num_columns)
        if declared > MOST_TRIALS:
            return f"they declare {hub.size(declared)}; {hub.size(MOST_TRIALS)} are read"
        read_table(trials)
    except (OSError, pa.ArrowException, RunDamaged) as error:
        return error.found if isinstance(error, RunDamaged) else f"they are no parquet: {str(error)[:100]}"
    return ""


def _files(published: Published) -> Iterator[Finding]:
    """What the repository lists: that all of it belongs there, and has the hash it is listed with."""
    held = {file.path for file in published.listing.files}
    for odd in published.listing.odd:
        yield Finding(odd, "it is a file of a board", "it is a link, or a repository within")
    for file in published.listing.files:
        if not PLAIN.fullmatch(file.path):
            yield Finding(file.path, "its name is plain", "it is neither letters, digits nor ._+=-")
        elif not of_a_board(file.path):
            if file.path not in BESIDE:
                yield Finding(file.path, "it is a file of a board", "it is none; it was not downloaded")
        elif file.sha256:
            with open(published.folder / file.path, "rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
            fault = "" if found == file.sha256 else f"it has SHA-256 {found}, and is listed with {file.sha256}"
            yield Finding(file.path, "it has its hash", fault)
        if file.path.endswith(".trials.parquet") and file.path.replace(".trials.parquet", ".json") not in held:
            yield Finding(file.path, "a result goes with it", "there is none")


def _pages(published: Published) -> Iterator[Finding]:
    try:
        texts = boards.pages(published.folder)
    except NOT_SCORED as error:
        yield Finding("README.md", "the boards can be ranked", _said(error))
        return
    do = f"its owner writes it anew: facebench publish pages --to {published.listing.pin.repo}"
    pages = {path.relative_to(published.folder).as_posix(): text for path, text in texts.items()}
    for place in [file.path for file in published.listing.files if PurePosixPath(file.path).name in PAGES]:
        if PLAIN.fullmatch(place):
            same = place in pages and (published.folder / place).read_bytes() == pages[place].encode()
            yield Finding(place, "it is what the results give", "" if same else f"it is not; {do}")


def rerun(published: Published, count: int, **settings: Any) -> Iterator[Finding]:
    """Ask a sample of ``count`` cells again, of those whose methods are here as they were then, and compare.

    The commit draws the sample. ``settings``: ``data``, ``models``, ``progress`` as of ``suite.run``. A cell that
    cannot be asked here is skipped, saying why.
    """
    results = [(place, found) for place, found in published.entries() if isinstance(found, Entry)]
    done = 0
    for place, found in random.Random(published.listing.pin.revision).sample(results, len(results)):
        if done == count:
            return
        finding = _again(place, found, settings)
        done += not finding.skipped
        yield finding
    if done < count:
        yield Finding(str(published.listing.pin), f"{count} cells are asked again", skipped=f"only {done} could be")


def _not_asked(result: Result) -> str:
    """Why a cell is not asked again: no code of a stranger's is run here, and nothing as large as they like."""
    if result.provenance.external:
        return "its answers were made elsewhere"
    for name, card in result.cards.items():
        if why := unlike(name, card):
            return why
        if not to_be_had(discover().methods[name.partition(":")[0]][1]):
            return f"{card.distribution} {card.version} lies on this machine alone"
    for name in result.aligners - set(result.cards):
        if str(discover().method(name)) not in result.cards:
            return f"the aligner {name} has no card"
    batch, threads = result.provenance.batch_size, result.provenance.threads
    if not (0 < batch <= MOST_BATCH and 0 < threads <= MOST_THREADS):
        most = f"up to {MOST_BATCH} and {MOST_THREADS} are asked again"
        return f"it was asked in batches of {batch} by {threads} threads; {most}"
    return ""


def _again(place: str, found: Entry, settings: dict[str, Any]) -> Finding:
    result = found.result
    try:
        why = _not_asked(result)
    except FacebenchError as error:
        why = _said(error)
    if why:
        return Finding(place, AGAIN, skipped=why)
    then = result.provenance
    given: dict[str, Any] = {"seed": then.seed, "batch_size": then.batch_size, "threads": then.threads}
    with tempfile.TemporaryDirectory(prefix="facebench-audit-") as out:
        try:
            (outcome,) = suite.run_cells(result.protocol, roles=result.roles, out=out, **given, **settings)
            if outcome.error is not None:
                raise outcome.error
        except (NeedsInstall, DataMissing) as error:
            return Finding(place, AGAIN, skipped=f"{error.found or error.asked} {error.do}".strip())
        except FacebenchError as error:
            return Finding(place, AGAIN, f"{error.asked} {error.found}")
        now = outcome.result
        assert now is not None, "an outcome has a result or an error"
        if now.trials_sha256 == result.trials_sha256:
            return Finding(place, AGAIN)
        apart = "; ".join([*_other_trials(found, outcome.folder / "trials.parquet"), *_apart(result, now)])
    if apart and now.provenance.data != then.data:
        apart += f"; the data here are other files (fingerprint {now.provenance.data[:12]}, then {then.data[:12]})"
    return Finding(place, AGAIN, apart)


def _other_trials(then: Entry, now: Path) -> Iterator[str]:
    """That a result was scored from other trials than the data here give, whatever was answered."""
    if then.trials.exists() and not _cannot_be_read(then.trials):
        protocol = discover().protocol(then.result.protocol)
        theirs, ours = (which_trials(protocol, read_table(path)) for path in (then.trials, now))
        if theirs != ours:
            yield "its trials are not those that the data here give"


def _apart(then: Result, now: Result) -> Iterator[str]:
    """The scores that differ by more than another processor explains."""
    for score in then.scores:
        again = now.score(score.metric)
        if again is None or not abs(again.value - score.value) <= AGREES:
            yield f"{score.metric} is {again and again.value}, and was {score.value}"
