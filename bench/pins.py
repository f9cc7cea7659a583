"""``pins.toml``: which repositories of the Hub are used, at which commit, with their methods' cards."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import toml
from bench.answers import write
from bench.cards import SHA256, BadCard, pickled, read_methods, to_data
from bench.errors import FacebenchError, PinBroken, WrongUse
from bench.hub import PLAIN, Pin, fetch
from bench.method import Method

FORMAT = 1
MOST_SIZE = 4 << 20
COMMENT = "Written by 'facebench pin'. Code of these repositories is read at these commits only."


@dataclass(frozen=True, slots=True)
class Pinned:
    """A repository as it was agreed to: a plugin, weights without code, or a data set (of which nothing more is kept).

    ``follows``: the branch or tag that ``--update`` looks at; ``module``: the plugin's, below ``folder``; ``code``:
    its files' SHA-256; ``files``: those of weights without code; ``size``: bytes that code and weights declare;
    ``pickled``: pickled weights were agreed to.
    """

    pin: Pin
    follows: str = "main"
    module: str = ""
    folder: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    pickled: bool = False
    methods: tuple[Method, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over the code files' names and hashes; "" for a data set."""
        rows = "".join(f"{path}\0{digest}\n" for path, digest in sorted(self.code.items()))
        return hashlib.sha256(rows.encode()).hexdigest() if rows else ""


def places() -> tuple[Path, Path]:
    """The project's file, in the current folder, and the user's: FACEBENCH_PINS, or under the platform's settings."""
    if given := os.environ.get("FACEBENCH_PINS"):
        return Path("pins.toml"), Path(given).expanduser()
    settings = Path("~/Library/Application Support" if sys.platform == "darwin" else "~/.config")
    home = Path(os.environ.get("XDG_CONFIG_HOME") or settings).expanduser()
    return Path("pins.toml"), home / "facebench" / "pins.toml"


def read_all() -> list[Pinned]:
    """Every pin, the project's going before the user's; raises PinBroken."""
    found: dict[tuple[str, str], Pinned] = {}
    for place in places():
        for pinned in read(place):
            found.setdefault((pinned.pin.kind, pinned.pin.repo), pinned)
    return list(found.values())


def read(place: Path) -> list[Pinned]:
    """The pins of one file, none where it does not exist; raises PinBroken for what 'facebench pin' did not write."""
    try:
        if place.stat().st_size > MOST_SIZE:
            raise BadCard(f"it is over {MOST_SIZE >> 20} MiB")
        data = toml.loads(place.read_text("utf-8"))
        if data.get("facebench") != FORMAT or not {*data} <= {"facebench", "pin"}:
            raise BadCard(f"it is not of format {FORMAT}")
        pins = [_from_data(item) for item in data.get("pin", [])]
        if len({(p.pin.kind, p.pin.repo) for p in pins}) < len(pins):
            raise BadCard("it names one repository twice")
        return pins
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, FacebenchError) as error:
        found = f"{error.found or error.asked}" if isinstance(error, FacebenchError) else f"{error}."
        raise PinBroken(f"{place} was read.", found, "Mend it, or remove it and pin again.") from None


def write_pins(place: Path, pins: Sequence[Pinned]) -> None:
    """Write a file of pins whole; one without pins is removed."""
    if pins:
        rows = [_to_data(pinned) for pinned in sorted(pins, key=lambda p: (p.pin.kind, p.pin.repo))]
        write(place, toml.dump({"facebench": FORMAT, "pin": rows}, COMMENT))
    else:
        place.unlink(missing_ok=True)


def fetch_code(pin: Pin, code: Mapping[str, str]) -> dict[str, bytes]:
    """The code files at a pin, each with the hash that was agreed to; downloaded where they are not yet.

    Raises NotFetched, and PinBroken where one byte is another.
    """
    folder, files = fetch(pin, sorted(code)), {}
    for path, agreed in sorted(code.items()):
        files[path] = (folder / path).read_bytes()
        if (found := hashlib.sha256(files[path]).hexdigest()) != agreed:
            raise PinBroken(
                f"The code of {pin} was to be read.",
                f"{path} was changed after it was pinned: it has SHA-256 {found}, and {agreed} was agreed to.",
                f"Remove {folder.parent.parent} and run again, or look at it: facebench pin {pin.repo} --update",
            )
    return files


