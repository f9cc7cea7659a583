"""Scores and results, and the one strict way they are read and written as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from bench.errors import NotAResult

SCHEMA = 1
PROTOCOL = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_.-]*)*", re.ASCII)
LONGEST_NAME = 200  # of a protocol


def version() -> str:
    """The installed version of facebench."""
    try:
        return importlib.metadata.version("facebench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Score:
    """One metric's value with its 95 % interval.

    ``bound``: "at most" or "at least" where the comparisons cannot resolve the rate; else None.
    ``standard_error`` (sample deviation of the folds / sqrt(folds)) and ``population_std`` only
    where the metric is a mean over folds. ``note`` says what a reader must know.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    better: str
    unit: str
    bound: str | None = None
    standard_error: float | None = None
    population_std: float | None = None
    folds: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points for a plot, thinned; ``x`` and ``y`` are metric names."""

    name: str
    x: str
    y: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What a board says of a method beside its scores."""

    licence: str
    trained_on: tuple[str, ...]
    withdrawn: tuple[str, ...]
    floor: bool
    distribution: str
    version: str
    code: str
    weights: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the numbers came about; clock, host and timings are in ``run.json`` instead."""

    facebench: str
    data: str
    seed: int
    limit: int | None
    batch_size: int
    threads: int
    device: str
    external: bool
    platform: str
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """The scores of one cell: a protocol and the methods in its roles.

    ``digest`` is the protocol's; ``official`` whether it equals the frozen one. ``samples`` were
    asked, ``failures`` of them had no answer. ``trials_sha256`` is over the trials' contents.
    """

    schema: int
    protocol: str
    digest: str
    official: bool
    roles: Mapping[str, tuple[str, ...]]
    cards: Mapping[str, Card]
    scores: tuple[Score, ...]
    curves: tuple[Curve, ...]
    samples: int
    failures: int
    reasons: Mapping[str, int]
    trials_sha256: str
    provenance: Provenance

    @property
    def name(self) -> str:
        """The methods in their roles, as they are typed: ``mobilefacenet``."""
        if set(self.roles) == {"method"}:
            return ";".join(self.roles["method"])
        return " ".join(f"{role}={';'.join(names)}" for role, names in sorted(self.roles.items()))

    @property
    def title(self) -> str:
        """The name, and the seed where it is another one than 0, as boards tell rows apart."""
        return f"{self.name} (seed {self.provenance.seed})" if self.provenance.seed else self.name

    @property
    def aligners(self) -> frozenset[str]:
        """What the methods name as their aligners, as it was typed."""
        items = (i for methods in self.roles.values() for m in methods for i in m.partition(":")[2].split(","))
        return frozenset(item.removeprefix("align=") for item in items if item.startswith("align="))

    def score(self, metric: str) -> Score | None:
        """The score of that metric, or None."""
        return next((score for score in self.scores if score.metric == metric), None)

    def to_json(self) -> str:
        """This result as it is stored: two-space JSON, keys in field order, a final newline."""
        return json.dumps(asdict(self), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read(path: Path) -> Result:
    """Read a result file strictly.

    Raises NotAResult for a file that is not JSON, is over 16 MiB, has another schema number, an
    unknown or missing key, or a value of the wrong type.
    """
    asked = f"{path} was read as a result."
    try:
        if path.stat().st_size > 16 << 20:
            raise NotAResult(asked, "It is over 16 MiB; no result is that large.")
        data = json.loads(path.read_text("utf-8"), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise NotAResult(asked, f"It cannot be read: {error}.", "Give a result.json that 'run' wrote.") from None
    return from_data(data, asked)


def from_data(data: Any, asked: str = "A result was read.") -> Result:
    """Build a Result from parsed JSON, refusing what the schema does not say."""
    if isinstance(data, dict) and data.get("schema") != SCHEMA:
        raise NotAResult(asked, f"It has schema {data.get('schema')!r}; this facebench reads schema {SCHEMA}.")
    try:
        result = typing.cast(Result, _build(Result, data, "result"))
        json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair fits no file
        if not result.scores:
            raise ValueError("result.scores is empty")
        if not PROTOCOL.fullmatch(result.protocol) or len(result.protocol) > LONGEST_NAME:
            raise ValueError(f"result.protocol is {result.protocol!r}, not names joined by '/'")
        if not result.provenance.external:
            _check_cards(result)
        return result
    except ValueError as error:
        raise NotAResult(asked, f"It does not fit the schema: {error}.", "Run or score the cell again.") from None


def _check_cards(result: Result) -> None:
    """Check that every method in a role has its card, and that no others do but aligners that these may name."""
    asked, aligners = {method for methods in result.roles.values() for method in methods}, result.aligners
    absent = sorted(asked - set(result.cards))
    if absent:
        raise ValueError(f"result.cards lacks {absent[0]!r}, which is in result.roles")
    # An aligner may be asked for by another name than its card's: that of a repository for one at a commit of it.
    others = sorted(set(result.cards) - asked)
    if len(others) > len(aligners):
        raise ValueError(f"result.cards has {others}, and the aligners in result.roles are {sorted(aligners)}")


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number a result may hold")


def _build(kind: Any, data: Any, where: str) -> Any:
    """Turn parsed JSON into ``kind``; ValueError says where it does not fit."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        return _build_record(kind, data, where)
    if origin in (types.UnionType, typing.Union):
        if data is None:
            return None
        return _build(next(a for a in arguments if a is not type(None)), data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise ValueError(f"{where} is not a list")
        if arguments[-1] is Ellipsis:
            return tuple(_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(data))
        if len(data) != len(arguments):
            raise ValueError(f"{where} has {len(data)} items, not {len(arguments)}")
        return tuple(_build(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(arguments, data, strict=True)))
    if origin is not None:
        if not isinstance(data, dict):
            raise ValueError(f"{where} is not an object")
        return {str(key): _build(arguments[1], value, f"{where}.{key}") for key, value in data.items()}
    return _build_scalar(kind, data, where)


def _build_record(kind: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"{where} is not an object")
    hints = typing.get_type_hints(kind)
    names = [f.name for f in fields(kind)]
    unknown, absent = sorted(set(data) - set(names)), sorted(set(names) - set(data))
    if unknown or absent:
        raise ValueError(f"{where} has unknown keys {unknown} and lacks {absent}")
    return kind(**{name: _build(hints[name], data[name], f"{where}.{name}") for name in names})


def _build_scalar(kind: Any, data: Any, where: str) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        data = float(data) if abs(data) < 2**1023 else math.inf
    if type(data) is not kind or (kind is float and not math.isfinite(data)):
        raise ValueError(f"{where} is {data!r}, not a {kind.__name__}")
    return data


def schema() -> dict[str, Any]:
    """The JSON Schema of a stored result, as ``result.schema.json`` holds it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "facebench result",
        **_schema(Result),
    }


def _schema(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        hints = {f.name: typing.get_type_hints(kind)[f.name] for f in fields(kind)}
        properties = {name: _schema(hint) for name, hint in hints.items()}
        if kind is Result:
            properties["schema"] = {"const": SCHEMA}
        return {
            "type": "object",
            "properties": properties,
            "required": list(hints),
            "additionalProperties": False,
        }
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(a) for a in arguments if a is not type(None)] + [{"type": "null"}]}
    if origin is tuple and arguments[-1] is not Ellipsis:
        return {"type": "array", "prefixItems": [_schema(a) for a in arguments], "minItems": 2, "maxItems": 2}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is not None:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    return {"type": {float: "number", int: "integer", str: "string", bool: "boolean"}[kind]}
