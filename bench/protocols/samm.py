"""SAMM: 159 micro-expressions of 29 subjects at 200 frames a second, its five-class split.

Davison, Lansley, Costen, Tan and Yap, SAMM: A Spontaneous Micro-Facial Movement Dataset, IEEE TAFFC 9(1), 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.protocol import Content, Data
from bench.protocols.annotated_clips import LAYOUT, Collection, content, protocol
from bench.protocols.annotations import OTHERS, Annotation, Annotations, Columns, find, table

DATA = Data(
    name="SAMM",
    folder="samm",
    licence="for research, by agreement with its owner",
    source="its owner, Manchester Metropolitan University, after a licence is signed",
)
TABLES = ("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM.xlsx")
COLUMNS = Columns(
    *(["Subject"], ["Filename"], ["Onset Frame", "Onset"], ["Apex Frame", "Apex"], ["Offset Frame", "Offset"]),
    ["Estimated Emotion"],
    type="micro",
)
FIVE = ("anger", "contempt", "happiness", "surprise", OTHERS)
LOSO = "micro_expression/samm/loso-5class"
# Over names, subjects and classes of the 136 clips.
TRIALS = "b4d63abf523ff23a8a3c277eb3a7a2c6d04e754a4b65468133287e996c6ba2da"


def annotated(root: Path) -> Annotations:
    """The 159 rows of the owner's table; subjects as ``006``, ``other`` as ``others``."""
    read = table(find(root, DATA, TABLES), COLUMNS)
    return replace(read, rows=tuple(map(_named, read.rows)))


def _named(one: Annotation) -> Annotation:
    return replace(one, subject=f"{one.subject:0>3}", emotion=OTHERS if one.emotion == "other" else one.emotion)


def _places(one: Annotation) -> Sequence[str]:
    return [f"{base}{one.subject}/{one.video}" for base in ("", "SAMM/")]


COLLECTION = Collection(DATA, "samm", 200.0, annotated, _places)


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
        "136 clips of five classes, a subject left out at a time; the 23 of disgust, fear and sadness are not asked; "
        f"frames from onset to offset; {LAYOUT}",
        trials=TRIALS,
        cite="Davison et al., SAMM, IEEE TAFFC 9(1), 2018",
    ),
)
