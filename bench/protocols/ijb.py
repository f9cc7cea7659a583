"""IJB-B and IJB-C: templates compared 1:1, and searched for in either gallery, by the lists InsightFace hands out.

Under ``<data>/ijb-c``: ``loose_crop/*.jpg`` and the lists of bench.protocols.ijb_lists in ``meta/``. Images are cut out
of the loose crops by the listed landmarks (bench.alignment). The 1:1 lists name nobody; where the lists of both
galleries and of the mixed probes are there, intervals are over the people that those name, else each template counts as
a person of its own. The digests of the official lists are not pinned here, so no result is marked official.

Whitelam et al., IARPA Janus Benchmark-B face dataset, CVPR Workshops 2017; Maze et al., IARPA Janus Benchmark - C: face
dataset and protocol, ICB 2018; the lists and how they are read: deepinsight/insightface, recognition/_evaluation_/ijb.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.alignment import ALIGNED
from bench.metrics import RATES, metric
from bench.protocol import Content, Data, Protocol, opaque_order
from bench.protocols import ijb_lists
from bench.protocols.ijb_images import Files, Listed, Set
from bench.protocols.ijb_lists import at_line, first
from bench.tasks import identification, templates
from bench.tasks.identification import Gallery
from bench.tasks.templates import TemplatePairs, TemplateSearches

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _people(path: Path, one: Set) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The templates of a list that names people, each once; the person of each; the row that names it first.

    Raises DataDamaged, by line, where a template has two people.
    """
    import numpy as np

    read = ijb_lists.read(path, ijb_lists.PEOPLE, one.data)
    ids, once, place = np.unique(read["template"], return_index=True, return_inverse=True)
    subject = read["subject"]
    if (row := first(subject != subject[once][place])) is not None:
        raise at_line(path, row, f"template {read['template'][row]} is of another person above.", one.data, header=True)
    return ids, subject[once], once


def _named(root: Path, one: Set) -> tuple[list[Path], dict[int, int]]:
    """The lists that name people, and template to person; nothing where one of the lists is not there."""
    lists, people = one.people(root), dict[int, int]()
    if not all(path.is_file() for path in lists):
        return [], people
    for path in lists:
        ids, subjects, rows = _people(path, one)
        for template, who, row in zip(ids.tolist(), subjects.tolist(), rows.tolist(), strict=True):
            if people.setdefault(template, who) != who:
                found = f"template {template} is of another person in a list before it."
                raise at_line(path, row, found, one.data, header=True)
    return lists, people


def _numbers(labels: list[str], salt: str) -> NDArray[Any]:
    """A number for each label, the same for the same one, that says nothing of it: int32."""
    import numpy as np

    number = {label: i for i, label in enumerate(opaque_order(sorted(set(labels)), salt))}
    return np.fromiter((number[label] for label in labels), np.int32, len(labels))


