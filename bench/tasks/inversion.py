"""Inversion: how much of a face can be had back from what an embedder tells of it? An audit of privacy.

An attack asks an oracle in the harness, which proxies to the target's worker, counts, and keeps to a budget. Targets
are the first images of a protocol's mated pairs, and nothing else can be attacked. What was reconstructed is stored in
8 bits, in a folder for its owner alone, embedded by the target and by every critic, and judged against thresholds
that stay as they are on the clean pairs of that same embedder. Trials hold scores only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.answers import Table, joined
from bench.asking import ALL, Asking
from bench.attacking import ATTACK, EIGHT_BIT, Guard, Raid, budget_of, keep
from bench.contact_sheet import write_sheet
from bench.contracts import Embedder, Inverter, Protection
from bench.embedding import EMBED
from bench.errors import Mismatch, WrongUse
from bench.method import Configured, Option
from bench.metrics import inversion as figures
from bench.metrics.clean_pairs import CleanPairs
from bench.metrics.inversion import BEST, LAST, Attack
from bench.metrics.metric import Metric
from bench.protecting import Protected
from bench.protocol import Content, Protocol, Role, Sample, Scored, Task, opaque_order
from bench.scoring import scores
from bench.tasks import verification
from bench.tasks.verification import Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES, SEED = 1000, 0
TARGET, CRITICS, PROTECTION = "target", "critics", "protection"
PROTECTED, EMBEDDINGS = "protected-", "embedding"
DECIDED = "1e-3"  # the FMR of the threshold at which a protected target accepts
WAYS = (
    Option("budget", 40010, "queries that each target may be asked"),
    Option("targets", 0, "how many faces are attacked, always the same first ones; 0 is all of the protocol"),
    Option(
        "queries",
        "float",
        "float: as published, neither clipped nor rounded; 8bit: images clipped to [0, 1] and rounded to 8 bits, "
        "scores rounded to 4 digits",
        ("float", EIGHT_BIT),
    ),
)


@dataclass(frozen=True, slots=True)
class Audit:
    """The truth: the pairs, and ``targets``, int32 [t], positions of the faces that are attacked.

    Targets are the first images of mated pairs, each once, in an order by hash of their names, of which fewer are the
    first; ``data``: what the data set is called.
    """

    pairs: Pairs
    targets: NDArray[Any]
    data: str

    @classmethod
    def of(cls, content: Content, data: str) -> Audit:
        """The audit over a protocol of pairs."""
        import numpy as np

        pairs: Pairs = content.truth
        place = {content.samples[i].name: i for i in np.unique(pairs.reference[pairs.mated]).tolist()}
        order = [place[name] for name in opaque_order([*place], "targets")]
        return cls(pairs, np.array(order, np.int32), data)

    def chosen(self, attack: Configured) -> NDArray[Any]:
        """The targets that an attack was asked to take; raises WrongUse for fewer than none or more than there are."""
        count = int(attack.asked["targets"])
        if not 0 <= count <= len(self.targets):
            raise WrongUse(f"{count} targets were asked for.", f"There are {len(self.targets):,}; 0 is all of them.")
        return self.targets[:count] if count else self.targets


def content(base: Content, data: str) -> Content:
    """The content of an inversion protocol over one of pairs."""
    return replace(base, truth=Audit.of(base, data))


def _embedders(roles: Mapping[str, tuple[Configured, ...]]) -> list[tuple[str, str, Configured]]:
    """Every embedder of a cell once, with a name for its answers and its role: the target, and critics that are not."""
    (target,) = roles[TARGET]
    critics = {str(critic): critic for critic in roles[CRITICS] if str(critic) != str(target)}
    others = [(f"critic-{number}", CRITICS, critic) for number, critic in enumerate(critics.values(), 1)]
    return [(TARGET, TARGET, target), *others]


def ask(asking: Asking) -> None:
    """Embed every image with target and critics, attack, and embed what was reconstructed."""
    embedders, (attack,) = _embedders(asking.roles), asking.roles[ATTACK]
    target = asking.roles[TARGET][0]
    budget_of(attack)  # what cannot be asked is refused before minutes of embedding
    audit: Audit = asking.content.truth
    chosen = audit.chosen(attack)
    for name, role, configured in embedders:
        asking.ask_all(role, EMBED, f"clean-{name}", configured=configured)
    with _guarded(asking) as guard:
        given = asking.answers()["clean-target" if guard is None else f"{PROTECTED}clean-target"]
        there = chosen[[not given["failure"][i] for i in chosen.tolist()]]
        euclidean = guard is None and target.method.similarity == "euclidean"
        samples = Raid(asking, attack, target, there, given["embedding"][there], euclidean, guard).run()
        for name, role, configured in embedders:
            asking.ask_all(role, EMBED, f"attacked-{name}", samples, configured)
        if guard is not None:
            _protect(asking, guard.protected, "attacked-target", samples)
    trials = judge(asking.content, asking.answers(), asking.roles)
    own = [k for k, (role, kind) in enumerate(zip(trials["role"], trials["kind"], strict=True)) if (role, kind) == _OWN]
    write_sheet(asking, samples, trials["cosine"][own][: len(samples)])


@contextmanager
def _guarded(asking: Asking) -> Iterator[Guard | None]:
    """The protection of a cell at work, if it has one; what it makes of the clean embeddings is kept."""
    if PROTECTION not in asking.roles:
        yield None
        return
    (protection,) = asking.roles[PROTECTION]
    with asking.open_worker(protection, asking.cell.folder / "protection.log", inputs=EMBEDDINGS) as worker:
        protected = Protected(worker)
        _protect(asking, protected, "clean-target", asking.content.samples)
        pairs: Pairs = asking.content.truth.pairs
        table = _judged(pairs, asking.answers()[f"{PROTECTED}clean-target"], None)
        clean = CleanPairs(table["score"], pairs.mated, pairs.fold)
        yield Guard(protected, clean.threshold(DECIDED))


def _protect(asking: Asking, protected: Protected, fold: str, samples: Sequence[Sample]) -> None:
    keep(asking, PROTECTED + fold, samples, lambda: protected.table(asking.answers()[fold]))


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Compare what was reconstructed with the attacked images and with others of the same people.

    Trials, for each ``embedder`` (str, as typed; ``role`` str: target, same where a critic is the target's own network,
    or critic): the clean pairs, ``kind`` mated and non_mated, and of each target, ``image`` (best or last) and
    ``budget`` int64 a type-1 row (the very image) and type-2 rows (others of the person). ``trial``, ``reference``,
    ``probe``, ``reference_subject``, ``probe_subject`` int32, ``fold`` int16; ``trial`` and ``fold`` are -1 where it is
    no pair. ``score`` and ``cosine`` float64, -inf where there is no vector, then ``failure`` str says why. Of type-1
    rows ``queries`` and ``outside`` int64, ``told`` float64. ``seen`` str: what of the targets' data set the
    attack was made from, "" where nothing.
    """
    audit: Audit = content.truth
    (attack,) = roles[ATTACK]
    target = roles[TARGET][0]
    tables = []
    for name, role, configured in _embedders(roles):
        guarded = role == TARGET and PROTECTION in roles
        before = PROTECTED if guarded else ""
        clean, attacked = (answers[f"{before}{what}-{name}"] for what in ("clean", "attacked"))
        own = role != TARGET and configured.method.name == target.method.name
        compares = None if guarded else configured
        made = joined(
            [
                _clean(audit.pairs, clean, compares),
                _compared(audit, audit.chosen(attack), clean, attacked, answers[ATTACK], compares),
            ]
        )
        count = len(made["kind"])
        known = {"embedder": [str(configured)] * count, "role": ["same" if own else _ROLES[role]] * count}
        tables.append({**known, **made})
    trials = joined(tables)
    return {**trials, "seen": [seen(attack, audit.data)] * len(trials["kind"])}


