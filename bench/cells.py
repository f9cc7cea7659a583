"""A cell: what it is called, where it lies, and what its header says of whom and how it asks."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.asking import Settings
from bench.method import Configured
from bench.protocol import Protocol

Roles = Mapping[str, tuple[Configured, ...]]


def describe(roles: Roles) -> str:
    """The methods in their roles, as they are typed."""
    if set(roles) == {"method"}:
        return ";".join(map(str, roles["method"]))
    return " ".join(f"{role}={';'.join(map(str, methods))}" for role, methods in sorted(roles.items()))


def slug(text: str, digest: str = "") -> str:
    """A name fit for any file system; ``digest`` keeps apart what the slug alone would not."""
    plain = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-.")[:60] or "cell"
    return f"{plain}-{digest[:8]}" if digest else plain


def cell_folder(out: Path, protocol: Protocol, roles: Roles, settings: Settings) -> Path:
    """Where a cell lies: whatever changes its answers is in the name's eight digits."""
    asked = {
        "digest": protocol.digest,
        "roles": {role: [identity(c) for c in methods] for role, methods in sorted(roles.items())},
        "seed": settings.seed,
        "limit": settings.limit,
        "compute": [settings.batch_size, settings.threads, settings.device],
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return out.joinpath(*protocol.name.split("/")) / slug(describe(roles), digest)


def identity(configured: Configured) -> dict[str, Any]:
    """A method as the header of a cell knows it: what it is called, its code, its weights, what aligns for it."""
    weights = configured.method.weights
    known = {
        "method": str(configured),
        "code": configured.origin.code,
        "weights": dict(weights.files) if weights else {},
    }
    return known if configured.aligner is None else {**known, "aligner": identity(configured.aligner)}


def in_force(settings: Settings, roles: Roles) -> dict[str, Any]:
    """The settings that are written into a new cell's header, every open choice made."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    batch = settings.batch_size or max(c.method.batch for methods in roles.values() for c in methods)
    threads = settings.threads or max(1, cores // settings.workers)
    chosen = settings.batch_size is None
    return {"batch_size": batch, "batch_chosen": chosen, "threads": threads, "device": settings.device}


def everyone(roles: Roles) -> Iterator[Configured]:
    """Every method of a cell, aligners too."""
    for configured in (c for methods in roles.values() for c in methods):
        yield configured
        if configured.aligner is not None:
            yield configured.aligner
