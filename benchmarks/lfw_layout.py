"""A data set in LFW's layout with pictures drawn by code, of any size."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bench.samples import draw

FOLDS = 10


def write_data_set(root: Path, pairs: int, side: int = 112) -> None:
    """Write ``pairs`` pairs in ten folds over as many pictures of ``side`` pixels, two of a person."""
    each = pairs // FOLDS // 2
    folder = root / "lfw" / ("aligned_112" if side == 112 else "original")
    lines = [f"{FOLDS}\t{each}"]
    for fold in range(FOLDS):
        people = range(fold * each, (fold + 1) * each)
        lines += [f"P_{p}\t1\t2" for p in people]
        lines += [f"P_{p}\t1\tP_{fold * each + (p + 1 - fold * each) % each}\t2" for p in people]
        for person in people:
            place = folder / f"P_{person}"
            place.mkdir(parents=True)
            for shot in (1, 2):
                face = draw(person, (side, side), mouth=shot / 2)
                Image.fromarray(face).save(place / f"P_{person}_{shot:04d}.jpg", quality=95)
    (root / "lfw" / "pairs.txt").write_text("\n".join(lines) + "\n")
