"""The whole plugin surface. Hooks return what a plugin brings; nothing is registered by being imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from bench.method import Method
    from bench.protocol import Protocol
    from bench.results import Result

hookspec = pluggy.HookspecMarker("facebench")
hookimpl = pluggy.HookimplMarker("facebench")


@hookspec
def facebench_methods() -> Iterable[Method]:  # type: ignore[empty-body]
    """Methods this plugin brings. Called at every discovery: keep heavy imports inside ``Method.load``."""


@hookspec
def facebench_protocols() -> Iterable[Protocol]:  # type: ignore[empty-body]
    """Protocols this plugin brings, for instance over a private data set."""


@hookspec
def facebench_result(result: Result) -> None:
    """A result was written. For those who also log elsewhere."""
