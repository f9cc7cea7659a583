"""A page of what a model answered in one run, picture by picture, to be looked at on this machine and nowhere else.

Answers can be personal data and come from strangers: the page lies in a folder that only its owner may enter,
everything in it is escaped, and it may load nothing and run nothing.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.answers import Cell, Table, joined, read_table, write
from bench.asking import ALL
from bench.errors import Mismatch, NotAResult, RunDamaged, UnknownName
from bench.images import Unreadable
from bench.plugins import discover
from bench.protocol import Content, Sample
from bench.suite import read_content

PAGE, FOLDER = "index.html", "answers-page"
MOST, MOST_TEXT, SIDE = 500, 2000, 96
KINDS = ("all", "wrong", "unread")
HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="referrer" content="no-referrer"><title>Answers</title>
<style>
body { font: 15px/1.4 sans-serif; margin: 2em; max-width: 70em } td, th { padding: .4em .8em; text-align: left;
vertical-align: top; border-top: 1px solid #ddd } img { width: 96px } pre { white-space: pre-wrap; margin: 0 }
.wrong { background: #fff3ec } .unread { background: #f1f1f8 }
</style>
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What was asked and answered about one picture: texts and replies, the label read, or why none, and the truth."""

    key: str
    picture: str
    asked: tuple[tuple[str, str], ...]
    answer: str
    failure: str
    truth: str

    @property
    def kind(self) -> str:
        """right, wrong, or unread where no label was read out of it."""
        return "unread" if not self.answer else "right" if self.answer == self.truth else "wrong"


def answers_page(run: str | Path, only: str = "all", most: int = MOST, data: str | Path | None = None) -> Path:
    """Write the page of a finished run that was asked in words, into its folder, and return it.

    ``only``: all, wrong or unread; ``most``: so many pictures; ``data``: the data root, by default FACEBENCH_DATA.
    Raises NotAResult for what is no finished run and Mismatch for one that was not asked in words.
    """
    if only not in KINDS:
        raise UnknownName.of("kind of answers", only, KINDS, "facebench answers --help")
    cell = Cell(Path(run))
    header = cell.header() or {}
    asked, do = f"The answers of {run} were to be shown.", "Give the folder of one finished run, as 'run' prints it."
    if not header or not cell.trials.exists():
        raise NotAResult(asked, "It is no finished run.", do)
    protocol = discover().protocol(str(header.get("protocol")))
    content = read_content(protocol, data)
    if header.get("limit") is not None:
        content = protocol.task.limit(content, int(header["limit"]))
    answers, trials = _answers(cell), read_table(cell.trials)
    if "text" not in answers or "answer" not in trials:
        raise Mismatch(asked, "It was not asked in words that were read.", "Give a run with answer=generate.")
    if len(trials["answer"]) != len(content.samples) or len(answers["text"]) % len(content.samples):
        raise RunDamaged(asked, "Its answers are not one each for the pictures of the protocol.", do)
    every = list(_said(content, answers, trials, only, most))
    folder = cell.folder / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    write(folder / PAGE, _page(f"{protocol.name}  {_names(header)}", every, len(content.samples)))
    return folder / PAGE


def _names(header: Any) -> str:
    roles = header.get("roles", {})
    return "; ".join(str(one.get("method")) for methods in roles.values() for one in methods)


def _answers(cell: Cell) -> Table:
    parts = sorted((cell.folder / ALL).glob("part-*.parquet"))
    return joined([read_table(part) for part in parts]) if parts else {}


def _said(content: Content, answers: Table, trials: Table, only: str, most: int) -> Iterator[Said]:
    """What was said of each picture of a kind, as many as are wanted."""
    each, shown = len(answers["text"]) // len(content.samples), 0
    for row, sample in enumerate(content.samples):
        told = Said(sample.key, "", (), trials["answer"][row], trials["failure"][row], trials["truth"][row])
        if only not in ("all", told.kind):
            continue
        rows = range(row * each, (row + 1) * each)
        asked = tuple((answers["key"][at], str(answers["text"][at])[:MOST_TEXT]) for at in rows)
        yield Said(told.key, _picture(sample), asked, told.answer, told.failure, told.truth)
        shown += 1
        if shown == most:
            return


def _picture(sample: Sample) -> str:
    """The picture as a data address, at most 96 pixels a side; "" where it cannot be read."""
    from PIL import Image

    try:
        image = Image.fromarray(sample.read(sample.key).pixels)
    except Unreadable:
        return ""
    image.thumbnail((SIDE, SIDE))
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode("ascii")


def _page(title: str, every: Sequence[Said], total: int) -> str:
    e = html.escape
    rows = [
        f'<tr class="{one.kind}"><td><img alt="" src="{e(one.picture)}"></td>'
        f"<td>{e(one.key)}</td><td>{''.join(f'<pre>{e(text)}</pre>' for _, text in one.asked)}</td>"
        f"<td>{e(one.answer or one.failure)}</td><td>{e(one.truth)}</td></tr>"
        for one in every
    ]
    told = (
        f"<h1>{e(title)}</h1><p>{len(every):,} of {total:,} pictures. For this machine only: not to be handed on.</p>"
    )
    head = "<tr><th></th><th>key</th><th>what it said</th><th>read as</th><th>label</th></tr>"
    return f"{HEAD}{told}<table>{head}{''.join(rows)}</table></html>\n"
