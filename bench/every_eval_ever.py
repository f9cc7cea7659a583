"""A result as a record of Every Eval Ever, version 0.3.0, checked against its JSON Schema.

The schema and its licence (MIT, EvalEval) lie in ``schemas/`` as the package every-eval-ever 0.3.0 on PyPI has them.
Rates are proportions there, as in a result file. Rows a sample are left out: that schema wants them as text and in a
place of its datastore, and our trials lie on the board.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import NeedsInstall, NotWritten, WrongUse
from bench.hub import COMMIT
from bench.plugins import discover
from bench.results import Card, Result, Score

VERSION = "0.3.0"
SCHEMA = Path(__file__).parent / "schemas" / f"every_eval_ever-{VERSION}.schema.json"
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who hands a record out: their name, what they are to the method's makers (RELATIONSHIPS), and an address."""

    organisation: str
    relationship: str = "other"
    url: str = ""


def text(result: Result, origin: Origin, when: int) -> str:
    """The record as JSON; ``when``: seconds since 1970 at which it was written.

    Raises WrongUse for another relationship, NeedsInstall without jsonschema, and NotWritten where the record does not
    fit the schema.
    """
    asked = f"{result.name} on {result.protocol} was to be exported."
    if origin.relationship not in RELATIONSHIPS:
        do = f"Give one of {', '.join(RELATIONSHIPS)}."
        raise WrongUse(asked, f"{origin.relationship!r} is no relationship of that schema.", do)
    try:
        import jsonschema
    except ImportError:
        do = "pip install jsonschema -c constraints.txt"
        raise NeedsInstall(asked, "A record is checked by jsonschema, which is not installed.", do) from None
    made = record(result, origin, when)
    checker = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))
    if error := next(checker.iter_errors(made), None):
        raise NotWritten(asked, f"It does not fit the schema at {error.json_path}: {error.message[:200]}.")
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def record(result: Result, origin: Origin, when: int) -> dict[str, Any]:
    """The record as plain data."""
    model = _model(result)
    source = {"source_name": "facebench", "source_type": "evaluation_run"}
    source |= {"source_organization_name": origin.organisation, "evaluator_relationship": origin.relationship}
    then = result.provenance
    details = {"protocol_digest": result.digest, "trials_sha256": result.trials_sha256, "data": then.data}
    details |= {"seed": str(then.seed), "platform": then.platform, "device": then.device}
    return {
        "schema_version": VERSION,
        "evaluation_id": f"{result.protocol}/{model['id']}/{when}",
        "retrieved_timestamp": str(when),
        "source_metadata": source | ({"source_organization_url": origin.url} if origin.url else {}),
        "eval_library": {"name": "facebench", "version": then.facebench, "additional_details": details},
        "model_info": model,
        "evaluation_results": [_row(result, score) for score in result.scores],
    }


def _model(result: Result) -> dict[str, Any]:
    """The methods in their roles, as one model; several have their cards numbered by name."""
    cards = list(result.cards.items())
    pinned = all(COMMIT.fullmatch(card.version) for _, card in cards) and bool(cards)
    details = {"deployment_type": "self_deployed", "model_availability": "open_weights" if pinned else "unknown"}
    for name, card in cards:
        prefix = "" if len(cards) == 1 else f"{name}: "
        details |= {f"{prefix}{key}": value for key, value in _told(card).items()}
    first = cards[0][1].distribution if cards else ""
    owner = first if pinned else f"{first or 'unknown'}/{result.name}"
    return {"name": result.name, "id": owner, "additional_details": details}


def _told(card: Card) -> dict[str, str]:
    told = {"licence": card.licence, "plugin": f"{card.distribution} {card.version}", "code_sha256": card.code}
    told |= {"trained_on": ", ".join(card.trained_on), "withdrawn": ", ".join(card.withdrawn)}
    told |= {f"sha256 of {file}": digest for file, digest in card.weights.items()}
    return {key: value for key, value in told.items() if value}


def _row(result: Result, score: Score) -> dict[str, Any]:
    least, most = (0, 1) if score.unit == "%" else (None, None)
    config: dict[str, Any] = {
        "metric_id": f"facebench.{score.metric}",
        "metric_name": score.metric,
        "metric_unit": "proportion" if score.unit == "%" else score.unit or "points",
        "lower_is_better": score.better == "lower",
        "score_type": "continuous",
        "min_score": least,
        "max_score": most,
    }
    details: dict[str, Any] = {"score": score.value}
    told = {"bound": score.bound or "", "note": score.note}
    if any(told.values()):
        details["details"] = {key: value for key, value in told.items() if value}
    if uncertainty := _uncertainty(result, score):
        details["uncertainty"] = uncertainty
    return {
        "evaluation_result_id": f"{result.protocol}/{score.metric}",
        "evaluation_name": result.protocol,
        "source_data": _source(result.protocol),
        "metric_config": config,
        "score_details": details,
    }


def _uncertainty(result: Result, score: Score) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if score.standard_error is not None:
        found["standard_error"] = {"value": score.standard_error, "method": "over folds"}
    if score.low is not None and score.high is not None:
        interval = {"lower": score.low, "upper": score.high, "confidence_level": 0.95}
        found["confidence_interval"] = {**interval, "method": "bootstrap over identities"}
    return {**found, "num_samples": result.samples} if found else {}


def _source(name: str) -> dict[str, Any]:
    """The data set, by its owner's address where the protocol is known here and gives one."""
    protocol = discover().protocols.get(name)
    if protocol is None:
        return {"dataset_name": name, "source_type": "other"}
    data = protocol.data
    details = {key: value for key, value in (("licence", data.licence), ("withdrawn", data.withdrawn)) if value}
    if data.source.startswith(("https://", "http://")):
        return {"dataset_name": data.name, "source_type": "url", "url": [data.source], "additional_details": details}
    return {"dataset_name": data.name, "source_type": "other", "additional_details": {"source": data.source, **details}}
