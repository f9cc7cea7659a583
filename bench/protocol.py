"""A protocol: one frozen question, with a digest over all that makes it that question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.answers import Table
from bench.cases import Cases, Decisions
from bench.errors import DataDamaged, WrongUse
from bench.method import Configured, Option
from bench.metrics.metric import Metric, signature
from bench.results import LONGEST_NAME, PROTOCOL, Curve, Score


@dataclass(frozen=True, slots=True)
class Role:
    """A place a protocol has for a method. ``contract`` is the class in bench.contracts it must match.

    ``task``: what the card of such a method names, where it is another one than the protocol's; ``inputs``: what it is
    given, where that is no image of the protocol; ``also``: other contracts, of which a card names the one it has;
    ``optional``: the place may stay empty; ``ways``: options of how one in it is asked, as a protocol has for the first
    place; ``alike``: results are ranked together only where the same method is in it.
    """

    name: str
    contract: type
    about: str = ""
    many: bool = False
    task: str = ""
    inputs: str = ""
    also: tuple[type, ...] = ()
    optional: bool = False
    ways: tuple[Option, ...] = ()
    alike: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """A data set as its owner hands it out: name, folder under the data root, licence, where to get it.

    An empty ``folder`` means that it needs no data root, as what is drawn by code does.
    """

    name: str
    folder: str
    licence: str
    source: str
    withdrawn: str = ""
    trials_publishable: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing asked about. ``key`` is opaque and all that a method sees beside the record.

    ``name`` is the owner's name for it; ``read(key)`` makes the record, or raises bench.images.Unreadable; ``absent``
    says why it will, where that is known before.
    """

    key: str
    name: str
    read: Callable[[str], Any]
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a protocol finds under a data root: the samples in the order they are asked, and the truth.

    ``truth`` is the task's own type and never leaves the harness. ``trials_sha256`` is over the trials.
    ``files`` maps the owner's names of exactly the files that the protocol needs to where they lie.
    """

    samples: Sequence[Sample]
    truth: Any
    trials_sha256: str
    files: Mapping[str, Path] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """SHA-256 over the names and contents of ``files``, in any order; raises DataDamaged for one not readable."""
        with ThreadPoolExecutor(4) as pool:
            hashes = dict(zip(self.files, pool.map(_sha256, self.files.values()), strict=True))
        return hashlib.sha256("".join(f"{name} {hashes[name]}\n" for name in sorted(hashes)).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataDamaged(f"{path} was read.", f"It cannot be: {error.strerror}.") from None


def opaque_order(names: Sequence[str], salt: str) -> list[str]:
    """The names in an order that says nothing of them: by salted hash, so that no one's images stand together."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt}\0{name}".encode()).digest())


@dataclass(frozen=True, slots=True)
class Protocol:
    """One frozen question.

    ``read(root)`` reads the data set under a data root; ``inputs`` says what its images are ("raw",
    "arcface-112"); ``trials_sha256`` is that of the official trials; the first metric is the headline;
    ``trains``: whether it has a training split for each fold, so that trainable methods can be asked. ``ways``: options
    of how a method in the first role is asked, part of that method's identity like its own; another default is another
    version. ``shown``: the metrics beside the headline that a board has room for; none named are all. Raises WrongUse
    for a name that is none.
    """

    name: str
    version: int
    task: Task
    data: Data
    inputs: str
    read: Callable[[Path], Content]
    metrics: tuple[Metric, ...]
    trials_sha256: str
    about: str = ""
    cite: str = ""
    trains: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    ways: tuple[Option, ...] = ()
    shown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not PROTOCOL.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            do = f"Lower-case words joined by '/', at most {LONGEST_NAME} characters: it is a folder's path, too."
            raise WrongUse(f"A protocol is called {self.name[:LONGEST_NAME]!r}, which no protocol may be.", do=do)

    @property
    def digest(self) -> str:
        """SHA-256 of the official question."""
        return self.digest_of(self.trials_sha256)

    def digest_of(self, trials_sha256: str) -> str:
        """SHA-256 of this question over some trials."""
        parts = {
            "name": self.name,
            "version": self.version,
            "task": self.task.name,
            "inputs": self.inputs,
            "metrics": signature(self.metrics),
            "roles": [[role.name, role.contract.__name__, role.many] for role in self.task.roles],
            "settings": dict(self.settings),
            "trials": trials_sha256,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Scored:
    """What trials give: scores, curves, how many samples were asked, and how many failed for which reason."""

    scores: tuple[Score, ...]
    curves: tuple[Curve, ...]
    samples: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """How results are told to a person: what figures and intervals are, what is counted, and what of that is amiss."""

    legend: str = "Rates in percent. Intervals: 95 %, by bootstrap over identities."
    counted: str = "samples"
    amiss: str = "failed"
    column: str = "failures"


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of question, as functions: how it is asked, judged, scored, resampled and limited.

    ``ask(asking)`` calls methods and keeps their answers (bench.asking.Asking). ``judge(content, answers, roles)``
    makes the trials; ``answers`` maps each fold to its table. ``score(protocol, trials)`` scores trials alone.
    ``replicates(metrics, trials)`` yields the metrics under resampled clusters, the same resampling for the
    same trials, so that two methods can be compared draw by draw.
    ``limit(content, n)`` keeps n trials. ``external(content, table)`` makes answers of a stranger's table.
    ``drawn(trials)`` are columns that say what ``replicates`` draws, where those of bench.boards do not.
    ``decide(trials)`` says which decisions were right, None where these trials hold none; ``cases(content, trials)``
    what can be counted by group. A task without decisions, or whose errors have no groups, leaves them out.
    """

    name: str
    about: str
    limits: str
    roles: tuple[Role, ...]
    ask: Callable[[Any], None]
    judge: Callable[[Content, Mapping[str, Table], Mapping[str, tuple[Configured, ...]]], Table]
    score: Callable[[Protocol, Table], Scored]
    replicates: Callable[[tuple[Metric, ...], Table], Iterator[list[float]]]
    limit: Callable[[Content, int], Content]
    external: Callable[[Content, Table], Mapping[str, Table]]
    drawn: Callable[[Table], Table] | None = None
    decide: Callable[[Table], Decisions | None] | None = None
    cases: Callable[[Content, Table], Cases] | None = None
    reading: Reading = Reading()
