"""Discovery: installed distributions and folders bring methods and protocols; a broken one is quarantined."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from bench import hookspecs, pins, toml
from bench.errors import PinBroken, PluginBroken, UnknownName, Unpinned
from bench.hub import REPOSITORY, Pin
from bench.method import HUB, Configured, Method, Option, Origin, SameCommit
from bench.pins import Pinned
from bench.protocol import Protocol
from bench.protocols import PROTOCOLS
from bench.worker_process import import_plugin

GROUP = "facebench"
CHECKOUT = Path(__file__).resolve().parent.parent / "plugins"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin found: where it comes from, what it brings, or why it is in quarantine.

    ``kind``: "installed", "folder" or "hub"; ``path``: the folder to import from, "" for an installed one. A pinned
    repository is known by its pin, its code in a worker only.
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
    pinned: Pinned | None = None

    def origin(self) -> Origin:
        """Where the code of its methods comes from, with a hash over it."""
        if self.pinned is not None:
            code = self.pinned.code
            return Origin(HUB, self.distribution, self.version, self.module, self.path, self.pinned.digest, code)
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

    def method(self, written: str, ways: tuple[Option, ...] = ()) -> Configured:
        """A method as it is typed, ``name:option=value,…``, with the ``ways`` of the protocol it is to be asked.

        A pinned one is named by its repository, or without its commit where that is clear. Raises UnknownName with
        the nearest ones, Unpinned for a repository that is not pinned, PluginBroken for a plugin in quarantine.
        """
        name, _, chosen = written.partition(":")
        name = name if name in self.methods else self._pinned(name)
        if name in self.methods:
            method, plugin = self.methods[name]
            return Configured.parse(method, chosen, plugin.origin(), ways)
        for plugin in self.plugins:
            of_pins = plugin.kind == HUB and ("@" in name or "/" in name)
            if plugin.cause and (of_pins or name in (plugin.name, plugin.distribution, plugin.module)):
                raise PluginBroken(
                    f"Method {name!r} was asked for.",
                    f"Its plugin {plugin.distribution} failed: {plugin.cause}",
                    "Mend or uninstall the plugin; everything else works without it.",
                )
        repo = name.partition("@")[0]
        if REPOSITORY.fullmatch(repo) and not any(plugin.distribution == repo for plugin in self.plugins):
            found = f"{repo} is no method here; if it is a repository of the Hub, its code was not agreed to yet."
            raise Unpinned(f"Method {name!r} was asked for.", found, f"facebench pin {repo}")
        raise UnknownName.of("method", name, self.methods, "facebench list methods")

    def _pinned(self, name: str) -> str:
        """The listed name of the one pinned method that has this name or repository, at this commit if it is given."""
        wanted, _, commit = name.partition("@")
        found = [
            listed
            for listed, (method, plugin) in self.methods.items()
            if plugin.kind == HUB and wanted in (method.name, plugin.distribution) and plugin.version.startswith(commit)
        ]
        return found[0] if len(found) == 1 else name


@functools.cache
def discover() -> Registry:
    """Find all plugins; a plugin that fails is listed with its cause and brings nothing."""
    registry = Registry(manager=pluggy.PluginManager(GROUP))
    registry.manager.add_hookspecs(hookspecs)
    seen: dict[str, Plugin] = {}
    for found in [*_installed(), *_folders(), *_pinned()]:
        # An installed distribution goes before a folder of the same name: often it is that folder.
        first = seen.setdefault(_normal(found.distribution) + found.name, found)
        if first is found:
            registry.plugins.append(_admitted(found, registry))
        elif found.kind == "folder" and _place(found) != _place(first):
            do = f"pip install -e {found.path}, or change name= in its pyproject.toml"
            cause = f"a distribution of the same name ({first.kind}) goes first: {do}"
            registry.plugins.append(replace(found, cause=cause))
    return registry


def _place(plugin: Plugin) -> str:
    """The folder that a plugin is imported from."""
    if plugin.path:
        return plugin.path
    spec = importlib.util.find_spec(plugin.module.partition(".")[0])
    places = [*(spec.submodule_search_locations or ())] if spec is not None else []
    origin = places[0] if places else spec.origin if spec is not None else ""
    return str(Path(origin or "").resolve().parent)


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
        if not manifests and root != CHECKOUT:
            absent = "FACEBENCH_PLUGINS names it, and no pyproject.toml is in it or in a folder of it"
            yield Plugin(root.name, root.name, "unknown", "folder", "", str(root), absent)
        for manifest in manifests:
            yield from _folder(manifest)


def _folder(manifest: Path) -> Iterator[Plugin]:
    name = manifest.parent.name
    try:
        project = toml.loads(manifest.read_text("utf-8"))["project"]
        version = str(project.get("version", "unknown"))
        for point, module in project.get("entry-points", {}).get(GROUP, {}).items():
            path = manifest.parent / "src" if (manifest.parent / "src").is_dir() else manifest.parent
            yield Plugin(point, str(project["name"]), version, "folder", module.partition(":")[0], str(path.resolve()))
    except (OSError, KeyError, AttributeError, ValueError) as error:
        yield Plugin(name, name, "unknown", "folder", "", str(manifest.parent), f"its pyproject.toml: {_cause(error)}")


def _pinned() -> Iterator[Plugin]:
    """Plugins of the Hub, from the cards in pins.toml: no network, and none of their code."""
    seen: set[str] = set()
    for place in pins.places():
        try:
            kept = pins.read(place)
        except PinBroken as error:
            yield Plugin(place.name, str(place), "unknown", HUB, "", "", f"{error.asked} {error.found}")
            continue
        for pinned in kept:
            pin = pinned.pin
            if not pinned.methods or pin.repo in seen:
                continue
            seen.add(pin.repo)
            methods = tuple(_placed(method, pin, pinned.size) for method in pinned.methods)
            at = (pin.repo, pin.repo, pin.revision, HUB, pinned.module, pinned.folder)
            yield Plugin(*at, methods=methods, pinned=pinned)


def _placed(method: Method, place: Path | Pin, size: int = 0) -> Method:
    """The method, its weights beside its code being looked for at ``place``."""
    if not isinstance(method.weights, SameCommit):
        return method
    return replace(method, weights=replace(method.weights, place=place, size=size))


def _admitted(found: Plugin, registry: Registry) -> Plugin:
    """Import a plugin and take what it brings, all or nothing."""
    if found.cause:
        return found
    label = f"{found.distribution}:{found.name}"
    try:
        plugin = found if found.pinned else _imported(found, label, registry)
        protocols = [protocol.name for protocol in plugin.protocols]
        for names, known in ((_listed(plugin), registry.methods), (protocols, registry.protocols)):
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
    registry.methods |= {name: (method, plugin) for name, method in zip(_listed(plugin), plugin.methods, strict=True)}
    registry.protocols |= {protocol.name: protocol for protocol in plugin.protocols}
    return plugin


def _listed(plugin: Plugin) -> list[str]:
    """The names that its methods are listed by: those of a pinned repository with its commit."""
    commit = f"@{plugin.version[:7]}" if plugin.pinned else ""
    return [method.name + commit for method in plugin.methods]


def _imported(found: Plugin, label: str, registry: Registry) -> Plugin:
    with contextlib.redirect_stdout(sys.stderr):
        module = import_plugin(found.module, found.path)
        registry.manager.register(module, label)
        registry.manager.check_pending()
        return _bringing(found, module)


def _bringing(found: Plugin, module: ModuleType) -> Plugin:
    methods = tuple(getattr(module, "facebench_methods", tuple)())
    protocols = tuple(getattr(module, "facebench_protocols", tuple)())
    for item, kind in [(m, Method) for m in methods] + [(p, Protocol) for p in protocols]:
        if not isinstance(item, kind):
            raise TypeError(f"a hook returned {type(item).__name__}, not {kind.__name__}")
    file = Path(module.__file__ or "")
    package = file.name == "__init__.py"
    files = sorted(file.parent.rglob("*.py")) if package else [file]
    root = file.parent.parent if package else file.parent
    methods = tuple(_placed(method, root.parent if root.name == "src" else root) for method in methods)
    return replace(found, methods=methods, protocols=protocols, files=tuple(files))


def _cause(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # a plugin's own exception may raise even here, and must not cost the others
        text = ""
    return f"{type(error).__name__}: {text.splitlines()[0][:300] if text else 'no message'}"
