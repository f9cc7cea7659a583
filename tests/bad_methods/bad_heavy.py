"""A plugin that is slow to list."""

from __future__ import annotations

from typing import Any

import numpy as np

import bench


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    return [bench.Method("bad-heavy", frozenset({"verification"}), lambda given: Ones())]


class Ones:
    def embed(self, faces: Any) -> Any:
        return np.ones((len(faces), 4), np.float32)
