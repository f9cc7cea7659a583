"""Does a method play by the rules? Its checks, their outcomes, for one method or a plugin's folder; never its worth."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import toml
from bench.card_rules import COMMON
from bench.errors import UnknownName
from bench.method import Configured, Method, Origin
from bench.plugins import GROUP, Plugin, Registry, discover
from bench.probing import PROBES, Broken, Check, NotAsked, Subject, Unproven, probe_of
from bench.rules import CONTRACT, FITTED, OF_CONTRACT
from bench.tasks import contract_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended: ``state`` is passed, failed, skipped or unproven."""

    check: str
    state: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A check of one method: calling it raises AssertionError where the method breaks the rule."""

    check: Check
    subject: Subject

    def __call__(self) -> None:
        self.check.run(self.subject)

    def __str__(self) -> str:
        return f"{self.subject.configured}-{self.check.name}"

    def outcome(self) -> Outcome:
        """How it ended, as a value."""
        try:
            self()
        except Broken as error:
            return Outcome(self.check.name, "failed", str(error))
        except NotAsked as error:
            return Outcome(self.check.name, "skipped", str(error))
        except Unproven as error:
            return Outcome(self.check.name, "unproven", str(error))
        return Outcome(self.check.name, "passed")


def checks(method: str | Method, models: str | Path | None = None) -> Iterator[Bound]:
    """Every check of a method, bound to it; call each in turn, or take its ``outcome()``.

    ``method``: a name as it is typed, or a Method; ``models``: the models root, by default FACEBENCH_MODELS. The checks
    share one worker, which ends with the last of them. Raises UnknownName, and PluginBroken for a plugin in quarantine.
    """
    configured = _configured(method)
    return _checks(configured, models)


def _checks(configured: Configured, models: str | Path | None) -> Iterator[Bound]:
    given = models or os.environ.get("FACEBENCH_MODELS")
    root = Path(given).expanduser() if given else None
    method = configured.method
    tasks: dict[type | None, list[str]] = {}  # by the contract they ask for, None where there are no checks for it
    for task in sorted(method.tasks):
        contract = contract_of(method, task)
        tasks.setdefault(contract if contract in OF_CONTRACT else None, []).append(task)
    common: tuple[Check, ...] = COMMON
    for contract, named in (tasks or {None: []}).items():
        probe = probe_of(contract, named) if contract and contract in PROBES else None
        subject = Subject(configured, named, probe, root)
        fitted = FITTED if contract and method.trainable else ()
        own = OF_CONTRACT[contract] if contract else (CONTRACT,)
        try:
            yield from (Bound(check, subject) for check in (*common, *own, *fitted))
        finally:
            subject.close()
        common = ()


def _configured(method: str | Method) -> Configured:
    registry = discover()
    if isinstance(method, str):
        return registry.method(method)
    known, plugin = registry.methods.get(method.name, (None, None))
    origin = plugin.origin() if plugin and known == method else Origin("script", "", "", "", "", "")
    return Configured.parse(method, "", origin)


def parametrize_with_checks(
    methods: Sequence[str | Method], known: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a pytest test whose argument ``check`` is called: it becomes one test a method and check.

    ``known`` maps the names of checks that are known to fail to the reason; such a test is a strict xfail, so that it
    is noticed when the failure is gone. What could not be asked or showed nothing is skipped, saying why.
    """
    import pytest

    reasons, params = dict(known or {}), []
    names = [check.name for check in (*COMMON, *FITTED, *(c for own in OF_CONTRACT.values() for c in own))]
    for name in reasons:
        if name not in names:
            raise UnknownName.of("check", name, names, "facebench check METHOD")
    for method in methods:
        bounds = list(checks(method))
        for bound in bounds:
            name = bound.check.name
            marks = [pytest.mark.xfail(reason=reasons[name], strict=True)] if name in reasons else []
            call = partial(_in_pytest, bound, last=bound is bounds[-1])
            params.append(pytest.param(call, marks=marks, id=str(bound)))
    return pytest.mark.parametrize("check", params)


