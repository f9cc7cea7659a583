"""Plots of attacks: success over queries, how it carries over to critics, and what privacy costs in recognition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.class_plots import COLOURS, plain_ticks
from bench.metrics.inversion import BEST, CLEAN, LAST, TYPE_1, Attack

if TYPE_CHECKING:
    from bench.plots import Drawn

RATE = "1e-2"
STYLES = {BEST: "solid", LAST: "dashed"}
CURVES = (("asr1", "passes at the clean EER threshold"), ("cosine", "cosine with the attacked image"))
SUCCESS, UTILITY = "best.asr1", f"{CLEAN}accuracy"
LONGEST_NAME = 64


def attacks(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """Curves over queries, a matrix of attacked against critic, and recognition against success."""
    yield "queries", _curves(drawn)
    yield "transfer", _matrix(drawn)
    yield "privacy-utility", _trade(drawn)


def _curves(drawn: Sequence[Drawn]) -> Any:
    """What the target makes of the best and the last image as queries go by."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 4.2 + 0.25 * len(drawn)), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(CURVES)), CURVES, strict=True):
        for colour, one, called in zip(COLOURS, drawn, _labels(drawn), strict=False):
            target = Attack(one.trials).target
            for image, style in STYLES.items():
                points = [c.points for c in one.entry.result.curves if c.name == f"{image}.{name} {target}"]
                for x, y in (zip(*curve, strict=True) for curve in points if curve):
                    label = f"{called}, {image}"
                    axes.plot(x, y, color=colour, linestyle=style, marker=".", linewidth=1.6, label=label)
        axes.set(xscale="log", xlabel="queries a target", ylabel=title)
    for axes in figure.axes:
        plain_ticks(axes.xaxis)
    figure.axes[0].set_ylim(-0.02, 1.02)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=9, loc="outside lower center", ncols=2)
    figure.suptitle(_protocols(drawn), fontsize=10)
    return figure


def _matrix(drawn: Sequence[Drawn]) -> Any:
    """A row an attack, a column an embedder: the share of type-1 images that pass at the clean threshold of RATE."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    found = [_shares(one.trials) for one in drawn]
    names = [*dict.fromkeys(name for shares in found for name in shares)]
    values = np.array([[shares.get(name, np.nan) for name in names] for shares in found])
    figure = Figure(figsize=(3.6 + 1.3 * len(names), 1.8 + 0.6 * len(drawn)), layout="constrained")
    axes = figure.add_subplot()
    shades = colormaps["Reds"].with_extremes(bad="0.9")  # what was not asked is grey
    axes.imshow(np.ma.masked_invalid(values), cmap=shades, vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(values):
        if np.isfinite(share):
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.6 else "0.1")
    axes.set_xticks(range(len(names)), map(_short, names), rotation=30, ha="right")
    axes.set_yticks(range(len(drawn)), _labels(drawn))
    axes.set(
        xlabel=f"embedder that looks, at its clean threshold of FMR {RATE};\nwith align= all images were aligned again"
    )
    axes.grid(False)
    figure.suptitle(f"{_protocols(drawn)}:\nthe best image queried, type 1", fontsize=10)
    return figure


def _shares(trials: Any) -> dict[str, float]:
    attack, shares = Attack(trials), {}
    for name in (attack.target, *attack.others):
        view = attack.view(name, BEST)
        if view is not None:
            shares[name] = float(view.clean.accepts(view.scores[TYPE_1], RATE).mean())
    return shares


def _trade(drawn: Sequence[Drawn]) -> Any:
    """A point a result: how well the target recognises, and how often an attack on it succeeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2 + 0.2 * len(drawn)), layout="constrained")
    axes = figure.add_subplot()
    for colour, one, label in zip(COLOURS, drawn, _labels(drawn), strict=False):
        utility, success = (one.entry.result.score(name) for name in (UTILITY, SUCCESS))
        if utility is not None and success is not None:
            low, high = success.low, success.high
            if low is not None and high is not None:
                axes.vlines(utility.value, low, high, color=colour, linewidth=1.2)
            axes.plot(utility.value, success.value, "o", color=colour, label=label)
    axes.set(xlabel=f"{UTILITY} of the target", ylabel=f"{SUCCESS}, with its interval of 95 %")
    axes.set(xlim=(0.48, 1.02), ylim=(-0.02, 1.02))
    axes.set_title(_protocols(drawn), loc="left", fontsize=10)
    figure.legend(fontsize=9, loc="outside lower center")
    return figure


def _protocols(drawn: Sequence[Drawn]) -> str:
    return ", ".join(dict.fromkeys(one.entry.result.protocol for one in drawn))


def _labels(drawn: Sequence[Drawn]) -> list[str]:
    """Which attack each result is of, what protects from it, and on whom where there are several targets."""
    roles = [one.entry.result.roles for one in drawn]
    several = len({of.get("target") for of in roles}) > 1
    joining = {"attack": "", "protection": " against ", **({"target": " on "} if several else {})}
    return [_short("".join(word + ";".join(of[role]) for role, word in joining.items() if role in of)) for of in roles]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
