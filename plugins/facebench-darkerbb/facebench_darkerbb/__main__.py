"""``python -m facebench_darkerbb fit FOLDER OUT``: a prior from a folder of faces aligned to 112x112 pixels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bench
from facebench_darkerbb.cards import CARD, VARIABLE, check


def main() -> int:
    """Fit and write; 0, or 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="python -m facebench_darkerbb")
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="a prior from a folder of aligned faces")
    fit.add_argument("folder", type=Path, help="images of 112x112 pixels, at any depth")
    fit.add_argument("out", type=Path, help="the prior's folder, written anew")
    fit.add_argument("--licence", required=True, help="under which the faces are")
    fit.add_argument("--trained-on", required=True, action="append", help="the data set of the faces, once for each")
    fit.add_argument("--withdrawn", default=[], action="append", help="one of them that its publisher took back")
    fit.add_argument("--name", help="ends the methods' names: darkerbb-NAME; by default that of the folder OUT")
    fit.add_argument("-q", "--components", type=int, default=512, help="how many, by default %(default)s")
    fit.add_argument("--power", type=int, default=2, help="power iterations, by default %(default)s")
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--no-mirror", action="store_true", help="do not count the mirror images as faces")
    fit.add_argument("--keep-faces", action="store_true", help="keep the faces' own coordinates, for nearest-prior")
    try:
        print(_fit(parser.parse_args()))
    except (bench.FacebenchError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _fit(asked: argparse.Namespace) -> str:
    from facebench_darkerbb.fitting import read_faces, save_prior
    from facebench_darkerbb.pca import components

    out = asked.out.resolve()
    name = asked.name or out.name
    card = {"name": name, "licence": asked.licence, "trained_on": asked.trained_on, "withdrawn": asked.withdrawn}
    check(out / CARD, {**card, "sha256": "0" * 64})  # before the long part
    faces, left = read_faces(asked.folder)
    found = components(faces, asked.components, asked.power, not asked.no_mirror, asked.seed)
    digest = save_prior(out, found, card, faces if asked.keep_faces else None)
    sizes = [size for size in (32, 64, 128, 256, 512, 1024) if size < asked.components] + [asked.components]
    return "\n".join(
        [
            *(f"left out: {line}" for line in left),
            f"{len(faces)} faces, {len(left)} left out",
            *(f"{size} components explain {found.explained[size - 1]:.2%} of the variance" for size in sizes),
            f"{out}: SHA-256 {digest}",
            *(["It holds coordinates of its faces, which show them: personal data."] if asked.keep_faces else []),
            f"export {VARIABLE}={out}   # then: darkerbb-{name}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