def unpack_code(pin: Pin, code: Mapping[str, str]) -> tempfile.TemporaryDirectory[str]:
    """The code files at a pin in a new folder, which goes with the value; raises as ``fetch_code``."""
    files = fetch_code(pin, code)
    folder = tempfile.TemporaryDirectory(prefix="facebench-code-")
    for name, data in files.items():
        path = Path(folder.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _to_data(pinned: Pinned) -> dict[str, Any]:
    pin = pinned.pin
    row: dict[str, Any] = {"repo": pin.repo, "kind": pin.kind, "revision": pin.revision, "follows": pinned.follows}
    if pinned.methods:
        row |= {"module": pinned.module, "folder": pinned.folder, "sha256": pinned.digest, "size": pinned.size}
        row |= {"pickled": pinned.pickled, "code": dict(sorted(pinned.code.items()))}
        row |= {"method": [to_data(method) for method in pinned.methods]}
    elif pinned.files:
        row |= {"size": pinned.size, "files": dict(sorted(pinned.files.items()))}
    return row


def _from_data(data: Mapping[str, Any]) -> Pinned:
    of_data, of_code = {"repo", "kind", "revision", "follows"}, {"module", "folder", "sha256", "size", "pickled"}
    if set(data) not in (of_data, of_data | {"size", "files"}, of_data | of_code | {"code", "method"}):
        raise BadCard("a pin has other keys than repo, kind, revision and follows, and for code those of its files")
    for name in (of_data | of_code) & set(data):
        wanted = {"size": int, "pickled": bool}.get(name, str)
        if type(data[name]) is not wanted:
            raise BadCard(f"{name} is {data[name]!r}, not a {wanted.__name__}")
    if not PLAIN.fullmatch(data["follows"]):
        raise BadCard(f"follows is {data['follows']!r}, which is no plain name")
    pin = Pin(data["repo"], data["revision"], data["kind"])
    if set(data) == of_data:
        return Pinned(pin, data["follows"])
    table = "code" if "code" in data else "files"
    code = data[table]
    if not isinstance(code, Mapping) or not all(
        PLAIN.fullmatch(path) and SHA256.fullmatch(str(digest)) for path, digest in code.items()
    ):
        raise BadCard(f"{table} is no table of plain file names and their SHA-256")
    if table == "files":
        return Pinned(pin, data["follows"], size=data["size"], files=code)
    if not data["module"].isidentifier() or data["folder"] not in ("", "src"):
        raise BadCard(f"module is {data['module']!r} in {data['folder']!r}")
    methods = read_methods(data["method"])
    rest = {name: data[name] for name in ("module", "folder", "size", "pickled")}
    pinned = Pinned(pin, data["follows"], code=code, methods=methods, **rest)
    if any(map(pickled, methods)) and not pinned.pickled:
        raise BadCard(f"{pin.repo} has pickled weights that were not agreed to")
    if pinned.digest != data["sha256"]:
        raise BadCard(f"the hash over the code files of {pin.repo} is not that of their hashes")
    return pinned


def find(repo: str, kind: str = "model") -> tuple[Path, Pinned] | None:
    """The file that a repository is pinned in, and its pin."""
    for place in places():
        for pinned in read(place):
            if (pinned.pin.repo, pinned.pin.kind) == (repo, kind):
                return place, pinned
    return None


def put(place: Path, pinned: Pinned) -> None:
    """Write a pin into a file, in place of one of the same repository."""
    others = [p for p in read(place) if (p.pin.repo, p.pin.kind) != (pinned.pin.repo, pinned.pin.kind)]
    write_pins(place, [*others, pinned])


def remove(repo: str, kind: str = "model") -> Path:
    """Remove a repository's pin and return the file it stood in; raises WrongUse where there is none."""
    if (found := find(repo, kind)) is None:
        raise WrongUse(f"The pin of {repo} was to be removed.", "It is not pinned.", "facebench pin --check")
    place = found[0]
    write_pins(place, [p for p in read(place) if (p.pin.repo, p.pin.kind) != (repo, kind)])
    return place
