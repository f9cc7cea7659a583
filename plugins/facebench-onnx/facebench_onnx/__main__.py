"""``python -m facebench_onnx CARD``: look for faults on a card with pairs of known truth."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import bench
from bench.images import Unreadable
from bench.plugins import discover
from bench.suite import read_content
from facebench_onnx import VARIABLE, facebench_methods
from facebench_onnx.cards import read_cards
from facebench_onnx.doctor import Pairs, Report, of_method

PROTOCOL = "verification/lfw/view2-arcface112"


def diagnose(name: str, protocol: str, pairs: int, data: Path | None = None, models: Path | None = None) -> Report:
    """Examine the card ``name`` on that many pairs of a verification protocol whose pictures it takes.

    Raises FacebenchError, and ValueError naming what is wrong with a card or its model.
    """
    cards = {card.name: card for card in read_cards(os.environ.get(VARIABLE, ""), VARIABLE)}
    if name not in cards:
        raise ValueError(f"there is no card {name!r} in the folders of {VARIABLE}; it has {', '.join(cards) or 'none'}")
    method = next(method for method in facebench_methods() if method.name == name)
    question = discover().protocol(protocol)
    if question.task.name != "verification" or question.inputs not in method.inputs:
        raise ValueError(f"{protocol} does not ask {name} to verify pictures that it takes: {', '.join(method.inputs)}")
    content = question.task.limit(read_content(question, data), pairs)
    assert method.weights is not None
    folder = method.weights.find(models or _root(), name)
    given = bench.Load(folder, threads=1, options={"flip": cards[name].flip}, inputs=question.inputs)
    pictures = [_picture(sample) for sample in content.samples]
    truth = content.truth
    return of_method(method, cards[name], given, pictures, Pairs(truth.reference, truth.probe, truth.mated))


def _picture(sample: bench.Sample) -> bench.Face:
    try:
        face: bench.Face = sample.read(sample.key)
        return face
    except Unreadable as error:
        raise ValueError(f"{sample.name} cannot be read: {error.reason}") from None


def _root() -> Path | None:
    named = os.environ.get("FACEBENCH_MODELS")
    return Path(named) if named else None


def main() -> int:
    """Print the report; 0 where nothing was found, 1 where something was, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="python -m facebench_onnx", description="Look for faults on an ONNX card.")
    parser.add_argument("card", help="its name")
    parser.add_argument("--protocol", default=PROTOCOL, help="verification pairs, by default %(default)s")
    parser.add_argument("--pairs", type=int, default=600, help="how many of them, by default %(default)s")
    parser.add_argument("--data", type=Path, help="folder that holds one folder a data set (FACEBENCH_DATA)")
    parser.add_argument("--models", type=Path, help="folder that holds one folder of weights a method")
    asked = parser.parse_args()
    try:
        report = diagnose(asked.card, asked.protocol, asked.pairs, asked.data, asked.models)
    except (bench.FacebenchError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