def _in_pytest(bound: Bound, last: bool) -> None:
    import pytest

    try:
        outcome = bound.outcome()
    finally:
        if last:
            bound.subject.close()
    if outcome.state == "failed":
        pytest.fail(outcome.message, pytrace=False)
    if outcome.state != "passed":
        pytest.skip(f"{outcome.state}: {outcome.message}")


def check(what: str, models: str | Path | None = None) -> Iterator[tuple[str, Outcome]]:
    """Check a method by name, or every method of a plugin's folder; pairs of who was checked and how it ended.

    Raises UnknownName, and PluginBroken for a method of a plugin in quarantine.
    """
    folder = Path(what).expanduser()
    if folder.is_dir() and what.partition(":")[0] not in discover().methods:
        yield from _check_folder(folder.resolve(), models)
    else:
        yield from ((what, bound.outcome()) for bound in checks(what, models))


def _check_folder(folder: Path, models: str | Path | None) -> Iterator[tuple[str, Outcome]]:
    fault = _manifest_fault(folder)
    plugins = [] if fault else plugins_in(folder)
    if fault or not plugins:
        yield folder.name, Outcome("plugin", "failed", fault or "No plugin of it was found.")
    for plugin in plugins:
        yield plugin.distribution, _admitted(plugin, folder)
        for method in plugin.methods:
            for bound in _checks(Configured.parse(method, "", plugin.origin()), models):
                yield method.name, bound.outcome()


def _manifest_fault(folder: Path) -> str:
    try:
        project = toml.loads((folder / "pyproject.toml").read_text("utf-8")).get("project", {})
    except FileNotFoundError:
        return f"{folder} has no pyproject.toml: 'facebench new method NAME' writes a plugin that has."
    except (OSError, ValueError) as error:
        return f"pyproject.toml cannot be read: {error}."
    points = project.get("entry-points", {})
    if points.get(GROUP):
        return ""
    found = f" It has [project.entry-points.{next(iter(points))}]." if points else ""
    module = next((path.stem for path in sorted(folder.glob("*.py"))), "MODULE")
    return (
        f'pyproject.toml names no plugin:{found} Write [project.entry-points.{GROUP}] and below it NAME = "{module}".'
    )


def plugins_in(folder: Path) -> list[Plugin]:
    """The plugins of a folder, installed or not, as discovery finds them."""
    before = os.environ.get("FACEBENCH_PLUGINS")
    os.environ["FACEBENCH_PLUGINS"] = os.pathsep.join(filter(None, [str(folder), before]))
    try:
        registry: Registry = discover.__wrapped__()
    finally:
        del os.environ["FACEBENCH_PLUGINS"]
        if before is not None:
            os.environ["FACEBENCH_PLUGINS"] = before
    return [
        plugin
        for plugin in registry.plugins
        if Path(plugin.path or "/").is_relative_to(folder)
        or any(file.resolve().is_relative_to(folder) for file in plugin.files)
    ]


def _admitted(plugin: Plugin, folder: Path) -> Outcome:
    module = Path(plugin.path or folder) / plugin.module
    line = f'{plugin.name} = "{plugin.module}"'
    if plugin.cause and not (module.is_dir() or module.with_suffix(".py").exists()):
        found = f"There is no {plugin.module}.py in {folder.name}/: mend the line {line} in pyproject.toml."
        return Outcome("plugin", "failed", found)
    if plugin.cause:
        return Outcome("plugin", "failed", f"It is in quarantine: {plugin.cause}. Mend {plugin.module}.")
    if not (plugin.methods or plugin.protocols):
        do = "under @bench.hookimpl, return [bench.Method(…)] from facebench_methods()."
        return Outcome("plugin", "failed", f"{plugin.module} brings no method: {do}")
    return Outcome("plugin", "passed")
