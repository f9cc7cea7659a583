"""SMIC-HS: 164 micro-expressions of 16 subjects at 100 frames a second, in three classes.

Li, Pfister, Huang, Zhao and Pietikäinen, A Spontaneous Micro-Expression Database: Inducement, Collection and Baseline,
FG 2013.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.protocol import Content, Data
from bench.protocols.annotated_clips import LAYOUT, Collection, content, protocol
from bench.protocols.annotations import OTHERS, THREE, Annotation, Annotations, Columns, find, table

DATA = Data(
    name="SMIC-HS",
    folder="smic",
    licence="for research, by agreement with its owner",
    source="its owner, the University of Oulu, after a licence is signed; the table of apexes is not its own",
)
TABLE = "SMIC_HS_apex.xlsx"
COLUMNS = Columns(*(["subject"], ["clip"], ["onset_frame"], ["apex_frame"], ["offset_frame"], ["label"]), type="micro")
LOSO = "micro_expression/smic-hs/loso"
# Over names, subjects and classes of the 164 clips.
TRIALS = "4b194d6bed2d7028aa97d64146ea340f56f6582b640e84b6c953740ee419c40d"


def canonical(video: str) -> str:
    """A clip's name with its subject in two digits, as the owner writes it: ``s3_ne_03`` is ``s03_ne_03``."""
    return re.sub(r"^s(\d)_", r"s0\1_", video)


def annotated(root: Path) -> Annotations:
    """The 164 rows; subjects as ``s03``, clips as ``s03_ne_03``, classes by name."""
    read = table(find(root, DATA, [TABLE]), COLUMNS)
    return replace(read, rows=tuple(map(_named, read.rows)))


def _named(one: Annotation) -> Annotation:
    emotion = THREE[int(one.emotion)] if one.emotion in ("0", "1", "2") else OTHERS
    return replace(one, subject=f"s{one.subject:0>2}", video=canonical(one.video), emotion=emotion)


def _places(one: Annotation) -> Sequence[str]:
    short = re.sub(r"^s0", "s", one.video)
    bases = (f"HS_long/SMIC_HS_E/{one.subject}", f"HS/{one.subject}/micro/{one.emotion}", f"HS/{one.subject}")
    return [f"{base}/{video}" for base in bases for video in dict.fromkeys((one.video, short))]


COLLECTION = Collection(DATA, "smic", 100.0, annotated, _places)


def read_loso(root: Path) -> Content:
    """All clips; raises DataMissing and DataDamaged."""
    rows = annotated(root).warned().rows
    named = [(one.emotion, one.subject, one) for one in rows if one.usable and one.emotion in THREE]
    return content(root, [(COLLECTION, named)], THREE, LOSO)


PROTOCOLS = (
    protocol(
        LOSO,
        DATA,
        read_loso,
        THREE,
        f"164 clips of three classes, a subject left out at a time; frames from onset to offset; {LAYOUT}",
        trials=TRIALS,
        cite="Li et al., A Spontaneous Micro-Expression Database, FG 2013",
    ),
)
