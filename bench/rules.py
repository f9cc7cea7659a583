"""Rules of a method's answers and of its fitting: each asks one thing of it, and says what to change."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bench.answers import Table
from bench.attack_rules import ATTACKS, PROTECTIONS
from bench.contracts import (
    Aligner,
    Answerer,
    Classifier,
    Embedder,
    Inverter,
    Matcher,
    Protection,
    Spotter,
    Trainable,
    missing,
)
from bench.errors import FacebenchError
from bench.matcher_rules import MATCHED
from bench.option_rules import LIKELIHOODS, NAMED
from bench.probing import PLAIN, PROBES, Broken, Check, NotAsked, Subject
from bench.worker import Raised


def _has_contract(subject: Subject) -> None:
    assert subject.probe


def _calls(subject: Subject) -> None:
    call = subject.probe.batches.call
    contract = next(contract for contract, probe in PROBES.items() if probe.batches.call == call)
    with subject.lend(fitted=False) as worker:
        named = worker.call("__dir__")
    has = SimpleNamespace(**dict.fromkeys([] if isinstance(named, Raised) else named, print))
    lines = {
        "embed": "def embed(self, faces)",
        "landmarks": "def landmarks(self, faces)",
        "classify": "def classify(self, records, labels)",
        "answer": "def answer(self, questions)",
        "loglik": "def loglik(self, questions, options)",
        "spot": "def spot(self, clip)",
        "fit": "def fit(self, examples, last)",
    }
    lines["restore"] = "def restore(self, weights)"
    absent = missing(has, contract) + (missing(has, Trainable) if subject.method.trainable else [])
    if absent:
        raise Broken(
            " ".join(
                f"It has no {n}(): add `{lines.get(n, f'def {n}(self, …)')}` to what load() returns." for n in absent
            )
        )
    if not subject.method.trainable and not missing(has, Trainable):
        raise Broken("It has fit() and restore(), but is never fitted: write trainable=True on its card.")


def _shape(subject: Subject) -> None:
    import numpy as np

    try:
        columns = subject.ask(subject.records())
    except Broken as error:
        if "writes into its input" in str(error):
            raise NotAsked("It cannot be asked: see 'inputs'.") from None
        raise
    for name, column in [(name, column) for name, column in columns.items() if column.dtype.kind == "f"]:
        finite, gone = np.isfinite(column), np.isnan(column)
        rows = tuple(range(1, column.ndim))
        for row in np.flatnonzero(~(finite.all(axis=rows) | gone.all(axis=rows))).tolist():
            raise Broken(
                f"Row {row} of the {name} mixes numbers with NaN or infinity: a failure is a whole row of NaN."
            )
    subject.plain()


def _agree(subject: Subject, one: Table, other: Table, found: str, do: str) -> None:
    if not subject.probe.batches.same(one, other):
        raise Broken(f"{found} {do}")


def _rows(columns: Table, rows: Any) -> Table:
    return {name: column[rows] for name, column in columns.items()}


def _joined(tables: list[Table]) -> Table:
    import numpy as np

    if len({tuple(column.shape[1:] for column in table.values()) for table in tables}) > 1:
        raise Broken("Its answers change their length from call to call: make every row equally long.")
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _order(subject: Subject) -> None:
    records, plain = subject.plain()
    turned = _rows(subject.ask(records[::-1]), slice(None, None, -1))
    do = "Row i must answer record i: do not sort or regroup, or put the rows back."
    _agree(subject, plain, turned, "The same records in reverse got other answers.", do)


def _batches(subject: Subject) -> None:
    records, plain = subject.plain()
    for size in (1, 3):
        again = _joined([subject.ask(records[i : i + size]) for i in range(0, PLAIN, size)])
        do = "A row may depend on its own record alone: no mean or norm over the batch, eval() for a network."
        _agree(subject, plain, again, f"Batches of {size} got other answers than one of {PLAIN}.", do)


def _repeats(subject: Subject) -> None:
    records = subject.records()
    try:
        once, twice = subject.ask(records), subject.ask(records)
    except Broken:
        raise NotAsked("It does not answer plain records: see 'shape'.") from None
    do = "Seed what is random from given.seed and the record, in each call anew."
    _agree(subject, once, twice, "The same call twice got two answers.", do)
    subject.plain()


def _fresh(subject: Subject) -> None:
    records, plain = subject.plain()
    with subject.lend() as worker:
        again = subject.ask(records, worker)
    do = "Seed what load() draws from given.seed; hash() differs in each process, hashlib does not."
    _agree(subject, plain, again, "A second process with the same seed answered otherwise.", do)


def _odd(subject: Subject) -> None:
    records, plain = subject.plain()
    odd = subject.probe.odd(subject.size, subject.inputs == "raw")
    alone = []
    do = "Where it finds nothing its row is NaN: np.full(d, np.nan)."
    for name, record in odd.items():
        try:
            alone.append(subject.ask([record]))
        except Broken as error:
            raise Broken(f"Asked of {name}: {error} {do}") from None
    apart = _joined([*alone, plain])
    try:
        together = subject.ask([*odd.values(), *records])
    except Broken as error:
        raise Broken(f"Asked of odd and plain records in one batch: {error} {do}") from None
    do = "Answer each record apart from the others: the failure of one is one row of NaN."
    _agree(subject, apart, together, "Odd records changed the answers to others in their batch.", do)


def _keys(subject: Subject) -> None:
    records, plain = subject.plain()
    renamed = [replace(record, key=f"{7 * (PLAIN - i):x}z") for i, record in enumerate(records)]
    do = "A key is opaque and differs from run to run: use the record's contents only, not .key."
    try:
        again = subject.ask(renamed)
    except Broken as error:
        raise Broken(f"Under other keys: {error} {do}") from None
    _agree(subject, plain, again, "Other keys got other answers.", do)


def _inputs(subject: Subject) -> None:
    try:
        subject.ask(subject.records())
    except Broken as error:
        if "writes into its input" in str(error):
            raise
    subject.plain()


def _state(subject: Subject) -> None:
    records, plain = subject.plain()
    others = subject.records(seed=2)
    first = subject.ask(others)
    again = [replace(other, key=record.key) for other, record in zip(others, records, strict=True)]
    do = "Keep nothing between calls: no running mean, and no cache by key."
    _agree(subject, first, subject.ask(again), "Under the keys of earlier records, others got other answers.", do)
    _agree(subject, plain, subject.ask(records), "After other records, the same ones got other answers.", do)


def _fits(subject: Subject) -> None:
    subject.fitted()


def _after_fit(subject: Subject) -> Any:
    try:
        return subject.fitted()
    except Broken:
        raise NotAsked("It cannot be fitted: see 'fits'.") from None


def _restores(subject: Subject) -> None:
    snapshots = _after_fit(subject)
    with subject.open() as worker:
        once = subject.ask(subject.records(), worker)
        try:
            for snapshot in (snapshots[0], snapshots[-1]):
                worker.restore(snapshot.weights)
        except FacebenchError as error:
            raise Broken(f"restore() was called again. {error.found}") from None
        do = "Take all that answers depend on from the weights given, and nothing from those before."
        _agree(subject, once, subject.ask(subject.records(), worker), "Restored again, it answered otherwise.", do)


def _weights_agree(subject: Subject, again: Any, found: str, do: str) -> None:
    import numpy as np

    one, other = subject.fitted()[-1].weights, again[-1].weights
    agree = set(one) == set(other) and all(one[name].shape == other[name].shape for name in one)
    for name in one if agree else ():
        a, b = one[name].astype(np.float64), other[name].astype(np.float64)
        agree = agree and bool(np.linalg.norm(a - b) <= 1e-4 * max(float(np.linalg.norm(a)), 1e-12))
    if not agree:
        raise Broken(f"{found} {do}")


def _refits(subject: Subject) -> None:
    _after_fit(subject)
    do = "Seed what fit() draws from given.seed, and shuffle with a generator of its own."
    _weights_agree(subject, subject.fit(), "A second fit on the same examples gave other weights.", do)


def _resumes(subject: Subject) -> None:
    first = _after_fit(subject)[0]
    do = "Begin with last.weights and last.state where last is given, generators included."
    again = [first, *subject.fit(first)]
    _weights_agree(subject, again, "Going on from its first snapshot ended with other weights.", do)


CONTRACT = Check("contract", "this version can ask of its tasks", _has_contract)
ANSWERS = (
    Check("calls", "it has its contract's calls", _calls),
    Check("shape", "its answers have the contract's type and shape; a failure is a row of NaN", _shape),
    Check("order", "row i answers record i", _order),
    Check("batches", "the batch does not matter", _batches),
    Check("repeats", "the same call gives the same answer", _repeats),
    Check("fresh", "a second process gives the same answer", _fresh),
    Check("odd", "what it cannot answer is NaN and no exception", _odd),
    Check("keys", "keys are not read", _keys),
    Check("inputs", "inputs are not changed", _inputs),
    Check("state", "nothing is kept between calls", _state),
)
FITTED = (
    Check("fits", "fit() yields a snapshot of arrays", _fits),
    Check("restores", "a fresh process answers with a snapshot's weights", _restores),
    Check("refits", "a second fit gives the same weights", _refits),
    Check("resumes", "a stopped fit goes on", _resumes),
)
OF_CONTRACT: dict[type, tuple[Check, ...]] = {
    Embedder: ANSWERS,
    Aligner: ANSWERS,
    Classifier: (*ANSWERS, NAMED),
    Answerer: (*ANSWERS, LIKELIHOODS),
    Spotter: tuple(check for check in ANSWERS if check.name not in ("order", "batches")),  # it has a clip a call
    Matcher: MATCHED,
    Inverter: ATTACKS,
    Protection: PROTECTIONS,
}
