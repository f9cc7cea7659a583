"""A method: a card that says what it is, and a lazy ``load`` that makes it able to answer."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import DataDamaged, NeedsInstall, UnknownName, WrongUse
from bench.hub import Pin, fetch

HUB = "hub"  # the kind of origin whose code is fetched at a pin
TRUE, FALSE = {"on", "true", "yes", "1"}, {"off", "false", "no", "0"}
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Option:
    """A named choice that changes answers, so it is part of the method's identity.

    ``values`` lists what may be chosen; empty means any value of the default's type.
    """

    name: str
    default: bool | int | float | str
    about: str
    values: tuple[bool | int | float | str, ...] = ()

    def parse(self, text: str, method: str = "") -> bool | int | float | str:
        """Read a value as it is typed on the command line.

        Raises WrongUse for a value that is not of the default's type or not among ``values``.
        """
        kind = type(self.default)
        value: bool | int | float | str = text
        try:
            if kind is bool:
                if text.lower() not in TRUE | FALSE:
                    raise ValueError(text)
                value = text.lower() in TRUE
            elif kind is not str:
                value = kind(text)
        except ValueError:
            raise self._refusal(text, method) from None
        if self.values and value not in self.values:
            raise self._refusal(text, method)
        return value

    def _refusal(self, text: str, method: str) -> WrongUse:
        choices = self.values or ((True, False) if isinstance(self.default, bool) else ())
        allowed = ", ".join(written(choice) for choice in choices) or f"a {type(self.default).__name__}"
        return WrongUse(f"{method}:{self.name}={text} was asked for.", f"{self.name} takes {allowed}.", self.about)


def written(value: bool | int | float | str) -> str:
    """An option's value as it is typed on the command line."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Folder:
    """Weights under the models root: ``<models>/<name>/<file>``, known by content.

    ``files`` maps a file name to its SHA-256; ``source`` says where the folder is handed out.
    """

    name: str
    files: Mapping[str, str]
    source: str = ""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """The folder on disk, its files' hashes checked.

        Raises NeedsInstall where it is absent and DataDamaged where a file has other bytes.
        """
        asked = f"{asked_by} needs the weights {self.name}/{', '.join(self.files)}."
        do = "Point --models (or FACEBENCH_MODELS) at the folder that holds it."
        if self.source:
            do += f" It is handed out at {self.source}."
        if models is None:
            raise NeedsInstall(asked, "No models root was given.", do)
        folder = Path(models).resolve() / self.name
        _check_files(folder, self.files, asked, do)
        return folder


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights inside an installed distribution that is never imported: ``<site-packages>/<folder>/<file>``.

    ``distribution``: as pip installs it; ``files`` maps a file name to its SHA-256.
    """

    distribution: str
    folder: str
    files: Mapping[str, str]

    def find(self, models: Path | None, asked_by: str) -> Path:
        """The folder on disk, its files' hashes checked; raises as ``Folder.find``."""
        asked = f"{asked_by} needs the weights {', '.join(self.files)} of {self.distribution}."
        do = f"pip install {self.distribution}"
        try:
            folder = Path(str(importlib.metadata.distribution(self.distribution).locate_file(self.folder)))
        except importlib.metadata.PackageNotFoundError:
            raise NeedsInstall(asked, f"{self.distribution} is not installed.", do) from None
        _check_files(folder, self.files, asked, do)
        return folder


@dataclass(frozen=True, slots=True)
class SameCommit:
    """Weights that lie beside the code: in the same repository at the same commit, or in the plugin's folder.

    ``files`` maps a file's path from the repository's root to its SHA-256; ``pickled``: why they are pickles, where
    they are. ``place`` and ``size``, the bytes that the pin allows, are filled in by discovery.
    """

    files: Mapping[str, str]
    pickled: str = ""
    place: Path | Pin | None = field(default=None, compare=False)
    size: int = field(default=0, compare=False)

    def find(self, models: Path | None, asked_by: str) -> Path:
        """The folder on disk, fetched where it is not yet, its files' hashes checked.

        Raises NotFetched where it cannot be had, and as ``Folder.find``.
        """
        asked = f"{asked_by} needs the weights {', '.join(self.files)} of its own repository."
        if self.place is None:
            raise NeedsInstall(asked, "Where that lies is not known.", "Name it as 'facebench list methods' prints it.")
        folder, do = self.place, "Put them there, or mend the method's card."
        if isinstance(folder, Pin):
            folder = fetch(folder, sorted(self.files), self.size)
            do = f"Remove {folder.parent.parent} and run the same command again."
        _check_files(folder, self.files, asked, do)
        return folder


@dataclass(frozen=True, slots=True)
class Repository:
    """Weights in a repository of the Hub that brings no code: ``repo`` is OWNER/NAME, ``pin`` its agreed commit.

    ``files`` maps a file's path in it to its SHA-256; ``size``: the bytes that the pin allows. A repository that is
    not pinned yet has no ``pin``, and can be listed.
    """

    repo: str
    files: Mapping[str, str]
    pin: Pin | None = None
    size: int = 0

    def find(self, models: Path | None, asked_by: str) -> Path:
        """The folder on disk, fetched where it is not yet, its files' hashes checked.

        Raises NeedsInstall with the command that pins where it is not pinned, and as ``SameCommit.find``.
        """
        asked = f"{asked_by} needs the weights of {self.repo}."
        if self.pin is None:
            raise NeedsInstall(asked, "That repository is not pinned.", f"facebench pin {self.repo}")
        folder = fetch(self.pin, sorted(self.files), self.size)
        _check_files(folder, self.files, asked, f"Remove {folder.parent.parent} and run the same command again.")
        return folder


