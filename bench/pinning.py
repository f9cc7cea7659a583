"""'facebench pin': what a repository holds, looked at without running it, and agreed to."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from bench import cards, pins, toml
from bench.cards import BadCard
from bench.errors import FacebenchError, NotFetched, NotPinnable, PinBroken, WrongUse
from bench.hub import MOST_BYTES, PLAIN, Entry, Listing, check_sizes, fetch, resolve
from bench.method import Method
from bench.pins import Pinned

MANIFEST = "pyproject.toml"
GROUP = "facebench"
# What a plugin may read beside its code; everything else in the repository is left there.
CODE = (".py", ".toml", ".json", ".txt", ".csv")
MOST_CODE = 8 << 20
CONFIG = "config.json"  # what the Hub's libraries have beside weights
SETTINGS = (".json", ".txt", ".model", ".jinja")  # and what they read with it: of processors and tokenizers
MOST_SETTINGS = 64 << 20
DEPENDENCY = re.compile(r"[\w\s.\[\],<>=!~;*+@:/()\"'-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a repository as it is shown: ``part`` is code, weights or left there; ``sha256`` "" where unknown."""

    path: str
    size: int
    sha256: str
    part: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a repository holds and what would be pinned; ``changes`` are its files' against an earlier pin."""

    pinned: Pinned
    files: tuple[File, ...]
    dependencies: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def inspect(
    repo: str, revision: str = "main", kind: str = "model", most: int = MOST_BYTES, allow_pickle: bool = False
) -> Inspection:
    """Look at a repository at a revision: its code is downloaded and read, and not run.

    ``most``: bytes that code and weights may declare; ``allow_pickle``: weights that are pickles are agreed to.
    Raises NotFetched where it cannot be had, and NotPinnable where it holds what is not taken.
    """
    if not PLAIN.fullmatch(revision):
        raise WrongUse(f"{repo} was to be looked at.", f"{revision!r} is no plain name of a branch, tag or commit.")
    listing = resolve(repo, revision, kind)
    asked = f"{listing.pin} was looked at."
    check_sizes(asked, [replace(file, size=0) for file in listing.files], most)
    if listing.odd:
        found = f"{listing.odd[0]!r} is neither a file nor a folder: a symbolic link, or a repository within."
        raise NotPinnable(asked, found, "Ask its owner to put files in its place.")
    if kind == "dataset":
        files = tuple(File(f.path, f.size, f.sha256, "data") for f in listing.files)
        return Inspection(Pinned(listing.pin, revision), files)
    if kind == "model" and _is_weights({file.path for file in listing.files}):
        return _weights_alone(asked, listing, revision, most)
    code = _code_files(asked, listing)
    check_sizes(asked, code, MOST_CODE)
    folder = fetch(listing.pin, [file.path for file in code])
    texts = {file.path: (folder / file.path).read_bytes() for file in code}
    methods = _methods(asked, texts)
    module, place, dependencies = _manifest(asked, texts)
    weights = _weights(asked, listing, methods, allow_pickle)
    check_sizes(asked, [*code, *weights], most)
    pinned = Pinned(
        listing.pin,
        revision,
        module,
        place,
        {path: hashlib.sha256(data).hexdigest() for path, data in texts.items()},
        sum(file.size for file in (*code, *weights)),
        any(map(cards.pickled, methods)),
        methods,
    )
    return Inspection(pinned, tuple(_shown(listing, pinned)), dependencies)


def _code_files(asked: str, listing: Listing) -> list[Entry]:
    code = [file for file in listing.files if file.path.endswith(CODE)]
    for needed in (MANIFEST, cards.FILE):
        if needed not in {file.path for file in code}:
            do = "Its owner writes one with 'facebench publish method'."
            raise NotPinnable(asked, f"It has no {needed}, so it is no plugin.", do)
    return code


def _is_weights(names: set[str]) -> bool:
    return CONFIG in names and not {MANIFEST, cards.FILE} & names


