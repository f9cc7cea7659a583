"""What of a result and its trials is not for others' eyes: columns that no task judges, texts that name a place here.

A task scores from columns of its own. One of another name is scored by nobody, and may hold a vector or a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.answers import Table
from bench.metrics.template_trials import FAILED
from bench.protocol import Protocol
from bench.results import Result

LONGEST_TEXT = 200  # of a trial: reasons of failures and class names are short, what is encoded in text is not
# A path below somebody's folder, as systems write them.
PLACE = re.compile(
    r"(^|[^\w/])(~|/(home|users|root|mnt|media|tmp|var|private|workspace))/|(^|[^a-z])[a-z]:[\\/]|\\\\\w", re.I
)
_PAIR = "fold mated reference reference_subject probe probe_subject score"
_VERIFICATION = f"{_PAIR} model trial cosine failure reference_failure probe_failure"
_TEMPLATES = "reference reference_subject reference_images probe probe_subject probe_images"
_SEARCH = "trial probe_subject mated rank mated_score best_non_mated failure enrolment_failure"
_ATTACK = "embedder role kind image budget queries outside told trial cosine failure seen"
_TOLD = {
    "verification": f"{_VERIFICATION} {_TEMPLATES} failed",
    "encrypted_verification": f"{_VERIFICATION} plain_score matched security about",
    "identification": f"{_SEARCH} {_TEMPLATES}",
    "inversion": f"{_PAIR} {_ATTACK}",
    "expression": "trial cluster truth answer failure seen reading ferbench",
    "micro_expression": "trial subject part truth answer failure",
    "spotting": "row video subject onset apex offset emotion type failure",
    "encryption": "round role stage seconds wall bytes rows measured security load exact failure about",
}
COLUMNS = {task: frozenset(names.split()) for task, names in _TOLD.items()}  # of the trials of each task
# Of a result's provenance: what these texts look like.
FORMS = {
    "facebench": re.compile(r"[\w.+!-]{1,64}", re.ASCII),
    "data": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "device": re.compile(r"[a-z]{1,16}(:[0-9]{1,3})?", re.ASCII),
    "platform": re.compile(r"\w{1,32} \w{1,32}, [\w ()@.,+/-]{1,100}, Python [\w.+]{1,32}", re.ASCII),
}
PACKAGE = re.compile(r"[\w.+!-]{1,64}", re.ASCII)


def in_trials(protocol: Protocol | None, trials: Table) -> str:
    """What of trials is more than a task scores, "" where they hold its numbers and short texts alone."""
    for name, column in trials.items():
        if protocol is not None and not _of_task(protocol, name):
            return f"its trials hold what no trials of {protocol.task.name} do, in {name[:LONGEST_TEXT]!r}"
        if isinstance(column, list):
            texts = set(map(str, column))
            if any(len(text) > LONGEST_TEXT for text in texts):
                return f"its trials hold texts of over {LONGEST_TEXT} characters in {name!r}"
            if any(PLACE.search(text) for text in texts):
                return f"its trials hold a path of somebody's machine in {name!r}"
        elif column.ndim != 1 or column.dtype.kind not in "biuf":
            return f"its trials hold no plain numbers in {name!r}, as answers and pictures are"
    return ""


def _of_task(protocol: Protocol, column: str) -> bool:
    """Whether the trials of a protocol may have a column; those of a task that is not facebench's own may have any."""
    task = protocol.task.name
    if task not in COLUMNS or column in COLUMNS[task]:
        return True
    if task in ("verification", "identification") and FAILED in column:
        return column.startswith(("reference", "probe")) and len(column) <= LONGEST_TEXT and not PLACE.search(column)
    return column in {f"p.{label}" for label in protocol.settings.get("labels", ())}


def in_result(result: Result) -> Iterator[str]:
    """What of a result's texts is not as a run writes it, or names a place on somebody's machine."""
    then = result.provenance
    for name, form in FORMS.items():
        if not form.fullmatch(text := getattr(then, name)) or PLACE.search(text):
            yield f"its provenance has {name} {text[:LONGEST_TEXT]!r}, which no run writes"
    for package in then.packages.items():
        if odd := [text for text in package if not PACKAGE.fullmatch(text)]:
            yield f"its provenance has the package {odd[0][:LONGEST_TEXT]!r}, which no run writes"
    texts = [*result.reasons, *result.cards, *(score.note for score in result.scores)]
    for text in texts:
        if PLACE.search(text):
            yield f"it holds a path of somebody's machine: {text[:LONGEST_TEXT]!r}"
