"""Inside a worker: load one method, answer calls, end when the harness ends.

Started by bench.worker, its arguments the file descriptors for calls, answers, the
lifeline and the shared slots. Standard output and error belong to the method.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from bench import cards, wire
from bench.errors import BudgetSpent
from bench.examining import EXAMINE, examine
from bench.examples import Examples
from bench.matched import MATCH_VECTORS, match_vectors
from bench.measuring import MEASURE, measure
from bench.method import HUB, Load, Method
from bench.oracle import Oracle

# The harness's own loops around many calls, of methods whose objects do not cross.
AROUND: dict[str, Callable[..., Any]] = {MEASURE: measure, MATCH_VECTORS: match_vectors, EXAMINE: examine}


def main() -> None:
    """Serve calls until the harness closes the pipe."""
    calls, answers, lifeline, *slots = map(int, sys.argv[1:])
    threading.Thread(target=_end_with_harness, args=(lifeline,), daemon=True).start()
    _offer_to_oom_killer()
    _keep_from_children(calls, answers, lifeline, *slots)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the harness's to answer
    shared = {number: wire.Slot(descriptor) for number, descriptor in enumerate(slots)}
    incoming, outgoing = os.fdopen(calls, "rb"), os.fdopen(answers, "wb")
    loaded: Any = None
    while True:
        try:
            message = wire.receive(incoming, shared.__getitem__)
        except EOFError:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _end_group()
            break
        try:
            value = None
            if message["call"] == "load":
                loaded = load(message)
            elif "labels" in message or "oracle" in message:
                _stream(loaded, message, incoming, outgoing)
            elif message["call"] in AROUND:
                value = AROUND[message["call"]](loaded, *message["arguments"])
            else:
                value = _call(loaded, message["call"])(*message["arguments"])
            answer: dict[str, Any] = {"id": message["id"], "value": value}
        except Exception as error:
            answer = {"id": message["id"], "error": _described(error)}
            traceback.print_exc()
        _send(outgoing, answer)


def _stream(loaded: Any, message: dict[str, Any], incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Send what a call yields, item by item, and let it ask the harness for examples or queries meanwhile."""

    def ask(question: Any) -> Any:
        _send(outgoing, {"id": message["id"], "ask": question})
        return wire.receive(incoming)

    given = Oracle(message["oracle"], ask) if "oracle" in message else Examples(message["labels"], ask)
    with contextlib.suppress(BudgetSpent):  # what an attack yielded last is its answer
        for item in _call(loaded, message["call"])(given, *message["arguments"]):
            _send(outgoing, {"id": message["id"], "item": item})


def _send(outgoing: IO[bytes], answer: dict[str, Any]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        wire.send(outgoing, answer)
    except wire.NotSendable as error:
        refusal = {"kind": "contract", "type": "NotSendable", "text": f"It answered {error}; numpy arrays can cross."}
        wire.send(outgoing, {"id": answer["id"], "error": refusal})


def load(message: dict[str, Any]) -> Any:
    """Make the method able to answer; raises whatever its ``load`` raises."""
    given = message["load"]
    arguments = Load(**{**given, "weights": Path(given["weights"]) if given["weights"] else None})
    if message["pickle"] is not None:
        import cloudpickle

        # From harness to worker only: what a user's own script defined.
        sys.path.extend(path for path in message["path"] if path not in sys.path)
        loader = cloudpickle.loads(message["pickle"])
    else:
        loader = _find(message["origin"], message["method"], message["card"]).load
    return loader(arguments)


def _find(origin: dict[str, str], name: str, card: dict[str, Any] | None) -> Method:
    """The method of a plugin; one of a pinned repository must be what its card says."""
    own = f"facebench_hub_{origin['code'][:16]}_{origin['module']}" if origin["kind"] == HUB else ""
    module = import_plugin(origin["module"], origin["path"], own)
    methods: list[Method] = list(module.facebench_methods())
    method = next(method for method in methods if method.name == name)
    if card is not None and (said := cards.difference(card, cards.to_data(method))):
        raise cards.BadCard(f"the method {name} is not what was pinned: {said}")
    return method


def import_plugin(module: str, path: str, own: str = "") -> ModuleType:
    """Import a plugin's module: an installed one by name, one in a folder from ``path``; as ``own``, if that is given.

    Whatever it prints goes to standard error, so that a program may read standard output.
    """
    if own and module in sys.modules:
        raise ImportError(f"the plugin's module has the name of {module}, which facebench uses")
    with contextlib.redirect_stdout(sys.stderr):
        if not path:
            return importlib.import_module(module)
        folder = Path(path)
        package = folder / module / "__init__.py"
        file = package if package.exists() else folder / f"{module}.py"
        spec = importlib.util.spec_from_file_location(own or module, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"no module {module} in the plugin's folder")
        loaded = importlib.util.module_from_spec(spec)
        names = {own or module, module}  # its own files import each other by the second
        sys.modules |= dict.fromkeys(names, loaded)
        try:
            spec.loader.exec_module(loaded)
        except BaseException:
            for name in names:
                del sys.modules[name]
            raise
        return loaded


class NotOffered(Exception):
    """A call that the loaded method does not have."""


def _call(loaded: Any, name: str) -> Any:
    call = getattr(loaded, name, None)
    if not callable(call):
        raise NotOffered(f"It has no {name}().")
    return call


def _described(error: Exception) -> dict[str, str]:
    text = str(error)
    memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    memory = memory or (isinstance(error, RuntimeError) and "allocate memory" in text)
    kind = "memory" if memory else "contract" if isinstance(error, NotOffered) else "raised"
    return {"kind": kind, "type": type(error).__name__, "text": text[:2000]}


def _keep_from_children(calls: int, answers: int, *others: int) -> None:
    """What the method starts holds no end of the pipes: else the end of the worker would not be seen."""
    for descriptor in (calls, answers, *others):
        os.set_inheritable(descriptor, False)
    pipes = [calls, answers]

    def close() -> None:
        while pipes:  # a child's own children have none left to close
            os.close(pipes.pop())

    os.register_at_fork(after_in_child=close)


def _end_with_harness(lifeline: int) -> None:
    """A killed harness cannot tell its workers, nor end what they started; the closed pipe does."""
    os.read(lifeline, 1)
    _end_group()
    os._exit(1)


def _end_group() -> None:
    if os.getpgrp() == os.getpid():
        os.kill(0, signal.SIGTERM)


def _offer_to_oom_killer() -> None:
    """Where memory runs out the method goes, not the harness."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
