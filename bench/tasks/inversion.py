"""Inversion: how much of a face can be had back from what an embedder tells of it? An audit of privacy.

An attack asks an oracle in the harness, which proxies to the target's worker, counts, and keeps to a budget. Targets
are the first images of a protocol's mated pairs, and nothing else can be attacked. What was reconstructed is stored in
8 bits, in a folder for its owner alone, embedded by the target and by every critic, and judged against thresholds
that stay as they are on the clean pairs of that same embedder. Trials hold scores only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from bench.alignment import ALIGN, LANDMARKS, TABLE_KIND, cut_out
from bench.answers import Table
from bench.asking import Asking
from bench.attacking import ATTACK, EIGHT_BIT, Guard, Raid, budget_of, keep
from bench.contact_sheet import write_sheet
from bench.contracts import Embedder, Inverter, Protection
from bench.embedding import EMBED, embed_as
from bench.errors import Mismatch
from bench.method import Configured, Option
from bench.metrics import inversion as figures
from bench.metrics.clean_pairs import CleanPairs
from bench.metrics.inversion import Attack
from bench.metrics.metric import Metric
from bench.protecting import Protected
from bench.protocol import Content, Protocol, Role, Sample, Scored, Task
from bench.scoring import scores
from bench.sharing import ask_once
from bench.tasks import verification
from bench.tasks.reconstructed import (
    CRITICS,
    OWN,
    PROTECTED,
    PROTECTION,
    TARGET,
    Audit,
    embedders,
    judge,
    judged,
)
from bench.tasks.verification import Pairs

REPLICATES, SEED = 1000, 0
EMBEDDINGS = "embedding"  # what a protection is given
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


def ask(asking: Asking) -> None:
    """Embed every image with target and critics, attack, and embed what was reconstructed."""
    every, (attack,) = embedders(asking.roles), asking.roles[ATTACK]
    target = asking.roles[TARGET][0]
    budget_of(attack)  # what cannot be asked is refused before minutes of embedding
    _check_aligners(asking.roles[CRITICS])
    audit: Audit = asking.content.truth
    chosen = audit.chosen(attack)
    for name, role, configured in every:
        _embed_clean(asking, role, name, configured)
    with _guarded(asking) as guard:
        given = asking.answers()["clean-target" if guard is None else f"{PROTECTED}clean-target"]
        there = chosen[[not given["failure"][i] for i in chosen.tolist()]]
        euclidean = guard is None and target.method.similarity == "euclidean"
        samples = Raid(asking, attack, target, there, given["embedding"][there], euclidean, guard).run()
        for name, role, configured in every:
            _embed_attacked(asking, role, name, samples, configured)
        if guard is not None:
            _protect(asking, guard.protected, "attacked-target", samples)
    trials = judge(asking.content, asking.answers(), asking.roles)
    own = [k for k, (role, kind) in enumerate(zip(trials["role"], trials["kind"], strict=True)) if (role, kind) == OWN]
    write_sheet(asking, samples, trials["cosine"][own][: len(samples)])


def _check_aligners(critics: Sequence[Configured]) -> None:
    for critic in critics:
        if critic.aligner is not None and critic.aligner.origin.kind == TABLE_KIND:
            found = f"{critic.aligner} is a table of landmarks, which has none of what is reconstructed."
            raise Mismatch(f"{critic} was to look at reconstructions.", found, "Name an aligner that finds faces.")


def _embed_clean(asking: Asking, role: str, name: str, configured: Configured) -> None:
    """Embed the originals, as they are or as the embedder's aligner cuts them anew."""
    fold, samples = f"clean-{name}", asking.content.samples
    if configured.aligner is not None:
        ask_once(asking, role, LANDMARKS, f"faces-{fold}", samples, configured.aligner)
        samples = _cut_anew(asking, f"faces-{fold}", samples)
    ask_once(asking, role, EMBED, fold, samples, configured)


def _embed_attacked(asking: Asking, role: str, name: str, samples: Sequence[Sample], configured: Configured) -> None:
    """Embed what was reconstructed, of which an embedder may have no vector at all."""
    fold, known = f"attacked-{name}", embed_as(asking.answers()[f"clean-{name}"])
    if configured.aligner is not None:
        asking.ask_all(role, LANDMARKS, f"faces-{fold}", samples, configured.aligner)
        samples = _cut_anew(asking, f"faces-{fold}", samples)
    asking.ask_all(role, known, fold, samples, configured)


def _cut_anew(asking: Asking, faces: str, samples: Sequence[Sample]) -> list[Sample]:
    return cut_out(samples, asking.answers()[faces]["landmarks"].reshape(-1, 5, 2))


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
        table = judged(pairs, asking.answers()[f"{PROTECTED}clean-target"], None)
        clean = CleanPairs(table["score"], pairs.mated, pairs.fold)
        yield Guard(protected, clean.threshold(DECIDED))


def _protect(asking: Asking, protected: Protected, fold: str, samples: Sequence[Sample]) -> None:
    keep(asking, PROTECTED + fold, samples, lambda: protected.table(asking.answers()[fold]))


def replicates(metrics: tuple[Metric, ...], trials: Table) -> Iterator[list[float]]:
    """The metrics under draw after draw of the attacked people, the same draws for the same trials."""
    attack = Attack(trials)
    for draw in attack.draws(REPLICATES, SEED):
        yield [metric.compute(attack, draw).value for metric in metrics]


def score(protocol: Protocol, trials: Table) -> Scored:
    """Every figure with an interval over the attacked people, and the curves over the budget.

    What cannot be had of so few targets, or without such a critic, is left out; clean figures draw nobody.
    """
    attack = Attack(trials)
    there = [metric for metric in protocol.metrics if attack.has(metric)]
    made = scores(there, lambda metric, draw: metric.compute(attack, draw), attack.draws(REPLICATES, SEED))
    made = tuple(replace(s, low=None, high=None) if figures.CLEAN in s.metric else s for s in made)
    if attack.seen:
        first = made[0]
        made = (replace(first, note="; ".join(filter(None, [first.note, figures.SEEN.format(attack.seen)]))), *made[1:])
    reasons = Counter(sorted(filter(None, attack.failures)))
    return Scored(made, attack.curves(), attack.targets, dict(reasons))


def drawn(trials: Table) -> Table:
    """Whose faces were attacked: attacks on the same people are compared draw by draw, whatever their budgets."""
    return {"subject": Attack(trials).people}


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
        "like that person, and one that does not pass may still tell of age, sex or skin. Crops are aligned again only "
        "for critics that name an aligner. A figure holds for one attack with one prior and one budget: a better "
        "attack may come, so a low one is no proof of safety. Nothing here is made for use against people or systems."
    ),
    roles=(
        Role(ATTACK, Inverter, "reconstructs faces from what the target tells of them"),
        Role(TARGET, Embedder, "is attacked", task="verification"),
        Role(CRITICS, Embedder, "look at what was reconstructed", many=True, task="verification", ways=(ALIGN,)),
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
    drawn=drawn,
)