_OWN = figures.TARGET, figures.TYPE_1  # what was reconstructed, in its order, before targets without a template
_ROLES = {TARGET: figures.TARGET, CRITICS: figures.CRITIC}


def seen(attack: Configured, data: str) -> str:
    """What an attack's card says it was made from of the targets' data set, whole or in part; "" where nothing."""
    names = [data.lower(), *(part.strip(" )").lower() for part in data.split("(")[1:])]
    words = [(trained, re.split(r"[^a-z0-9-]+", trained.lower())) for trained in attack.method.trained_on]
    return "; ".join(t for t, parts in words if any(n in t.lower() if " " in n else n in parts for n in names))


def _clean(pairs: Pairs, given: Table, configured: Configured | None) -> Table:
    table = _judged(pairs, given, configured)
    return {
        "kind": ["mated" if mated else "non_mated" for mated in pairs.mated.tolist()],
        "image": [""] * len(pairs.mated),
        **_numbers(len(pairs.mated)),
        **table,
    }


def _numbers(count: int) -> Table:
    """The columns of type-1 rows, for rows that have none of it."""
    import numpy as np

    whole = {name: np.zeros(count, np.int64) for name in ("budget", "queries", "outside")}
    return {**whole, "told": np.full(count, np.nan)}


def _judged(pairs: Pairs, given: Table, configured: Configured | None) -> Table:
    """The comparisons of pairs, as verification judges them of an embedder, or by cosine of None."""
    made = verification.judge(Content((), pairs, ""), {ALL: given}, {"method": (configured,) if configured else ()})
    both = zip(made["reference_failure"], made["probe_failure"], strict=True)
    kept = ("trial", "fold", "reference", "probe", "reference_subject", "probe_subject", "score")
    return {
        **{name: made[name] for name in kept},
        "cosine": made.get("cosine", made["score"]),
        "failure": [one or other for one, other in both],
    }


