"""What a method's process may write to the harness, how long it is waited for, and that nothing of it is left."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench import wire
from bench.errors import ContractBroken, MethodFailed
from bench.method import Configured, Load, Method, Origin
from bench.worker import Worker

SCRIPT = Origin("script", "", "", "", "", "")


def opened(kind: Callable[[], Any], folder: Path, patience: float | None = None) -> Worker:
    """A worker around what ``kind`` makes. Define kinds in the test, so that they travel by value."""
    card = Method(name="made-here", tasks=frozenset({"verification"}), load=lambda given: kind())
    return Worker(Configured(card, {}, SCRIPT), Load(), folder / "worker.log", patience=patience)


def framed(value: Any) -> bytes:
    stream = io.BytesIO()
    wire.send(stream, value)
    return stream.getvalue()


def ended(pid: int) -> bool:
    """Whether a process ends, now or very soon."""
    try:
        psutil.Process(pid).wait(timeout=20)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


ODD: dict[str, Any] = {
    "nothing": {"id": 2},
    "an-array-for-an-id": {"id": np.arange(3), "value": 1},
    "a-number-for-an-error": {"id": 2, "error": 5},
    "an-error-without-a-text": {"id": 2, "error": {"kind": "raised", "type": "ValueError"}},
    "an-item-of-no-stream": {"id": 2, "item": 1},
    "a-question-of-no-stream": {"id": 2, "ask": 1},
    "a-value-and-an-error": {"id": 2, "value": 1, "error": {"kind": "raised", "type": "a", "text": "b"}},
}


@pytest.mark.parametrize("frame", ODD.values(), ids=ODD)
def test_a_frame_of_another_form_is_refused(frame: Any, tmp_path: Path) -> None:
    class Forges:
        def forge(self, frame: bytes) -> None:
            os.write(int(sys.argv[2]), frame)

    with opened(Forges, tmp_path) as worker, pytest.raises(ContractBroken):
        worker.call("forge", framed(frame))


@pytest.mark.parametrize("asked", [5, [0, "1"], [0.5], [3], [-4], np.arange(2)], ids=str)
def test_a_question_for_examples_that_there_are_not_is_refused(asked: Any, tmp_path: Path) -> None:
    class Asks:
        def fit(self, examples: Any, last: Any) -> Any:
            yield examples._fetch(asked)

    with opened(Asks, tmp_path) as worker, pytest.raises(ContractBroken, match="examples that are not of its 3"):
        list(worker.fit(np.arange(3), lambda positions: [f"record {p}" for p in positions], None))


def test_a_method_that_reads_nothing_is_waited_for_as_long_as_was_allowed(tmp_path: Path) -> None:
    class Sleeps:
        def sleep(self, text: str) -> None:
            time.sleep(30)

    with opened(Sleeps, tmp_path, patience=4) as worker:
        worker.send("sleep", "")
        with pytest.raises(MethodFailed, match="waited for 4 seconds"):
            worker.send("sleep", "x" * 4_000_000)  # more than the pipe takes


def test_an_answer_that_is_not_read_is_waited_for_as_long_as_was_allowed(tmp_path: Path) -> None:
    class Asks:
        def fit(self, examples: Any, last: Any) -> Any:
            os.write(int(sys.argv[2]), question)
            yield time.sleep(30)

    question = framed({"id": 2, "ask": [0]})
    with opened(Asks, tmp_path, patience=4) as worker, pytest.raises(MethodFailed, match="waited for 4 seconds"):
        list(worker.fit(np.arange(3), lambda positions: ["x" * 4_000_000], None))


def test_an_end_is_noticed_although_a_started_program_lives_on(tmp_path: Path) -> None:
    class Starts:
        def start(self) -> None:
            os.system(f"(sleep 6; touch {done}) & echo $! > {place}")
            os._exit(7)

    done, place = tmp_path / "done", tmp_path / "pid"
    with opened(Starts, tmp_path) as worker, pytest.raises(MethodFailed, match="exit status 7"):
        worker.call("start")
    assert ended(int(place.read_text()))
    assert not done.exists()


def test_what_a_method_started_ends_with_it(tmp_path: Path) -> None:
    class Starts:
        def start(self) -> int:
            return subprocess.Popen(["sleep", "300"]).pid

    with opened(Starts, tmp_path) as worker:
        pid = worker.call("start")
        assert psutil.pid_exists(pid)
    assert ended(pid)


def test_what_a_method_started_ends_where_the_harness_was_killed(tmp_path: Path) -> None:
    script = f"""
import os, subprocess
from pathlib import Path
from bench.method import Configured, Load, Method, Origin
from bench.worker import Worker
class Starts:
    def start(self):
        return [os.getpid(), subprocess.Popen(["sleep", "300"]).pid]
card = Method(name="made-here", tasks=frozenset(["verification"]), load=lambda given: Starts())
worker = Worker(Configured(card, {{}}, Origin("script", "", "", "", "", "")), Load(), Path({str(tmp_path / "log")!r}))
print(*worker.call("start"), flush=True)
os.kill(os.getpid(), 9)
"""
    place = tmp_path / "script.py"
    place.write_text(script)
    root = Path(__file__).resolve().parent.parent
    with open(tmp_path / "pids", "wb") as pids:  # not a pipe: what is left running would hold it
        ran = subprocess.run(
            [sys.executable, place], stdout=pids, env={**os.environ, "PYTHONPATH": str(root)}, check=False
        )
    assert ran.returncode == -9
    assert all(ended(int(pid)) for pid in (tmp_path / "pids").read_text().split())
