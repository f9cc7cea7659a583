"""Synthetic heads: drawn by code, of nobody, with the truth of every coefficient known."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facebench_synthetic.expression import EMOTIONS, UNITS, Expression
    from facebench_synthetic.identity import Identity
    from facebench_synthetic.scene import Scene
    from facebench_synthetic.view import FRAMES, landmarks, render
    from facebench_synthetic.world import Face, clip, mesh, sweep

# A name is fetched when it is asked for, so that listing the protocols draws nothing and loads no numpy.
_HOMES = {
    "EMOTIONS": "expression",
    "FRAMES": "view",
    "UNITS": "expression",
    "Expression": "expression",
    "Face": "world",
    "Identity": "identity",
    "Scene": "scene",
    "clip": "world",
    "landmarks": "view",
    "mesh": "world",
    "render": "view",
    "sweep": "world",
}
__all__ = [
    "EMOTIONS",
    "FRAMES",
    "UNITS",
    "Expression",
    "Face",
    "Identity",
    "Scene",
    "clip",
    "landmarks",
    "mesh",
    "render",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