def _weights_alone(asked: str, listing: Listing, revision: str, most: int) -> Inspection:
    """A repository of weights, a method's by a card elsewhere: safetensors and settings of its upper folder."""
    upper = [file for file in listing.files if "/" not in file.path]
    settings = [file for file in upper if file.path.endswith(SETTINGS)]
    weights = [file for file in upper if file.path.endswith(".safetensors")]
    pickles = [file.path for file in listing.files if file.path.endswith(cards.PICKLED)]
    if not weights:
        found = f"Its weights are pickles, which run code when they are read: {pickles[0]}." if pickles else ""
        raise NotPinnable(asked, found or "It has no safetensors.", "Ask its owner for safetensors.")
    check_sizes(asked, settings, MOST_SETTINGS)
    check_sizes(asked, [*settings, *weights], most)
    small = [file for file in (*settings, *weights) if not file.sha256]  # the Hub knows the SHA-256 of large files
    folder = fetch(listing.pin, [file.path for file in small], most)
    hashes = {file.path: file.sha256 for file in (*settings, *weights)}
    hashes |= {file.path: hashlib.sha256((folder / file.path).read_bytes()).hexdigest() for file in small}
    pinned = Pinned(listing.pin, revision, size=sum(f.size for f in (*settings, *weights)), files=hashes)
    return Inspection(pinned, tuple(_shown(listing, pinned)))


def _methods(asked: str, texts: dict[str, bytes]) -> tuple[Method, ...]:
    try:
        return cards.read_cards(texts[cards.FILE].decode())
    except (BadCard, UnicodeDecodeError) as error:
        do = "Ask its owner to publish it again with 'facebench publish method'."
        raise NotPinnable(asked, f"Its {cards.FILE} cannot be taken: {error}.", do) from None


def _manifest(asked: str, texts: dict[str, bytes]) -> tuple[str, str, tuple[str, ...]]:
    """The plugin's module, the folder it lies in, and its dependencies, from its pyproject.toml."""
    try:
        project = toml.loads(texts[MANIFEST].decode())["project"]
        ((_, point),) = project["entry-points"][GROUP].items()
        module, dependencies = str(point).partition(":")[0], tuple(map(str, project.get("dependencies", [])))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        found = f"Its {MANIFEST} names no one module under [project.entry-points.{GROUP}] ({type(error).__name__})."
        raise NotPinnable(asked, found) from None
    if not module.isidentifier() or module in sys.stdlib_module_names or module == "bench":
        raise NotPinnable(asked, f"Its module is called {module!r}, which is no name of its own.")
    if odd := [text for text in dependencies if not DEPENDENCY.fullmatch(text)]:
        raise NotPinnable(asked, f"It depends on {odd[0]!r}, which is no dependency.")
    for place in ("", "src"):
        for path in (f"{module}.py", f"{module}/__init__.py"):
            if str(PurePosixPath(place, path)) in texts:
                return module, place, dependencies
    raise NotPinnable(asked, f"Its module {module} is not in it.")


def _weights(asked: str, listing: Listing, methods: Sequence[Method], allow_pickle: bool) -> list[Entry]:
    """The files that the cards name as weights."""
    held, found = {file.path: file for file in listing.files}, {}
    for method in methods:
        weights = method.weights
        for name, digest in weights.files.items() if weights else ():
            if name not in held:
                raise NotPinnable(asked, f"The weights {name} of {method.name} are not in it.")
            if held[name].sha256 not in ("", digest):
                raise NotPinnable(asked, f"{name} has SHA-256 {held[name].sha256}; the card says {digest}.")
            found[name] = held[name]
        if (why := cards.pickled(method)) and not allow_pickle:
            why = f"The weights of {method.name} are pickles, which run code when they are read: {why!r}."
            raise NotPinnable(asked, why, f"Where you trust its owner: facebench pin {listing.pin.repo} --allow-pickle")
    return list(found.values())


def _shown(listing: Listing, pinned: Pinned) -> Iterator[File]:
    weights = {name: digest for m in pinned.methods if m.weights for name, digest in m.weights.files.items()}
    for file in listing.files:
        if file.path in pinned.code:
            yield File(file.path, file.size, pinned.code[file.path], "code")
        elif file.path in pinned.files:
            part = "weights" if file.path.endswith(cards.WEIGHTS) else "settings"
            yield File(file.path, file.size, pinned.files[file.path], part)
        elif file.path in weights:
            yield File(file.path, file.size, weights[file.path], "weights")
        else:
            pickle = file.path.endswith(cards.PICKLED)
            yield File(file.path, file.size, file.sha256, "a pickle, not read" if pickle else "not read")


