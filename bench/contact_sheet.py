"""A contact sheet of an attack: each target beside what was made of it by budget, and how alike the target found it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.answers import Table, write
from bench.asking import Asking
from bench.attacking import ATTACK, SHOWN
from bench.metrics.inversion import BEST
from bench.protocol import Sample

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MOST_ROWS, MOST_COLUMNS = 32, 8
BORDER, LINE = 4, 14
PAPER, INK = (255, 255, 255), (30, 30, 30)


@dataclass(frozen=True, slots=True)
class Made:
    """One reconstruction: uint8 [height, width, 3], and its score with the target's own image."""

    pixels: NDArray[uint8]
    score: float


def write_sheet(asking: Asking, samples: Sequence[Sample], scores: Sequence[float]) -> None:
    """Draw a cell's attack beside its reconstructions, unless that was done; ``scores``: one a sample of them."""
    path = asking.cell.folder / SHOWN / "sheet.png"
    if path.exists():
        return
    reached: Table = asking.answers()[ATTACK]
    best: dict[int, dict[int, Made]] = {}
    last: dict[int, Made] = {}
    rows = zip(reached["target"].tolist(), reached["budget"].tolist(), reached["image"], strict=True)
    for (target, budget, image), sample, score in zip(rows, samples, scores, strict=True):
        if target not in best and len(best) == MOST_ROWS:
            break
        made = Made(sample.read(sample.key).pixels, float(score))
        of_target = best.setdefault(target, {})
        if image == BEST:
            of_target[budget] = made
        else:
            last[target] = made  # budgets ascend
    originals = {target: asking.content.samples[target] for target in best}
    shown = [(one.read(one.key).pixels, best[target], last.get(target)) for target, one in originals.items()]
    write(path, draw(shown, sorted(set(reached["budget"].tolist()))))


def columns(budgets: Sequence[int]) -> list[int]:
    """The budgets that are shown: the last ones, at most MOST_COLUMNS."""
    return sorted(set(budgets))[-MOST_COLUMNS:]


def draw(rows: Sequence[tuple[NDArray[uint8], Mapping[int, Made], Made | None]], budgets: Sequence[int]) -> bytes:
    """A PNG: a row a target of its original, its best images by budget, and the last image shown.

    At most MOST_ROWS rows. A reconstruction that is absent is blank.
    """
    from PIL import Image, ImageDraw

    height, width = rows[0][0].shape[:2]
    step_x, step_y = width + BORDER, height + LINE + BORDER
    chosen, kept = columns(budgets), rows[:MOST_ROWS]
    size = (BORDER + step_x * (len(chosen) + 2), LINE + BORDER + step_y * len(kept))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(["original", *(f"{budget:,}" for budget in chosen), "last shown"]):
        pen.text((BORDER + column * step_x, 1), title, INK)
    for number, (original, best, last) in enumerate(kept):
        cells: list[Made | None] = [Made(original, 1.0), *(best.get(budget) for budget in chosen), last]
        for column, cell in enumerate(cells):
            if cell is not None:
                place = BORDER + column * step_x, LINE + BORDER + number * step_y
                sheet.paste(Image.fromarray(cell.pixels), place)
                if column:
                    pen.text((place[0], place[1] + height), f"{cell.score:.3f}", INK)
    return _png(sheet)


def _png(sheet: Any) -> bytes:
    sink = io.BytesIO()
    sheet.save(sink, "PNG")
    return sink.getvalue()
