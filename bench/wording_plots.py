"""How much a model's figure moves with the question's wording: a heat map of results that were asked in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.method import Option
from bench.plugins import discover
from bench.questions import ways

if TYPE_CHECKING:
    from bench.plots import Drawn

ASK, WORDING = "ask", "wording"
DARK = 0.6  # the share from which a cell's figure is white


def wordings(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """One heat map a protocol, where it has several results: a row a model, a column a wording."""
    protocols = list(dict.fromkeys(one.entry.result.protocol for one in drawn))
    for number, protocol in enumerate(protocols):
        own = [one for one in drawn if one.entry.result.protocol == protocol]
        if len(own) > 1:
            yield "wordings" if len(protocols) == 1 else f"wordings-{number + 1}", _heat_map(own)


def parted(name: str, known: Sequence[Option]) -> tuple[str, str]:
    """A method as it is typed, without how it was worded, and how, by the protocol's ways: two texts."""
    base, _, chosen = name.partition(":")
    options = dict(option.partition("=")[::2] for option in filter(None, chosen.split(",")))
    defaults = {way.name: str(way.default) for way in (*ways(), *known)}
    asked = [options.pop(way, defaults[way]) for way in (ASK, WORDING)]
    rest = ",".join(f"{key}={value}" for key, value in options.items())
    return (f"{base}:{rest}" if rest else base), " ".join(asked)


def _heat_map(drawn: Sequence[Drawn]) -> Any:
    import numpy as np
    from matplotlib.figure import Figure

    protocol = discover().protocols.get(drawn[0].entry.result.protocol)
    places = [parted(one.entry.result.name, protocol.ways if protocol else ()) for one in drawn]
    rows, columns = (sorted({place[side] for place in places}) for side in (0, 1))
    values = np.full((len(rows), len(columns)), np.nan)
    for (row, column), one in zip(places, drawn, strict=True):
        values[rows.index(row), columns.index(column)] = one.entry.result.scores[0].value
    figure = Figure(figsize=(3.2 + 1.1 * len(columns), 1.4 + 0.5 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        told = "" if np.isnan(value) else f"{value:.1%}"
        axes.text(column, row, told, ha="center", va="center", fontsize=9, color="white" if value > DARK else "0.1")
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    figure.suptitle(f"{drawn[0].entry.result.protocol}\n{drawn[0].entry.result.scores[0].metric}", fontsize=10)
    axes.grid(False)
    return figure