def inspect_update(repo: str, kind: str = "model", most: int = MOST_BYTES, allow_pickle: bool = False) -> Inspection:
    """Look at a pinned repository where the branch that its pin follows is now; ``changes`` says what differs.

    Raises WrongUse where it is not pinned.
    """
    if (found := pins.find(repo, kind)) is None:
        raise WrongUse(f"The pin of {repo} was to be updated.", "It is not pinned.", f"facebench pin {repo}")
    old = found[1]
    new = inspect(repo, old.follows, kind, most, allow_pickle or old.pickled)
    return replace(new, changes=tuple(_changes(old, new.pinned)))


def _changes(old: Pinned, new: Pinned) -> Iterator[str]:
    if old.pin.revision != new.pin.revision:
        yield f"commit {old.pin.revision[:7]} to {new.pin.revision[:7]}"
    before_files, now_files = {**old.code, **old.files}, {**new.code, **new.files}
    for path in sorted({*before_files, *now_files}):
        if path not in now_files:
            yield f"{path} is gone"
        elif before_files.get(path) != now_files[path]:
            yield f"{path} is {'another' if path in before_files else 'new'}"
    before = {method.name: cards.to_data(method) for method in old.methods}
    for method in new.methods:
        now, then = cards.to_data(method), before.get(method.name)
        keys = [key for key in now if then is not None and now[key] != then[key]]
        if then is None or keys:
            yield f"{method.name}: {', '.join(keys) if then else 'a new method'}"


def place_of(repo: str, kind: str, user: bool) -> Path:
    """The file a pin goes to: the one it stands in already, else the project's, or the ``user``'s."""
    found, (project, own) = pins.find(repo, kind), pins.places()
    return own if user else found[0] if found else project


def pin(inspection: Inspection, place: Path) -> Path:
    """Write what was looked at into a file of pins, and return that."""
    pins.put(place, inspection.pinned)
    return place


def check(repos: Sequence[str], tell: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Each pin (those of ``repos``, by default all) with what is wrong with it, "" where nothing is.

    Its code is fetched and compared, and what the Hub declares of its weights; ``tell`` hears of what is no fault: the
    branch that a pin follows has gone on, or the Hub cannot be asked.
    """
    known = pins.read_all()
    for repo in repos:
        if repo not in {pinned.pin.repo for pinned in known}:
            raise WrongUse(f"The pin of {repo} was to be checked.", "It is not pinned.", f"facebench pin {repo}")
    for pinned in known:
        if not repos or pinned.pin.repo in repos:
            yield str(pinned.pin), _fault(pinned, tell)


def _fault(pinned: Pinned, tell: Callable[[str], None]) -> str:
    pin = pinned.pin
    try:
        if pinned.code:
            carried = _methods(f"{pin} was checked.", pins.fetch_code(pin, pinned.code))
            if [*map(cards.to_data, carried)] != [*map(cards.to_data, pinned.methods)]:
                raise PinBroken(f"{pin} was checked.", f"Its {cards.FILE} says other things than the cards of the pin.")
        try:
            held, now = resolve(pin.repo, pin.revision, pin.kind), resolve(pin.repo, pinned.follows, pin.kind).pin
        except NotFetched as error:
            tell(f"{pin.repo}: what the Hub has now is not known. {error.found}")
            return ""
        _weights(f"{pin} was checked.", held, pinned.methods, pinned.pickled)
        if now.revision != pin.revision:
            tell(f"{pinned.follows} of {pin.repo} is at {now.revision[:7]} now; the pin stays where it is.")
    except FacebenchError as error:
        return str(error).replace("\n", " ")
    return ""


def as_data(inspection: Inspection) -> dict[str, Any]:
    """What was looked at, for programs."""
    pinned = inspection.pinned
    return {
        **{"repo": pinned.pin.repo, "kind": pinned.pin.kind, "revision": pinned.pin.revision, "sha256": pinned.digest},
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256, "part": f.part} for f in inspection.files],
        **{"dependencies": list(inspection.dependencies), "changes": list(inspection.changes)},
        "methods": [cards.to_data(method) for method in pinned.methods],
    }
