"""Which program serves, at which version, and which model: as far as it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facebench_openai_vision.client import Client, Gone

UNKNOWN = "unknown"
# Where each program says its version: a path beside /v1, and the key of it.
PLACES = {"vllm": ("/version", "version"), "llama.cpp": ("/props", "build_info"), "ollama": ("/api/version", "version")}


def identify(client: Client) -> str:
    """``vllm-0.15.0``, ``llama.cpp-b8681``, ``ollama-0.12.11``, or ``unknown``."""
    for name, (path, key) in PLACES.items():
        told = client.look(path, above=True)
        if told is not None and isinstance(told.get(key), str) and told[key]:
            return f"{name}-{told[key][:64]}"
    return UNKNOWN


def check_model(client: Client, model: str) -> str:
    """What the server says of a model; raises Gone with the names that it has, where this is none of them."""
    told = client.look("/models")
    rows = told.get("data") if told is not None else None
    if not isinstance(rows, list) or not rows:
        return "its server lists no models"
    known = {str(row["id"]): row for row in rows[:1000] if isinstance(row, Mapping) and "id" in row}
    if model not in known:
        raise Gone(f"The server has no model {model!r}; it has {', '.join(sorted(known)[:20])}.")
    return ", ".join(f"{key}={value}" for key, value in sorted(_plain(known[model]).items()))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    wanted = ("id", "root", "owned_by", "created", "max_model_len", "meta")
    return {key: str(row[key])[:100] for key in wanted if row.get(key)}
