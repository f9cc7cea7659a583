"""A synthetic data set in the layout of IJB-C, small enough for tests, its pictures those of conftest."""

from __future__ import annotations

from pathlib import Path

from conftest import picture
from PIL import Image

from bench.alignment import TEMPLATE

PEOPLE, PROBES = 12, 3
HEADER = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID"


def template_of(person: int, number: int) -> int:
    """The owner's number of a person's enrolled template (0) or of a probe; not one after the other."""
    return 7 * (person * (PROBES + 1) + number) + 3


def write_ijb(root: Path, folder: str = "ijb-c") -> Path:
    """A data root: each person has one enrolled template, half of them in either gallery, and three probes.

    A template has two frames of one video and, but for the last one, a photograph. Every third picture lies off the
    middle of a larger loose crop.
    """
    prefix, galleries = folder.replace("-", ""), {"ijb-b": "S1 S2", "ijb-c": "G1 G2"}[folder].split()
    meta, crops = root / folder / "meta", root / folder / "loose_crop"
    meta.mkdir(parents=True)
    crops.mkdir()
    media, detected = [], []
    named: dict[str, list[str]] = {gallery: [HEADER] for gallery in (*galleries, "probe")}
    for person in range(PEOPLE):
        for number in range(PROBES + 1):
            template = template_of(person, number)
            for shot in range(2 if number == PROBES else 3):
                image, off = f"{len(media) + 1}.jpg", (10, 5) if len(media) % 3 == 0 else (0, 0)
                loose = Image.new("RGB", (112 + 2 * off[0], 112 + 2 * off[1]))
                loose.paste(picture(person, 10 * number + shot), off)
                loose.save(crops / image, quality=95)
                points = " ".join(f"{x + off[0]:.4f} {y + off[1]:.4f}" for x, y in TEMPLATE)
                media.append(f"{image} {template} {1000 + template + (shot == 2)}")
                detected.append(f"{image} {points} {1 - 0.1 * shot:.3f}")
                gallery = "probe" if number else galleries[person % 2]
                named[gallery].append(f"{template},{100 + person},frames/{image},{len(media)}")
    pairs = [
        f"{template_of(a, 0)} {template_of(b, n)} {int(a == b)}"
        for a in range(PEOPLE)
        for b in range(PEOPLE)
        for n in range(1, PROBES + 1)
        if a == b or (a + b + n) % 2
    ]
    lists = {"face_tid_mid.txt": media, "name_5pts_score.txt": detected, "template_pair_label.txt": pairs}
    lists |= {f"1N_gallery_{gallery}.csv": named[gallery] for gallery in galleries}
    lists["1N_probe_mixed.csv"] = named["probe"]
    for name, rows in lists.items():
        (meta / f"{prefix}_{name}").write_text("\n".join(rows) + "\n")
    return root
