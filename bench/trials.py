"""Which trials a result was scored from: what of a table says so, and whose are not those that others have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bench.answers import Table, contents_sha256, read_table
from bench.leaderboard import Entry
from bench.plugins import discover
from bench.protocol import Protocol

# Of the trials' columns those that say which trials they are, in every task.
IDENTITY = (
    *("trial", "fold", "mated", "truth", "cluster", "reference", "probe", "reference_subject", "probe_subject"),
    *("subject", "part", "row", "video", "onset", "apex", "offset", "emotion", "type"),
)
ANSWER = "answer"  # in the column "row": what a method found stands among what is asked


def identities(protocol: Protocol, trials: Table) -> Table:
    """The columns that say which trials these are, whatever was answered; the first model's of several."""
    if protocol.task.drawn is not None:
        return protocol.task.drawn(trials)
    columns = {name: trials[name] for name in IDENTITY if name in trials}
    if "model" in trials:
        kept = trials["model"] == trials["model"][0]
    elif "row" in trials:
        kept = [row != ANSWER for row in trials["row"]]
    else:
        return columns
    return {name: _rows(column, kept) for name, column in columns.items()}


def _rows(column: Any, kept: Any) -> Any:
    """The rows of a column that are kept."""
    if isinstance(column, list):
        return [value for value, keep in zip(column, kept, strict=True) if keep]
    return column[kept]


def other_trials(entries: Iterable[Entry]) -> list[tuple[Entry, str]]:
    """Results of official questions whose trials are not those that most others of the question have, and why not.

    Where no majority says which are the right ones, all of them are named. Results without trials are passed over, and
    tasks in which each result may be of samples of its own.
    """
    asked: dict[str, list[tuple[Entry, str]]] = {}
    for found in entries:
        protocol = discover().protocols.get(found.result.protocol)
        own = protocol is None or protocol.task.drawn is not None or not found.result.official
        if protocol is not None and not own and found.trials.exists():
            asked.setdefault(found.result.digest, []).append((found, which_trials(protocol, read_table(found.trials))))
    odd = []
    for group in asked.values():
        (usual, most), *others = Counter(which for _, which in group).most_common()
        sure = not others or others[0][1] < most
        why = f"its trials are not those of {most} other results" if sure else "results differ in what their trials are"
        odd += [(found, why) for found, which in group if others and not (sure and which == usual)]
    return odd


def which_trials(protocol: Protocol, trials: Table) -> str:
    """A digest over what says which trials these are, whatever was answered; "" where a stranger's file does not."""
    try:
        return contents_sha256(identities(protocol, trials))
    except (LookupError, TypeError, ValueError, AttributeError):
        return ""
