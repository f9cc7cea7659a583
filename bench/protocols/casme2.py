"""CASME II: 255 micro-expressions of 26 subjects at 200 frames a second, its five-class split.

Yan et al., CASME II: An Improved Spontaneous Micro-Expression Database and the Baseline Evaluation, PLoS ONE 9(1),
2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.protocol import Content, Data
from bench.protocols.annotated_clips import LAYOUT, Collection, content, protocol
from bench.protocols.annotations import Annotation, Annotations, Columns, find, table

DATA = Data(
    name="CASME II",
    folder="casme2",
    licence="for research, by agreement with its owner",
    source="its owner, the Institute of Psychology of the Chinese Academy of Sciences, after a licence is signed",
)
TABLE = "CASME2-coding-20140508.xlsx"
COLUMNS = Columns(
    *(["Subject"], ["Filename"], ["OnsetFrame"], ["ApexFrame"], ["OffsetFrame"], ["Estimated Emotion"]), type="micro"
)
FIVE = ("happiness", "disgust", "repression", "surprise", "others")
LOSO = "micro_expression/casme2/loso-5class"
# Over names, subjects and classes of the 246 clips.
TRIALS = "83cbcedb93e4e2e8d7a25fcc2a1c7bfe49f8cb1e57497a796a2f730130f223a5"


def annotated(root: Path) -> Annotations:
    """The 255 rows of the owner's table; subjects as ``sub01``."""
    read = table(find(root, DATA, [TABLE]), COLUMNS)
    return replace(read, rows=tuple(replace(one, subject=f"sub{one.subject:0>2}") for one in read.rows))


def _places(one: Annotation) -> Sequence[str]:
    return [f"{base}/{one.subject}/{one.video}" for base in ("CASME2-RAW", "CASME2_RAW_selected", "Cropped")]


COLLECTION = Collection(DATA, "casme2", 200.0, annotated, _places)


def read_loso(root: Path) -> Content:
    """The clips of the five classes that have enough; raises DataMissing and DataDamaged."""
    rows = annotated(root).warned().rows
    named = [(one.emotion, one.subject, one) for one in rows if one.usable and one.emotion in FIVE]
    return content(root, [(COLLECTION, named)], FIVE, LOSO)


PROTOCOLS = (
    protocol(
        LOSO,
        DATA,
        read_loso,
        FIVE,
        "246 clips of five classes, a subject left out at a time; the nine of fear and sadness are not asked; "
        f"frames from onset to offset; {LAYOUT}",
        trials=TRIALS,
        cite="Yan et al., CASME II, PLoS ONE 9(1), 2014",
    ),
)
