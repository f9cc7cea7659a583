"""FER+: FER2013's pictures under the votes of ten people each, by every rule that makes one label of them.

Barsoum, Zhang, Canton Ferrer and Zhang, ICMI 2016 (github.com/microsoft/FERPlus). A FER+ figure without its rule cannot
be compared, so the rule stands in the protocol's name, with the number of classes: 8, or 7 without contempt, whose
pictures are then left out. FER2013 repeats pictures across its splits; where the training pictures are at hand they are
compared, else test_duplicates.csv in the folder tells, if it is there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from bench.protocol import Content, Data, Protocol
from bench.protocols import labelled_faces, repeats
from bench.protocols.ferplus_rules import EXPRESSIONS, RULES
from bench.protocols.labelled_faces import damaged, first_there, plain
from bench.sheets import below_header, read
from bench.tasks.expression import Repeats, Row

FERPLUS = Data(
    name="FER+ on FER2013",
    folder="ferplus",
    licence="labels MIT; the pictures are FER2013's, found by a web search, for research",
    source="github.com/microsoft/FERPlus (fer2013new.csv and the script that makes data/FER2013Test of FER2013)",
    trials_publishable=True,
)
TABLE, COPIES = "fer2013new.csv", "test_duplicates.csv"
TEST, TRAINING, VALIDATION = "PrivateTest", "Training", "PublicTest"
FOLDERS = {TEST: "FER2013Test", TRAINING: "FER2013Train", VALIDATION: "FER2013Valid"}
COLUMNS = ("Usage", "Image name", *EXPRESSIONS, "unknown", "NF")
SIZE = (48, 48)
# Over names and labels of the test pictures, a rule and number of classes each.
TRIALS = {
    "majority-8": "68c35566a3d2ee090c185b4612d5e3df2eb72d99e669af41d064a1a8a181dd5c",
    "majority-7": "91c26e74289f986404ea0d07fe9b875d080a4810a965c41bc2976069e5d4a25a",
    "probability-8": "a681f93785642646d6016f47fcd42d33cb23589c6fd160b5f92aa961c692c005",
    "probability-7": "47a116f77590fe56c04eff2e19d2a185109cdaa2961d53ef08a6eb5361450efe",
    "multi-target-8": "cf079fd5fe92fc561d754af8183630788b83a720ea82ef99fbf69d31dce54929",
    "multi-target-7": "6dafcbaf829c0de269152319f88b69fd3573bdcc4bf352b2fde97f4722305b01",
    "argmax-8-8": "b998bfd59b9321679a28dc3682d15195d9864cf111d7d53d88092cf3c2114a8f",
    "argmax-8-7": "89a6178ebb55d718a2a9d42827b990c8225f2079e6434866acf0f84fb867df09",
    "argmax-10-8": "1f2d63b1d1d032e1c20a4568b38359d8c464479459c33bb01e38f6e8b4c8d992",
    "argmax-10-7": "979895fe3f4d74d18d093d5f2b175de73d2d5d6c96934e5ecc6d262cb8ccb20f",
    "majority-raw-8": "2169567c96ac99f66ce81e7ea9ce7676f8d16e422d96c048fe98a8916b73fd20",
    "majority-raw-7": "86bd66f802239f8b692f8c157487e5edf8c2495678454116268cfd1b8c5cef3c",
    "unique-mode-8": "6e5fa872b9aeb392a0342768a04aa4b40960cb6c5bb79ec3605184d7b1b83df0",
    "unique-mode-7": "4bed42941c6a188c0886e144edca751126209430edd06671aa4940efd4332eed",
}


@functools.lru_cache(2)
def read_votes(path: Path, changed: int) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """Split, picture and ten votes of each row that has a picture, the first where a picture comes twice.

    ``changed``: when the file was last written, so that another file is read anew. Raises DataDamaged, naming the row.
    """
    told: dict[str, tuple[str, str, tuple[int, ...]]] = {}
    for number, (split, name, *votes) in below_header(path, read(path), [(column,) for column in COLUMNS]):
        if name in (None, ""):
            continue
        if split not in FOLDERS or not all(str(vote).isdigit() and int(vote) <= 10 for vote in votes):
            raise damaged(path, number, f"no split and ten votes: {[split, *votes]}"[:160])
        told.setdefault(plain(path, number, name), (split, name, tuple(map(int, votes))))
    return tuple(told.values())


def read_rule(root: Path, labels: tuple[str, ...], salt: str, rule: str) -> Content:
    """The test split by one rule under a data root; raises DataMissing and DataDamaged."""
    base = Path(root) / FERPLUS.folder
    table = first_there(FERPLUS, [base / TABLE])
    votes = read_votes(table, table.stat().st_mtime_ns)
    folder = first_there(FERPLUS, [base / FOLDERS[TEST], base / "data" / FOLDERS[TEST]])
    files = {name: folder / name for split, name, _ in votes if split == TEST}
    rows = [Row(name, RULES[rule](given)) for split, name, given in votes if split == TEST]

    def training() -> tuple[list[tuple[str, Path]], list[str]]:
        place = folder.parent / FOLDERS[TRAINING]
        learned = [(name, given) for split, name, given in votes if split == TRAINING]
        return [(name, place / name) for name, _ in learned], [RULES[rule](given) for _, given in learned]

    kept = {row.name: files[row.name] for row in rows if row.label in labels}
    copies = base / COPIES
    beside = {TABLE: table} | ({COPIES: copies} if copies.is_file() else {})
    looked = functools.partial(find_copies, kept, folder.parent, votes, copies)
    return labelled_faces.content(
        rows, files, FERPLUS, labels, salt, beside=beside, size=SIZE, training=training, repeats=looked
    )


def find_copies(
    test: dict[str, Path], base: Path, votes: Iterable[tuple[str, str, tuple[int, ...]]], table: Path
) -> Repeats:
    """Which test pictures are copies: compared where the training pictures lie under ``base``, else by the table."""
    named = {part: [base / FOLDERS[part] / n for split, n, _ in votes if split == part] for part in FOLDERS}
    there = [part for part, paths in named.items() if paths and all(path.is_file() for path in paths)]
    train, valid = (repeats.pixels_of(named[part]) if part in there else None for part in (TRAINING, VALIDATION))
    found = repeats.find_repeats(repeats.named_pixels(test), train if valid is not None else None, valid or ())
    if found.known or not table.is_file():
        return found
    return Repeats(found.group, repeats.read_table(table), True)


def _protocols() -> Iterable[Protocol]:
    for rule, labelling in RULES.items():
        for count in (8, 7):
            name = f"expression/ferplus/{rule}-{count}"
            first = (labelling.__doc__ or "").split("\n")[0].rstrip(".")
            yield labelled_faces.protocol(
                name,
                FERPLUS,
                functools.partial(read_rule, rule=rule),
                EXPRESSIONS[:count],
                f"FER+ test pictures of {count} classes, labelled by rule {rule} ({first[0].lower() + first[1:]}); "
                f"ferplus/{TABLE} and ferplus/{FOLDERS[TEST]}/ or ferplus/data/{FOLDERS[TEST]}/",
                trials=TRIALS[f"{rule}-{count}"],
                copies=True,
                cite="Barsoum et al., ICMI 2016; FER2013: Goodfellow et al., ICONIP 2013",
            )


PROTOCOLS = tuple(_protocols())
