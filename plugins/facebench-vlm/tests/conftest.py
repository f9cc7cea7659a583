"""Tiny models in a models root of the test's own, and a way to load them as a run does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models root with a folder a family."""
    pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
    pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    import tiny

    root = tmp_path_factory.mktemp("models")
    for kind in ("smolvlm", "qwen2-vl", "lfm2-vl"):
        tiny.save(kind, root / kind)
    return root


@pytest.fixture(scope="session")
def loaded(models: Path) -> Callable[..., Any]:
    """``loaded("smolvlm", padding="right")``: an Answerer over a tiny model, with options."""
    import facebench_vlm
    import tiny
    from facebench_vlm import answerer, loading

    (method, *_) = facebench_vlm.facebench_methods()
    defaults = {option.name: option.default for option in method.options}

    def load(kind: str, **options: Any) -> Any:
        if kind != "lfm2-vl":
            return method.load(bench.Load(models / kind, options={**defaults, "model": kind, **options}))
        folder = models / kind
        network = loading.network_of(folder, kind, "float32", "cpu", "none")
        made = tiny.Lfm2VlPictures(loading.transformers.AutoTokenizer.from_pretrained(folder))
        way = answerer._way(made, None, kind)
        return answerer.Answerer(kind, network, made, way, {**defaults, **options})

    return load
