"""Rules of methods that are told labels or options: each keeps its score whatever its place among them."""

from __future__ import annotations

from typing import Any

from bench.answering import likelihoods_of
from bench.answers import Table
from bench.batches import Batches
from bench.classifying import asking_for
from bench.errors import ContractBroken
from bench.probing import PLAIN, Broken, Check, NotAsked, Subject
from bench.records import Question
from bench.worker import Raised

WORDS = ("happy", "sad", "surprised", "neutral")
NOT_IMPLEMENTED = "NotImplementedError"


def _named(subject: Subject) -> None:
    if subject.method.floor or subject.method.trainable:
        raise NotAsked("A floor need not, and a fitted method learned its labels by their places.")
    records, plain = subject.plain()
    (labels,) = subject.probe.batches.arguments
    turned = asking_for(labels[::-1])
    again = _asked(subject, turned, records)
    if not turned.same({"scores": plain["scores"][:, ::-1]}, again):
        raise Broken(
            "The same labels in reverse got other scores. Column j must be of labels[j]: look classes up by name, not "
            "by place."
        )


def _likelihoods(subject: Subject) -> None:
    records, _ = subject.plain()
    batches = likelihoods_of(WORDS)
    whole = _asked(subject, batches, records)
    turned = _asked(subject, likelihoods_of(WORDS[::-1]), records)
    back = {**turned, "sums": turned["sums"][:, ::-1], "tokens": turned["tokens"][:, ::-1]}
    if not batches.same(whole, back):
        raise Broken("The same options in reverse got other log-likelihoods. Score each option apart from the others.")
    singles = [_asked(subject, batches, [record]) for record in records[:3]]
    first = {name: column[:3] for name, column in whole.items()}
    joined = {name: _stacked([one[name] for one in singles]) for name in whole}
    if not batches.same(first, joined):
        found = f"Batches of 1 got other log-likelihoods than one of {PLAIN}."
        raise Broken(f"{found} Mask what pads a batch, and give positions that do not count it.")
    bare = [Question(record.key, record.text) for record in records[:2]]
    if batches.same({n: c[:2] for n, c in whole.items()}, _asked(subject, batches, bare)):
        do = "Put the picture where the chat template wants it."
        raise Broken(f"With and without a picture the log-likelihoods are the same: it does not see it. {do}")


def _stacked(columns: list[Any]) -> Any:
    import numpy as np

    return np.concatenate(columns)


def _asked(subject: Subject, batches: Batches, records: list[Any]) -> Table:
    """Checked answers to another call than the probe's own."""
    try:
        value = subject.worker().call(batches.call, *batches.given(records))
        if not isinstance(value, Raised):
            return batches.check(value, len(records))
    except ContractBroken as error:
        raise Broken(f"{batches.call}(): {error.found} {error.do}".strip()) from None
    if value.type == NOT_IMPLEMENTED:
        raise NotAsked(f"It gives no likelihoods: {value.text[:200]}")
    raise Broken(f"{batches.call}() raised {value.type}: {value.text[:250]}")


NAMED = Check("labels", "a label keeps its score whatever its place", _named)
LIKELIHOODS = Check("likelihoods", "an option is scored by itself, its question and the picture", _likelihoods)
