"""The laws of the house: what may import what, what is light, where a fact may stand."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "bench").rglob("*.py"))
}
# From the ground up; a module imports only from lower floors. A folder's files share its floor's number.
FLOORS: list[set[str]] = [
    {"errors"},
    {
        "hub",
        "toml",
        "terminal",
        "records",
        "results",
        "images",
        "pickled",
        "matfile",
        "suites",
        "templates",
        "examples",
        "oracle",
        "cases",
        "metrics.metric",
        "metrics.matching",
        "parsed",
    },
    {"contracts", "metrics.biometric", "metrics.resampling", "samples", "answers", "method", "wire"},
    {"cards", "measuring", "selection", "metrics.classification", "metrics.spotting", "sheets", "clips"}
    | {"metrics.clean_pairs", "query_log"},
    {
        "metrics.identification",
        "metrics.substitution",
        "metrics.expression",
        "metrics.comparison_trials",
        "metrics.template_trials",
        "metrics.roc",
        "metrics.timing",
        "metrics.streamed",
        "matched",
        "examining",
        "checkpoints",
        "scoring",
        "pins",
        "disagreement",
        "hookspecs",
    },
    {"metrics.encrypted_trials", "metrics.expression_trials", "metrics.inversion", "worker_process"},
    {"metrics", "protocol", "worker"},
    {"leaderboard", "batches", "data_card", "evaluation", "disclosure"},
    {"alignment"},
    {"asking", "answering", "embedding", "pooling", "intervals"},
    {"questions", "folds", "classifying", "target"},
    {"replies", "image_probe", "counting", "protecting", "sharing"},
    {"attacking"},
    {"cleaning", "contact_sheet"},
    {"tasks.expression"},
    {"tasks.verification", "tasks.identification", "tasks.micro_expression", "tasks.spotting", "tasks.encryption"},
    {"tasks.encrypted_verification", "tasks.reconstructed"},
    {"tasks.inversion"},
    {"tasks", "tasks.templates"},
    {"protocols.encryption", "protocols.pair_lists", "protocols.ijb_lists", "protocols.annotations"},
    {"protocols.annotated_clips", "protocols.repeats", "protocols.ferplus_rules", "protocols.labelled_faces"},
    {"protocols.annotated_videos", "protocols.casme2", "protocols.samm", "protocols.smic"},
    {
        "protocols.casme_sq",
        "protocols.samm_lv",
        "protocols.casme3",
        "protocols.megc_unseen",
        "protocols.megc2019",
        "protocols.interval_tables",
    },
    {"protocols.ijb_images", "protocols.ferplus", "protocols.rafdb", "protocols.affectnet", "protocols.sfew"},
    {
        "protocols.lfw",
        "protocols.insightface_bin",
        "protocols.cfp",
        "protocols.cross_lfw",
        "protocols.agedb",
        "protocols.ijb",
        "protocols.fer2013",
        "protocols.ferbench",
    },
    {"protocols.hub_pairs", "protocols.encrypted_pairs", "protocols.inversion"},
    {"protocols", "cells"},
    {"plugins", "pinning", "preparing", "probing"},
    {"runner", "every_eval_ever", "auditing", "trials"},
    {"option_rules", "matcher_rules", "attack_rules"},
    {"rules", "card_rules"},
    {"suite", "boards", "conformance", "scaffold"},
    {"class_plots", "timelines", "wording_plots"},
    {"timing_plots", "inversion_plots"},
    {"spotting_plots"},
    {"groups", "plots", "answers_page"},
    {"", "publish", "agreement", "display"},
    {"submission", "fits"},
    {"published", "exports"},
    {"cli"},
    {"__main__"},
]
FLOOR = {f"bench.{name}".rstrip("."): number for number, names in enumerate(FLOORS) for name in names}
STANDING = {"pluggy", *sys.stdlib_module_names}
SURFACE = {"bench.cli": {"typer", "rich"}, "bench.display": {"rich"}, "bench.agreement": {"rich"}}
SURFACE |= {"bench.terminal": {"rich"}}
HEAVY = ("torch", "transformers", "datasets", "evaluate", "huggingface_hub", "pyarrow", "PIL", "matplotlib", "numpy")
MOST_LINES, MOST_FUNCTION, MOST_PARAMETERS = 300, 40, 6


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def imports(root: ast.AST) -> list[tuple[str, ast.stmt]]:
    """Every imported module below a node, with the statement; a name that is a module of ours counts as that."""
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((full if full in MODULES else str(node.module), node))
    return found


def type_only(module: str) -> set[ast.stmt]:
    """Imports under ``if TYPE_CHECKING``."""
    blocks = [n for n in ast.walk(tree_of[module]) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    return {node for block in blocks for _, node in imports(block)}


tree_of = {module: tree(module) for module in MODULES}


def test_every_module_has_a_floor() -> None:
    assert set(FLOOR) == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_its_own_kind_at_the_top_and_only_from_lower_floors(module: str) -> None:
    at_top = {node for node in tree_of[module].body if isinstance(node, (ast.Import, ast.ImportFrom))}
    for imported, node in imports(tree_of[module]):
        if imported.partition(".")[0] != "bench" or node in type_only(module):
            continue
        assert imported in MODULES, f"{module} imports {imported} through the package root"
        assert imported != "bench", f"{module} imports the package root"
        assert node in at_top, f"{module} imports {imported} inside a function"
        assert FLOOR[imported] < FLOOR[module], f"{module} imports {imported}, which is not below it"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_inside_functions_only(module: str) -> None:
    for node in tree_of[module].body:
        for imported, _ in imports(node):
            package = imported.partition(".")[0]
            if isinstance(node, ast.If) or package == "bench":
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert package in STANDING | SURFACE.get(module, set()), f"{module} imports {package} at the top"


@pytest.mark.parametrize("words", ["import bench", "from bench.cli import app; app(['list'], standalone_mode=False)"])
def test_importing_and_listing_load_nothing_heavy(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEBENCH_PLUGINS")  # the toys of other tests import numpy
    code = f"import sys\n{words}\nprint('loaded:', *sorted(set({HEAVY!r}) & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1].strip() == "loaded:"


def test_the_core_imports_no_plugin_and_no_plugin_another() -> None:
    folders = {path.parent.name.replace("-", "_"): path.parent for path in ROOT.glob("plugins/*/pyproject.toml")}
    for path in MODULES.values():
        assert not {name.partition(".")[0] for name, _ in imports(ast.parse(path.read_text("utf-8")))} & set(folders)
    for own, folder in folders.items():
        for path in folder.rglob("*.py"):
            used = {name.partition(".")[0] for name, _ in imports(ast.parse(path.read_text("utf-8")))}
            assert not used & set(folders) - {own}, f"{path} imports another plugin"


def test_plugins_use_the_public_face_only() -> None:
    for path in ROOT.glob("plugins/*/*.py"):
        for name, _ in imports(ast.parse(path.read_text("utf-8"))):
            assert not name.startswith("bench.metrics.") and name not in {"bench.runner", "bench.worker"}, path


def test_structural_types_are_spelled_in_contracts_only() -> None:
    for module, root in tree_of.items():
        used = any(isinstance(n, ast.Attribute) and ast.unparse(n) == "typing.Protocol" for n in ast.walk(root))
        assert not used or module == "bench.contracts", module


def test_tasks_are_told_apart_in_their_own_folder_only() -> None:
    for module, root in tree_of.items():
        if module.startswith("bench.tasks"):
            continue
        for node in ast.walk(root):
            if isinstance(node, ast.Compare):
                text = ast.unparse(node)
                assert "task ==" not in text and "task.name ==" not in text, f"{module}: {text}"


def test_what_flows_is_frozen() -> None:
    for module in ("bench.records", "bench.results", "bench.method", "bench.protocol", "bench.metrics.metric"):
        for node in ast.walk(tree_of[module]):
            for decorator in getattr(node, "decorator_list", []):
                if "dataclass" in ast.unparse(decorator):
                    assert ast.unparse(decorator) == "dataclass(frozen=True, slots=True)", f"{module}.{node.name}"


def test_the_public_face_is_what_it_says() -> None:
    public = {n for n, v in vars(bench).items() if not n.startswith("_") and getattr(v, "__module__", "") != ""}
    modules = {name for name in public if type(getattr(bench, name)).__name__ == "module"}
    assert sorted(bench.__all__) == bench.__all__
    assert public - modules - {"annotations"} == set(bench.__all__)


def test_three_configuration_files_answer_one_question_each() -> None:
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(shipped) <= {"build-system", "project", "dependency-groups", "tool"}
    assert set(shipped["tool"]) == {"ruff"}
    lies, checks = configparser.ConfigParser(), configparser.ConfigParser(interpolation=None)
    lies.read(ROOT / "setup.cfg")
    checks.read(ROOT / "tox.ini")
    assert "metadata" not in lies and "install_requires" not in lies["options"]
    assert not [s for s in lies if s.startswith(("tox", "testenv", "tool:pytest"))]
    assert all(s in ("DEFAULT", "tox", "pytest") or s.startswith("testenv") for s in checks)
    for section in checks.values():
        named = section.get("deps", "").split()
        assert named in ([], ["-r", "requirements-all.txt"]), "no dependency is named in tox.ini"


def test_requirements_name_every_plugin_and_quick_needs_no_torch() -> None:
    every = (ROOT / "requirements-all.txt").read_text("utf-8") + (ROOT / "requirements.txt").read_text("utf-8")
    for path in ROOT.glob("plugins/*/pyproject.toml"):
        assert f"-e plugins/{path.parent.name}" in every
        quick = f"-e plugins/{path.parent.name}\n" in (ROOT / "requirements.txt").read_text("utf-8")
        assert not (quick and "torch" in path.read_text("utf-8")), (
            f"{path.parent.name} brings torch to the light install"
        )


def test_every_command_hook_and_module_is_written_down() -> None:
    from bench import hookspecs
    from bench.cli import app

    readme = (ROOT / "README.md").read_text("utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for command in app.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        assert f"facebench {name}" in readme, f"README says nothing of 'facebench {name}'"
    for hook in [name for name in vars(hookspecs) if name.startswith("facebench_")]:
        assert hook in contributing, f"CONTRIBUTING says nothing of {hook}"
    for path in MODULES.values():
        if path.stem not in ("__init__", "__main__"):
            assert path.name in contributing, f"CONTRIBUTING's drawing of the house lacks {path.name}"


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_no_faces_data_or_weights_are_in_the_repository() -> None:
    for path in _tracked():
        kind = path.suffix.lower()
        assert kind not in {".jpg", ".jpeg", ".npz", ".npy", ".bin", ".pt", ".pth", ".onnx", ".safetensors", ".mp4"}, (
            path
        )
        assert kind != ".parquet" or path.name.endswith(".trials.parquet"), path
        assert path.stat().st_size < 1 << 20, f"{path} is over a mebibyte"


def test_file_names_are_fit_for_every_file_system() -> None:
    for path in _tracked():
        assert not set(path.name) & set('<>:"\\|?*'), path
        assert path.name == path.name.rstrip(". "), path


def test_sizes_are_reported() -> None:
    for module, root in tree_of.items():
        lines = len(MODULES[module].read_text("utf-8").splitlines())
        if lines > MOST_LINES:
            warnings.warn(f"{module} has {lines} lines", stacklevel=1)
        for node in ast.walk(root):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                given = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
                if length > MOST_FUNCTION or len(given) > MOST_PARAMETERS:
                    warnings.warn(f"{module}.{node.name}: {length} lines, {len(given)} parameters", stacklevel=1)
    assert tree_of
