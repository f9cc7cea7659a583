"""RAF-DB, basic emotions: 3,068 test pictures in seven classes, 12,271 to learn from.

Li, Deng and Du, Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild,
CVPR 2017. The owner's list numbers the classes from 1; other copies name folders by other orders, so that nothing is
taken from a folder's name here.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from bench.errors import DataDamaged
from bench.protocol import Content, Data
from bench.protocols import labelled_faces, repeats
from bench.protocols.labelled_faces import damaged, first_there
from bench.tasks.expression import Repeats, Row

RAFDB = Data(
    name="RAF-DB",
    folder="rafdb",
    licence="for research, by agreement with its owners",
    source="its owners' page, whdeng.cn/RAF/model1.html, on request (the folder basic/)",
)
LIST = "list_patition_label.txt"  # spelt so by its owner
CODES = dict(zip("1234567", ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"), strict=True))
LABELS = tuple(CODES.values())
NAME = re.compile(r"(train|test)_\d{1,6}\.jpg", re.ASCII)
# Over names and labels of the test pictures, as FERBench's list of them has both.
TRIALS = "ca8aeb5bfc8da59e89df4b575f3ed99ca6e01600392e206fd007919177d317fe"
MOST_BYTES = 16 << 20


def read_list(path: Path) -> dict[str, tuple[str, str]]:
    """Split and label of each picture; rows are name and label, or name, split and label. Raises DataDamaged."""
    if path.stat().st_size > MOST_BYTES:
        raise DataDamaged(f"{path} was read.", "No list of pictures is that large.", "Get it again.")
    told: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        name, *split, code = cells if len(cells) > 1 else [line, ""]
        found = NAME.fullmatch(name)
        if found is None or len(split) > 1 or code not in CODES or split not in ([], [found[1]]) or name in told:
            raise damaged(path, number, f"no picture and class of 1 to 7: {line[:60]!r}")
        told[name] = (found[1], CODES[code])
    return told


def read_basic(root: Path, labels: tuple[str, ...], salt: str) -> Content:
    """The test split over aligned pictures under a data root; raises DataMissing and DataDamaged."""
    base = first_there(RAFDB, [Path(root) / RAFDB.folder / "basic", Path(root) / RAFDB.folder])
    table = first_there(RAFDB, [base / "EmoLabel" / LIST])
    told = read_list(table)
    folder = base / "Image" / "aligned"
    files = {name: folder / f"{Path(name).stem}_aligned.jpg" for name in told}

    def of(split: str) -> list[str]:
        return [name for name, (part, _) in told.items() if part == split]

    def training() -> tuple[list[tuple[str, Path]], list[str]]:
        return [(name, files[name]) for name in of("train")], [told[name][1] for name in of("train")]

    def copies() -> Repeats:
        learned = [files[name] for name in of("train")]
        train = repeats.pixels_of(learned) if learned and all(path.is_file() for path in learned) else None
        return repeats.find_repeats(repeats.named_pixels({name: files[name] for name in of("test")}), train)

    rows = [Row(name, told[name][1]) for name in of("test")]
    beside = {LIST: table}
    return labelled_faces.content(
        rows, files, RAFDB, labels, salt, beside=beside, training=training, repeats=functools.cache(copies)
    )


PROTOCOLS = (
    labelled_faces.protocol(
        "expression/rafdb/basic",
        RAFDB,
        read_basic,
        LABELS,
        f"the 3,068 test pictures of RAF-DB's seven basic emotions; rafdb/basic/EmoLabel/{LIST} and "
        "rafdb/basic/Image/aligned/",
        trials=TRIALS,
        copies=True,
        cite="Li, Deng and Du, CVPR 2017",
    ),
)
