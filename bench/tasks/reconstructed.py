"""What an attack reconstructed, compared: with the attacked images, and with others of the same people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.answers import Table, joined
from bench.asking import ALL
from bench.attacking import ATTACK
from bench.errors import WrongUse
from bench.method import Configured
from bench.metrics import inversion as figures
from bench.metrics.inversion import BEST, LAST
from bench.protocol import Content, opaque_order
from bench.tasks import verification
from bench.tasks.verification import Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Roles, and what the answers of a protected target are called before its own name.
TARGET, CRITICS, PROTECTION = "target", "critics", "protection"
PROTECTED = "protected-"


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


def embedders(roles: Mapping[str, tuple[Configured, ...]]) -> list[tuple[str, str, Configured]]:
    """Every embedder of a cell once, with a name for its answers and its role: the target, and critics that are not."""
    (target,) = roles[TARGET]
    critics = {str(critic): critic for critic in roles[CRITICS] if str(critic) != str(target)}
    others = [(f"critic-{number}", CRITICS, critic) for number, critic in enumerate(critics.values(), 1)]
    return [(TARGET, TARGET, target), *others]


def judge(content: Content, answers: Mapping[str, Table], roles: Mapping[str, tuple[Configured, ...]]) -> Table:
    """Compare what was reconstructed with the attacked images and with others of the same people.

    Trials, for each ``embedder`` (str, as typed; ``role`` str: target; same where a critic is the target's own network;
    realigned where an aligner cut every image anew for a critic; or critic): the clean pairs, ``kind`` mated and
    non_mated, and of each target, ``image`` (best or last) and ``budget`` int64 a type-1 row (the very image) and
    type-2 rows (others of the person). ``trial``, ``reference``, ``probe``, ``reference_subject``, ``probe_subject``
    int32, ``fold`` int16; ``trial`` and ``fold`` are -1 where it is no pair. ``score`` and ``cosine`` float64, -inf
    where there is no vector, then ``failure`` str says why. Of type-1 rows ``queries`` and ``outside`` int64, ``told``
    float64. ``seen`` str: what of the targets' data set the attack was made from, "" where nothing.
    """
    audit: Audit = content.truth
    (attack,) = roles[ATTACK]
    target = roles[TARGET][0]
    tables = []
    for name, role, configured in embedders(roles):
        guarded = role == TARGET and PROTECTION in roles
        before = PROTECTED if guarded else ""
        clean, attacked = (answers[f"{before}{what}-{name}"] for what in ("clean", "attacked"))
        seen_as = _seen_as(role, configured, target)
        compares = None if guarded else configured
        made = joined(
            [
                _clean(audit.pairs, clean, compares),
                _compared(audit, audit.chosen(attack), clean, attacked, answers[ATTACK], compares),
            ]
        )
        count = len(made["kind"])
        known = {"embedder": [str(configured)] * count, "role": [seen_as] * count}
        tables.append({**known, **made})
    trials = joined(tables)
    return {**trials, "seen": [seen(attack, audit.data)] * len(trials["kind"])}


OWN = figures.TARGET, figures.TYPE_1  # what was reconstructed, in its order, before targets without a template


def _seen_as(role: str, configured: Configured, target: Configured) -> str:
    """What an embedder is to the figures."""
    if role == TARGET:
        return figures.TARGET
    if configured.method.name == target.method.name:
        return figures.SAME
    return figures.CRITIC if configured.aligner is None else figures.REALIGNED


def seen(attack: Configured, data: str) -> str:
    """What an attack's card says it was made from of the targets' data set, whole or in part; "" where nothing."""
    names = [data.lower(), *(part.strip(" )").lower() for part in data.split("(")[1:])]
    words = [(trained, re.split(r"[^a-z0-9-]+", trained.lower())) for trained in attack.method.trained_on]
    return "; ".join(t for t, parts in words if any(n in t.lower() if " " in n else n in parts for n in names))


def _clean(pairs: Pairs, given: Table, configured: Configured | None) -> Table:
    table = judged(pairs, given, configured)
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


def judged(pairs: Pairs, given: Table, configured: Configured | None) -> Table:
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
    table = judged(pairs, given, configured)
    numbers = _numbers(len(of))
    numbers["budget"] = np.array([budget for _, budget, _ in rows], np.int64)[of]
    inside = first & (of < len(reached["target"]))
    for name in ("queries", "outside", "told"):
        numbers[name][inside] = reached[name]
    table |= {"trial": np.full(len(of), -1, np.int32), "reference": owner, "reference_subject": subjects[owner]}
    kinds = [figures.TYPE_1 if one else figures.TYPE_2 for one in first.tolist()]
    return {"kind": kinds, "image": [rows[i][2] for i in of.tolist()], **numbers, **table}
