"""Verification under encryption: does matching encrypted vectors decide as matching them in the clear?

An Embedder's vectors are made unit vectors and then integers by a rule that needs no data (``quantised``). Every pair
is scored twice: by the cosine of the vectors, and by the exact integer formula of what a Matcher computes, the inner
product with a plaintext gallery or minus the squared distance to an encrypted one. A seeded draw of pairs goes through
the Matcher's real protocol, and every score that is opened must be the formula's; one that is not, or keys of fewer
than 112 bits of security, and the result is void. So the figure over all pairs is that of the protocol, which would
take days over all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.answers import Table, write_table
from bench.asking import ALL, Asking
from bench.cases import Cases, Decisions
from bench.contracts import Embedder, Matcher
from bench.embedding import EMBED
from bench.errors import ContractBroken, MethodFailed, Mismatch
from bench.matched import MATCH_VECTORS
from bench.measuring import GALLERIES
from bench.method import Configured
from bench.metrics.encrypted_trials import EncryptedTrials
from bench.metrics.metric import Metric
from bench.protocol import Content, Protocol, Role, Sample, Scored, Task
from bench.scoring import scores
from bench.sharing import ask_once
from bench.tasks import verification
from bench.tasks.encryption import LEAST_SECURITY, refuse_void
from bench.tasks.verification import REPLICATES, SEED, Pairs
from bench.worker import Raised, Worker

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLAINTEXT = GALLERIES[0]
FULL, DEVIATIONS = 127, 4
RULE = "unit vectors times 127 sqrt(d) / 4, rounded half to even, cut off at -127 and 127"
LEAST_MATCHED = 50
SESSION = 10  # pairs a key: each probe is matched against all references of its session
INPUTS = "int8"


@dataclass(frozen=True, slots=True)
class EncryptedPairs:
    """The truth: pairs, and how some are matched: bits of the key, the kind of gallery, at least how many pairs."""

    pairs: Pairs
    bits: int
    gallery: str
    matched: int = LEAST_MATCHED


def quantised(embedding: NDArray[Any]) -> NDArray[Any]:
    """int8 [n, d] of float [n, d] by RULE: a feature of a unit vector is 1 / sqrt(d) on average, four of that are 127.

    A row of zeros, or one that is not finite, becomes zeros.
    """
    import numpy as np

    finite = np.isfinite(embedding).all(axis=1, keepdims=True)
    wide = np.where(finite, embedding, 0).astype(np.float64)
    unit = wide / np.maximum(np.sqrt((wide**2).sum(axis=1, keepdims=True)), 1e-300)
    scaled = np.rint(unit * (FULL * np.sqrt(wide.shape[1]) / DEVIATIONS))
    integers: NDArray[Any] = np.clip(scaled, -FULL, FULL).astype(np.int8)
    return integers


def formula(rows: NDArray[Any], probes: NDArray[Any], gallery: str) -> NDArray[Any]:
    """int64 [n]: of int8 [n, d] each, row by row, what a Matcher is to open: inner product or squared distance."""
    import numpy as np

    a, b = rows.astype(np.int64), probes.astype(np.int64)
    score: NDArray[Any] = (a * b if gallery == PLAINTEXT else (a - b) ** 2).sum(axis=1)
    return score


def ask(asking: Asking) -> None:
    """Embed every image once; then put the drawn pairs through the protocol, session by session, each kept whole."""
    ask_once(asking, "embedder", EMBED, ALL, asking.content.samples, asking.roles["embedder"][0])
    truth: EncryptedPairs = asking.content.truth
    answered = asking.answers()[ALL]
    chosen = _drawn(truth, answered, asking.settings.seed)
    sessions = {f"session-{i:03d}": rows for i, rows in enumerate(_split(chosen))}
    todo = [name for name in sessions if not asking.cell.part(name, 0).exists()]
    if todo:
        (configured,) = asking.roles["method"]
        integers = quantised(answered["embedding"])
        with asking.open_worker(configured, asking.cell.folder / "method.log", inputs=INPUTS) as worker:
            for name in todo:
                asking.progress("match", int(name[-3:]) * SESSION, len(chosen))
                write_table(asking.cell.part(name, 0), _session(worker, truth, integers, sessions[name]))
    asking.progress("match", len(chosen), len(chosen))
    for name, rows in sessions.items():
        asking.folds[name] = [Sample(_key(trial), _key(trial), str) for trial in rows]


def _drawn(truth: EncryptedPairs, answered: Table, seed: int) -> list[int]:
    """Which pairs go through the protocol: drawn by the seed among those with two vectors, as many of each kind."""
    import numpy as np

    there = np.array([not reason for reason in answered["failure"]])
    pairs, generator = truth.pairs, np.random.default_rng([seed, truth.matched])
    usable = np.flatnonzero(there[pairs.reference] & there[pairs.probe])
    order = generator.permutation(usable)
    kinds = [order[pairs.mated[order] == mated] for mated in (True, False)]
    half = min(truth.matched // 2, *map(len, kinds))
    chosen = [*kinds[0][:half], *kinds[1][:half]]
    rest = [trial for trial in order.tolist() if trial not in set(chosen)]
    return sorted([*map(int, chosen), *rest[: truth.matched - len(chosen)]])


def _split(chosen: list[int]) -> list[list[int]]:
    return [chosen[start : start + SESSION] for start in range(0, len(chosen), SESSION)]


def _key(trial: int) -> str:
    return f"{trial:06d}"


def _session(worker: Worker, truth: EncryptedPairs, integers: NDArray[Any], trials: list[int]) -> Table:
    """The opened scores of some pairs under one key, int64 [n, n]: row i is of probe i against every reference.

    Raises MethodFailed where the method raised or does not offer the gallery, ContractBroken for no table of scores.
    """
    import numpy as np

    asked = f"{worker.name} was to match {len(trials)} pairs ({truth.gallery} gallery, {truth.bits} bits)."
    rows, probes = (integers[side[trials]] for side in (truth.pairs.reference, truth.pairs.probe))
    work = {"bits": truth.bits, "gallery": truth.gallery, "rows": rows, "probes": probes}
    given = worker.call(MATCH_VECTORS, work)
    if isinstance(given, Raised):
        raise MethodFailed(asked, f"It raised {given.type}: {given.text}", "What it printed is beside the parts.")
    if not given["offered"]:
        raise MethodFailed(asked, given["why"])
    if [len(row) for row in given["scores"]] != [len(trials)] * len(trials):
        raise ContractBroken(asked, "It opened another number of scores.", "Open one for each enrolled row.")
    most = np.iinfo(np.int64).max
    return {
        "key": [_key(trial) for trial in trials],
        "scores": np.array([[max(-most, min(most, score)) for score in row] for row in given["scores"]], np.int64),
        "security": np.full(len(trials), given["security"], np.int16),
        "about": [given["about"]] * len(trials),
    }


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Score every pair twice, and hold the matched ones against the formula; raises ContractBroken for a void result.

    Trials are those of verification, ``score`` float64 being the formula's (minus a distance, -inf where a vector
    lacks); beside them ``plain_score`` float64, the cosine; ``matched`` bool; ``security`` int16, bits of the keys;
    ``about`` str, which code matched, "" where the pair was not.
    """
    import numpy as np

    truth: EncryptedPairs = content.truth
    pairs = truth.pairs
    trials = verification.judge(replace(content, truth=pairs), {ALL: answers[ALL]}, {})
    integers = quantised(answers[ALL]["embedding"])
    sign = 1.0 if truth.gallery == PLAINTEXT else -1.0
    exact = formula(integers[pairs.reference], integers[pairs.probe], truth.gallery)
    plain = trials["score"]
    trials["score"] = np.where(np.isfinite(plain), sign * exact, -np.inf)
    matched, about, security = np.zeros(len(exact), bool), [""] * len(exact), []
    wrong = 0
    for name in answers:
        if name == ALL:
            continue
        session = answers[name]
        places = [int(key) for key in session["key"]]
        rows, probes = integers[pairs.reference[places]], integers[pairs.probe[places]]
        expected = [formula(rows, np.broadcast_to(probe, rows.shape), truth.gallery) for probe in probes]
        wrong += int(np.count_nonzero(session["scores"] != np.stack(expected)))
        matched[places] = True
        security += session["security"].tolist()
        for place, text in zip(places, session["about"], strict=True):
            about[place] = text
    _refuse_void(security, wrong)
    return {
        **trials,
        "plain_score": plain,
        "matched": matched,
        "security": np.full(len(exact), min(security), np.int16),
        "about": about,
    }


