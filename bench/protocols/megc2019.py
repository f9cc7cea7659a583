"""The composite of MEGC 2019: 442 micro-expressions of CASME II, SAMM and SMIC-HS, 68 subjects, three classes.

See, Yap, Li, Hong and Wang, MEGC 2019: The Second Facial Micro-Expressions Grand Challenge, FG 2019. Its baselines are
published over three-channel images of 28x28 pixels made of the flow from onset to apex, which are a protocol of their
own: they show no face, so that who may not hand out the clips may hand out these.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from bench import images
from bench.errors import DataDamaged, DataMissing
from bench.metrics import metric
from bench.metrics.classification import within
from bench.metrics.metric import Metric
from bench.protocol import Content, Data
from bench.protocols import annotated_clips, casme2, samm, smic
from bench.protocols.annotated_clips import LAYOUT, Named, protocol
from bench.protocols.annotations import THREE, find
from bench.records import Face
from bench.sheets import read
from bench.tasks import micro_expression
from bench.tasks.micro_expression import Row

COMPOSITE = Data(
    name="MEGC 2019 composite",
    folder="megc2019",
    licence="that of CASME II, SAMM and SMIC; for research, by agreement with their owners",
    source="the owners of CASME II, SAMM and SMIC; the list is handed out with the challenge",
)
FLOW = Data(
    name="MEGC 2019 flow images",
    folder="micro_expression/megc2019_flow",
    licence="none stated; made of restricted data sets, for research",
    source="the repository of HTNet (github.com/wangzhifengharrison/HTNet, commit 91cf4bd), STSNet_whole_norm_u_v_os",
)
LIST = "MEGC2019_combined_3class_gt.csv"
COLLECTIONS = {one.COLLECTION.part: one.COLLECTION for one in (casme2, samm, smic)}
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*\.png", re.ASCII)
SIDE = 28
LOSO, FLOW_LOSO = "micro_expression/megc2019/loso", "micro_expression/megc2019-flow/loso"
# Over names, subjects and classes of the 442 clips, and of the 442 images.
TRIALS = "fed905802321785901db6924dba30c7b0a07e13494be1adcb461eb14c2220fd2"
FLOW_TRIALS = "1dda538a973711c82ea6f87527012eaa7e62ba33c6168a92e2e8e8eb37c7627c"


def listed(root: Path) -> dict[tuple[str, str], str]:
    """The class of each of the 442 clips, by data set and name; raises DataDamaged for another kind of row."""
    path = find(root, COMPOSITE, [LIST])
    found = {}
    for number, row in enumerate(read(path), 1):
        match row:
            case (("casme2" | "samm" | "smic") as part, subject, video, ("0" | "1" | "2") as label):
                name = f"sub{subject}" if part == "casme2" and not subject.startswith("sub") else subject
                found[part, f"{name}/{video}" if part == "casme2" else video] = THREE[int(label)]
            case _:
                do = "A row is casme2, samm or smic, a subject, a clip and 0, 1 or 2."
                raise DataDamaged(f"{path} was read.", f"Row {number} is none: {str(row)[:80]}.", do)
    return found


def read_composite(root: Path) -> Content:
    """The composite from the clips of its three data sets; raises DataMissing and DataDamaged."""
    classes = listed(root)
    chosen = []
    met: set[tuple[str, str]] = set()
    for part, collection in COLLECTIONS.items():
        named: list[Named] = []
        for one in collection.read(root).warned().rows:
            key = (part, f"{one.subject}/{one.video}" if part == "casme2" else one.video)
            if one.usable and key in classes:
                named.append((classes[key], one.subject, one))
                met.add(key)
        chosen.append((collection, named))
    if absent := sorted(set(classes) - met):
        found = f"{len(absent)} of its clips stand in no data set's table, such as {absent[0][1]} of {absent[0][0]}."
        raise DataDamaged("The composite of MEGC 2019 was put together.", found, "Get the tables again.")
    return annotated_clips.content(root, chosen, THREE, LOSO)


def read_flow(root: Path) -> Content:
    """The flow images and their list; raises DataMissing and DataDamaged, naming the row."""
    folder = Path(root) / FLOW.folder
    path = folder / "labels.csv"
    if not path.is_file():
        found = f"{path} does not exist."
        raise DataMissing(f"{FLOW.name} were asked for.", found, f"Get them from {FLOW.source}.")
    head, *rows = read(path)
    if head != ("file", "dataset", "subject", "label"):
        raise DataDamaged(f"{path} was read.", "Its columns are not file, dataset, subject, label.")
    told, files = [], {}
    for number, row in enumerate(rows, 2):
        match row:
            case (file, part, subject, ("0" | "1" | "2") as label) if FILE.fullmatch(file) and part in COLLECTIONS:
                told.append(Row(file, f"{part}/{subject}", THREE[int(label)], part))
                files[file] = folder / "flow" / file
            case _:
                raise DataDamaged(f"{path} was read.", f"Row {number} is no image's: {str(row)[:80]}.")
    if len(files) < len(told):
        raise DataDamaged(f"{path} was read.", "An image comes twice.")
    if absent := [file for file, place in files.items() if not place.is_file()]:
        found = f"{len(absent)} of {len(files)} are missing in {folder / 'flow'}, such as {absent[0]}."
        raise DataMissing(f"{FLOW.name} were looked for.", found, f"Get them from {FLOW.source}.")
    return micro_expression.content(told, THREE, functools.partial(_image, files), files, FLOW_LOSO)


def _image(files: Mapping[str, Path], name: str, key: str) -> Face:
    return Face(key, images.read(files[name], (SIDE, SIDE)))


PARTS: tuple[Metric, ...] = tuple(within(part, metric(name)) for part in COLLECTIONS for name in ("uf1", "uar"))
CITE = "See et al., MEGC 2019, FG 2019"
PROTOCOLS = (
    protocol(
        LOSO,
        COMPOSITE,
        read_composite,
        THREE,
        "442 clips of CASME II, SAMM and SMIC-HS in three classes, one of 68 subjects left out at a time; UF1 and UAR "
        f"from the pooled confusion, of all and of each data set; {LAYOUT}",
        trials=TRIALS,
        cite=CITE,
        parts=PARTS,
    ),
    protocol(
        FLOW_LOSO,
        FLOW,
        read_flow,
        THREE,
        "442 images of 28x28 pixels, whose red is horizontal flow, green vertical flow and blue optical strain from "
        "onset to apex, each scaled to 0 to 255; three classes, one of 68 subjects left out at a time",
        trials=FLOW_TRIALS,
        cite=CITE,
        inputs="flow-28",
        parts=PARTS,
    ),
)
