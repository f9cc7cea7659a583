"""Running and scoring by name: what 'facebench run' and 'facebench score' do, as functions."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import results
from bench.alignment import ALIGN, NONE, TABLE
from bench.answers import Cell, Table, contents_sha256, read_table, write, write_table
from bench.asking import Settings
from bench.cells import Roles, cell_folder, describe
from bench.errors import (
    DataMissing,
    FacebenchError,
    Mismatch,
    NeedsInstall,
    NotAResult,
    PluginBroken,
    RunDamaged,
    UnknownName,
    WrongUse,
)
from bench.leaderboard import Entry
from bench.method import Configured, Method, Option, Origin
from bench.plugins import Registry, discover
from bench.preparing import Prepared, align, landmark_table
from bench.preparing import prepare as write_prepared
from bench.protocol import Content, Protocol
from bench.protocols import interval_tables
from bench.results import Result
from bench.runner import check_aligner, check_fit, make_result, provenance, rescore, run_cell
from bench.suites import SUITES

MethodLike = str | Method
Named = MethodLike | Sequence[MethodLike]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one cell ended: with a result, or with the error that ended it. Its files are in ``folder``.

    ``skipped``: it was not begun, as something is not installed here; the error says what.
    """

    protocol: str
    methods: str
    folder: Path
    result: Result | None = None
    error: FacebenchError | None = None
    skipped: bool = False


def _silent(cell: str, stage: str, done: int, total: int) -> None:
    """Show nothing."""


def run(
    protocol: str | Protocol | Sequence[str | Protocol],
    methods: Named = (),
    **settings: Any,
) -> list[Result]:
    """Run every method on every protocol and return the results, those already finished from disk.

    ``protocol``: a name, a Protocol or several; ``methods``: names as they are typed (``mobilefacenet:flip=off``),
    Methods, or several, one cell each. Settings: ``roles`` (role name to methods, for protocols with several),
    ``data``, ``models`` (folders; by default FACEBENCH_DATA and FACEBENCH_MODELS), ``out`` ("runs"), ``batch_size``,
    ``threads``, ``workers``, ``device``, ``memory`` (bytes a worker may hold), ``patience`` (seconds that a method is
    waited for), ``limit`` (trials), ``seed``, ``progress`` (called with cell, stage, done, total).

    A cell that fails does not stop the others; after them its FacebenchError is raised. WrongUse is raised at once.
    """
    outcomes = list(run_cells(protocol, methods, **settings))
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [outcome.result for outcome in outcomes if outcome.result is not None]


def run_cells(
    protocol: str | Protocol | Sequence[str | Protocol],
    methods: Named = (),
    *,
    roles: Mapping[str, Named] | None = None,
    data: str | Path | None = None,
    models: str | Path | None = None,
    out: str | Path = "runs",
    progress: Callable[[str, str, int, int], None] = _silent,
    **settings: Any,
) -> Iterator[Outcome]:
    """Run as ``run`` does, yielding each cell's outcome as it ends."""
    registry = discover()
    protocols = [registry.protocol(p) if isinstance(p, str) else p for p in _several(protocol)]
    data_root, models_root = _root(data, "FACEBENCH_DATA"), _root(models, "FACEBENCH_MODELS")
    cells = [(p, r) for p in protocols for r in _combinations(registry, p, methods, roles or {}, data_root)]
    if not cells:
        raise WrongUse(
            "A run was asked for.", "No protocol or no method was named.", "facebench run PROTOCOL --method METHOD"
        )
    chosen = _settings(**settings)
    for one, cast in cells:
        check_fit(one, cast)
    read: dict[str, tuple[Content, str] | FacebenchError] = {}
    for one, cast in cells:
        folder = cell_folder(Path(out), one, cast, chosen)
        outcome = Outcome(one.name, describe(cast), folder)
        try:
            if one.name not in read:
                progress(f"{one.name}", "read", 0, 1)
                read[one.name] = _read(one, data_root)
            found = read[one.name]
            if isinstance(found, FacebenchError):
                raise found
            shown = partial(progress, f"{one.name} {outcome.methods}")
            result = run_cell(one, cast, *found, chosen, models_root, Cell(folder), shown)
            _tell(registry, result)
            yield replace(outcome, result=result)
        except WrongUse:
            raise
        except FacebenchError as error:
            yield replace(outcome, error=error)


def run_suite(name: str, *, out: str | Path = "runs", **settings: Any) -> Iterator[Outcome]:
    """Run a suite's cells as ``run_cells`` does; a cell that wants what is not installed here is skipped."""
    chosen = SUITES[name]
    for cell in chosen.cells():
        named = cell.roles["method"] if len(cell.roles) == 1 else " ".join(f"{r}={m}" for r, m in cell.roles.items())
        skipped = Outcome(cell.protocol, named, Path(out), skipped=True)
        try:
            for outcome in run_cells(cell.protocol, roles=cell.roles, out=out, **{**chosen.settings, **settings}):
                missing = isinstance(outcome.error, (NeedsInstall, DataMissing))
                yield replace(outcome, skipped=missing)
        except UnknownName as error:
            do = f"pip install {cell.installs} -c constraints.txt   (It brings the plugins of {name}.)"
            yield replace(skipped, error=NeedsInstall(error.asked, do=do))
        except (NeedsInstall, PluginBroken) as error:
            yield replace(skipped, error=error)


