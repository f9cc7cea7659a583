"""A method in a process of its own: what it is told, what it can break, and how its end is named."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench.errors import ContractBroken, FacebenchError, MethodFailed, OutOfMemory
from bench.method import Configured, Load, Method, Origin
from bench.worker import LOG_LIMIT, THREAD_VARIABLES, Raised, Worker

ALIGNED = "verification/lfw/view2-arcface112"
SCRIPT = Origin("script", "", "", "", "", "")


def card(load: Callable[[Load], Any]) -> Method:
    return Method(name="made-here", tasks=frozenset({"verification"}), load=load)


def opened(kind: Callable[[], Any], folder: Path, given: Load | None = None, memory: int | None = None) -> Worker:
    """A worker around what ``kind`` makes. Define kinds in the test, so that they travel by value."""
    configured = Configured(card(lambda given: kind()), {}, SCRIPT)
    return Worker(configured, given or Load(), folder / "worker.log", memory)


# What a method is told.


def test_load_is_told_all_that_the_harness_was_told(tmp_path: Path) -> None:
    def load(given: Load) -> Any:
        class Told:
            told = staticmethod(lambda: [str(given.weights), given.device, given.threads, given.seed, given.options])

        return Told()

    options = {"flip": False, "gain": 0.1, "to": "x"}
    given = Load(weights=tmp_path, device="cuda:1", threads=3, seed=7, options=options)
    with Worker(Configured(card(load), {}, SCRIPT), given, tmp_path / "log") as worker:
        assert worker.call("told") == [str(tmp_path), "cuda:1", 3, 7, options]


def test_a_method_sees_the_threads_it_may_use_and_no_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Looks:
        def look(self) -> Any:
            return [dict(os.environ), os.getcwd(), sys.stdin.read()]

    for name in ("FACEBENCH_DATA", "FACEBENCH_MODELS", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "99")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    with opened(Looks, tmp_path, Load(threads=3)) as worker:
        environment, place, typed = worker.call("look")
    assert {environment[name] for name in THREAD_VARIABLES} == {"3"}
    assert not {"FACEBENCH_DATA", "FACEBENCH_MODELS", "PYTHONSTARTUP"} & set(environment)
    assert environment["SOMETHING_ELSE"] == "kept"
    assert str(tmp_path) not in place, "nothing is imported or read by accident from where one stands"
    assert typed == ""


def test_calls_are_answered_in_the_order_they_were_sent_and_two_may_wait(tmp_path: Path) -> None:
    class Counts:
        def __init__(self) -> None:
            self.calls = 0

        def double(self, value: Any) -> Any:
            self.calls += 1
            return [self.calls, value * 2]

    with opened(Counts, tmp_path) as worker:
        for first in range(0, 20, 2):
            worker.send("double", np.full(1000, first))
            assert worker.room
            worker.send("double", np.full(2000, first + 1))
            assert not worker.room and worker.outstanding == 2
            for number in (first, first + 1):
                calls, doubled = worker.receive()
                assert calls == number + 1
                assert doubled.tolist() == [number * 2] * (1000 if number == first else 2000)


def test_a_method_written_in_a_script_works_with_what_lies_beside_it(synthetic: Path, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import numpy as np\ndef mean(p):\n    return p.mean(axis=(0, 1))\n")
    code = """
        import sys, numpy as np
        import bench, helper
        FACTOR = np.float32(2)
        class Mean:
            def embed(self, faces):
                return np.stack([helper.mean(face.pixels) * FACTOR for face in faces]).astype(np.float32)
        def load(given):
            return Mean()
        card = bench.Method("in-a-script", {"verification"}, load, inputs={"arcface-112"})
        (result,) = bench.run(sys.argv[1], card, data=sys.argv[2], out="out")
        print(result.name, result.failures, result.samples)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(code))
    command = [sys.executable, "script.py", ALIGNED, str(synthetic)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.stdout.split() == ["in-a-script", "0", "48"], ended.stderr


# What it may do without harm.


def test_what_it_prints_reads_or_closes_does_not_break_the_answers(tmp_path: Path) -> None:
    class Loud:
        def speak(self, how: str) -> Any:
            print("a line by print")
            os.write(2, b"\xff\xfe and bytes that are no text\n")
            subprocess.run(["sh", "-c", "echo from a child; read x"], check=False)
            if how == "closed":
                os.close(1)
                sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            return how

    with opened(Loud, tmp_path) as worker:
        assert [worker.call("speak", how) for how in ("open", "closed", "open")] == ["open", "closed", "open"]
    log = (tmp_path / "worker.log").read_bytes()
    assert b"a line by print" in log and b"\xff\xfe" in log and b"from a child" in log


def test_the_log_is_cut_at_a_mebibyte_and_a_log_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    class Floods:
        def flood(self) -> Any:
            for _ in range(40):
                print("x" * 100_000)
            return 1

    with opened(Floods, tmp_path) as worker:
        assert worker.call("flood") == 1
    assert (tmp_path / "worker.log").stat().st_size == LOG_LIMIT
    with opened(Floods, tmp_path / "absent") as worker:
        assert worker.call("flood") == 1


def test_an_exception_is_told_by_type_and_text_and_the_method_goes_on(tmp_path: Path) -> None:
    class Sometimes:
        def divide(self, by: int) -> Any:
            return 12 / by

    with opened(Sometimes, tmp_path) as worker:
        raised = worker.call("divide", 0)
        assert raised == Raised("ZeroDivisionError", "division by zero")
        assert worker.call("divide", 4) == 3
    assert "Traceback" in (tmp_path / "worker.log").read_text()


# What ends it, and how that is said.


@pytest.mark.parametrize(
    ("end", "error", "text"),
    [
        (lambda: os._exit(0), MethodFailed, "exit status 0"),
        (lambda: sys.exit("I give up"), MethodFailed, "I give up"),
        (lambda: os.abort(), MethodFailed, "SIGABRT"),
        (lambda: os.kill(os.getpid(), 15), MethodFailed, "SIGTERM"),
        (lambda: os.kill(os.getpid(), 9), OutOfMemory, "SIGKILL"),
        (lambda: np.empty(1 << 60, np.uint8), OutOfMemory, "Unable to allocate"),
    ],
    ids=["exit", "sys-exit", "abort", "term", "kill", "allocation"],
)
@pytest.mark.parametrize("when", ["load", "call"])
def test_the_end_of_a_process_is_named(
    end: Any, error: type[FacebenchError], text: str, when: str, tmp_path: Path
) -> None:
    class Ends:
        def __init__(self) -> None:
            if when == "load":
                end()

        def call(self) -> None:
            end()

    with pytest.raises(error) as raised, opened(Ends, tmp_path) as worker:
        assert worker.call("call") == "never answered"
    assert text in str(raised.value)
    assert type(raised.value) is error
    assert "made-here was called." in str(raised.value)


def test_a_call_to_a_process_that_has_ended_says_so_too(tmp_path: Path) -> None:
    class Ends:
        def call(self, *pixels: Any) -> None:
            os._exit(5)

    with opened(Ends, tmp_path) as worker:
        worker.send("call")
        with pytest.raises(MethodFailed, match="exit status 5"):
            worker.receive()
        with pytest.raises(MethodFailed, match="exit status 5"):
            worker.call("call", np.zeros(100_000))


def test_a_load_that_raises_is_told_with_the_end_of_what_it_printed(tmp_path: Path) -> None:
    class Absent:
        def __init__(self) -> None:
            print("looking for weights")
            raise FileNotFoundError("no weights here")

    with pytest.raises(MethodFailed) as raised:
        opened(Absent, tmp_path)
    assert "made-here was loaded." in str(raised.value)
    assert "It raised FileNotFoundError: no weights here" in str(raised.value)
    assert "FileNotFoundError" in raised.value.do and str(tmp_path / "worker.log") in raised.value.do
    assert "looking for weights" in (tmp_path / "worker.log").read_text()


def test_memory_is_watched_in_its_children_too(tmp_path: Path) -> None:
    class Breeds:
        def breed(self) -> None:
            code = "import time; eaten = b'x' * 300_000_000; time.sleep(60)"
            subprocess.run([sys.executable, "-c", code], check=False)

    with opened(Breeds, tmp_path, memory=250_000_000) as worker, pytest.raises(OutOfMemory) as raised:
        worker.call("breed")
    assert "0.25 GB were allowed" in str(raised.value)


def test_a_method_is_waited_for_as_long_as_was_allowed(tmp_path: Path) -> None:
    class Dawdles:
        def dawdle(self, seconds: float) -> str:
            print("a moment")
            time.sleep(seconds)
            return "here"

    configured = Configured(card(lambda given: Dawdles()), {}, SCRIPT)
    with Worker(configured, Load(), tmp_path / "log", patience=4) as worker:
        for _ in range(3):
            assert worker.call("dawdle", 1.5) == "here", "each call is waited for anew"
        with pytest.raises(MethodFailed, match="waited for 4 seconds") as raised:
            worker.call("dawdle", 60)
    assert "--patience" in raised.value.do and "a moment" in raised.value.do


def test_leaving_ends_a_process_at_work_and_a_second_time_does_nothing(tmp_path: Path) -> None:
    class Hangs:
        pid = staticmethod(os.getpid)

        def hang(self) -> None:
            ctypes.PyDLL(None).sleep(600)  # and lets no other thread of its own run

    with opened(Hangs, tmp_path) as worker:
        process = psutil.Process(worker.call("pid"))
        worker.send("hang")
    assert not process.is_running()
    worker.close()


def test_leaving_does_not_wait_for_what_a_method_left_running(tmp_path: Path) -> None:
    class Leaves:
        def leave(self) -> int:
            return subprocess.Popen(["sh", "-c", f"sleep 6; touch {done}"]).pid

    done = str(tmp_path / "done")
    with opened(Leaves, tmp_path) as worker:
        assert psutil.pid_exists(worker.call("leave"))
    assert not os.path.exists(done)


def test_an_end_is_noticed_although_a_forked_child_lives_on(tmp_path: Path) -> None:
    class Forks:
        def fork(self) -> None:
            if not os.fork():
                os.closerange(0, 3)
                time.sleep(6)
                os.close(os.open(done, os.O_CREAT))
                os._exit(0)
            os._exit(7)

    done = str(tmp_path / "done")
    with opened(Forks, tmp_path) as worker, pytest.raises(MethodFailed, match="exit status 7"):
        worker.call("fork")
    assert not os.path.exists(done)


ODD = {"set": lambda: {1}, "ndarray": lambda: np.array([object()]), "generator": lambda: (row for row in ())}


@pytest.mark.parametrize(("text", "answer"), ODD.items(), ids=ODD)
def test_an_answer_that_does_not_cross_is_refused_by_its_type_and_costs_only_itself(
    text: str, answer: Any, tmp_path: Path
) -> None:
    class Odd:
        odd = staticmethod(answer)
        even = staticmethod(lambda: 2)

    with opened(Odd, tmp_path) as worker:
        with pytest.raises(ContractBroken, match=text):
            worker.call("odd")
        assert worker.call("even") == 2


def test_a_method_that_writes_on_the_harness_s_own_pipe_is_refused(tmp_path: Path) -> None:
    class Scribbles:
        def scribble(self) -> None:
            for number in range(3, 64):
                with contextlib.suppress(OSError):
                    os.write(number, b"scribbled on every pipe there is")

    with opened(Scribbles, tmp_path) as worker, pytest.raises(ContractBroken, match="wrote on the harness's pipe"):
        worker.call("scribble")
