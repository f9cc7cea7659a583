"""Encryption: what does matching under encryption cost, beside a reference in the same cell?

Method and reference are measured in interleaved rounds, in an order that is shuffled anew for each; one is at work
while the other waits on its pipe. The loop and the clock run inside the workers (bench.measuring). A first session of
each is a warm-up and dropped; it also tells how many rows of a gallery are measured where all would take over a minute.

Divisions (public key, a ciphertext a feature; public key, packed; owner; pool of randomness) are questions of their
own: each is a protocol with its own digest, so no board holds two. The reference always encrypts a feature at a time
with the public key. A plaintext and an encrypted gallery are separate columns.

A result of which any check fails is void: there are no trials, and no figure of it is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.answers import Table, joined, read_table, write_table
from bench.asking import Asking
from bench.contracts import Matcher
from bench.errors import ContractBroken, MethodFailed, Mismatch
from bench.measuring import DIVISIONS, MEASURE
from bench.method import Configured
from bench.metrics import timing
from bench.metrics.metric import Metric
from bench.metrics.timing import METHOD, OF_GALLERY, OF_ONE, REFERENCE, Timings
from bench.protocol import Content, Protocol, Reading, Role, Sample, Scored, Task
from bench.scoring import scores
from bench.worker import Raised, Worker

LEAST_SECURITY = 112
LONGEST_STAGE, EXTRAPOLATED_FROM = 60.0, 2.0  # seconds: what is not waited for, and how long is measured instead
REPLICATES = 1000
Session = tuple[str, int]  # a kind of gallery and its rows; ("", 0) is encryption alone
ALONE: Session = ("", 0)
SHOWN_GALLERIES: tuple[Session, ...] = (("plaintext", 16), ("plaintext", 1000), ("encrypted", 16))


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured: ``galleries`` are (kind, rows); ``rounds`` are counted without the warm-up."""

    dimension: int
    bits: int
    division: str = DIVISIONS[0]
    galleries: tuple[Session, ...] = ()
    rounds: int = 15

    def sha256(self) -> str:
        """Digest over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def content(self) -> Content:
        """The content of a protocol: no samples, since vectors are drawn in the worker."""
        return Content((), self, self.sha256())


def metrics(work: Work) -> tuple[Metric, ...]:
    """Every metric that the work can have; the first is the ratio of encryption, a pool's making included."""
    base = [stage for stage in OF_ONE if work.division == "pool" or stage not in ("encrypt_total", "pool")]
    if work.division == "pool":
        base.sort(key=lambda stage: stage != "encrypt_total")
    grown = [
        f"{stage}@{kind}={rows}"
        for kind, rows in work.galleries
        for stage in OF_GALLERY
        if (stage, kind) != ("answer", "plaintext")
    ]
    return (
        *(timing.ratio(stage) for stage in (*base, *grown)),
        *(timing.ratio(stage, extrapolated=True) for stage in grown),
        *(timing.seconds(stage) for stage in (*base, *grown)),
        *(timing.seconds(stage, extrapolated=True) for stage in grown),
        *(timing.seconds(stage, "wall") for stage in (*base, *grown)),
        *(timing.seconds(stage, "wall", extrapolated=True) for stage in grown),
        *(timing.size(stage) for stage in ("probe", "memory", *(f"scores@{kind}={n}" for kind, n in work.galleries))),
        timing.SECURITY_BITS,
    )


def shown(work: Work) -> tuple[str, ...]:
    """The metrics that a board has room for, beside the headline."""
    alone = ("encrypt", "decrypt") if work.division != "pool" else ("encrypt_total", "encrypt", "decrypt")
    stages = [(stage, "seconds") for stage in alone] + [("decrypt", "ratio")]
    for kind, rows in SHOWN_GALLERIES:
        if (kind, rows) in work.galleries:
            heads = [("search", "ratio")] if kind == "plaintext" else [("match", "seconds"), ("answer", "seconds")]
            stages += [(f"{stage}@{kind}={rows}", figure) for stage, figure in heads]
            stages += [(f"{stage}@{kind}={rows}", f"extrapolated_{figure}") for stage, figure in heads]
    return ("security_bits", "bytes.probe", *(f"{stage}.{figure}" for stage, figure in stages))