def _tell(registry: Registry, result: Result) -> None:
    """Tell every plugin of a result; one that fails costs a warning, not the result."""
    for told in registry.manager.hook.facebench_result.get_hookimpls() if registry.manager is not None else ():
        try:
            with contextlib.redirect_stdout(sys.stderr):
                told.function(**dict.fromkeys(told.argnames, result))
        except Exception as error:
            warnings.warn(f"plugin {told.plugin_name} failed when told of a result: {error!r}", stacklevel=2)


def _several(given: Any) -> list[Any]:
    return [given] if isinstance(given, (str, Protocol, Method)) else list(given)


def _combinations(
    registry: Registry, protocol: Protocol, methods: Named, roles: Mapping[str, Named], data: Path | None
) -> Iterator[Roles]:
    """The cells: one a method of ``methods``, each with the same methods in the other roles."""
    ways_of = {role.name: role.ways for role in protocol.task.roles} | {protocol.task.roles[0].name: protocol.ways}

    def cast(role: str, named: Named) -> tuple[Configured, ...]:
        ways = ways_of.get(role, ())
        return tuple(_with_aligner(registry, _configured(registry, m, ways), protocol, data) for m in _several(named))

    others = {role: cast(role, named) for role, named in roles.items()}
    singles = [{"method": cast("method", method)} for method in _several(methods)]
    if singles and "method" in others:
        found = f"{', '.join(map(str, others['method']))} would be left out."
        raise WrongUse("Methods were given both by --method and by --role method=.", found, "Give them one way.")
    yield from ({**others, **single} for single in singles)
    if not singles and others:
        yield others


def _configured(registry: Registry, method: MethodLike, ways: tuple[Option, ...]) -> Configured:
    if isinstance(method, str):
        return registry.method(method, ways)
    return Configured.parse(method, "", _script_origin(method), ways)


def _with_aligner(registry: Registry, configured: Configured, protocol: Protocol, data: Path | None) -> Configured:
    """A method with what cuts faces out for it, if its options name something."""
    name = str(configured.asked.get(ALIGN.name, NONE))
    return configured if name == NONE else replace(configured, aligner=_aligner(registry, name, protocol, data))


def _aligner(registry: Registry, name: str, protocol: Protocol, data: Path | None) -> Configured:
    known = name in registry.methods or not name.endswith(TABLE)
    return registry.method(name) if known else landmark_table(name, protocol.data, data)


def _script_origin(method: Method) -> Origin:
    """A method made in a script or notebook: its ``load`` is known by its pickled bytes."""
    import cloudpickle

    code = hashlib.sha256(cloudpickle.dumps(method.load)).hexdigest()
    return Origin("script", "", "", "", "", code)


