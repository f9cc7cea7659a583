"""SFEW 2.0: stills of films, its validation split by a list of pictures and labels, as FERBench's authors number it.

Dhall, Goecke, Lucey and Gedeon, Static Facial Expression Analysis in Tough Conditions, ICCV Workshops 2011. Its owners
hand out folders of classes; the list val.txt has a picture below the folder and its class's name a line.
"""

from __future__ import annotations

from pathlib import Path

from bench.errors import DataDamaged
from bench.protocol import Content, Data
from bench.protocols import labelled_faces
from bench.protocols.labelled_faces import damaged, first_there, plain
from bench.tasks.expression import Row

SFEW = Data(
    name="SFEW 2.0",
    folder="sfew",
    licence="for research, by agreement with its owners",
    source="its owners' page, cs.anu.edu.au/few, on request",
)
NAMES = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
LIST = "val.txt"
MOST_BYTES = 16 << 20


def read_list(root: Path, labels: tuple[str, ...], salt: str) -> Content:
    """The validation split by its list under a data root; raises DataMissing and DataDamaged."""
    base = Path(root) / SFEW.folder
    table = first_there(SFEW, [base / LIST])
    if table.stat().st_size > MOST_BYTES:
        raise DataDamaged(f"{table} was read.", "No list of pictures is that large.", "Get it again.")
    rows: dict[str, str] = {}
    for number, line in enumerate(table.read_text("utf-8", "replace").splitlines(), 1):
        name, _, word = line.strip().rpartition(" ")
        if not line.strip():
            continue
        if word.lower() not in NAMES or name in rows:
            raise damaged(table, number, f"no picture and {', '.join(NAMES)}: {line[:60]!r}")
        rows[plain(table, number, name)] = NAMES[word.lower()]
    told = [Row(name, label) for name, label in rows.items()]
    files = {name: base / name for name in rows}
    return labelled_faces.content(told, files, SFEW, labels, salt, beside={LIST: table})


PROTOCOLS = (
    labelled_faces.protocol(
        "expression/sfew/val",
        SFEW,
        read_list,
        tuple(NAMES.values()),
        f"validation pictures of seven classes by sfew/{LIST}, a line a picture: its path below sfew/ and one of "
        f"{', '.join(NAMES)}",
        cite="Dhall et al., ICCV Workshops 2011",
        trains=False,
    ),
)
