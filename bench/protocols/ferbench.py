"""FERBench: the lists of questions of UniFER's authors over four data sets, with their own prompt and label words.

Zhang et al., arXiv 2511.00389, 2025 (github.com/zfkarl/UniFER). A list is JSON: of each picture its path, its label, a
prompt and the candidate labels, which are the same throughout. The pictures lie where the data sets' owners put them,
and are found by file name. Answers are read strictly, and beside that as the published scorer reads them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataDamaged
from bench.metrics.expression import Scorer
from bench.protocol import Content, Data, Protocol
from bench.protocols import ferplus, labelled_faces
from bench.protocols.affectnet import AFFECTNET, PLACES
from bench.protocols.ferplus import FERPLUS
from bench.protocols.labelled_faces import FILE, first_there
from bench.protocols.rafdb import RAFDB
from bench.protocols.sfew import SFEW
from bench.tasks.expression import Repeats, Row

LABELS = ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
# The lists' words for labels, where they are others.
SHORT = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
MOST_BYTES, MOST_PROMPT = 64 << 20, 4096
KEYS = {"image_path", "true_label", "prompt", "candidate_labels"}


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: its file, its data set, where a picture's file may lie below that, and its words in their order."""

    data: Data
    file: str
    words: tuple[str, ...]
    places: tuple[str, ...]
    below: int  # how many of the last parts of a picture's path are below the folder
    mad: bool = False  # of its scorer, as Scorer has it
    lines: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the words stand for."""
        return tuple(SHORT.get(word, word) for word in self.words)


def read_questions(path: Path, words: tuple[str, ...]) -> tuple[str, list[tuple[str, str]]]:
    """The prompt of a list, and path and word of each picture; raises DataDamaged, naming the question."""
    again = "Get it again from github.com/zfkarl/UniFER."
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("no list of questions is that large")
        given = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataDamaged(f"{path} was read.", f"It is no JSON: {str(error)[:80]}.", again) from None
    told, prompts = [], set()
    for number, one in enumerate(given if isinstance(given, list) else [None], 1):
        match one:
            case {
                "image_path": str(name),
                "true_label": str(word),
                "prompt": str(prompt),
                "candidate_labels": list(of),
            }:
                fits = word in words and tuple(of) == words and ", ".join(words) in prompt[:MOST_PROMPT]
                plain = FILE.fullmatch(name.strip("/")) and ".." not in name
                if fits and plain and len(prompt) <= MOST_PROMPT:
                    told.append((name.strip("/"), word))
                    prompts.add(prompt)
                    continue
        found = f"Question {number} has no picture, label, prompt and the candidates {', '.join(words)}."
        raise DataDamaged(f"{path} was read.", found, again)
    if len(prompts) != 1 or len({name for name, _ in told}) < len(told):
        raise DataDamaged(f"{path} was read.", f"It has {len(prompts)} prompts, or a picture twice.", again)
    return prompts.pop(), told


def read_listing(root: Path, labels: tuple[str, ...], salt: str, listing: Listing) -> Content:
    """The pictures of a list under a data root; raises DataMissing and DataDamaged."""
    base = Path(root) / listing.data.folder
    table = first_there(listing.data, [base / listing.file, Path(root) / "fer_qa" / listing.file])
    prompt, told = read_questions(table, listing.words)
    names = {path: "/".join(path.split("/")[-listing.below :]) for path, _ in told}
    spots = [base / place for place in listing.places]
    first = next(iter(names.values()))
    folder = next((spot for spot in spots if (spot / first).is_file()), spots[0])
    rows = [Row(names[path], SHORT.get(word, word)) for path, word in told]
    files = {name: folder / name for name in names.values()}
    copies: Callable[[], Repeats] = Repeats
    beside = {listing.file: table}
    if listing.data is FERPLUS and (base / ferplus.COPIES).is_file():
        beside[ferplus.COPIES] = base / ferplus.COPIES
        votes = base / ferplus.TABLE
        known = ferplus.read_votes(votes, votes.stat().st_mtime_ns) if votes.is_file() else ()
        copies = functools.partial(ferplus.find_copies, files, folder.parent, known, base / ferplus.COPIES)
    scorer = Scorer(listing.words, listing.mad, listing.lines)
    asked: dict[str, Any] = {"words": listing.words, "listed": prompt, "scorer": scorer, "repeats": copies}
    return labelled_faces.content(rows, files, listing.data, labels, salt, beside=beside, **asked)


RAF_WORDS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
AFFECT_WORDS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
SHORT_WORDS = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
LISTS = {
    "ferplus": Listing(FERPLUS, "ferplus_qa.json", SHORT_WORDS, ("FER2013Test", "data/FER2013Test"), 1),
    "rafdb": Listing(RAFDB, "rafdb_qa.json", RAF_WORDS, ("basic/Image/aligned", "Image/aligned"), 1),
    "affectnet": Listing(AFFECTNET, "affectnet_qa.json", AFFECT_WORDS, PLACES, 2, mad=True),
    "sfew": Listing(
        SFEW, "sfew_qa.json", tuple(w for w in SHORT_WORDS if w != "contempt"), (".",), 2, mad=True, lines=True
    ),
}
# Over names and labels of the questions, of lists that are at hand here.
TRIALS = {
    "ferplus": "dd83a95e79c121212d5458ae80901f3abd707d8806544e6fbcbdf62eededf465",
    "rafdb": "8fbf637c14e53306654f4bbc404a896f95d0fdedd103984736aa154bac1957ab",
    "affectnet": "afacf9f7e73c775318e2782bc35b568c2b491d33efcfee40b0eb373fef424824",
}


def _protocols() -> Iterator[Protocol]:
    for name, listing in LISTS.items():
        yield labelled_faces.protocol(
            f"expression/ferbench/{name}",
            listing.data,
            functools.partial(read_listing, listing=listing),
            listing.labels,
            f"FERBench's questions about {listing.data.name}, in its own words and order; "
            f"{listing.data.folder}/{listing.file} (or fer_qa/) beside the data set's pictures",
            trials=TRIALS.get(name, ""),
            words=dict(zip(listing.labels, listing.words, strict=True)),
            listed=True,
            copies=listing.data is FERPLUS,
            cite="Zhang et al., arXiv 2511.00389, 2025",
            trains=False,
        )


PROTOCOLS = tuple(_protocols())