def _compared(
    audit: Audit, chosen: NDArray[Any], clean: Table, attacked: Table, reached: Table, configured: Configured | None
) -> Table:
    """The type-1 and type-2 rows of every target, of those without a template too."""
    import numpy as np

    count, subjects = len(audit.pairs.subjects), audit.pairs.subjects
    people: dict[int, list[int]] = {}
    for place, subject in enumerate(subjects.tolist()):
        people.setdefault(subject, []).append(place)
    absent = [i for i in chosen.tolist() if i not in set(reached["target"].tolist())]
    rows = [*zip(reached["target"].tolist(), reached["budget"].tolist(), reached["image"], strict=True)]
    end = max(budget for _, budget, _ in rows)
    rows += [(i, end, image) for i in absent for image in (BEST, LAST)]
    places = [[target, *(p for p in people[int(subjects[target])] if p != target)] for target, *_ in rows]
    of = np.repeat(np.arange(len(rows)), [len(places_of) for places_of in places])
    first = np.append(True, np.diff(of) > 0)
    owner = np.array([target for target, *_ in rows], np.int32)[of]
    made = count + np.minimum(of, len(reached["target"]))
    vectors = np.concatenate([clean["embedding"], attacked["embedding"], np.full_like(clean["embedding"][:1], np.nan)])
    given = {"embedding": vectors, "failure": [*clean["failure"], *attacked["failure"], "no template"]}
    # Its own number for what was reconstructed stands at the end of the clean images.
    pairs = Pairs(
        made.astype(np.int32),
        np.concatenate(places).astype(np.int32),
        np.ones(len(of), bool),
        np.full(len(of), -1, np.int16),
        np.concatenate([subjects, subjects[[target for target, *_ in rows[: len(reached["target"])]]], subjects[:1]]),
    )
    table = _judged(pairs, given, configured)
    numbers = _numbers(len(of))
    numbers["budget"] = np.array([budget for _, budget, _ in rows], np.int64)[of]
    inside = first & (of < len(reached["target"]))
    for name in ("queries", "outside", "told"):
        numbers[name][inside] = reached[name]
    table |= {"trial": np.full(len(of), -1, np.int32), "reference": owner, "reference_subject": subjects[owner]}
    kinds = [figures.TYPE_1 if one else figures.TYPE_2 for one in first.tolist()]
    return {"kind": kinds, "image": [rows[i][2] for i in of.tolist()], **numbers, **table}


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of the attacked people, the same draws for the same trials."""
    attack = Attack(trials)
    for draw in attack.draws(REPLICATES, SEED):
        yield [metric.compute(attack, draw).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every figure with an interval over the attacked people, and the curves over the budget.

    What cannot be had of so few targets, or without a critic that is another network, is left out.
    """
    attack = Attack(trials)
    there = [metric for metric in protocol.metrics if attack.has(metric)]
    made = scores(there, lambda metric, draw: metric.compute(attack, draw), attack.draws(REPLICATES, SEED))
    made = tuple(replace(s, low=None, high=None) if s.metric.startswith(figures.CLEAN) else s for s in made)
    if attack.seen:
        first = made[0]
        made = (replace(first, note="; ".join(filter(None, [first.note, figures.SEEN.format(attack.seen)]))), *made[1:])
    reasons = Counter(sorted(filter(None, attack.failures)))
    return Scored(made, attack.curves(), attack.targets, dict(reasons))


def limit(content: Content, count: int) -> Content:
    """Keep ``count`` pairs as verification does, and the targets that are first in one of them."""
    audit: Audit = content.truth
    fewer = verification.limit(replace(content, truth=audit.pairs), count)
    return replace(fewer, truth=Audit.of(fewer, audit.data))


def external(content: Content, table: Table) -> Mapping[str, Table]:
    """Raises Mismatch: queries that were asked elsewhere were not counted."""
    raise Mismatch("Reconstructions made elsewhere were given.", "Their queries were not counted.", "Run the attack.")


TASK = Task(
    name="inversion",
    about="How much of a face can be had back from what an embedder tells of it?",
    limits=(
        "An audit of embedders, on public benchmark images alone: no picture can be given on the command line, and "
        "what is reconstructed stays where it was made. That an image passes as a face's owner does not make it look "
        "like that person, and one that does not pass may still tell of age, sex or skin. Crops are not aligned again "
        "before a critic sees them. A figure holds for one attack with one prior and one budget: a better attack may "
        "come, so a low one is no proof of safety. Nothing here is made for use against people or systems."
    ),
    roles=(
        Role(ATTACK, Inverter, "reconstructs faces from what the target tells of them"),
        Role(TARGET, Embedder, "is attacked", task="verification"),
        Role(CRITICS, Embedder, "look at what was reconstructed", many=True, task="verification"),
        Role(
            PROTECTION,
            Protection,
            "stands between target and attack",
            task=PROTECTION,
            inputs="embedding",
            optional=True,
        ),
    ),
    ask=ask,
    judge=judge,
    score=score,
    replicates=replicates,
    limit=limit,
    external=external,
)