def _settings(**given: Any) -> Settings:
    try:
        settings = Settings(**given)
    except TypeError as error:
        raise WrongUse("A run was asked for.", f"{error}.".replace("Settings.__init__() ", "")) from None
    for name in ("batch_size", "threads", "workers", "limit", "memory", "patience"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise WrongUse(f"{name} {value} was asked for.", "It is 1 or more.")
    if settings.memory is None:
        import psutil

        settings = replace(settings, memory=int(psutil.virtual_memory().available * 0.9 / settings.workers))
    return settings


def _root(given: str | Path | None, variable: str) -> Path | None:
    named = given or os.environ.get(variable)
    return Path(named).expanduser() if named else None


def models_root(given: str | Path | None) -> Path | None:
    """The folder of weights: what was given, or FACEBENCH_MODELS."""
    return _root(given, "FACEBENCH_MODELS")


def _read(protocol: Protocol, root: Path | None) -> tuple[Content, str] | FacebenchError:
    """What the protocol finds under the data root, with its fingerprint; or why it does not."""
    try:
        if root is None and protocol.data.folder:
            found = "No data root was given."
            do = f"Point --data (or FACEBENCH_DATA) at the folder that holds {protocol.data.folder}/."
            raise DataMissing(f"{protocol.name} was asked for.", found, do)
        content = protocol.read(root or Path())
        return content, content.fingerprint()
    except WrongUse:
        raise
    except OSError as error:  # a protocol of a plugin need not know our errors
        place = error.filename or root
        found = f"{place} could not be read: {error.strerror or error}."
        return DataMissing(f"{protocol.name} was asked for.", found, f"Get it from {protocol.data.source}.")
    except FacebenchError as error:
        return error


def prepare(
    protocol: str,
    aligner: str,
    *,
    data: str | Path | None = None,
    models: str | Path | None = None,
    out: str | Path = "runs",
    progress: Callable[[str, str, int, int], None] = _silent,
    **settings: Any,
) -> Prepared:
    """Cut the faces out of a protocol's raw images with an aligner, or a landmark table NAME-table, and keep them.

    A run with ``align=`` that name and the same ``out`` goes on from what was found. Settings as of ``run``.
    """
    registry, chosen = discover(), _settings(**settings)
    question, root = registry.protocol(protocol), _root(data, "FACEBENCH_DATA")
    if ALIGN not in question.ways:
        do = "Choose one whose inputs are raw: 'facebench list protocols'."
        raise Mismatch(f"{protocol} was to be prepared.", f"Its images are {question.inputs} already.", do)
    found = _aligner(registry, aligner, question, root)
    check_aligner(f"{protocol} was to be prepared by {aligner}.", question, found)
    content = _read(question, root)
    if isinstance(content, FacebenchError):
        raise content
    asked, fingerprint = content
    if chosen.limit is not None:
        asked = question.task.limit(asked, chosen.limit)
    shown = partial(progress, f"{protocol} {aligner}")
    alignment = align(question, found, asked, fingerprint, chosen, _root(models, "FACEBENCH_MODELS"), Path(out), shown)
    return write_prepared(alignment, question, fingerprint, shown)


def read_content(protocol: Protocol, data: str | Path | None = None) -> Content:
    """What a protocol finds under ``data``, by default FACEBENCH_DATA; raises DataMissing and DataDamaged."""
    found = _read(protocol, _root(data, "FACEBENCH_DATA"))
    if isinstance(found, FacebenchError):
        raise found
    return found[0]


def score_run(what: str | Path) -> Result:
    """Score a finished run again, or a result on a board, from its trials, with the metrics as they are now.

    Raises NotAResult where it is neither, or a board's trials are not those that it was scored from, and RunDamaged
    where a run's result is of another question than its header.
    """
    path, asked = Path(what), f"{what} was to be scored."
    if path.is_file():
        found = Entry(results.read(path), path)
        if found.trials.exists() and contents_sha256(read_table(found.trials)) != found.result.trials_sha256:
            raise NotAResult(asked, f"{found.trials} is not what it was scored from.", "Run the cell again.")
        return rescore(discover().protocol(found.result.protocol), found)
    cell = Cell(path)
    header = cell.header()
    if header is None:
        do = "Give the folder of one cell, as 'run' prints it, or a result of a board."
        raise NotAResult(asked, "It has no header.json.", do)
    found = Entry(results.read(cell.result), cell.result)
    if header.get("digest") != found.result.digest:
        raise RunDamaged(asked, "Its result is of another question than its header.")
    return rescore(discover().protocol(found.result.protocol), found)


def score_answers(
    protocol: str,
    answers: str | Path,
    *,
    name: str = "external",
    truth: str | Path | None = None,
    data: str | Path | None = None,
    out: str | Path = "runs",
) -> tuple[Result, Path]:
    """Score answers made elsewhere, marked *external*; return the result and its folder.

    ``answers`` is a CSV or parquet table, see the task's ``external``. What it leaves out counts as failed. ``truth``
    is the table that a protocol over tables takes in place of a data set; WrongUse is raised for another protocol.
    """
    question = discover().protocol(protocol)
    if truth is not None and question.inputs != interval_tables.TABLE:
        do = "Leave it out, or score a protocol over tables."
        raise WrongUse(f"--truth {truth} was given.", f"{question.name} knows its truth.", do)
    found = _read(question, _root(data, "FACEBENCH_DATA") if truth is None else Path(truth))
    if isinstance(found, FacebenchError):
        raise found
    content, fingerprint = found
    given = question.task.external(content, _read_answers(Path(answers)))
    trials = question.task.judge(content, given, {})
    folder = Path(out).joinpath(*question.name.split("/")) / f"external-{contents_sha256(trials)[:8]}"
    result = make_result(
        question,
        trials,
        digest=question.digest_of(content.trials_sha256),
        official=content.trials_sha256 == question.trials_sha256,
        roles={"method": (name,)},
        cards={},
        provenance=provenance(Settings(), fingerprint, {}, external=True),
    )
    write_table(folder / "trials.parquet", trials)
    write(folder / "result.json", result.to_json())
    return result, folder


def _read_answers(path: Path) -> Table:
    asked = f"{path} was read as answers."
    try:
        if path.suffix == ".parquet":
            return read_table(path)
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, csv.Error, UnicodeDecodeError, RunDamaged) as error:
        raise WrongUse(asked, f"It cannot be read: {error}.", "Give a CSV with a header line, or parquet.") from None
    if not rows or any(None in row or None in row.values() for row in rows):
        raise WrongUse(
            asked, "It has no rows, or rows of unequal length.", "Give a CSV with a header line, or parquet."
        )
    return {name: [row[name] for row in rows] for name in rows[0]}
