"""The unseen videos of MEGC, in the layout of its spot-then-recognise task, for who has their truth.

The challenge hands out 10 videos of SAMM at 200 and 20 of CAS(ME)^3 at 30 frames a second, and keeps the truth; it
takes answers as subject, video, onset, offset, emotion. Here the truth is such a table too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.clips import Cut
from bench.errors import DataDamaged
from bench.protocol import Content, Data
from bench.protocols.annotated_clips import LAYOUT
from bench.protocols.annotated_videos import SHORTER, by_video, content, located, protocol
from bench.protocols.annotations import THREE, Columns, find, table, word
from bench.sheets import below_header, read

DATA = Data(
    name="MEGC unseen videos",
    folder="megc-unseen",
    licence="that of SAMM and CAS(ME)^3; for research, by agreement with their owners",
    source="the organisers of MEGC, who keep the truth",
)
TABLE = "gt.csv"
COLUMNS = Columns(["subject"], ["video"], ["onset"], ["apex", "onset"], ["offset"], ["emotion"], type="micro")
CUTS = {
    "30": Cut(30.0, first=0, shorter=SHORTER),
    "200": Cut(25.0, first=1, step=8, shorter=SHORTER),
}
STR = "spotting/megc-unseen/str"


def read_str(root: Path) -> Content:
    """The videos that ``gt.csv`` names, each at the rate that it tells; raises DataMissing and DataDamaged."""
    path = find(root, DATA, [TABLE])
    rows = read(path)
    rates = {}
    for number, cells in below_header(path, rows, [["subject"], ["video"], ["fps"]]):
        subject, video, fps = map(word, cells)
        if fps not in CUTS:
            raise DataDamaged(f"{path} was read.", f"Row {number} has fps {fps!r}.", "It is 30 or 200.")
        rates[subject, video] = CUTS[fps]
    told = table(path, COLUMNS).warned()
    base = Path(root) / DATA.folder
    films = located(base, DATA, by_video(told.rows), lambda *key: ["/".join(key), key[1]], lambda *key: rates[key])
    films = [replace(film, rows=tuple(replace(one, apex=-1) for one in film.rows)) for film in films]
    return content(films, lambda one: one.emotion, THREE, ("micro",), [path], STR)


PROTOCOLS = (
    protocol(
        STR,
        DATA,
        read_str,
        {"classes": list(THREE), "types": ["micro"], "shorter": SHORTER},
        "the unseen videos of the challenge by a table of your own, gt.csv: subject, video, onset, offset, emotion and "
        "fps (30, frames from 0; or 200, frames from 1, of which every eighth is read); micro-expressions in three "
        f"classes and others; nothing is pinned, so no result is marked official; {LAYOUT}",
        cite="the rules of MEGC 2024 and 2025, spot-then-recognise",
        trains=False,
    ),
)