def _check_files(folder: Path, files: Mapping[str, str], asked: str, do: str) -> None:
    for file, expected in files.items():
        try:
            with open(folder / file, "rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except FileNotFoundError:
            raise NeedsInstall(asked, f"{folder / file} does not exist.", do) from None
        except OSError as error:
            raise DataDamaged(asked, f"{folder / file} cannot be read: {error.strerror}.", do) from None
        if found != expected:
            raise DataDamaged(asked, f"{folder / file} has SHA-256 {found}, expected {expected}.", do)


@dataclass(frozen=True, slots=True)
class Load:
    """All that a method's ``load`` is told; it may grow without breaking plugins.

    ``weights``: the checked folder, or None; ``device``: "cpu", "cuda", …; ``threads``: how many
    the method may use; ``seed``: for what is drawn at random; ``options``: every option's value; ``inputs``: which of
    the method's inputs the images will be.
    """

    weights: Path | None = None
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """A published method as a value: its card and how it is loaded.

    ``tasks``: the tasks it answers; ``inputs``: what its images must be ("raw", "arcface-112");
    ``similarity``: "cosine" or "euclidean"; ``needs``: packages ``load`` uses, as they are
    imported, or as pip installs them where that is another name (``sf-heu``, imported as ``heu``);
    ``trained_on``: data sets, those in ``withdrawn`` having been taken back by their publisher;
    ``batch``: how many records a call takes by default; ``trainable``: fitted on each fold's training split;
    ``floor``: knows nothing of faces and marks where a board begins; ``contract``: which of a
    task's contracts it has, where that is not the first ("Answerer").
    """

    name: str
    tasks: frozenset[str]
    load: Callable[[Load], Any]
    inputs: frozenset[str] = frozenset()
    weights: Folder | Packaged | SameCommit | Repository | None = None
    about: str = ""
    licence: str = ""
    trained_on: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    cite: str = ""
    similarity: str = "cosine"
    options: tuple[Option, ...] = ()
    needs: tuple[str, ...] = ()
    batch: int = 32
    trainable: bool = False
    floor: bool = False
    contract: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or ".." in self.name:
            raise WrongUse(
                f"A method is called {self.name!r}.",
                "A name is lower-case letters, digits, '.', '_' and '-', with at most one '/'.",
            )
        if self.similarity not in {"cosine", "euclidean"}:
            raise WrongUse(f"{self.name} says similarity {self.similarity!r}.", "It is cosine or euclidean.")
        object.__setattr__(self, "tasks", frozenset(self.tasks))
        object.__setattr__(self, "inputs", frozenset(self.inputs))

    def absent_packages(self) -> list[str]:
        """Packages of ``needs`` that are not here."""
        return [name for name in self.needs if not (_importable(name) or _installed(name))]


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # the package around it is absent
        return False


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return True


Values = Mapping[str, bool | int | float | str]


@dataclass(frozen=True, slots=True)
class Configured:
    """A method with its options set; ``str`` of it parses back: ``mobilefacenet:flip=off``.

    ``options``: the values of its own, which ``load`` is told; ``ways``: the protocol's options, in which it may be
    asked, and ``asked`` their values; ``aligner``: what cuts the faces out for it, where that was asked for.
    """

    method: Method
    options: Values
    origin: Origin
    ways: tuple[Option, ...] = ()
    asked: Values = field(default_factory=dict)
    aligner: Configured | None = None

    def __str__(self) -> str:
        defaults = {option.name: option.default for option in (*self.method.options, *self.ways)}
        changed = {k: v for k, v in {**self.options, **self.asked}.items() if defaults[k] != v}
        chosen = ",".join(f"{k}={written(v)}" for k, v in sorted(changed.items()))
        return f"{self.name}:{chosen}" if chosen else self.name

    @property
    def name(self) -> str:
        """The method's name; of a pinned one with the seven first digits of its commit."""
        return f"{self.method.name}@{self.origin.version[:7]}" if self.origin.kind == HUB else self.method.name

    @classmethod
    def parse(cls, method: Method, chosen: str, origin: Origin, ways: tuple[Option, ...] = ()) -> Configured:
        """Set the method's options, and the ``ways`` of the protocol it is asked with, from ``a=1,b=off``.

        Raises UnknownName and WrongUse.
        """
        known = {option.name: option for option in (*ways, *method.options)}
        if len(known) < len(ways) + len(method.options):
            found = "An option of it has the name of one of the protocol's."
            raise WrongUse(f"{method.name} was to be asked.", found, f"Those are {', '.join(o.name for o in ways)}.")
        values = {option.name: option.default for option in known.values()}
        for item in filter(None, chosen.split(",")):
            name, sign, text = item.partition("=")
            if name not in known:
                raise UnknownName.of(f"option of {method.name}", name, known, f"facebench show {method.name}")
            if not sign:
                raise WrongUse(f"Option {item!r} of {method.name} has no value.", f"Write {name}=VALUE.")
            values[name] = known[name].parse(text, method.name)
        asked = {option.name: values.pop(option.name) for option in ways}
        return cls(method, values, origin, ways, asked)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a method's code comes from, so that a worker can load it and a result can name it.

    ``kind``: "installed", "folder", "script" or "hub"; ``code``: SHA-256 over the code files. Of a pinned repository
    ``distribution`` is its name, ``version`` its commit, ``path`` where in it the module lies, and ``files`` its code
    files with their SHA-256.
    """

    kind: str
    distribution: str
    version: str
    module: str
    path: str
    code: str
    files: Mapping[str, str] = field(default_factory=dict)
