"""Synthetic heads: drawn by code, of nobody, with the truth of every coefficient known."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facebench_synthetic.event import Event
    from facebench_synthetic.expression import EMOTIONS, UNITS, Expression
    from facebench_synthetic.film import Film, pictures
    from facebench_synthetic.identity import Identity
    from facebench_synthetic.scene import Scene
    from facebench_synthetic.view import FRAMES, landmarks, render
    from facebench_synthetic.world import Face, clip, mesh, sweep

# A name is fetched when it is asked for, so that listing the protocols draws nothing and loads no numpy.
_HOMES = {
    "EMOTIONS": "expression",
    "FRAMES": "view",
    "UNITS": "expression",
    "Event": "event",
    "Expression": "expression",
    "Face": "world",
    "Film": "film",
    "Identity": "identity",
    "Scene": "scene",
    "clip": "world",
    "landmarks": "view",
    "mesh": "world",
    "pictures": "film",
    "render": "view",
    "sweep": "world",
}
__all__ = [
    "EMOTIONS",
    "FRAMES",
    "UNITS",
    "Event",
    "Expression",
    "Face",
    "Film",
    "Identity",
    "Scene",
    "clip",
    "landmarks",
    "mesh",
    "pictures",
    "render",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
