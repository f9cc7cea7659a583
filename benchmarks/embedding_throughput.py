"""Faces a second of whole runs, torch and ONNX, against bare loops of the same network in torch and in onnxruntime.

All four embed the images that LFW's pairs name and their mirror images, in batches of one size on as many threads,
each from the start of an interpreter until all is answered: imports, loading, decoding and, in a run, worker
and fingerprint are in it, so with few pairs they weigh more. The ONNX file is exported from the torch plugin into a
temporary folder. On a machine where others compute too, ask for one thread, as torch's threads wait for one another,
and read processor time.

Run: FACEBENCH_DATA=… FACEBENCH_MODELS=… python benchmarks/embedding_throughput.py [ROUNDS [PAIRS [THREADS]]]
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BATCH, ROUNDS, BAR = 32, 3, 0.03
PROTOCOL, FOLDER = "verification/lfw/view2-arcface112", "mobilefacenet-112"
NEEDED = ("torch", "onnx", "onnxruntime", "facebench_mobilefacenet", "facebench_onnx")
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of the model, on pixels from 0 to 255
CARD = f"""name = "exported"
file = "{FOLDER}/exported.onnx"
sha256 = "{{sha256}}"
channels = "RGB"
mean = {list(MEAN)}
std = {list(STD)}
layout = "NCHW"
flip = "sum"
licence = "that of the weights"
trained_on = []
cite = "none: an export"
"""


Way = Callable[[int, Path, int | None], None]


def export(models: Path, cards: Path) -> None:
    """A models root with the network as an ONNX file beside its weights, and a folder with its card."""
    import facebench_mobilefacenet
    import torch

    import bench

    (models / FOLDER).mkdir(parents=True)
    for path in (Path(os.environ["FACEBENCH_MODELS"]) / FOLDER).iterdir():
        (models / FOLDER / path.name).symlink_to(path.resolve())
    loaded = facebench_mobilefacenet.load(bench.Load(weights=models / FOLDER, options={"flip": True}))
    network, file = loaded.network.to(memory_format=torch.contiguous_format), models / FOLDER / "exported.onnx"
    names = {"input_names": ["image"], "output_names": ["row"], "dynamic_axes": {"image": {0: "n"}, "row": {0: "n"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the newer exporter needs another package
        torch.onnx.export(network, torch.zeros(2, 3, 112, 112), str(file), dynamo=False, **names)
    cards.mkdir()
    (cards / "exported.toml").write_text(CARD.format(sha256=hashlib.sha256(file.read_bytes()).hexdigest()), "utf-8")


def choose(place: Path, pairs: int | None) -> int:
    """Note down the files that the pairs name, each once, for the bare loops; how many there are."""
    from bench.protocols.lfw import read_view2
    from bench.tasks.verification import limit

    root = Path(os.environ["FACEBENCH_DATA"])
    content = read_view2(root, ("aligned_112",), (112, 112), "")
    names = [sample.name for sample in (limit(content, pairs) if pairs else content).samples]
    folder = root / "lfw" / "aligned_112"
    (place / "files").write_text("\n".join(str(folder / name.rpartition("_")[0] / name) for name in names), "utf-8")
    return len(names)


def batches(place: Path) -> Iterator[Any]:
    """Batches of decoded images, uint8 [b, 112, 112, 3]."""
    import numpy as np
    from PIL import Image

    paths = (place / "files").read_text("utf-8").splitlines()
    for start in range(0, len(paths), BATCH):
        yield np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH]])


def bare_torch(threads: int, place: Path, pairs: int | None) -> None:
    """The network as its plugin loads it, which takes a batch in passes of 16 as that is fastest."""
    import facebench_mobilefacenet

    import bench

    given = bench.Load(weights=place / "models" / FOLDER, threads=threads, options={"flip": True})
    loaded = facebench_mobilefacenet.load(given)
    for batch in batches(place):
        loaded.embed([bench.Face("", pixels) for pixels in batch])


def bare_onnx(threads: int, place: Path, pairs: int | None) -> None:
    """A session that is given the prepared batch, and then its mirror image."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    file = str(place / "models" / FOLDER / "exported.onnx")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    for batch in batches(place):
        x = ((batch.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)).transpose(0, 3, 1, 2)
        both = (np.ascontiguousarray(x), np.ascontiguousarray(x[:, :, :, ::-1]))
        sum(session.run(["row"], {"image": half})[0] for half in both)


def run(method: str) -> Way:
    """A run of a method, ended when it begins to score: a bare loop scores nothing."""

    def ran(threads: int, place: Path, pairs: int | None) -> None:
        import bench

        def progress(cell: str, stage: str, done: int, total: int) -> None:
            if stage == "score":
                sys.stdout.flush()
                os._exit(0)

        with tempfile.TemporaryDirectory(dir=place) as out:
            settings: dict[str, Any] = {"threads": threads, "batch_size": BATCH, "models": place / "models"}
            bench.run(PROTOCOL, method, out=out, progress=progress, limit=pairs, **settings)

    return ran


WAYS: dict[str, Way] = {
    "torch, bare": bare_torch,
    "torch, run": run("mobilefacenet"),
    "onnx, bare": bare_onnx,
    "onnx, run": run("exported"),
}


def seconds(way: str, threads: int, place: Path, pairs: int | None) -> tuple[float, float]:
    """Wall and processor seconds of one way, workers included, from the start of its interpreter."""
    environment = {**os.environ, "FACEBENCH_ONNX": str(place / "cards"), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--way", way, str(threads), str(place), str(pairs or "")]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stderr=subprocess.DEVNULL, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def absent() -> str:
    """What this needs and does not find, or ""."""
    for name, below in (("FACEBENCH_DATA", "lfw/pairs.txt"), ("FACEBENCH_MODELS", FOLDER)):
        if not (Path(os.environ.get(name) or "-") / below).exists():
            return f"{name} names no folder with {below} in it"
    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def main() -> None:
    """Every way in turn, the order turned round each round, and the ratios of their medians."""
    if reason := absent():
        print(f"skipped: {reason}")
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else None
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else len(os.sched_getaffinity(0))
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        export(place / "models", place / "cards")
        count = choose(place, pairs)
        for number in range(rounds):
            for way in list(WAYS)[:: -1 if number % 2 else 1]:
                taken[way].append(seconds(way, threads, place, pairs))
            shown = ", ".join(f"{way} {t[-1][0]:.1f} s" for way, t in taken.items())
            print(f"round {number + 1}, load {os.getloadavg()[0]:.1f}: {shown}", flush=True)
    wall, used = ({way: statistics.median(row[i] for row in t) for way, t in taken.items()} for i in (0, 1))
    print(f"{count:,} faces and their mirror images, batches of {BATCH}, threads {threads}, median of {rounds} rounds")
    for way in WAYS:
        print(f"{way:12} {count / wall[way]:7.1f} faces a second {used[way] / count * 1e3:7.1f} ms of processor a face")
    for kind in ("torch", "onnx"):
        cost, work = (each[f"{kind}, run"] / each[f"{kind}, bare"] - 1 for each in (wall, used))
        met = "met" if cost < BAR else "MISSED"
        print(f"{kind}: a run costs {cost:+.1%} (bar {BAR:.0%}: {met}), {work:+.1%} of processor time")
    fast, light = (each["torch, bare"] / each["onnx, bare"] for each in (wall, used))
    print(f"bare onnxruntime is {fast:.2f}x as fast as bare torch, {light:.2f}x in processor time")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        WAYS[sys.argv[2]](int(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]) if sys.argv[5] else None)
    else:
        main()
