"""A method in a process of its own: its crash, leak or hunger for memory ends one cell and no more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import cards, wire
from bench.errors import ContractBroken, FacebenchError, MethodFailed, NeedsInstall, OutOfMemory
from bench.hub import Pin
from bench.method import HUB, Configured, Load
from bench.pins import unpack_code
from bench.records import Snapshot

SLOTS = 2  # one is filled while the other is answered
LOG_LIMIT = 1 << 20
ANSWERED = {"value", "error"}  # what a worker says of a call
STREAMED = {*ANSWERED, "ask", "item"}  # and of one that asks back
ERROR = {"kind", "type", "text"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
HIDDEN_VARIABLES = (
    *("FACEBENCH_DATA", "FACEBENCH_MODELS", "PYTHONSTARTUP"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class Raised:
    """A call that ended in an exception of the method: its type's name and its text."""

    type: str
    text: str


class Worker:
    """One method, loaded in a spawned process and called over a pipe.

    ``memory`` is the most bytes the process and its children may hold, ``patience`` the most seconds that it is waited
    for. What the method prints goes to ``log``, its first mebibyte. Use as a context manager; leaving it ends the
    process and what that has started.
    """

    def __init__(
        self,
        configured: Configured,
        load: Load,
        log: Path,
        memory: int | None = None,
        patience: float | None = None,
    ) -> None:
        self.name, self._log, self._memory, self._patience = str(configured), log, memory, patience
        self._waits_since: float | None = None
        self._slots = [wire.Slot() for _ in range(SLOTS)]
        self._free = deque(range(SLOTS))
        self._waiting: deque[tuple[int, int]] = deque()
        self._calls = 0
        self._killed_at: int | None = None
        self._given_up = False
        self._code: tempfile.TemporaryDirectory[str] | None = None
        self._tail: deque[bytes] = deque(maxlen=8)
        self._start(load.threads)
        try:
            self._load(configured, load)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def call(self, name: str, *arguments: Any) -> Any:
        """Call one of the method's contract calls and wait for its value, or for Raised."""
        self.send(name, *arguments)
        return self.receive()

    def restore(self, weights: Mapping[str, Any]) -> None:
        """Hand a fitted method its weights; raises MethodFailed where it does not take them."""
        self._send({"call": "restore", "arguments": [dict(weights)]}, kept=True)
        failure = self.receive()
        if isinstance(failure, Raised):
            raise MethodFailed(
                f"{self.name} was restored.", f"It raised {failure.type}: {failure.text}", self._advice()
            )

    def fit(self, labels: Any, fetch: Callable[[list[int]], list[Any]], last: Snapshot | None) -> Iterator[Any]:
        """Fit the method on examples, which it asks back for (bench.examples); yield what it yields.

        Raises MethodFailed where it raised.
        """

        def answer(positions: Any) -> list[Any]:
            count = len(labels)
            known = isinstance(positions, list) and all(type(p) is int and -count <= p < count for p in positions)
            if not known:
                raise ContractBroken(f"{self.name} was fitted.", f"It asked for examples that are not of its {count}.")
            return fetch(positions)

        yield from self._stream({"call": "fit", "arguments": [last], "labels": labels}, answer, "fitted")

    def invert(self, about: Mapping[str, Any], answer: Callable[[Any], Any]) -> Iterator[Any]:
        """Let the method attack the targets of an oracle (bench.oracle), and yield what it yields.

        ``answer(question)`` gives the oracle's answers, None where the budget is spent. Raises MethodFailed where the
        method raised.
        """
        yield from self._stream({"call": "invert", "arguments": [], "oracle": dict(about)}, answer, "let loose")

    def _stream(self, message: dict[str, Any], answer: Callable[[Any], Any], done: str) -> Iterator[Any]:
        """Send a call that may ask back and yields items; raises MethodFailed where it raised."""
        self._send(message, kept=True)
        while True:
            frame = self._frame(STREAMED)
            if "ask" in frame:
                self._write(answer(frame["ask"]))
            elif "item" in frame:
                yield frame["item"]
            else:
                break
        self._no_failure(done, self._finish(frame))

    @property
    def room(self) -> bool:
        """Whether another call may be sent before one is received."""
        return bool(self._free)

    @property
    def outstanding(self) -> int:
        """How many calls were sent and not yet received."""
        return len(self._waiting)

    def send(self, name: str, *arguments: Any) -> None:
        """Queue a call; at most two wait at a time."""
        self._send({"call": name, "arguments": list(arguments)})

    def receive(self) -> Any:
        """The value of the oldest waiting call, or Raised.

        Raises MethodFailed where the process ended, OutOfMemory where it ended for want of memory,
        ContractBroken where the answer is of a type that does not cross or of another call.
        """
        return self._finish(self._frame())

    def _frame(self, kinds: Collection[str] = ANSWERED) -> dict[str, Any]:
        """The next frame of the oldest waiting call: its id, and one of ``kinds``."""
        self._waits_since = time.monotonic()
        try:
            frame = wire.receive(self._answers)
        except EOFError:
            raise self._ended() from None
        except wire.NotAFrame as error:
            raise ContractBroken(f"{self.name} was called.", f"It wrote on the harness's pipe: {error}.") from None
        finally:
            self._waits_since = None
        if not isinstance(frame, dict) or type(frame.get("id")) is not int or frame["id"] != self._waiting[0][0]:
            raise ContractBroken(f"{self.name} was called.", "It answered another call than the one it was asked.")
        if len(frame) != 2 or frame.keys().isdisjoint(kinds) or ("error" in frame and not _is_error(frame["error"])):
            raise ContractBroken(f"{self.name} was called.", "It wrote on the harness's pipe: a frame of another form.")
        return frame

    def _write(self, value: Any, shared: wire.Slot | None = None) -> None:
        """Send a frame; where the pipe is full, the process is waited for until it reads."""
        self._waits_since = time.monotonic()
        try:
            wire.send(self._requests, value, shared)
        except BrokenPipeError:
            raise self._ended() from None
        finally:
            self._waits_since = None

    def _finish(self, frame: dict[str, Any]) -> Any:
        """Take the oldest call off the queue: the value in its last frame, or Raised."""
        _, slot = self._waiting.popleft()
        self._free.append(slot)
        return frame["value"] if "error" not in frame else self._failure(**frame["error"])

    def close(self) -> None:
        """End the process and give its memory back; a second time does nothing."""
        if not self._slots:
            return
        with contextlib.suppress(OSError):
            self._requests.close()
        with contextlib.suppress(OSError):
            os.close(self._lifeline)
        try:
            self._wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._wait()
        self._drain.join(timeout=1)  # what the method left running may hold the pipe open
        self._answers.close()
        for slot in self._slots:
            slot.close()
        self._slots.clear()
        if self._code is not None:
            self._code.cleanup()

    def _start(self, threads: int) -> None:
        request_end, self_requests = os.pipe()
        self_answers, answer_end = os.pipe()
        lifeline_end, self._lifeline = os.pipe()
        passed = [request_end, answer_end, lifeline_end, *(slot.descriptor for slot in self._slots)]
        environment = {k: v for k, v in os.environ.items() if k not in HIDDEN_VARIABLES}
        environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        here = str(Path(__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [here, environment.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from bench.worker_process import main; main()", *map(str, passed)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=tempfile.gettempdir(),
            pass_fds=passed,
            process_group=0,  # it leads one, which ends with it
        )
        for descriptor in (request_end, answer_end, lifeline_end):
            os.close(descriptor)
        self._requests, self._answers = os.fdopen(self_requests, "wb"), os.fdopen(self_answers, "rb")
        self._drain = threading.Thread(target=self._keep_log, daemon=True)
        self._drain.start()
        if self._memory is not None or self._patience is not None:
            threading.Thread(target=self._watch, daemon=True).start()

    def _load(self, configured: Configured, load: Load) -> None:
        pickled, path = None, []
        if configured.origin.kind == "script":
            import cloudpickle

            pickled, path = cloudpickle.dumps(configured.method.load), [p for p in sys.path if p]
        given = {**asdict(load), "weights": str(load.weights) if load.weights else None}
        origin, card = configured.origin, None
        if origin.kind == HUB:
            self._code = unpack_code(Pin(origin.distribution, origin.version), origin.files)
            origin = replace(origin, path=str(Path(self._code.name, origin.path)))
            card = cards.to_data(configured.method)
        message = {"call": "load", "method": configured.method.name, "origin": asdict(origin), "card": card}
        self._send({**message, "load": given, "pickle": pickled, "path": path})
        self._no_failure("loaded", self.receive())

    def _send(self, message: dict[str, Any], kept: bool = False) -> None:
        """Send a call; arrays that the method may keep do not go through the slot, which is written over later."""
        slot = self._free.popleft()
        self._calls += 1
        self._waiting.append((self._calls, slot))
        try:
            shared = None if kept else self._slots[slot]
            self._write({**message, "id": self._calls, "slot": slot}, shared)
        except OSError as error:
            found = f"Shared memory for its inputs could not be had: {error.strerror}."
            do = "Give a smaller --batch-size, or lift the limit on file sizes (ulimit -f)."
            raise MethodFailed(f"{self.name} was called.", found, do) from None

    def _failure(self, kind: str, type: str, text: str) -> Raised:
        asked = f"{self.name} was called."
        if kind == "memory":
            do = "Give a smaller --batch-size, fewer --workers, or another --device."
            raise OutOfMemory(asked, f"It ran out of memory: {text}", do)
        if kind == "contract":
            raise ContractBroken(asked, text)
        return Raised(type, text)

    def _no_failure(self, done: str, value: Any) -> None:
        if isinstance(value, Raised):
            raise MethodFailed(f"{self.name} was {done}.", f"It raised {value.type}: {value.text}", self._advice())

    def _ended(self) -> FacebenchError:
        """Say how the process ended."""
        code = self._wait()
        asked = f"{self.name} was called."
        if self._killed_at is not None:
            found = (
                f"Its process held {_size(self._killed_at)}; {_size(self._memory or 0)} were allowed, so it was ended."
            )
            return OutOfMemory(asked, found, "Give a smaller --batch-size, fewer --workers, or more --memory.")
        if self._given_up:
            found = f"It was waited for {self._patience:g} seconds, as was allowed, so its process was ended."
            return MethodFailed(asked, found, f"Give more --patience if it is only slow. {self._advice()}")
        if code == -signal.SIGKILL:
            found = "Its process was killed (SIGKILL), most often by the system for want of memory."
            return OutOfMemory(asked, found, "Give a smaller --batch-size or fewer --workers.")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        self._drain.join(timeout=1)
        return MethodFailed(asked, f"Its process ended with {how} before it answered.", self._advice())

    def _wait(self, timeout: float | None = None) -> int:
        """Wait for the process's end, and end what it left running."""
        if self._process.returncode is None:
            self._process.wait(timeout)
            self._end_group(signal.SIGTERM)
        return int(self._process.returncode)

    def _end_group(self, by: signal.Signals) -> None:
        """End what the method started; by SIGTERM, Python's tracker of shared memory still clears up."""
        with contextlib.suppress(OSError):  # nobody is left in it
            os.killpg(self._process.pid, by)

    def _advice(self) -> str:
        self._drain_pause()
        lines = b"".join(self._tail).decode("utf-8", "replace").strip().splitlines()[-6:]
        said = "\n".join(f"    {line[:200]}" for line in lines)
        return f"What it printed is in {self._log}." + (f" The end of it:\n{said}" if said else "")

    def _drain_pause(self) -> None:
        """What was printed just before an answer may still be on its way through the log's pipe."""
        time.sleep(0.05)

    def _keep_log(self) -> None:
        assert self._process.stdout is not None
        kept = 0
        with self._process.stdout as printed:
            while chunk := os.read(printed.fileno(), 1 << 16):
                self._tail.append(chunk[-2000:])
                if kept < LOG_LIMIT:
                    # A log that cannot be written must not cost the answers.
                    with contextlib.suppress(OSError), open(self._log, "ab") as log:
                        log.write(chunk[: LOG_LIMIT - kept])
                kept += len(chunk)

    def _watch(self) -> None:
        """End the process and its children once they hold too much memory, or were waited for too long."""
        import psutil

        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._process.pid)
            while root.is_running():  # until close, or whoever waited for it, has seen its end
                if root.status() == psutil.STATUS_ZOMBIE:
                    self._end_group(signal.SIGTERM)  # one of it may hold the pipe open
                family = [root, *root.children(recursive=True)]
                held, since = 0, self._waits_since
                for process in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        held += process.memory_info().rss
                if self._memory is not None and held > self._memory:
                    self._killed_at = held
                elif self._patience is not None and since is not None and time.monotonic() - since > self._patience:
                    self._given_up = True
                else:
                    time.sleep(0.1)
                    continue
                for process in reversed(family):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                self._end_group(signal.SIGKILL)
                return


def _is_error(value: Any) -> bool:
    """Whether it is what a worker says of an exception."""
    return isinstance(value, dict) and set(value) == ERROR and all(type(v) is str for v in value.values())


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def require(configured: Configured) -> None:
    """Check that what the method imports is installed; raises NeedsInstall with the line to type."""
    absent = configured.method.absent_packages()
    if absent:
        where = f"'{configured.origin.distribution}' brings them" if configured.origin.distribution else "install them"
        where = "nothing is installed by itself" if configured.origin.kind == HUB else where
        raise NeedsInstall(
            f"{configured} was asked for.",
            f"It needs {', '.join(absent)}, which cannot be imported here.",
            f"pip install {' '.join(absent)} -c constraints.txt   ({where}.)",
        )
