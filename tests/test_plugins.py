"""Plugins: found in distributions and folders; one that fails is listed with its reason and harms no other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import bench
from bench.errors import PluginBroken, UnknownName, WrongUse
from bench.plugins import Plugin, discover

ALIGNED = "verification/lfw/view2-arcface112"
HEAD = "import bench\nfrom bench.protocols import PROTOCOLS\nfrom dataclasses import replace\n"
METHOD = "bench.Method(name={name!r}, tasks={{'verification'}}, load=print, inputs={{'arcface-112'}})"
HOOK = HEAD + "@bench.hookimpl\ndef facebench_methods():\n    "


def brings(name: str) -> str:
    """The code of a plugin with one method."""
    return HOOK + f"return [{METHOD.format(name=name)}]\n"


class Plugins:
    """Writes plugins beside the toys and discovers anew."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.patch = root, patch

    def folder(self, name: str, code: str, manifest: str | None = None) -> Path:
        """A plugin in a folder, its module of the plugin's name."""
        place = self.root / "folders" / name
        place.mkdir(parents=True)
        module = name.replace("-", "_")
        if manifest is None:
            manifest = f'[project]\nname = "{name}"\nversion = "1.2"\n[project.entry-points.facebench]\n'
            manifest += f'{name} = "{module}"\n'
        (place / "pyproject.toml").write_text(manifest)
        (place / f"{module}.py").write_text(code)
        folders = [*filter(None, os.environ["FACEBENCH_PLUGINS"].split(os.pathsep)), str(place)]
        self.patch.setenv("FACEBENCH_PLUGINS", os.pathsep.join(folders))
        discover.cache_clear()
        return place

    def installed(self, name: str, code: str, version: str = "3.4") -> None:
        """A plugin as pip installs one."""
        site, module = self.root / "site" / name, name.replace("-", "_")
        info = site / f"{module}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[facebench]\n{name} = {module}\n")
        (site / f"{module}.py").write_text(code)
        self.patch.syspath_prepend(site)
        discover.cache_clear()

    def found(self, distribution: str) -> Plugin:
        (plugin,) = (p for p in discover().plugins if p.distribution == distribution)
        return plugin


