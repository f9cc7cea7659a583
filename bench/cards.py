"""A method's card as data: what a Hub repository carries in ``facebench.toml`` and a pin keeps, read strictly."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench import toml
from bench.errors import WrongUse
from bench.hub import PLAIN
from bench.method import Load, Method, Option, SameCommit

FILE = "facebench.toml"
FORMAT = 1
MOST_TEXT, MOST_ITEMS, MOST_CARDS = 1000, 100, 64
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
NAMES = re.compile(r"[A-Za-z0-9_][\w.+-]*", re.ASCII)  # of tasks, inputs, options, packages and an option's values
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5", ".keras")
WEIGHTS = (".safetensors", ".onnx")
TEXTS = ("name", "about", "licence", "cite", "similarity")
LISTS = ("tasks", "inputs", "trained_on", "withdrawn", "needs")
SWITCHES = ("trainable", "floor")


class BadCard(ValueError):
    """A card that is not as ``facebench publish method`` writes it; the text says where."""


def to_data(method: Method) -> dict[str, Any]:
    """The card of a method: everything but how it is loaded, weights by file and SHA-256."""
    card: dict[str, Any] = {name: getattr(method, name) for name in TEXTS}
    card |= {name: list(getattr(method, name)) for name in LISTS}
    card |= {"tasks": sorted(method.tasks), "inputs": sorted(method.inputs)}
    card |= {name: getattr(method, name) for name in SWITCHES}
    card["batch"] = method.batch
    card |= {"contract": method.contract} if method.contract else {}
    card["pickled"] = pickled(method)
    card["weights"] = dict(method.weights.files) if method.weights else {}
    card["options"] = [
        {"name": o.name, "default": o.default, "about": o.about, "values": list(o.values)} for o in method.options
    ]
    return card


def pickled(method: Method) -> str:
    """Why a method's weights are pickles; "" where they are not."""
    return method.weights.pickled if isinstance(method.weights, SameCommit) else ""


def from_data(data: Any) -> Method:
    """The method a card describes; it can be listed and not loaded. Raises BadCard."""
    known = {*TEXTS, *LISTS, *SWITCHES, "batch", "contract", "pickled", "weights", "options"}
    if not isinstance(data, Mapping) or not {"name", "tasks"} <= set(data) <= known:
        odd = sorted(set(data) - known) if isinstance(data, Mapping) else []
        raise BadCard(f"it has the unknown key {odd[0]!r}" if odd else "a card needs name and tasks")
    given: dict[str, Any] = {name: _text(data[name], name) for name in TEXTS if name in data}
    for name in LISTS:
        if name in data:
            plain = name not in ("trained_on", "withdrawn")
            given[name] = tuple(_text(item, name, NAMES if plain else None) for item in _list(data[name], name))
    for name in SWITCHES:
        given |= {name: _kind(data[name], bool, name)} if name in data else {}
    given["contract"] = _text(data.get("contract", ""), "contract")
    batch = _kind(data.get("batch", Method.__dataclass_fields__["batch"].default), int, "batch")
    if not 1 <= batch <= 1 << 16:
        raise BadCard(f"batch is {batch}")
    options = tuple(_option(item) for item in _list(data.get("options", []), "options"))
    if len({option.name for option in options}) < len(options):
        raise BadCard("two options have one name")
    weights = _weights(data.get("weights", {}), _text(data.get("pickled", ""), "pickled"))
    try:
        return Method(**given, batch=batch, options=options, weights=weights, load=_not_here)
    except WrongUse as error:
        raise BadCard(f"{error.asked} {error.found}") from None


def write_cards(methods: Sequence[Method]) -> str:
    """The text of ``facebench.toml``."""
    data = {"facebench": FORMAT, "method": [to_data(method) for method in methods]}
    return toml.dump(data, "Written by 'facebench publish method' from the methods' cards.")


def read_cards(text: str) -> tuple[Method, ...]:
    """The methods of a ``facebench.toml``; raises BadCard."""
    try:
        data = toml.loads(text)
    except ValueError as error:
        raise BadCard(f"it is no TOML: {error}") from None
    if data.get("facebench") != FORMAT or set(data) != {"facebench", "method"}:
        raise BadCard(f"it is not of format {FORMAT}, with facebench = {FORMAT} and [[method]]")
    return read_methods(data["method"])


def read_methods(data: Any) -> tuple[Method, ...]:
    """The methods of a list of cards; raises BadCard."""
    methods = tuple(from_data(item) for item in _list(data, "method"))
    names = [method.name for method in methods]
    if not methods or len(methods) > MOST_CARDS or len(set(names)) < len(names):
        raise BadCard(f"it has {len(methods)} methods, of {len(set(names))} names; 1 to {MOST_CARDS} are allowed")
    return methods


def difference(card: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first key in which two cards differ, with both values; "" where they are equal."""
    for key in sorted({*card, *found}):
        if card.get(key) != found.get(key):
            return f"{key} is {found.get(key)!r} in its code and {card.get(key)!r} on its card"
    return ""


def _not_here(given: Load) -> Any:
    raise WrongUse("A pinned method was to be loaded here.", "Its code runs in a worker only.")


def _weights(data: Any, why: str) -> SameCommit | None:
    if not isinstance(data, Mapping) or len(data) > MOST_ITEMS:
        raise BadCard("weights is no table of files")
    for file, digest in data.items():
        if not PLAIN.fullmatch(file) or not isinstance(digest, str) or not SHA256.fullmatch(digest):
            raise BadCard(f"weights has {file!r}, which is no plain file name with its SHA-256")
        if not file.endswith(WEIGHTS) and not why:
            kinds = " and ".join(WEIGHTS)
            raise BadCard(f"weights has {file!r}; only {kinds} are taken where pickled does not say why")
    return SameCommit(dict(data), why) if data else None


def _option(data: Any) -> Option:
    if not isinstance(data, Mapping) or set(data) != {"name", "default", "about", "values"}:
        raise BadCard("an option has name, default, about and values")
    name, about = _text(data["name"], "option", NAMES), _text(data["about"], "option")
    values = tuple(_scalar(value) for value in _list(data["values"], "values"))
    return Option(name, _scalar(data["default"]), about, values)


def _scalar(value: Any) -> bool | int | float | str:
    if isinstance(value, str):
        return _text(value, "option", NAMES) if value else ""
    if type(value) not in (bool, int, float) or not math.isfinite(value):
        raise BadCard(f"an option takes {value!r}")
    return value  # type: ignore[no-any-return]


def _text(value: Any, where: str, form: re.Pattern[str] | None = None) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT or not (value.isprintable() or not value):
        raise BadCard(f"{where} is not one line of at most {MOST_TEXT} characters")
    if form is not None and not form.fullmatch(value):
        raise BadCard(f"{where} has {value!r}, which is no plain name")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise BadCard(f"{where} is no list of at most {MOST_ITEMS}")
    return value


def _kind(value: Any, kind: type, where: str) -> Any:
    if type(value) is not kind:
        raise BadCard(f"{where} is {value!r}, not a {kind.__name__}")
    return value
