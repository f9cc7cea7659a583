"""'facebench new method' writes a plugin that works unedited, and typical mistakes made in it are named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import conformance
from bench.errors import UnknownName, WrongUse
from bench.plugins import discover
from bench.scaffold import new_method
from bench.templates import TEMPLATES

ROOT = Path(__file__).resolve().parent.parent
Said = Callable[..., tuple[int, str, str]]
Command = Callable[..., subprocess.CompletedProcess[str]]

MODULE, MANIFEST = "facebench_mine.py", "pyproject.toml"
ANSWER = "return np.stack([self.vector(face.pixels) for face in faces]).astype(np.float32)"
VECTOR = "rows, columns = "
FAILURE = "return np.full(SIDE * SIDE, np.nan)"

# What a contributor gets wrong: file, text, what stands there instead; the check, and what it says.
MISTAKES = {
    "the group of entry points is misspelt": (
        *(MANIFEST, "entry-points.facebench]", "entry-points.facebenhc]"),
        *("plugin", "It has [project.entry-points.facebenhc]. Write [project.entry-points.facebench]"),
    ),
    "the entry point names another module": (
        *(MANIFEST, 'mine = "facebench_mine"', 'mine = "facebench_mien"'),
        *("plugin", 'mend the line mine = "facebench_mien" in pyproject.toml'),
    ),
    "the hook is misspelt": (
        *(MODULE, "def facebench_methods", "def facebench_method"),
        *("plugin", "unknown hook 'facebench_method'"),
    ),
    "the hook is not marked": (
        *(MODULE, "@bench.hookimpl\ndef facebench_methods", "def my_methods"),
        *("plugin", "under @bench.hookimpl, return [bench.Method(…)] from facebench_methods()"),
    ),
    "the hook returns no Method": (
        *(MODULE, "return [\n        bench.Method(", "return [\n        dict("),
        *("plugin", "a hook returned dict, not Method"),
    ),
    "a word of the card is misspelt": (
        *(MODULE, "licence=", "license="),
        *("plugin", "unexpected keyword argument 'license'"),
    ),
    "a heavy package is imported at the top": (
        *(MODULE, "import bench\n", "import numpy\n\nimport bench\n"),
        *("light", "facebench_mine.py, line 5: import numpy"),
    ),
    "the licence is forgotten": (
        *(MODULE, 'licence="Apache-2.0",', ""),
        *("card", 'The card has no licence: write licence="'),
    ),
    "the task is not one": (
        *(MODULE, 'frozenset({"verification"})', 'frozenset({"verify"})'),
        *("card", "'verify' is no task: write tasks={\"verification\"}"),
    ),
    "a needed package has another name": (
        *(MODULE, 'needs=("numpy",)', 'needs=("numpyy",)'),
        *("card", "needs names numpyy, which cannot be imported here"),
    ),
    "a needed package is not named": (
        *(MODULE, "return Embedder()", "import no_such_package"),
        *("loads", "No module named 'no_such_package'. Mend load(). Name what load() imports in needs="),
    ),
    "load returns nothing": (
        *(MODULE, "return Embedder()", "Embedder()"),
        *("calls", "add `def embed(self, faces)` to what load() returns"),
    ),
    "embed is called otherwise": (
        *(MODULE, "def embed(", "def extract("),
        *("calls", "It has no embed(): add `def embed(self, faces)`"),
    ),
    "embed returns a list": (
        *(MODULE, ANSWER, "return [self.vector(face.pixels).tolist() for face in faces]"),
        *("shape", "It returned a list. Return a numpy array of float32"),
    ),
    "embed returns float64": (
        *(MODULE, ".astype(np.float32)", ""),
        *("shape", "It returned a float64 array. Return a numpy array of float32: result.astype(np.float32)."),
    ),
    "embed answers the first face only": (
        *(MODULE, "for face in faces]", "for face in faces[:1]]"),
        *("shape", "It returned shape [1, 256]. Return [8, d], one row a face."),
    ),
    "embed returns one long row": (
        *(MODULE, "np.stack([", "np.concatenate(["),
        *("shape", "It returned shape [2048]. Return [8, d], one row a face."),
    ),
    "a failure is raised": (
        *(MODULE, FAILURE, 'raise ValueError("no face found")'),
        *("odd", "no face found (facebench_mine.py, line LINE). Where it finds nothing its row is NaN"),
    ),
    "the key is read": (
        *(MODULE, ANSWER, ANSWER + " * len(faces[0].key)"),
        *("keys", "use the record's contents only, not .key"),
    ),
    "pixels are written on": (
        *(MODULE, VECTOR, "pixels[:9] = 0\n        " + VECTOR),
        *("inputs", "embed() writes into its input (facebench_mine.py, line LINE). Copy first"),
    ),
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A plugin as it is written, not installed."""
    new_method("mine", into=tmp_path)
    return tmp_path / "mine"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_typical_mistake_is_named_with_what_to_change(mine: Path, mistake: str) -> None:
    name, text, instead, check, says = MISTAKES[mistake]
    file = mine / name
    before, _, after = file.read_text("utf-8").partition(text)
    file.write_text(before + instead + after, "utf-8")
    says = says.replace("LINE", str(before.count("\n") + 1))
    failed = {
        outcome.check: outcome.message for _, outcome in conformance.check(str(mine)) if outcome.state == "failed"
    }
    assert says in failed.get(check, ""), failed