@pytest.fixture
def plugins(tmp_path: Path, toys: None, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    return Plugins(tmp_path, monkeypatch)


def others_work() -> bool:
    registry = discover()
    return "toy" in registry.methods and "random" in registry.methods and ALIGNED in registry.protocols


# Found.


def test_an_installed_distribution_brings_its_methods(plugins: Plugins) -> None:
    plugins.installed("my-installed", brings("my-own-one"))
    found = plugins.found("my-installed")
    assert (found.kind, found.version, found.cause) == ("installed", "3.4", "")
    assert discover().method("my-own-one").origin.distribution == "my-installed"


def test_a_folder_brings_its_methods_with_a_hash_of_its_code(plugins: Plugins) -> None:
    place = plugins.folder("my-folder", brings("my-foldered-one"))
    origin = discover().method("my-foldered-one").origin
    assert (origin.kind, origin.distribution, origin.version) == ("folder", "my-folder", "1.2")
    (place / "my_folder.py").write_text(brings("my-foldered-one") + "# changed\n")
    discover.cache_clear()
    assert discover().method("my-foldered-one").origin.code != origin.code


def test_a_folder_of_folders_is_searched_and_src_layouts_are_found(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = plugins.folder("nest-one", brings("nested-one"))
    two = plugins.folder("nest-two", "raise SystemExit('the wrong file')")
    (two / "src").mkdir()
    (two / "src" / "nest_two.py").write_text(brings("nested-two"))
    monkeypatch.setenv("FACEBENCH_PLUGINS", str(one.parent))
    discover.cache_clear()
    assert {"nested-one", "nested-two"} <= set(discover().methods)


def test_a_package_is_hashed_over_all_its_files(plugins: Plugins) -> None:
    place = plugins.folder("my-package", "")
    (place / "my_package.py").unlink()
    (place / "my_package").mkdir()
    (place / "my_package" / "__init__.py").write_text(brings("packaged"))
    (place / "my_package" / "network.py").write_text("LAYERS = 3\n")
    discover.cache_clear()
    before = discover().method("packaged").origin.code
    (place / "my_package" / "network.py").write_text("LAYERS = 4\n")
    discover.cache_clear()
    assert discover().method("packaged").origin.code != before


def test_an_installed_distribution_goes_before_a_folder_of_its_name(plugins: Plugins) -> None:
    plugins.folder("Both_ways", brings("both-ways"), None)
    plugins.installed("both-ways", brings("both-ways"))
    manifest = plugins.root / "folders" / "Both_ways" / "pyproject.toml"
    manifest.write_text(manifest.read_text().replace('Both_ways = "', 'both-ways = "'))
    discover.cache_clear()
    found = [p for p in discover().plugins if p.name == "both-ways"]
    assert [(p.kind, p.cause.partition(":")[0]) for p in found] == [
        ("installed", ""),
        ("folder", "a distribution of the same name (installed) goes first"),
    ]


def test_a_plugin_may_bring_a_protocol(official: None) -> None:
    protocol = discover().protocol("verification/toy/pairs")
    assert protocol.digest != discover().protocol(ALIGNED).digest
    (plugin,) = (p for p in discover().plugins if p.distribution == "toy-protocols")
    assert [p.name for p in plugin.protocols] == ["verification/toy/pairs", "verification/toy/private"]


# Quarantined.

UNSPEAKABLE = HEAD + "class E(Exception):\n    def __str__(self): raise ValueError\nraise E\n"
NAMED = (
    HEAD
    + "@bench.hookimpl\ndef facebench_protocols():\n    return [replace([*PROTOCOLS.values()][0], name={name!r})]\n"
)
BROKEN = [
    ("raise RuntimeError('no\\nluck')", "RuntimeError: no"),
    ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
    ("def (", "SyntaxError"),
    ("raise SystemExit(0)", "SystemExit: 0"),
    ("assert False", "AssertionError: no message"),
    (HOOK + "raise OSError('gone')", "OSError: gone"),
    (HOOK + "yield from ()\n    raise OSError('half way')", "OSError: half way"),
    (HOOK + "return None", "TypeError"),
    (HOOK + "return 5", "TypeError"),
    (HOOK + "return ['name']", "a hook returned str, not Method"),
    (HOOK + f"return {METHOD.format(name='fine')}", "TypeError"),
    (HOOK + f"return [{METHOD.format(name='Not A Name')}]", "WrongUse: A method is called 'Not A Name'."),
    (HOOK + f"return [{METHOD.format(name='../up')}]", "WrongUse: A method is called '../up'."),
    (HOOK + f"return [{METHOD.format(name='twin')}] * 2", "'twin'"),
    (HEAD + "@bench.hookimpl\ndef facebench_no_such_hook(): pass", "PluginValidationError"),
    (HEAD + "@bench.hookimpl\ndef facebench_methods(surprise): return []", "PluginValidationError"),
    (HEAD + "@bench.hookimpl\ndef facebench_protocols(): return [5]", "a hook returned int, not Protocol"),
    (HEAD + "@bench.hookimpl\ndef facebench_protocols(): return PROTOCOLS.values()", f"the name '{ALIGNED[:-11]}"),
    (NAMED.format(name="../../evil|<b>"), "WrongUse: A protocol is called '../../evil|<b>'"),
    (NAMED.format(name="x" * 201), "WrongUse: A protocol is called 'xxx"),
    (UNSPEAKABLE, "E"),
]


@pytest.mark.parametrize("kind", ["folder", "installed"])
@pytest.mark.parametrize(("number", "code", "cause"), [(i, *broken) for i, broken in enumerate(BROKEN)])
def test_a_plugin_that_fails_is_listed_with_its_reason_and_the_others_work(
    number: int, code: str, cause: str, kind: str, plugins: Plugins
) -> None:
    name = f"broken-{kind}-{number}"
    getattr(plugins, kind)(name, code)
    plugins.folder(f"after-{name}", brings("after"))
    found = plugins.found(name)
    assert cause in found.cause
    assert "\n" not in found.cause
    assert found.methods == found.protocols == (), "all or nothing"
    assert "after" in discover().methods and "new" not in discover().methods
    assert others_work()


def test_a_method_of_a_taken_name_puts_the_later_plugin_in_quarantine_with_all_it_brings(plugins: Plugins) -> None:
    for kind, name, taken in (("folder", "takes-toy", "toy"), ("installed", "zz-takes-random", "random")):
        two = ", ".join(METHOD.format(name=method) for method in ("new", taken))
        getattr(plugins, kind)(name, f"{HOOK}return [{two}]\n")
    for name, taken in (("takes-toy", "toy"), ("zz-takes-random", "random")):
        assert f"the name {taken!r} is taken by another plugin" in plugins.found(name).cause
        assert discover().methods[taken][1].distribution != name
    assert "new" not in discover().methods
    assert others_work()


@pytest.mark.parametrize(
    "manifest",
    [
        "no = [toml",
        "",
        "[project]\nversion = '1'\n[project.entry-points.facebench]\na = 'b'",
        "project = 5",
        "project = " + "[" * 20_000,
        "project" + ".a" * 20_000 + " = 5",
        "[project]\nname = 'a'\nentry-points = 5",
        "[project]\nname = 'a'\n[project.entry-points]\nfacebench = 'b'",
        "[project]\nname = 'a'\n[project.entry-points.facebench]\na = 5",
        "[project]\nname = 5\n[project.entry-points.facebench]\na = 'b'",
        "[project]\nname = 'a'\n[project.entry-points.facebench]\na = 'absent_module'",
    ],
)
def test_a_manifest_that_does_not_fit_is_listed_and_the_others_work(manifest: str, plugins: Plugins) -> None:
    plugins.folder("odd-manifest", brings("odd"), manifest)
    assert [p.cause for p in discover().plugins if p.cause]
    assert others_work()


def test_a_manifest_that_is_no_text_is_listed(plugins: Plugins) -> None:
    place = plugins.folder("no-text", brings("no-text"))
    (place / "pyproject.toml").write_bytes(b"\xff\xfe")
    discover.cache_clear()
    assert "pyproject.toml" in plugins.found("no-text").cause


def test_asking_for_a_quarantined_plugins_method_says_why_it_is_not_there(plugins: Plugins) -> None:
    plugins.folder("my-broken", "raise OSError('no luck')")
    with pytest.raises(PluginBroken) as raised:
        discover().method("my-broken:flip=off")
    assert "OSError: no luck" in str(raised.value) and "everything else works" in str(raised.value)


def test_what_a_plugin_prints_stays_off_standard_output(plugins: Plugins, said) -> None:  # type: ignore[no-untyped-def]
    plugins.folder("prints-on-import", "print('hello on import')\n" + brings("prints-on-import"))
    plugins.folder("prints-in-hook", brings("prints-in-hook").replace("return", "print('hello in hook'); return"))
    status, out, err = said("list", "methods", "--json")
    assert status == 0
    assert "hello on import" in err and "hello in hook" in err
    assert {"prints-on-import", "prints-in-hook"} <= {row["name"] for row in json.loads(out)}


def test_a_plugin_that_fails_when_told_of_a_result_costs_no_result(
    plugins: Plugins, synthetic: Path, tmp_path: Path
) -> None:
    code = HEAD + "@bench.hookimpl\ndef facebench_result(result):\n    raise RuntimeError('my log is full')\n"
    plugins.folder("fails-late", code)
    results = bench.run(ALIGNED, ["toy", "perfect"], data=synthetic, out=tmp_path, limit=16)
    assert [result.name for result in results] == ["toy", "perfect"]


def test_a_plugin_is_told_of_every_result(plugins: Plugins, synthetic: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = HEAD + "@bench.hookimpl\ndef facebench_result(result):\n"
    plugins.folder("keeps-log", code + f"    open({str(log)!r}, 'a').write(result.name + '\\n')\n")
    bench.run(ALIGNED, ["toy", "perfect"], data=synthetic, out=tmp_path, limit=16)
    assert log.read_text() == "toy\nperfect\n"


# Names.


@pytest.mark.parametrize(("name", "near"), [("tooy", "'toy'"), ("euclid", "'toy-euclidean'"), ("randon", "'random'")])
def test_an_unknown_method_is_answered_with_the_nearest_ones(name: str, near: str) -> None:
    with pytest.raises(UnknownName) as raised:
        discover().method(name)
    assert near in raised.value.found
    assert "facebench list methods" in raised.value.do


def test_a_name_like_no_other_gets_no_guess() -> None:
    with pytest.raises(UnknownName) as raised:
        discover().protocol("qqqqqqqq")
    assert raised.value.found == ""
    assert "facebench list protocols" in str(raised.value)


@pytest.mark.parametrize("chosen", ["gian=2", "gain", "gain=much", "loud=2"])
def test_an_option_that_does_not_fit_is_wrong_use(chosen: str) -> None:
    with pytest.raises(WrongUse, match=r"gain|loud"):
        discover().method(f"toy-option:{chosen}")
