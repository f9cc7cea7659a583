"""What is sent to the Hub: a method's repository, with its code, weights, card and the page made from it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import cards, cleaning, hub
from bench.attacking import SHOWN
from bench.conformance import plugins_in
from bench.errors import NotPublished, WrongUse
from bench.hub import MOST_BYTES, PLAIN, Entry
from bench.method import Method
from bench.pinning import CODE, MANIFEST, MOST_CODE
from bench.plugins import Plugin

LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "agpl-3.0"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0"),
)
PAGE = "README.md"


@dataclass(frozen=True, slots=True)
class Shipment:
    """What would be sent: ``files`` by their path in ``repo``."""

    repo: str
    files: Mapping[str, bytes | Path]

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Each file with its size in bytes."""
        for path, data in sorted(self.files.items()):
            yield path, len(data) if isinstance(data, bytes) else data.stat().st_size


def pack_method(folder: str | Path, repo: str, models: Path | None = None) -> Shipment:
    """The repository that a plugin's folder becomes; nothing is sent.

    Its module and manifest, the weights that its methods name (their hashes checked; a Folder is looked for under
    ``models``), ``facebench.toml`` and a page. Raises WrongUse, NotPublished for what a pin would not take, and
    whatever finding the weights raises.
    """
    hub.check_repository(repo)
    asked, root = f"{folder} was to be published as {repo}.", Path(folder).expanduser().resolve()
    cleaning.refuse(root, asked)
    if not (root / MANIFEST).is_file():
        raise WrongUse(asked, f"It has no {MANIFEST}.", "facebench new method NAME --hub writes a folder that has.")
    plugins = plugins_in(root)
    if len(plugins) != 1 or plugins[0].cause or not plugins[0].methods:
        found = plugins[0].cause if plugins and plugins[0].cause else f"It brings {len(plugins)} plugins here, not one."
        raise NotPublished(asked, found, f"'facebench check {folder}' says what to mend.")
    plugin = plugins[0]
    code = {MANIFEST: root / MANIFEST, **dict(_module(root, plugin, asked))}
    files: dict[str, bytes | Path] = {**code, **dict(_weights(plugin.methods, models, asked))}
    files |= {path.name: path for path in sorted(root.glob("LICENSE*")) if path.is_file() and not path.is_symlink()}
    card = cards.write_cards(plugin.methods)
    try:
        cards.read_cards(card)
    except cards.BadCard as error:
        raise NotPublished(asked, f"A pin would not take its card: {error}.", "Mend bench.Method(…).") from None
    files |= {cards.FILE: card.encode(), PAGE: page(repo, plugin.methods).encode()}
    shipment = Shipment(repo, files)
    sizes = [Entry(path, size) for path, size in shipment.sizes()]
    hub.check_sizes(asked, [entry for entry in sizes if entry.path in code], MOST_CODE)
    hub.check_sizes(asked, sizes, MOST_BYTES)
    return shipment


def publish_method(shipment: Shipment, pull: bool = False) -> str:
    """Send a shipment in one commit, code that is no longer in it going; return the commit's or pull request's address.

    Raises NotPublished where the Hub did not take it; then no file there was changed.
    """
    if not pull:
        hub.create(shipment.repo)
    there = hub.resolve(shipment.repo)
    gone = [file.path for file in there.files if file.path.endswith(CODE) and file.path not in shipment.files]
    return hub.upload(there.pin, shipment.files, "Publish a method for facebench", remove=gone, pull=pull)


def page(repo: str, methods: Sequence[Method]) -> str:
    """The repository's README.md, from its methods' cards."""
    licences = {method.licence.lower() for method in methods}
    licence = licences.pop() if len(licences) == 1 and licences <= set(LICENCES) else "other"
    tags = sorted({"facebench", *(task.replace("_", "-") for method in methods for task in method.tasks)})
    head = ["---", f"license: {licence}", "library_name: facebench", "tags:", *(f"- {tag}" for tag in tags), "---"]
    lines = [*head, "", f"# {repo.partition('/')[2]}", "", "A method for facebench. To ask it a question:", ""]
    name = repo if len(methods) == 1 else methods[0].name
    lines += ["```", f"facebench pin {repo}", f"facebench run PROTOCOL --method {name}", "```", ""]
    for method in methods:
        lines += [f"## {method.name}", "", _text(method.about), ""]
        lines += [f"* **{name}**: {_text(text)}" for name, text in _facts(method)]
        lines.append("")
    lines += ["A score is no proof of identity, and nothing here is made for deployment on people.", ""]
    return "\n".join(lines)


def _facts(method: Method) -> Iterator[tuple[str, str]]:
    yield "Tasks", ", ".join(sorted(method.tasks))
    yield "Inputs", ", ".join(sorted(method.inputs)) or "none named"
    yield "Licence", method.licence
    yield "Trained on", ", ".join(_trained(method)) or "nothing"
    yield "Source", method.cite
    yield "Compared by", method.similarity
    yield "Needs", ", ".join(method.needs) or "nothing beside facebench"
    for option in method.options:
        yield f"Option {option.name}", f"{option.about} (by default {option.default})"
    for file, digest in method.weights.files.items() if method.weights else ():
        yield f"Weights {file}", f"SHA-256 {digest}"
    if why := cards.pickled(method):
        yield "Weights are pickles", why


def _trained(method: Method) -> Iterator[str]:
    for name in method.trained_on:
        yield f"{name} (withdrawn by its publisher)" if name in method.withdrawn else name


def _text(text: str) -> str:
    """Text of a card on a page: on one line, its signs without a meaning."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{sign}" if sign in "\\`*_[]|#!" else sign for sign in plain)


def _module(root: Path, plugin: Plugin, asked: str) -> Iterator[tuple[str, Path]]:
    """The files of the plugin's module, by their path in the folder."""
    place = root / "src" if (root / "src").is_dir() else root
    package = place / plugin.module
    found = sorted(package.rglob("*")) if package.is_dir() else [place / f"{plugin.module}.py"]
    for path in found:
        if path.is_symlink() or not path.resolve().is_relative_to(root):
            raise NotPublished(asked, f"{path} is a symbolic link.", "Put the file in its place.")
        if path.is_file() and path.suffix in CODE and "__pycache__" not in path.parts:
            name = path.relative_to(root).as_posix()
            if odd := [part for part in path.relative_to(root).parts if part.startswith(".") or part == SHOWN]:
                raise NotPublished(asked, f"{name} lies in {odd[0]} or is that; such are not sent.", "Take it away.")
            if not PLAIN.fullmatch(name):
                raise NotPublished(asked, f"The name {name!r} is not plain.", "Rename it: letters, digits, '.', '_'.")
            yield name, path


def _weights(methods: Sequence[Method], models: Path | None, asked: str) -> Iterator[tuple[str, Path]]:
    for method in methods:
        if method.weights is None:
            continue
        for file in method.weights.files:
            if not file.endswith(cards.WEIGHTS) and not cards.pickled(method):
                found = f"{file} of {method.name} is neither safetensors nor ONNX."
                raise NotPublished(asked, found, "Convert it, or say why not: SameCommit(files, pickled='why').")
            yield file, method.weights.find(models, method.name) / file