def test_a_new_plugin_passes_every_check_unedited(mine: Path, said: Said) -> None:
    found = list(conformance.check(str(mine)))
    assert {who for who, _ in found} == {"facebench-mine", "mine"}
    assert {outcome.state for _, outcome in found} == {"passed"}


def test_a_new_plugin_installs_and_passes_its_own_test(mine: Path, tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    place = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(place), str(mine)], check=True, capture_output=True, timeout=120)
    environment = {**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{ROOT}", "FACEBENCH_PLUGINS": ""}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "tests"]
    ended = subprocess.run(words, cwd=mine, env=environment, capture_output=True, text=True, timeout=120)
    assert "14 passed" in ended.stdout, ended.stdout + ended.stderr


def test_a_new_plugin_is_written_cleanly(mine: Path) -> None:
    for file in mine.rglob("*.*"):
        if file.is_file():
            text = file.read_text("utf-8")
            assert "@NAME@" not in text and "@MODULE@" not in text and "@TASK@" not in text
            assert text.endswith("\n") and not any(line != line.rstrip() for line in text.splitlines())
            assert max(map(len, text.splitlines())) <= 130


@pytest.mark.parametrize("task", TEMPLATES)
def test_a_new_method_may_be_of_any_task_that_has_a_template(task: str, tmp_path: Path) -> None:
    new_method("other-one", task, tmp_path)
    found = [o for _, o in conformance.check(str(tmp_path / "other-one")) if o.state != "passed"]
    assert found == []


def test_a_task_without_a_template_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"no template yet for encryption; there is for .*spotting"):
        new_method("other-one", "encryption", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_example_of_this_repository_is_what_new_writes(tmp_path: Path) -> None:
    written = {file.relative_to(tmp_path): file.read_bytes() for file in new_method("facebench-example", into=tmp_path)}
    here = {path.relative_to("facebench-example"): ROOT / "plugins" / path for path in written}
    assert {path: file.read_bytes() for path, file in here.items()} == {
        path.relative_to("facebench-example"): text for path, text in written.items()
    }
    kept = (ROOT / "plugins" / "facebench-example").rglob("*")
    ours = [p for p in kept if p.is_file() and not {"__pycache__", ".pytest_cache"} & set(p.parts)]
    assert {p for p in ours if ".egg-info" not in str(p)} == set(here.values())


@pytest.mark.parametrize(
    "name", ["", "Mine", "my method", "my_method", "-mine", "mine-", "9lives", "a/b", "../up", "é"]
)
def test_a_name_that_is_not_allowed_is_refused_and_nothing_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="lower-case letters and digits in words joined by '-'"):
        new_method(name, into=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(mine: Path) -> None:
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    with pytest.raises(WrongUse, match="exists"):
        new_method("mine", into=mine.parent)
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


def test_an_unknown_task_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'verification'"):
        new_method("mine", "verificaton", tmp_path)


def test_new_says_what_it_wrote_and_what_comes_next(said: Said, tmp_path: Path) -> None:
    status, out, _ = said("new", "method", "grey-pixels", "--into", "made")
    assert status == 0
    named = [Path(line) for line in out.splitlines()[:-1]]
    assert [path.name for path in named] == [MANIFEST, "facebench_grey_pixels.py", "test_grey_pixels.py", "README.md"]
    assert all((tmp_path / path).is_file() for path in named)
    assert out.splitlines()[-1] == "Next: facebench check made/grey-pixels"


def test_new_writes_methods_only(said: Said) -> None:
    status, _, err = said("new", "protocol", "mine")
    assert status == 2 and "Unknown kind of plugin 'protocol'" in err


def test_a_folder_that_is_no_plugin_is_named(tmp_path: Path) -> None:
    ((who, outcome),) = conformance.check(str(tmp_path))
    assert (who, outcome.state) == (tmp_path.name, "failed")
    assert "has no pyproject.toml" in outcome.message


def test_a_folder_hidden_by_an_installed_plugin_of_the_same_name_is_named(tmp_path: Path) -> None:
    new_method("floors", into=tmp_path)
    assert any(plugin.distribution == "facebench-floors" for plugin in discover().plugins)
    ((_, outcome),) = conformance.check(str(tmp_path / "floors"))
    assert outcome.state == "failed"
    assert "goes first: pip install -e" in outcome.message
