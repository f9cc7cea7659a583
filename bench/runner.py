"""One cell from question to result: ask, judge, score; what is there is kept, what is missing is made."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import results
from bench.alignment import ALIGN, ALIGNED, TABLE_KIND, TASK, inputs_of
from bench.answers import Cell, Table, contents_sha256, read_table, write, write_table
from bench.asking import Asking, Settings
from bench.cells import Roles, describe, everyone, identity, in_force
from bench.errors import Mismatch, NotAResult, OutOfMemory, RunDamaged
from bench.leaderboard import Entry
from bench.method import Configured
from bench.preparing import align
from bench.protocol import Content, Protocol
from bench.results import SCHEMA, Card, Provenance, Result, version
from bench.selection import picked_on_test
from bench.worker import require

Progress = Callable[[str, int, int], None]


def check_fit(protocol: Protocol, roles: Roles) -> None:
    """Check that the methods can answer the protocol here.

    Raises Mismatch where a role is empty or a method answers other tasks or takes other inputs, and
    NeedsInstall where it cannot be imported.
    """
    asked = f"{protocol.name} was asked of {describe(roles)}."
    wanted = {place.name for place in protocol.task.roles}
    needed = {place.name for place in protocol.task.roles if not place.optional}
    if not needed <= set(roles) <= wanted:
        found = f"Its roles are {', '.join(sorted(wanted))}; given were {', '.join(sorted(roles)) or 'none'}."
        raise Mismatch(asked, found, "Give each with --role ROLE=METHOD (--method M is --role method=M).")
    for place in protocol.task.roles:
        if not place.many and len(roles.get(place.name, ())) > 1:
            found = f"The role {place.name} has place for one; given were {len(roles[place.name])}."
            raise Mismatch(asked, found, "Give one, and run the others apart.")
    for role, configured in ((place, c) for place in protocol.task.roles for c in roles.get(place.name, ())):
        method, task = configured.method, role.task or protocol.task.name
        if task not in method.tasks:
            raise Mismatch(asked, f"{method.name} answers {', '.join(sorted(method.tasks))}, not {task}.")
        if inputs_of(role.inputs or protocol.inputs, configured) not in method.inputs:
            raise _other_inputs(asked, protocol, configured, role.inputs or protocol.inputs)
        if method.trainable and not protocol.trains:
            found = f"{method.name} is fitted on a training split, and this protocol has none."
            raise Mismatch(asked, found, "Choose a protocol that has one: 'facebench show PROTOCOL' says so.")
        require(configured)
        if configured.aligner is not None:
            check_aligner(asked, protocol, configured.aligner)


def check_aligner(asked: str, protocol: Protocol, aligner: Configured) -> None:
    """Check that an aligner can find faces in the protocol's images here; raises Mismatch and NeedsInstall."""
    if aligner.origin.kind == TABLE_KIND:
        return
    if TASK not in aligner.method.tasks or inputs_of(protocol.inputs, aligner) not in aligner.method.inputs:
        found = f"{aligner.method.name} finds no faces in {protocol.inputs} images."
        raise Mismatch(asked, found, "Give one whose tasks name alignment: 'facebench list methods'.")
    require(aligner)


def _other_inputs(asked: str, protocol: Protocol, configured: Configured, inputs: str) -> Mismatch:
    takes, given = sorted(configured.method.inputs), inputs_of(inputs, configured)
    found = f"{configured.method.name} takes {', '.join(takes) or 'no'} inputs; these are {given}."
    do = f"Choose a protocol whose inputs are {' or '.join(takes)}: 'facebench list protocols'."
    if ALIGN in protocol.ways and ALIGNED in takes and given != ALIGNED:
        do = f"Cut the faces out: --method {configured.method.name}:align=ALIGNER, or choose one of other inputs."
    return Mismatch(asked, found, do)


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
        "roles": {role: [identity(c) for c in methods] for role, methods in sorted(roles.items())},
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
        given, settings = settings, replace(settings, **{n: force[n] for n in ("batch_size", "threads", "device")})
        if (aligner := _aligner(protocol, roles)) is not None:
            out = cell.folder.parents[protocol.name.count("/") + 1]
            asked = align(protocol, aligner, asked, fingerprint, given, models, out, progress).aligned()
        asking = Asking(protocol, roles, asked, cell, settings, models, progress)
        _ask(asking, header)
        progress("score", 0, 1)
        result = _write_result(asking, header)
        progress("score", 1, 1)
        _write_run(cell, started, header)
        return result


def _aligner(protocol: Protocol, roles: Roles) -> Configured | None:
    """What cuts faces out of the protocol's images before they are asked about: the first role's."""
    return roles[protocol.task.roles[0].name][0].aligner


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
    trials = protocol.task.judge(asking.content, asking.answers(), asking.roles)
    write_table(cell.trials, trials)
    result = make_result(
        protocol,
        trials,
        digest=header["digest"],
        official=_official(header, asking),
        roles={role: tuple(map(str, configured)) for role, configured in asking.roles.items()},
        cards={str(c): card(c) for c in everyone(asking.roles)},
        provenance=provenance(asking.settings, header["data"], asking.roles),
    )
    write(cell.result, result.to_json())
    return result


def _official(header: Mapping[str, Any], asking: Asking) -> bool:
    """Whether the whole frozen question was asked, and no method saw what it is tested on."""
    whole: bool = header["digest"] == asking.protocol.digest and header["limit"] is None
    return whole and not picked_on_test(asking.roles)


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
    needs = sorted({"numpy", *(need for c in everyone(roles) for need in c.method.needs)})
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


def rescore(protocol: Protocol, found: Entry) -> Result:
    """Score a result's trials again, with the metrics as they are now; what else it says stays.

    Raises NotAResult where there are no trials.
    """
    if not found.trials.exists():
        absent = f"There are no trials: {found.trials} does not exist."
        raise NotAResult(f"{found.path} was to be scored.", absent, "Run it to its end first.")
    old, trials = found.result, read_table(found.trials)
    new = make_result(
        protocol,
        trials,
        digest=old.digest,
        official=old.official,
        roles=old.roles,
        cards=old.cards,
        provenance=replace(old.provenance, facebench=version()),
    )
    write(found.path, new.to_json())
    return new
