"""Discovery: installed distributions and folders bring methods and protocols; a broken one is quarantined."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from bench import hookspecs
from bench.errors import PluginBroken, UnknownName
from bench.method import Configured, Method, Origin
from bench.protocol import Protocol
from bench.protocols import PROTOCOLS
from bench.worker_process import import_plugin

GROUP = "facebench"
CHECKOUT = Path(__file__).resolve().parent.parent / "plugins"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin found: where it comes from, what it brings, or why it is in quarantine.

    ``kind``: "installed" or "folder"; ``path``: the folder to import from, "" for an installed one.
    """

    name: str
    distribution: str
    version: str
    kind: str
    module: str
    path: str
    cause: str = ""
    methods: tuple[Method, ...] = ()
    protocols: tuple[Protocol, ...] = ()
    files: tuple[Path, ...] = ()

    def origin(self) -> Origin:
        """Where the code of its methods comes from, with a hash over it."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\0".encode() + file.read_bytes())
        return Origin(self.kind, self.distribution, self.version, self.module, self.path, digest.hexdigest())


@dataclass(slots=True)
class Registry:
    """All that discovery found, by name."""

    plugins: list[Plugin] = field(default_factory=list)
    methods: dict[str, tuple[Method, Plugin]] = field(default_factory=dict)
    protocols: dict[str, Protocol] = field(default_factory=lambda: dict(PROTOCOLS))
    manager: Any = None

    def protocol(self, name: str) -> Protocol:
        """The protocol of that name; raises UnknownName with the nearest ones."""
        if name not in self.protocols:
            raise UnknownName.of("protocol", name, self.protocols, "facebench list protocols")
        return self.protocols[name]

    def method(self, written: str) -> Configured:
        """A method as it is typed, ``name:option=value,…``.

        Raises UnknownName with the nearest ones, or PluginBroken where its plugin is in quarantine.
        """
        name, _, chosen = written.partition(":")
        if name in self.methods:
            method, plugin = self.methods[name]
            return Configured.parse(method, chosen, plugin.origin())
        for plugin in self.plugins:
            if plugin.cause and name in (plugin.name, plugin.distribution, plugin.module):
                raise PluginBroken(
                    f"Method {name!r} was asked for.",
                    f"Its plugin {plugin.distribution} failed: {plugin.cause}",
                    "Mend or uninstall the plugin; everything else works without it.",
                )
        raise UnknownName.of("method", name, self.methods, "facebench list methods")


@functools.cache
def discover() -> Registry:
    """Find all plugins; a plugin that fails is listed with its cause and brings nothing."""
    registry = Registry(manager=pluggy.PluginManager(GROUP))
    registry.manager.add_hookspecs(hookspecs)
    seen: set[str] = set()
    for found in [*_installed(), *_folders()]:
        # An installed distribution goes before a folder of the same name: often it is that folder.
        if _normal(found.distribution) + found.name not in seen:
            seen.add(_normal(found.distribution) + found.name)
            registry.plugins.append(_admitted(found, registry))
    return registry


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> Iterator[Plugin]:
    points = importlib.metadata.entry_points(group=GROUP)
    for point in sorted(points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
        distribution = point.dist
        name, version = (distribution.name, distribution.version) if distribution else (point.name, "unknown")
        yield Plugin(point.name, name, version, "installed", point.module, "")


def _folders() -> Iterator[Plugin]:
    """Plugins of the checkout that bench runs from, then those named in FACEBENCH_PLUGINS."""
    named = [Path(p) for p in os.environ.get("FACEBENCH_PLUGINS", "").split(os.pathsep) if p]
    for root in [CHECKOUT, *named]:
        manifests = (
            [root / "pyproject.toml"] if (root / "pyproject.toml").exists() else sorted(root.glob("*/pyproject.toml"))
        )
        for manifest in manifests:
            yield from _folder(manifest)


def _folder(manifest: Path) -> Iterator[Plugin]:
    name = manifest.parent.name
    try:
        project = tomllib.loads(manifest.read_text("utf-8"))["project"]
        version = str(project.get("version", "unknown"))
        for point, module in project.get("entry-points", {}).get(GROUP, {}).items():
            path = manifest.parent / "src" if (manifest.parent / "src").is_dir() else manifest.parent
            yield Plugin(point, str(project["name"]), version, "folder", module.partition(":")[0], str(path.resolve()))
    except (OSError, KeyError, AttributeError, ValueError) as error:
        yield Plugin(name, name, "unknown", "folder", "", str(manifest.parent), f"its pyproject.toml: {_cause(error)}")


def _admitted(found: Plugin, registry: Registry) -> Plugin:
    """Import a plugin and take what it brings, all or nothing."""
    if found.cause:
        return found
    label = f"{found.distribution}:{found.name}"
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module = import_plugin(found.module, found.path)
            registry.manager.register(module, label)
            registry.manager.check_pending()
            plugin = _bringing(found, module)
        for named, known in ((plugin.methods, registry.methods), (plugin.protocols, registry.protocols)):
            names = [item.name for item in named]
            if taken := [name for name in names if name in known]:
                raise ValueError(f"the name {taken[0]!r} is taken by another plugin")
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"it brings the name {twice[0]!r} twice")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: a plugin must not end the program
        if registry.manager.has_plugin(label):
            registry.manager.unregister(name=label)
        return replace(found, cause=_cause(error))
    registry.methods |= {method.name: (method, plugin) for method in plugin.methods}
    registry.protocols |= {protocol.name: protocol for protocol in plugin.protocols}
    return plugin


def _bringing(found: Plugin, module: ModuleType) -> Plugin:
    methods = tuple(getattr(module, "facebench_methods", tuple)())
    protocols = tuple(getattr(module, "facebench_protocols", tuple)())
    for item, kind in [(m, Method) for m in methods] + [(p, Protocol) for p in protocols]:
        if not isinstance(item, kind):
            raise TypeError(f"a hook returned {type(item).__name__}, not {kind.__name__}")
    file = Path(module.__file__ or "")
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    return replace(found, methods=methods, protocols=protocols, files=tuple(files))


def _cause(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # a plugin's own exception may raise even here, and must not cost the others
        text = ""
    return f"{type(error).__name__}: {text.splitlines()[0][:300] if text else 'no message'}"
