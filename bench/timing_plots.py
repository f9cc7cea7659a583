"""Plots of what encryption costs: time against the gallery's size, and what of a search takes how much of it.

Both are of the processor's seconds, medians over rounds. A stage that was measured on fewer rows is hollow or hatched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.class_plots import COLOURS, plain_ticks
from bench.measuring import GALLERIES
from bench.metrics.timing import METHOD, REFERENCE, Timings

if TYPE_CHECKING:
    from bench.plots import Drawn

PARTS = ("encrypt", "match", "pack", "open")
STYLES = dict(zip(GALLERIES, ("solid", "dashed"), strict=True))
LONGEST_NAME = 60
SHORTEST_SHOWN = 0.04  # of a bar: a share that has room for its figure


@dataclass(frozen=True, slots=True)
class Party:
    """One method of a cell, in its role: what it is called, and its timings."""

    name: str
    role: str
    timings: Timings

    def median(self, stage: str) -> float:
        """CPU seconds of a call, the median over rounds."""
        import numpy as np

        return float(np.median(self.timings.column(self.role, stage, "seconds")))

    def galleries(self, kind: str) -> list[int]:
        """The sizes of galleries of a kind that were searched, in order."""
        head = f"{self.role} search@{kind}="
        rows = sorted(int(key.removeprefix(head)) for key in self.timings.columns if key.startswith(head))
        return [size for size in rows if self.timings.has(self.role, f"search@{kind}={size}")]


def timings(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """Time against the gallery, and of each kind of gallery a breakdown, of results and their first reference."""
    parties = _parties(drawn)
    if any(party.galleries(kind) for party in parties for kind in GALLERIES):
        yield "gallery", _growth(parties, _title(drawn))
        yield "breakdown", _breakdown(parties, _title(drawn))
    yield "encryption", _encryption(parties, _title(drawn))


def _parties(drawn: Sequence[Drawn]) -> list[Party]:
    """The methods of the results, and each reference once."""
    made: list[Party] = []
    references: set[str] = set()
    for one in drawn:
        prepared, roles = Timings(one.trials), one.entry.result.roles
        several = len({other.entry.result.protocol for other in drawn}) > 1
        tail = f", {one.entry.result.protocol.partition('/')[2]}" if several else ""
        made.append(Party(_shown(";".join(roles[METHOD]) + tail), METHOD, prepared))
        reference = ";".join(roles[REFERENCE]) + tail
        if reference not in references:
            references.add(reference)
            made.append(Party(_shown(f"{reference} (reference)"), REFERENCE, prepared))
    return made


def _shown(name: str) -> str:
    """Fit for a file of any format; matplotlib hides what begins with "_"."""
    shown = "".join(c if c.isprintable() else "?" for c in name)[:LONGEST_NAME]
    return f" {shown}" if shown[:1] in ("", "_") else shown


def _title(drawn: Sequence[Drawn]) -> str:
    protocols = {one.entry.result.protocol for one in drawn}
    return protocols.pop() if len(protocols) == 1 else ""


def _told(title: str, mark: str, parties: Sequence[Party]) -> str:
    """The title, and what the mark of extrapolated stages is, where there are any."""
    fewer = any(
        party.timings.extrapolated(party.role, f"search@{kind}={size}")
        for party in parties
        for kind in GALLERIES
        for size in party.galleries(kind)
    )
    return f"{title}\n{mark}: extrapolated from fewer rows" if fewer else title


def _growth(parties: Sequence[Party], title: str) -> Any:
    """CPU seconds of a search over rows of the gallery, both logarithmic; whiskers are quartiles."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    sizes = set()
    for colour, party in zip(COLOURS * 2, parties, strict=False):
        for kind in GALLERIES:
            rows = party.galleries(kind)
            if not rows:
                continue
            stages = [f"search@{kind}={size}" for size in rows]
            spread = [np.quantile(party.timings.column(party.role, s, "seconds"), [0.25, 0.5, 0.75]) for s in stages]
            low, middle, high = np.array(spread).T
            style, label = STYLES[kind], f"{party.name}, {kind} gallery"
            axes.errorbar(rows, middle, [middle - low, high - middle], color=colour, linestyle=style, label=label)
            for size, stage, value in zip(rows, stages, middle, strict=True):
                fill = "white" if party.timings.extrapolated(party.role, stage) else colour
                axes.plot(size, value, "o", color=colour, markerfacecolor=fill, markersize=5)
            sizes |= set(rows)
    axes.set(xscale="log", yscale="log", xlabel="rows of the gallery", ylabel="CPU seconds of a search, all processes")
    plain_ticks(axes.yaxis)
    axes.set_xticks(sorted(sizes), [f"{size:,}" for size in sorted(sizes)])
    axes.minorticks_off()
    axes.set_title(_told(title, "hollow", parties), loc="left", fontsize=10)
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _breakdown(parties: Sequence[Party], title: str) -> Any:
    """A bar a method and gallery, stacked to the whole of a search; the seconds of the whole stand beside it."""
    from matplotlib.figure import Figure

    bars = [
        (party, kind, size)
        for kind in GALLERIES
        for size in sorted({n for party in parties for n in party.galleries(kind)})
        for party in parties
        if size in party.galleries(kind)
    ]
    figure = Figure(figsize=(9.6, 1.4 + 0.34 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    for place, (party, kind, size) in enumerate(bars):
        taken = [party.median(f"{part}@{kind}={size}") for part in PARTS]
        _stack(axes, place, taken)
        fewer = party.timings.extrapolated(party.role, f"search@{kind}={size}")
        axes.text(1.01, place, f"{'≈ ' * fewer}{sum(taken):.3g} s", va="center", fontsize=9)
    names = [f"{party.name}, {size:,} {kind}" for party, kind, size in bars]
    axes.set_yticks(range(len(bars)), names)
    axes.set(xlim=(0, 1), xlabel="share of the CPU seconds of a search", ylim=(len(bars) - 0.4, -0.6))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_title(_told(title, "≈", parties), loc="left", fontsize=10)
    handles = [axes.barh(0, 0, color=colour, label=part) for colour, part in zip(COLOURS, PARTS, strict=False)]
    axes.legend(handles=handles, fontsize=9, loc="upper left", bbox_to_anchor=(1.14, 1))
    axes.grid(False)
    return figure


def _stack(axes: Any, place: int, taken: Sequence[float]) -> None:
    whole, left = sum(taken) or 1.0, 0.0
    for colour, seconds in zip(COLOURS, taken, strict=False):
        share = seconds / whole
        axes.barh(place, share, left=left, color=colour, height=0.7)
        if share >= SHORTEST_SHOWN:
            axes.text(left + share / 2, place, f"{share:.0%}", ha="center", va="center", color="white", fontsize=8)
        left += share


def _encryption(parties: Sequence[Party], title: str) -> Any:
    """CPU seconds of encrypting and decrypting one probe, on a logarithmic axis."""
    from matplotlib.figure import Figure

    stages = [
        stage
        for stage in ("encrypt_total", "encrypt", "decrypt")
        if any(party.timings.has(party.role, stage) for party in parties)
    ]
    figure = Figure(figsize=(8.4, 1.2 + 0.3 * len(parties) * len(stages)), layout="constrained")
    axes = figure.add_subplot()
    rows = [(party, stage) for stage in stages for party in parties if party.timings.has(party.role, stage)]
    for place, (party, stage) in enumerate(rows):
        seconds = party.median(stage)
        axes.plot(seconds, place, "o", color=COLOURS[stages.index(stage)])
        axes.annotate(f"{seconds:.3g} s", (seconds, place), (7, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [f"{party.name}, {stage}" for party, stage in rows])
    axes.set(xscale="log", xlabel="CPU seconds of one probe, all processes", ylim=(len(rows) - 0.4, -0.6))
    plain_ticks(axes.xaxis)
    axes.margins(x=0.15)
    axes.set_title(title, loc="left", fontsize=10)
    return figure
