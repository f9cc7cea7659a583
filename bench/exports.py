"""A result in the forms that others read: a model's ``.eval_results``, its model card, Every Eval Ever."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import boards, data_card, every_eval_ever, leaderboard
from bench.errors import NotPublished, UnknownName, WrongUse
from bench.hub import COMMIT, Pin, check_repository
from bench.leaderboard import Entry
from bench.plugins import discover
from bench.submission import unfit

FORMATS = ("every-eval-ever", "eval-results", "model-card")
HUB_PAGE = "https://huggingface.co/datasets"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form needs beside the result: the ``board`` it was published on, as OWNER/NAME or OWNER/NAME@COMMIT, who
    hands it out (``organisation``), what they are to the method's makers (``relationship``), and ``when``, in seconds
    since 1970, it was written; by default now."""

    board: str = ""
    organisation: str = ""
    relationship: str = "other"
    when: int | None = None

    @property
    def repo(self) -> str:
        """The repository of the board."""
        return self.board.partition("@")[0]

    @property
    def revision(self) -> str:
        """The commit of the board, "" where none is named."""
        return self.board.partition("@")[2]


def export(place: str | Path, form: str, asked: Asked | None = None) -> str:
    """The text of a result, or of all results in a folder, in one of FORMATS; of Every Eval Ever one result only.

    Raises UnknownName, NotAResult, NotPublished for what is not fit for a board, WrongUse for what the form lacks, and
    NeedsInstall.
    """
    asked, path = asked or Asked(), Path(place).expanduser()
    if form not in FORMATS:
        raise UnknownName.of("format", form, FORMATS, "facebench export --help")
    if asked.board:
        check_repository(asked.repo)
        if asked.revision and not COMMIT.fullmatch(asked.revision):
            Pin(asked.repo, asked.revision)  # says that a branch may change under its name
    single = path.is_file() or (path / "result.json").is_file()
    entries = [boards.entry(path)] if single else boards.read_results([path])
    if faults := [f"{found.path}: {why}" for found in entries for why in unfit(found)]:
        do = "Give results that may stand on a board."
        raise NotPublished(f"{place} was to be exported.", "\n".join(faults), do)
    if form == "model-card":
        return model_card(entries, asked)
    if form == "eval-results":
        return eval_results(entries, asked)
    if len(entries) > 1:
        raise WrongUse(f"{place} was to be exported.", f"It holds {len(entries)} results.", "Give one at a time.")
    when = int(time.time()) if asked.when is None else asked.when
    return every_eval_ever.text(entries[0].result, _origin(asked), when)


def _origin(asked: Asked) -> every_eval_ever.Origin:
    who = asked.organisation or asked.repo.partition("/")[0]
    if not who:
        raise WrongUse("An export was asked for.", "Who hands it out is not said.", "Give --organisation or --board.")
    url = f"{HUB_PAGE}/{asked.repo}" if asked.board else ""
    return every_eval_ever.Origin(who, asked.relationship, url)


def eval_results(entries: Iterable[Entry], asked: Asked) -> str:
    """The text of a file in ``.eval_results`` of a model's repository: headlines of which higher is better.

    The Hub's table has one number without a direction or an interval, so an error rate, or a bound, would be read
    wrongly there. Raises WrongUse for those, and where the board's repository is not named.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if not asked.board:
        raise WrongUse("An .eval_results file was asked for.", "It names a data set.", "Give --board OWNER/NAME.")
    rows = []
    for found in entries:
        result, headline = found.result, found.result.scores[0]
        if headline.better != "higher" or headline.bound:
            fault = "a bound" if headline.bound else "better when it is lower"
            do = "The Hub's table has no direction: publish the result, or export it as a model card."
            raise WrongUse(f"{found.path} was to be exported.", f"Its headline {headline.metric} is {fault}.", do)
        page = f"{HUB_PAGE}/{asked.repo}/blob/{asked.revision or 'main'}/{next(iter(boards.board_files(found)))}"
        rows.append(
            EvalResultEntry(
                dataset_id=asked.repo,
                dataset_revision=asked.revision or None,
                task_id=data_card.task_id(result.protocol),
                value=round(headline.value * (100 if headline.unit == "%" else 1), 6),
                source_url=page,
                source_name="facebench",
                notes=f"{headline.metric} [95 %] {leaderboard.number(headline, interval=True)} of {result.name}",
            )
        )
    return data_card.dump(eval_result_entries_to_yaml(rows))


def model_card(entries: Iterable[Entry], asked: Asked) -> str:
    """Tables for a model's README: each board's scores, its headline with an interval, one row a result."""
    grouped: dict[str, list[Entry]] = {}
    for found in entries:
        grouped.setdefault(found.result.protocol, []).append(found)
    parts = ["## Measured with facebench\n"]
    for name, group in sorted(grouped.items()):
        metrics = [score.metric for score in group[0].result.scores]
        head = ["method", f"{metrics[0]} [95 %]", *metrics[1:]]
        body = []
        for found in sorted(group, key=lambda entry: entry.result.name):
            first, *others = [found.result.score(metric) for metric in metrics]
            scores = [leaderboard.number(first, interval=True), *map(leaderboard.number, others)]
            body.append([leaderboard.plain(found.result.name), *scores])
        parts += [f"`{name}`, rates in percent{_where(name, asked)}:\n", f"{leaderboard.as_table(head, body)}\n"]
    parts.append("Intervals are 95 %, by bootstrap; ≤ and ≥ are bounds. A score is no proof of identity.\n")
    return "\n".join(parts)


def _where(name: str, asked: Asked) -> str:
    """On which data, and on which board."""
    protocol = discover().protocols.get(name)
    text = f", on {leaderboard.plain(protocol.data.name)}" if protocol else ""
    if asked.board:
        page = f"{HUB_PAGE}/{asked.repo}/blob/{asked.revision or 'main'}/{name}/README.md"
        text += f" ([the board]({page}))"
    return text