def _opaque(ids: NDArray[Any], people: Mapping[int, int], salt: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """What template i of ``ids`` is called, and by that the number of its person, its own where nobody is named."""
    import numpy as np

    number = _numbers([f"template {t}" for t in ids.tolist()], salt)
    subjects = np.empty(len(ids), np.int32)
    subjects[number] = _numbers([f"{people.get(t, f'of {t}')}" for t in ids.tolist()], salt)
    return number, subjects


def read_pairs(root: Path, one: Set, salt: str) -> Content:
    """The 1:1 protocol of a set under a data root.

    Raises DataMissing naming what is absent and DataDamaged naming the list and the line.
    """
    import numpy as np

    listed, path = Listed.read(root, one), one.list_of(root, "template_pair_label.txt")
    read = ijb_lists.read(path, ijb_lists.PAIRS, one.data)
    ids = np.unique(listed.template)
    sides = [listed.places(path, read[side], ids, one) for side in ("reference", "probe")]
    mated = read["mated"].astype(bool)
    if mated.all() or not mated.any():
        raise ijb_lists.damaged(path, "Its pairs are all of one kind.", one.data)
    lists, people = _named(root, one)
    who = np.array([people.get(t, -1) for t in ids.tolist()])
    a, b = (who[side] for side in sides)
    if (row := first((a >= 0) & (b >= 0) & ((a == b) != mated))) is not None:
        told = (
            f"it says {int(mated[row])} of people {a[row]} and {b[row]}, as {lists[0].name} and the others name them."
        )
        raise at_line(path, row, told, one.data)
    samples, order = listed.samples(root, one, ids[np.unique(np.concatenate(sides))], salt)
    number, subjects = _opaque(ids, people, salt)
    pools = listed.pools(order, number, ids, subjects)
    truth = TemplatePairs(pools, number[sides[0]], number[sides[1]], mated)
    files = Files([*listed.lists, path, *lists], samples.folder, samples.names)
    columns = [listed.template, listed.media, *(read[name] for name in ijb_lists.PAIRS.columns)]
    return templates.pairs_content(samples, truth, files, columns)


def read_searches(root: Path, one: Set, gallery: str, salt: str) -> Content:
    """The 1:N protocol of a set and a gallery under a data root; raises as ``read_pairs`` does."""
    import numpy as np

    listed = Listed.read(root, one)
    paths = [path for path in one.people(root) if "gallery" not in path.name or path.stem.endswith(gallery)]
    (enrolled, known, begun), (probes, searched, rows) = lists = [_people(path, one) for path in paths]
    again = np.delete(begun, np.unique(known, return_index=True)[1])
    if len(again):
        raise at_line(paths[0], int(again[0]), "its person has another template here.", one.data, header=True)
    if np.isin(searched, known).all() or not np.isin(searched, known).any():
        raise ijb_lists.damaged(paths[1], f"All or none of its people are in {paths[0].name}.", one.data)
    if (row := first(np.isin(probes, enrolled))) is not None:
        found = f"template {probes[row]} is in {paths[0].name} too."
        raise at_line(paths[1], int(rows[row]), found, one.data, header=True)
    ids = np.unique(listed.template)
    places = [
        listed.places(path, templates_of, ids, one, named)
        for path, (templates_of, _, named) in zip(paths, lists, strict=True)
    ]
    people = dict(zip([*enrolled.tolist(), *probes.tolist()], [*known.tolist(), *searched.tolist()], strict=True))
    number, subjects = _opaque(ids, people, salt)
    samples, order = listed.samples(root, one, ids[np.concatenate(places)], salt)
    pools = listed.pools(order, number, ids, subjects)
    truth = TemplateSearches(pools, Gallery(number[places[0]], number[places[1]], subjects))
    files = Files([*listed.lists, *paths], samples.folder, samples.names)
    columns = [listed.template, listed.media, enrolled, known, probes, searched]
    return templates.searches_content(samples, truth, files, columns)


def _data(letter: str) -> Data:
    return Data(
        name=f"IARPA Janus Benchmark-{letter} (IJB-{letter})",
        folder=f"ijb-{letter.lower()}",
        licence="NIST/IARPA agreement, for those who signed it; neither images nor trials are to be passed on",
        source=(
            "NIST, nist.gov/programs-projects/face-challenges; loose crops and lists from deepinsight/insightface, "
            "evaluation/IJB"
        ),
    )


SETS = (Set(_data("B"), "ijbb", ("S1", "S2")), Set(_data("C"), "ijbc", ("G1", "G2")))
UNPINNED = "the digest of its official lists is not pinned here, so no result is marked official"
CITE = {
    "ijb-b": "Whitelam et al., IARPA Janus Benchmark-B face dataset, CVPR Workshops 2017",
    "ijb-c": "Maze et al., IARPA Janus Benchmark - C: face dataset and protocol, ICB 2018",
}
PAIR_METRICS = (
    "tar@far=1e-4",
    *(f"{rule}@far={rate}" for rate in RATES for rule in ("tar", "tar_nearest", "tar_interpolated")),
    "eer",
    "fte",
)
SEARCH_METRICS = ("rank-1", "rank-5", "rank-10", "fnir@fpir=1e-1", "fnir@fpir=1e-2")
_HOW = "images cut out of {folder}/loose_crop by the listed landmarks, pooled as InsightFace does (N1, D1 unless asked)"


def _pairs(one: Set) -> Protocol:
    folder = one.data.folder
    name = f"verification/{folder}/1-1"
    return Protocol(
        name=name,
        version=1,
        task=templates.PAIRS,
        data=one.data,
        inputs=ALIGNED,
        read=functools.partial(read_pairs, one=one, salt=name),
        metrics=tuple(map(metric, dict.fromkeys(PAIR_METRICS))),
        trials_sha256="",
        about=(
            f"the listed pairs of templates; {_HOW.format(folder=folder)}; intervals over people where the 1:N lists "
            f"name them, else over templates; {UNPINNED}"
        ),
        cite=CITE[folder],
        settings={"replicates": templates.REPLICATES},
        ways=templates.WAYS,
    )


def _searches(one: Set, gallery: str) -> Protocol:
    folder = one.data.folder
    name = f"identification/{folder}/1-n-{gallery.lower()}"
    return Protocol(
        name=name,
        version=1,
        task=templates.SEARCHES,
        data=one.data,
        inputs=ALIGNED,
        read=functools.partial(read_searches, one=one, gallery=gallery, salt=name),
        metrics=tuple(map(metric, SEARCH_METRICS)),
        trials_sha256="",
        about=(
            f"every mixed probe template against gallery {gallery}, open-set: people of the other gallery are in vain; "
            f"{_HOW.format(folder=folder)}; published figures are means over both galleries; {UNPINNED}"
        ),
        cite=CITE[folder],
        settings={"replicates": identification.REPLICATES},
        ways=templates.WAYS,
    )


PROTOCOLS = tuple(
    protocol for one in SETS for protocol in (_pairs(one), *(_searches(one, gallery) for gallery in one.galleries))
)
