"""SAMM Long Videos: 147 videos of 30 subjects at 200 frames a second, with 343 macro- and 159 micro-expressions.

Yap, Kendrick and Yap, SAMM Long Videos: A Spontaneous Facial Micro- and Macro-Expressions Dataset, FG 2020. The
emotions of its micro-expressions are told by the table of SAMM; nobody tells those of its macro-expressions.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.clips import Cut
from bench.protocol import Content, Data
from bench.protocols import samm
from bench.protocols.annotated_clips import LAYOUT
from bench.protocols.annotated_videos import SHORTER, by_video, content, in_three, located, protocol
from bench.protocols.annotations import THREE, Annotations, Columns, find, table

DATA = Data(
    name="SAMM Long Videos",
    folder="samm-lv",
    licence="for research, by agreement with its owner",
    source="its owner, Manchester Metropolitan University, after a licence is signed",
)
TABLES = ("SAMM_LongVideos_V3_Release.xlsx", "SAMMLV_gt.xlsx")
# It has no emotion: the notes stand in for the column, and are not read.
COLUMNS = Columns(["Subject"], ["Filename"], ["Onset"], ["Apex"], ["Offset"], ["Notes"], ["Type"])
STEP = 8
CUT = Cut(200.0 / STEP, first=1, step=STEP, shorter=SHORTER)
LOSO = "spotting/samm-lv/loso-25fps"
# Over names and intervals of the 147 videos.
TRIALS = "7ada2972856f71dc734ad7102049c3fb2dc17533cb80058c7331a844712046f7"


def annotated(root: Path) -> Annotations:
    """The 502 rows of the owner's table; subjects as ``006``, videos as ``006_1``, no emotion."""
    read = table(find(root, DATA, TABLES), COLUMNS)
    rows = (replace(one, subject=f"{one.subject:0>3}", emotion="") for one in read.rows)
    return replace(read, rows=tuple(rows))


def read_loso(root: Path) -> Content:
    """All videos, every eighth frame; raises DataMissing and DataDamaged."""
    found, told = annotated(root).warned(), samm.annotated(root)
    emotions = {one.video: one.emotion for one in told.rows}
    known = (replace(one, emotion=emotions.get(one.video, "") * (one.type == "micro")) for one in found.rows)
    wanted = by_video(replace(one, video=one.video.rpartition("_")[0]) for one in known)
    places = ("{}", "SAMM_longvideos/{}")
    base = Path(root) / DATA.folder
    films = located(base, DATA, wanted, lambda _, video: [p.format(video) for p in places], lambda *_: CUT)
    return content(films, in_three, THREE, ("micro", "macro"), [found.path, told.path], LOSO)


PROTOCOLS = (
    protocol(
        LOSO,
        DATA,
        read_loso,
        {"classes": list(THREE), "types": ["micro", "macro"], "shorter": SHORTER, "step": STEP},
        "micro- and macro-expressions in 147 long videos, a subject left out at a time; every eighth frame (25 a "
        f"second), the shorter side of {SHORTER} pixels; {LAYOUT}",
        trials=TRIALS,
        cite="Yap et al., SAMM Long Videos, FG 2020",
        by_type=True,
    ),
)