def _refuse_void(security: list[int], wrong: int) -> None:
    if not security:
        raise MethodFailed("Pairs were to be matched.", "No pair has two vectors.", "See why the embedder failed.")
    found = {f"{wrong:,} scores that were opened are not the formula's"} if wrong else set()
    if min(security) < LEAST_SECURITY:
        found.add(f"the keys give {min(security)} bits of security, {LEAST_SECURITY} are the least")
    refuse_void("Pairs were matched under encryption.", found)


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of identities, the same draws for the same trials."""
    prepared = EncryptedTrials(trials, REPLICATES, SEED)
    for weights in prepared.encrypted.weights():
        yield [metric.compute(prepared, weights).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every metric with an interval by bootstrap over identities, and the DET curve under encryption.

    Raises ContractBroken for keys that are too short.
    """
    prepared = EncryptedTrials(trials, REPLICATES, SEED)
    _refuse_void([prepared.security], 0)
    weights = prepared.encrypted.weights()
    made = scores(protocol.metrics, lambda metric, drawn: metric.compute(prepared, drawn), weights)
    reasons = Counter(sorted(filter(None, prepared.encrypted.reasons)))
    return Scored(made, prepared.encrypted.curves(), len(prepared.encrypted.reasons), dict(reasons))


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` trials, as verification does."""
    fewer = verification.limit(replace(content, truth=content.truth.pairs), count)
    return replace(fewer, truth=replace(content.truth, pairs=fewer.truth))


def external(content: Content, table: Table) -> Mapping[str, Table]:
    """Raises Mismatch: what was matched elsewhere cannot be checked."""
    raise Mismatch("Scores made elsewhere were given.", "Nobody can see that they were encrypted.", "Ask it here.")


def decide(trials: Table) -> Decisions | None:
    """Which pairs are decided rightly under encryption, as ``accuracy`` decides."""
    return verification.decide(trials)


def cases(content: Content, trials: Table) -> Cases:
    """What can be counted by group, under encryption."""
    return verification.cases(replace(content, truth=content.truth.pairs), trials)


TASK = Task(
    name="encrypted_verification",
    about="Does matching faces under encryption decide as in the clear?",
    limits=(
        f"{verification.TASK.limits} What encryption costs is measured by the task encryption. Only the drawn pairs "
        "were encrypted; the others have the integer formula that the drawn ones followed exactly."
    ),
    roles=(
        Role("method", Matcher, "matches vectors under encryption", task="encryption", inputs=INPUTS),
        Role("embedder", Embedder, "turns a face into a vector", task="verification"),
    ),
    ask=ask,
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
    decide=decide,
    cases=cases,
)
