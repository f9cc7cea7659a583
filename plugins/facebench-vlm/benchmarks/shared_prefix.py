"""Seven options scored on one cached pass over the prompt, against seven passes over prompt and option.

A SmolVLM-like model (Idefics3) of random weights is asked one question about one drawn picture, in a prompt of at least
100 tokens; both ways give the same log-likelihoods to 1e-4, or the script fails. The peer is what a plain loop over
options does: the whole model, picture included, once an option. Rounds take turns, so that other work on the machine
meets both. Each is counted in processor time and on the wall. Bar: three times as fast.

Run: python plugins/facebench-vlm/benchmarks/shared_prefix.py [ROUNDS [HIDDEN [LAYERS]]]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BAR, LEAST, NEAR = 3.0, 100, 1e-4
OPTIONS = ("neutral", "happy", "surprised", "sad", "angry", "disgusted", "afraid")


def main(rounds: int = 7, hidden: int = 192, layers: int = 6) -> int:
    """Print the medians and their ratio; 1 where the bar is missed."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    import tiny
    import torch
    from facebench_vlm.answerer import load_answerer

    import bench

    torch.set_num_threads(1)
    tiny.TEXT |= {"hidden_size": hidden, "intermediate_size": 3 * hidden, "num_hidden_layers": layers}
    with tempfile.TemporaryDirectory() as folder:
        tiny.save("smolvlm", Path(folder))
        ways = {
            way: load_answerer(None, bench.Load(Path(folder), options={"prefix": way})) for way in ("shared", "full")
        }
    (question,) = tiny.questions(1, f"{tiny.QUESTION} Choose one: {', '.join(OPTIONS)}.")
    (batch,) = ways["shared"]._batches([question], "left")
    length = batch.inputs["input_ids"].shape[1]
    assert length >= LEAST, f"the prompt is {length} tokens"
    sums = {way: model.loglik([question], OPTIONS)["sums"] for way, model in ways.items()}
    apart = float(abs(sums["shared"] - sums["full"]).max())
    assert apart <= NEAR, f"the two ways lie {apart} apart"
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, model in ways.items():
            taken[way].append(_timed(lambda model=model: model.loglik([question], OPTIONS)))
    print(f"{length} tokens of prompt, {len(OPTIONS)} options, {rounds} rounds, apart by at most {apart:.1e}")
    processor, wall = ([statistics.median(row[i] for row in taken[way]) for way in ways] for i in (0, 1))
    for name, (one, other) in (("processor", processor), ("wall", wall)):
        print(f"{name:9} shared {1e3 * one:8.1f} ms   full {1e3 * other:8.1f} ms   {other / one:.2f} times as fast")
    return 0 if processor[1] / processor[0] >= BAR else 1


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    began = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - began[0], time.perf_counter() - began[1]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