def ask(asking: Asking) -> None:
    """Measure the rounds that are not on disk yet, each kept whole when it is done."""
    work: Work = asking.content.truth
    rounds = [f"round-{number:03d}" for number in range(work.rounds)]
    todo = [name for name in rounds if not asking.cell.part(name, 0).exists()]
    if todo:
        with ExitStack() as stack:
            crew = {}
            for role in (METHOD, REFERENCE):
                (configured,) = asking.roles[role]
                worker = asking.open_worker(configured, asking.cell.folder / f"{role}.log")
                crew[role] = stack.enter_context(worker)
            asking.progress("warm up", 0, 1)
            plan = {(role, session): rows for role in crew for session, rows in _planned(crew[role], role, work)}
            for name in todo:
                asking.progress("measure", rounds.index(name), len(rounds))
                table = _round(crew, plan, work, [asking.settings.seed, rounds.index(name)])
                write_table(asking.cell.part(name, 0), table)
        asking.progress("measure", len(rounds), len(rounds))
    for name in rounds:
        asking.folds[name] = [_row(key) for key in read_table(asking.cell.part(name, 0))["key"]]


def _row(key: str) -> Sample:
    return Sample(key, key, str)


def _planned(worker: Worker, role: str, work: Work) -> Iterator[tuple[Session, int]]:
    """The sessions that the method offers, and how many rows of each are measured; their figures are dropped.

    Raises MethodFailed where it does not even encrypt as asked.
    """
    given = _session(worker, role, work, ALONE, 0, [0])
    if not given["offered"]:
        raise MethodFailed(f"{worker.name} was to encrypt ({_division(role, work)}, {work.bits} bits).", given["why"])
    yield ALONE, 0
    for session in work.galleries:
        rows, measured = session[1], min(session[1], 2)
        while True:
            given = _session(worker, role, work, session, measured, [0])
            if not given["offered"]:
                break
            longest = max(s for name, s in zip(given["stage"], given["wall"], strict=True) if f"@{session[0]}=" in name)
            if longest <= LONGEST_STAGE:
                yield session, rows
                break
            if longest * measured / rows >= EXTRAPOLATED_FROM or measured == rows:
                yield session, measured
                break
            measured = min(rows, measured * 8)


def _division(role: str, work: Work) -> str:
    return work.division if role == METHOD else DIVISIONS[0]


def _session(worker: Worker, role: str, work: Work, session: Session, measured: int, seed: list[int]) -> dict[str, Any]:
    """One session in a worker; raises MethodFailed where the method raised."""
    kind, rows = session
    given = worker.call(
        MEASURE,
        {
            "dimension": work.dimension,
            "bits": work.bits,
            "division": _division(role, work),
            "gallery": kind,
            "rows": rows,
            "measured": measured,
            "seed": seed,
        },
    )
    if isinstance(given, Raised):
        asked = f"{worker.name} was measured ({_division(role, work)}, {work.bits} bits, {kind or 'no'} gallery)."
        raise MethodFailed(asked, f"It raised {given.type}: {given.text}", "What it printed is beside the parts.")
    measured_so: dict[str, Any] = given
    return measured_so


def _round(crew: Mapping[str, Worker], plan: Mapping[tuple[str, Session], int], work: Work, seed: list[int]) -> Table:
    """One round: every session of both, in an order of its own; a row a stage."""
    order = list(plan)
    random.Random(repr(seed)).shuffle(order)
    made: dict[tuple[str, Session], Table] = {}
    for role, session in order:
        given = _session(crew[role], role, work, session, plan[role, session], [*seed, session[1]])
        made[role, session] = _columns(role, session, plan[role, session], given)
    return joined(made[turn] for turn in plan)


def _columns(role: str, session: Session, measured: int, given: Mapping[str, Any]) -> Table:
    import numpy as np

    alone = session == ALONE
    # Of a gallery's session only what depends on it is kept: the rest is measured without one.
    kept = [i for i, stage in enumerate(given["stage"]) if alone or "@" in stage]
    stages, failure = [given["stage"][i] for i in kept], "; ".join(given["failures"])[:180]
    return {
        "key": [f"{role} {stage}" for stage in stages],
        "role": [role] * len(kept),
        "stage": stages,
        "seconds": np.array([given["seconds"][i] for i in kept], np.float64),
        "wall": np.array([given["wall"][i] for i in kept], np.float64),
        "bytes": np.array([given["bytes"][i] for i in kept], np.int64),
        "rows": np.full(len(kept), session[1], np.int32),
        "measured": np.full(len(kept), measured, np.int32),
        "security": np.full(len(kept), given["security"], np.int16),
        "load": np.full(len(kept), given["load"], np.float64),
        "exact": np.full(len(kept), not given["failures"]),
        "failure": [failure] * len(kept),
        "about": [given["about"]] * len(kept),
    }


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """One row a round, role and stage; raises ContractBroken where a check failed, which makes all of it void.

    Trials: ``round`` int16; ``role``, ``stage`` str; ``seconds`` (CPU, all processes) and ``wall`` float64, a call;
    ``bytes`` int64; ``rows`` and ``measured`` int32, of a gallery; ``security`` int16, bits; ``load`` float64,
    the system's; ``exact`` bool; ``failure`` and ``about`` str.
    """
    import numpy as np

    tables = []
    for number, name in enumerate(sorted(answers)):
        table = {column: values for column, values in answers[name].items() if column != "key"}
        tables.append({"round": np.full(len(table["stage"]), number, np.int16), **table})
    trials = joined(tables)
    _refuse_void(trials)
    return trials


