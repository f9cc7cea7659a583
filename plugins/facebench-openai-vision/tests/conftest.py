"""A server on loopback in a process of its own, and the method that asks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.records import Face, Question

SCRIPT = Path(__file__).parent / "loopback_server.py"


class Server:
    """A running server; ``url`` is what a method is pointed at."""

    def __init__(self, *words: str | Path, log: Path | None = None) -> None:
        command = [sys.executable, str(SCRIPT), *map(str, words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"
        self.log = log

    def requests(self, path: str = "/v1/chat/completions") -> list[dict[str, Any]]:
        """What it was asked at ``path``."""
        assert self.log is not None
        rows = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()] if self.log.exists() else []
        return [row for row in rows if row["path"] == path]

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``scripted([reply, …])``: a server that answers so."""
    begun: list[Server] = []

    def begin(replies: Sequence[dict[str, Any]]) -> Server:
        script, log = tmp_path / f"script-{len(begun)}", tmp_path / f"log-{len(begun)}"
        script.write_text("".join(json.dumps(reply) + "\n" for reply in replies), "utf-8")
        begun.append(Server("script", script, log, log=log))
        return begun[-1]

    yield begin
    for server in begun:
        server.stop()


@pytest.fixture
def modelled() -> Iterator[Callable[[Path], Server]]:
    """``modelled(folder)``: a server over the vision-language model in a folder."""
    begun: list[Server] = []

    def begin(folder: Path) -> Server:
        begun.append(Server("model", folder))
        return begun[-1]

    yield begin
    for server in begun:
        server.stop()


@pytest.fixture
def models_root() -> Path:
    """Real weights; skips where they are not at hand."""
    root = os.environ.get("FACEBENCH_MODELS", "")
    if not Path(root, "tiny-fer-vlm").is_dir() or not root:
        pytest.skip("needs real weights: point FACEBENCH_MODELS at a folder that holds tiny-fer-vlm")
    return Path(root).resolve()


@pytest.fixture
def method(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``method(server, choice="json_schema")``: the method that asks it, waits made short."""
    for name in ("KEY", "CONCURRENCY", "RATE", "TIMEOUT", "RETRIES"):
        monkeypatch.delenv(f"FACEBENCH_OPENAI_{name}", raising=False)

    def load(url: str, **options: Any) -> Any:
        from facebench_openai_vision import facebench_methods

        monkeypatch.setenv("FACEBENCH_OPENAI_URL", url)
        (card,) = facebench_methods()
        defaults = {option.name: option.default for option in card.options}
        made = card.load(bench.Load(Path(), options={**defaults, "model": "served", **options}))
        made.client._sleep = lambda seconds: made.waits.append(seconds)
        made.waits = []
        return made

    return load


@pytest.fixture
def asked() -> list[Question]:
    """Three questions about different pictures."""
    generator = np.random.default_rng(3)
    faces = [Face(f"k{i}", generator.integers(0, 256, (48, 48, 3), np.uint8)) for i in range(3)]
    text = "In a single word, what is the facial expression of the person?"
    return [Question(face.key, text, ("happy", "sad"), face) for face in faces]
