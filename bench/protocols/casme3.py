"""CAS(ME)^3 part A: micro-expressions in 463 videos of 94 subjects at 30 frames a second, 860 rows.

Li, Dong, Lu, Wang, Yan, Wang, Liu, Huang and Fu, CAS(ME)3: A Third Generation Facial Spontaneous Micro-Expression
Database with Depth Information and High Ecological Validity, IEEE TPAMI 45(3), 2023.
"""

from __future__ import annotations

from pathlib import Path

from bench.clips import Cut
from bench.protocol import Content, Data
from bench.protocols.annotated_clips import LAYOUT
from bench.protocols.annotated_videos import SHORTER, by_video, content, in_three, located, protocol
from bench.protocols.annotations import THREE, Annotations, Columns, find, table

DATA = Data(
    name="CAS(ME)^3 part A",
    folder="casme3-a",
    licence="for research, by agreement with its owner",
    source="its owner, the Institute of Psychology of the Chinese Academy of Sciences, after a licence is signed",
)
TABLES = ("cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", "CASME3_part_A_ME_JpgIndex_v2.xlsx")
COLUMNS = Columns(["Subject"], ["Filename"], ["Onset"], ["Apex"], ["Offset"], ["emotion"], type="micro")
CUT = Cut(30.0, first=0, shorter=SHORTER)
LOSO = "spotting/casme3-a/loso"
# Over names and intervals of the 463 videos.
TRIALS = "0702259c10745ebe8c2003b857bcf342cf0dfada6c3c99b994255d2419322428"


def annotated(root: Path) -> Annotations:
    """The 860 rows of the owner's table; subjects as ``spNO.1``, videos as ``a``."""
    return table(find(root, DATA, TABLES), COLUMNS)


def read_loso(root: Path) -> Content:
    """Every video with a micro-expression; raises DataMissing and DataDamaged."""
    found = annotated(root).warned()
    base = Path(root) / DATA.folder
    wanted = by_video(found.rows)
    films = located(base, DATA, wanted, lambda *key: ["/".join((*key, "color")), "/".join(key)], lambda *_: CUT)
    return content(films, in_three, THREE, ("micro",), [found.path], LOSO)


PROTOCOLS = (
    protocol(
        LOSO,
        DATA,
        read_loso,
        {"classes": list(THREE), "types": ["micro"], "shorter": SHORTER},
        "micro-expressions in the 463 videos that have any, a subject left out at a time, in three classes and others; "
        f"the shorter side is {SHORTER} pixels; {LAYOUT}",
        trials=TRIALS,
        cite="Li et al., CAS(ME)3, IEEE TPAMI 45(3), 2023",
    ),
)