def _refuse_void(trials: Table) -> None:
    found = {f"{role}: {why}" for role, why in zip(trials["role"], trials["failure"], strict=True) if why}
    if not trials["exact"].all():
        found |= {"a check failed"} if not found else set()
    for role, bits in sorted(set(zip(trials["role"], trials["security"].tolist(), strict=True))):
        if bits < LEAST_SECURITY:
            found.add(f"{role}: its keys give {bits} bits of security, {LEAST_SECURITY} are the least")
    refuse_void("Encryption was measured.", found)


def refuse_void(asked: str, found: Set[str]) -> None:
    """Raise ContractBroken where anything was found wrong."""
    if found:
        raise ContractBroken(asked, f"{'. '.join(sorted(found))}.", "The result is void.")


def _draws(rounds: int) -> Iterator[Any]:
    import numpy as np

    generator = np.random.default_rng(0)
    for _ in range(REPLICATES):
        yield generator.integers(0, rounds, rounds)


def _there(metrics: tuple[Metric, ...], timings: Timings) -> list[Metric]:
    return [metric for metric in metrics if not math.isnan(metric.compute(timings).value)]


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of rounds, the same draws for as many rounds."""
    timings = Timings(trials)
    for draw in _draws(timings.rounds):
        yield [metric.compute(timings, draw).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric of the stages that were measured, with intervals over rounds; a failure is a noisy stage.

    Raises ContractBroken where a check failed.
    """
    _refuse_void(trials)
    timings = Timings(trials)
    made = scores(
        _there(protocol.metrics, timings), lambda metric, draw: metric.compute(timings, draw), _draws(timings.rounds)
    )
    stages = sorted({*zip(trials["role"], trials["stage"], strict=True)})
    noisy = sum(timings.spread(role, stage) > timing.NOISIEST for role, stage in stages)
    reason = f"{timing.NOISY}: quartiles over {timing.NOISIEST:.0%} of the median apart"
    return Scored(made, (), len(stages), dict(Counter({reason: noisy})) if noisy else {})


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` rounds."""
    work: Work = content.truth
    return replace(content, truth=replace(work, rounds=min(count, work.rounds)))


def external(content: Content, table: Table) -> Mapping[str, Table]:
    """Raises Mismatch: seconds that were taken elsewhere cannot be checked or compared."""
    raise Mismatch("Timings made elsewhere were given.", "They are of another machine.", "Ask the method here.")


TASK = Task(
    name="encryption",
    about="What does matching faces under encryption cost, beside a reference in the same cell?",
    limits=(
        "Times are of one machine; ratios to the reference in the same cell carry over best, but not to a processor "
        "with other vector instructions. Vectors are drawn at random: what is measured is cost, not recognition. "
        "Parties are taken to follow their protocol. Security bits are of the parameters, not of the code, which was "
        "not audited."
    ),
    roles=(
        Role(METHOD, Matcher, "matches vectors under encryption"),
        Role(REFERENCE, Matcher, "is measured in the same rounds, for ratios", alike=True),
    ),
    ask=ask,
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
    reading=Reading(
        legend=(
            "Seconds are the processor's, over all processes of a method, for one call; a ratio is how many times as "
            "long the reference takes in the same rounds. encrypt: one probe; search: a probe encrypted, matched "
            "against so many plaintext rows, packed and opened; match and answer: the distance to each of so many "
            "encrypted rows, and the most alike one. What has 'extrapolated' in its name was measured on fewer rows. "
            "Intervals: 95 %, by bootstrap over rounds."
        ),
        counted="stages",
        amiss="noisy",
        column="noisy stages",
    ),
)
