"""One cell from question to result: ask, judge, score; what is there is kept, what is missing is made."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import results
from bench.answers import Cell, Table, contents_sha256, read_table, write, write_table
from bench.asking import Asking, Settings
from bench.errors import Mismatch, NotAResult, OutOfMemory, RunDamaged
from bench.method import Configured
from bench.protocol import Content, Protocol
from bench.results import SCHEMA, Card, Provenance, Result
from bench.worker import require

Roles = Mapping[str, tuple[Configured, ...]]
Progress = Callable[[str, int, int], None]


def check_fit(protocol: Protocol, roles: Roles) -> None:
    """Check that the methods can answer the protocol here.

    Raises Mismatch where a role is empty or a method answers other tasks or takes other inputs, and
    NeedsInstall where it cannot be imported.
    """
    asked = f"{protocol.name} was asked of {describe(roles)}."
    wanted = {role.name for role in protocol.task.roles}
    if set(roles) != wanted:
        found = f"Its roles are {', '.join(sorted(wanted))}; given were {', '.join(sorted(roles)) or 'none'}."
        raise Mismatch(asked, found, "Give each with --role ROLE=METHOD (--method M is --role method=M).")
    for configured in (c for methods in roles.values() for c in methods):
        method = configured.method
        if protocol.task.name not in method.tasks:
            raise Mismatch(asked, f"{method.name} answers {', '.join(sorted(method.tasks))}, not {protocol.task.name}.")
        if protocol.inputs not in method.inputs:
            raise Mismatch(
                asked,
                f"{method.name} takes {', '.join(sorted(method.inputs)) or 'no'} inputs; these are {protocol.inputs}.",
                f"Choose a protocol whose inputs are {' or '.join(sorted(method.inputs))}: 'facebench list protocols'.",
            )
        if method.trainable and not protocol.trains:
            found = f"{method.name} is fitted on a training split, and this protocol has none."
            raise Mismatch(asked, found, "Choose a protocol that has one: 'facebench show PROTOCOL' says so.")
        require(configured)


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
    identity = {
        "digest": protocol.digest,
        "roles": {role: [_identity(c) for c in methods] for role, methods in sorted(roles.items())},
        "seed": settings.seed,
        "limit": settings.limit,
        "compute": [settings.batch_size, settings.threads, settings.device],
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return out.joinpath(*protocol.name.split("/")) / slug(describe(roles), digest)


def _identity(configured: Configured) -> dict[str, Any]:
    weights = configured.method.weights
    return {
        "method": str(configured),
        "code": configured.origin.code,
        "weights": dict(weights.files) if weights else {},
    }


def in_force(settings: Settings, roles: Roles) -> dict[str, Any]:
    """The settings that are written into a new cell's header, every open choice made."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    batch = settings.batch_size or max(c.method.batch for methods in roles.values() for c in methods)
    threads = settings.threads or max(1, cores // settings.workers)
    chosen = settings.batch_size is None
    return {"batch_size": batch, "batch_chosen": chosen, "threads": threads, "device": settings.device}


def run_cell(
    protocol: Protocol,
    roles: Roles,
    content: Content,
    fingerprint: str,
    settings: Settings,
    models: Path | None,
    cell: Cell,
    progress: Progress,
) -> Result:
    """Ask, judge and score one cell, going on from what its folder holds."""
    asked = content if settings.limit is None else protocol.task.limit(content, settings.limit)
    header: dict[str, Any] = {
        "facebench": 1,
        "protocol": protocol.name,
        "digest": protocol.digest_of(content.trials_sha256),
        "data": fingerprint,
        "roles": {role: [_identity(c) for c in methods] for role, methods in sorted(roles.items())},
        "seed": settings.seed,
        "limit": settings.limit,
        "samples": len(asked.samples),
        "settings": in_force(settings, roles),
    }
    with cell.locked():
        header = cell.open(header)
        if done := finished(cell, header):
            return done
        started = time.time()
        force = header["settings"]
        settings = replace(settings, **{name: force[name] for name in ("batch_size", "threads", "device")})
        asking = Asking(protocol, roles, asked, cell, settings, models, progress)
        _ask(asking, header)
        progress("score", 0, 1)
        result = _write_result(asking, header)
        progress("score", 1, 1)
        _write_run(cell, started, header)
        return result


def _ask(asking: Asking, header: dict[str, Any]) -> None:
    """Ask; where the batch size was left to us and memory ran out at once, ask in smaller batches."""
    while True:
        try:
            return asking.protocol.task.ask(asking)
        except OutOfMemory:
            smaller = (asking.settings.batch_size or 1) // 2
            begun = any(asking.cell.folder.glob("*/part-*.parquet"))
            if not header["settings"]["batch_chosen"] or begun or smaller < 1:
                raise
            asking.settings = replace(asking.settings, batch_size=smaller)
            header["settings"]["batch_size"] = smaller
            write(asking.cell.folder / "header.json", json.dumps(header, indent=2) + "\n")


def finished(cell: Cell, header: Mapping[str, Any]) -> Result | None:
    """The cell's result if it is complete: readable, of this question, its trials the ones it was scored from."""
    if not cell.result.exists() or not cell.trials.exists():
        return None
    result = results.read(cell.result)
    if result.digest != header["digest"] or contents_sha256(read_table(cell.trials)) != result.trials_sha256:
        raise RunDamaged(
            f"{cell.result} was read.",
            "It was not scored from the trials beside it.",
            f"'facebench score {cell.folder}' scores them again.",
        )
    return result


def _write_result(asking: Asking, header: Mapping[str, Any]) -> Result:
    protocol, cell = asking.protocol, asking.cell
    methods = {role: tuple(c.method for c in configured) for role, configured in asking.roles.items()}
    trials = protocol.task.judge(asking.content, asking.answers(), methods)
    write_table(cell.trials, trials)
    result = make_result(
        protocol,
        trials,
        digest=header["digest"],
        official=header["digest"] == protocol.digest and header["limit"] is None,
        roles={role: tuple(map(str, configured)) for role, configured in asking.roles.items()},
        cards={str(c): card(c) for configured in asking.roles.values() for c in configured},
        provenance=provenance(asking.settings, header["data"], asking.roles),
    )
    write(cell.result, result.to_json())
    return result


def make_result(protocol: Protocol, trials: Table, **known: Any) -> Result:
    """Score trials; ``known`` are the fields of a Result that trials do not say."""
    scored = protocol.task.score(protocol, trials)
    return Result(
        schema=SCHEMA,
        protocol=protocol.name,
        scores=scored.scores,
        curves=scored.curves,
        samples=scored.samples,
        failures=sum(scored.reasons.values()),
        reasons=scored.reasons,
        trials_sha256=contents_sha256(trials),
        **known,
    )


def card(configured: Configured) -> Card:
    """What a board says of the method."""
    method, origin = configured.method, configured.origin
    return Card(
        licence=method.licence,
        trained_on=method.trained_on,
        withdrawn=method.withdrawn,
        floor=method.floor,
        distribution=origin.distribution,
        version=origin.version,
        code=origin.code,
        weights=dict(method.weights.files) if method.weights else {},
    )


def provenance(settings: Settings, data: str, roles: Roles, external: bool = False) -> Provenance:
    """How the numbers came about, without clock, host or paths."""
    needs = sorted({"numpy", *(need for methods in roles.values() for c in methods for need in c.method.needs)})
    packages = {}
    for need in needs:
        try:
            packages[need] = importlib.metadata.version(need)
        except importlib.metadata.PackageNotFoundError:
            packages[need] = "unknown"
    return Provenance(
        facebench=version(),
        data=data,
        seed=settings.seed,
        limit=settings.limit,
        batch_size=settings.batch_size or 0,
        threads=settings.threads or 0,
        device=settings.device,
        external=external,
        platform=f"{platform.system()} {platform.machine()}, {_processor()}, Python {platform.python_version()}",
        packages=packages,
    )


def version() -> str:
    """The installed version of facebench."""
    try:
        return importlib.metadata.version("facebench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def _write_run(cell: Cell, started: float, header: Mapping[str, Any]) -> None:
    """What differs from one making of the same result to the next."""
    run = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds_of_last_start": round(time.time() - started, 3),
        "host": socket.gethostname(),
        "command": sys.argv[:1] and [Path(sys.argv[0]).name, *sys.argv[1:]],
        "samples": header["samples"],
    }
    write(cell.folder / "run.json", json.dumps(run, indent=2) + "\n")


def rescore(protocol: Protocol, cell: Cell) -> Result:
    """Score a finished cell's trials again, with the metrics as they are now.

    Raises NotAResult where the folder holds no finished run and Mismatch where it is of another question.
    """
    if not cell.trials.exists():
        found = "It holds no trials: the run did not get so far."
        raise NotAResult(f"{cell.folder} was to be scored.", found, "Run it to its end first.")
    old, trials = results.read(cell.result), read_table(cell.trials)
    header = cell.header() or {}
    if header.get("digest") != old.digest:
        raise RunDamaged(f"{cell.folder} was to be scored.", "Its result is of another question than its header.")
    new = make_result(
        protocol,
        trials,
        digest=old.digest,
        official=old.official,
        roles=old.roles,
        cards=old.cards,
        provenance=replace(old.provenance, facebench=version()),
    )
    write(cell.result, new.to_json())
    return new
