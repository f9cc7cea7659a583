"""What a loopback Hub holds, in memory: repositories, immutable commits, refs, pull requests, large objects."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

LARGE = (".safetensors", ".onnx", ".parquet", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npz")
WHEN = "2026-11-01T00:00:00.000Z"


class Refused(Exception):
    """An answer other than success: a status, the Hub's error code, and a text."""

    def __init__(self, status: int, text: str, code: str = "", **more: Any) -> None:
        super().__init__(text)
        self.status, self.text, self.code, self.more = status, text, code, more


@dataclass(frozen=True, slots=True)
class Blob:
    """One file at one commit. ``declared``: the size that listings state instead of the true one; ``kind``: git's."""

    data: bytes
    large: bool = False
    kind: str = "file"
    declared: int | None = None

    @property
    def sha256(self) -> str:
        """Over the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        """As listings state it."""
        return len(self.data) if self.declared is None else self.declared

    @property
    def pointer(self) -> bytes:
        """What git holds of a large file."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()

    @property
    def oid(self) -> str:
        """Git's name for the blob."""
        data = self.pointer if self.large else self.data
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    @property
    def etag(self) -> str:
        """What a download is known by."""
        return self.sha256 if self.large else self.oid

    def entry(self, path: str) -> dict[str, Any]:
        """Its row in a listing."""
        row: dict[str, Any] = {"type": self.kind, "path": path, "size": self.size, "oid": self.oid}
        if self.large:
            row["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": len(self.pointer)}
        return row


Files = Mapping[str, Blob]


@dataclass(frozen=True, slots=True)
class Commit:
    """A full map from path to blob; it never changes."""

    oid: str
    files: Files
    message: str
    parent: str
    author: str


@dataclass(slots=True)
class Pull:
    """A pull request: its changes are those from ``base`` to the head of ``refs/pr/<num>``."""

    num: int
    title: str
    author: str
    base: str
    target: str = "refs/heads/main"
    status: str = "open"
    merged_as: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Repository:
    """One repository; ``writers`` may write to it directly, anyone with a write token may open a pull request."""

    kind: str
    name: str
    writers: set[str] = field(default_factory=set)
    private: bool = False
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)

    def resolve(self, revision: str) -> Commit:
        """The commit that a commit id, a full ref name, a branch or a tag stands for."""
        for oid in (revision, *(self.refs.get(p + revision, "") for p in ("", "refs/heads/", "refs/tags/"))):
            if oid in self.commits:
                return self.commits[oid]
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def commit(self, ref: str, files: Files, message: str, author: str, parent: str = "") -> Commit:
        """Put a commit on ``ref``, whole or not at all."""
        parent = parent or self.refs.get(ref, "")
        text = "\n".join([parent, message, str(len(self.commits)), *(f"{p} {b.oid}" for p, b in sorted(files.items()))])
        made = Commit(hashlib.sha1(text.encode()).hexdigest(), dict(files), message, parent, author)
        self.commits[made.oid] = made
        self.refs[ref] = made.oid
        return made

    def open_pull(self, title: str, author: str, status: str = "open", base: str = "") -> Pull:
        """A pull request whose ref is at ``base``, by default the head of main."""
        num = len(self.pulls) + 1
        pull = Pull(num, title, author, base or self.refs["refs/heads/main"], status=status)
        self.pulls[num], self.refs[f"refs/pr/{num}"] = pull, pull.base
        return pull

    def conflicts(self, pull: Pull) -> list[str]:
        """The paths that main and the pull request changed in different ways."""
        base, ours = self.commits[pull.base].files, self.resolve(pull.target).files
        theirs = self.resolve(f"refs/pr/{pull.num}").files
        return [
            path
            for path in sorted({*base, *theirs})
            if theirs.get(path) != base.get(path) and ours.get(path) not in (base.get(path), theirs.get(path))
        ]

    def merge(self, pull: Pull, author: str) -> Commit:
        """Bring a pull request's changes onto its target; 409 where that changed the same files."""
        if pull.status not in ("open", "draft"):
            raise Refused(409, f"This pull request is {pull.status}.")
        if conflicts := self.conflicts(pull):
            raise Refused(409, f"There are conflicts: {', '.join(conflicts)}")
        base, theirs = self.commits[pull.base].files, self.resolve(f"refs/pr/{pull.num}").files
        files = dict(self.resolve(pull.target).files)
        for path in {*base, *theirs}:
            if path not in theirs:
                files.pop(path, None)
            elif theirs[path] != base.get(path):
                files[path] = theirs[path]
        made = self.commit(pull.target, files, f"{pull.title} (#{pull.num})", author)
        pull.status, pull.merged_as = "merged", made.oid
        return made


@dataclass(frozen=True, slots=True)
class User:
    """Whom a token stands for; ``writes``: whether the token may write."""

    name: str
    writes: bool = True
    organisations: tuple[str, ...] = ()


@dataclass(slots=True)
class Store:
    """All repositories, users and large objects. ``large_from``: bytes from which any file is a large one."""

    users: dict[str, User] = field(default_factory=dict)
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    large_from: int = 1 << 20
    _numbers: Iterable[int] = field(default_factory=itertools.count)

    def create(self, kind: str, name: str, owner: str, private: bool = False) -> Repository:
        """A repository with one commit on main; 409 where it exists."""
        if (kind, name) in self.repositories:
            raise Refused(409, "You already created this repository.")
        made = Repository(kind, name, {owner}, private)
        made.commit("refs/heads/main", {".gitattributes": Blob(b"")}, "initial commit", owner)
        self.repositories[kind, name] = made
        return made

    def put(self, kind: str, name: str, files: Mapping[str, bytes | Blob], message: str = "put by a test") -> str:
        """Lay files into a repository as no client would, names and sizes unchecked; the commit's id."""
        made = self.repositories.get((kind, name)) or self.create(kind, name, name.partition("/")[0])
        blobs = {path: data if isinstance(data, Blob) else self.blob(path, data) for path, data in files.items()}
        return made.commit("refs/heads/main", {**made.resolve("main").files, **blobs}, message, "test").oid

    def blob(self, path: str, data: bytes) -> Blob:
        """The blob that an upload of ``data`` would become."""
        return Blob(data, self.is_large(path, len(data)))

    def is_large(self, path: str, size: int) -> bool:
        """Whether a file goes to large-file storage; an empty one never does."""
        return size > 0 and (path.endswith(LARGE) or size >= self.large_from)

    def apply(self, files: Files, lines: list[dict[str, Any]]) -> dict[str, Blob]:
        """A commit's operations, in order, on a map of files."""
        import base64

        changed = dict(files)
        for line in lines:
            value, path = line["value"], line["value"].get("path", "")
            if line["key"] == "file":
                changed[path] = Blob(base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.objects:
                    raise Refused(400, f"{path} was never uploaded.")
                changed[path] = Blob(self.objects[value["oid"]], large=True)
            elif line["key"] == "deletedFile":
                if path not in changed:
                    raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
                del changed[path]
            elif line["key"] == "deletedFolder":
                changed = {p: b for p, b in changed.items() if not p.startswith(path.rstrip("/") + "/")}
        return changed


def listing(files: Files, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """Rows of a folder: direct children, or everything below it; 404 where there is no such folder."""
    prefix = f"{folder}/" if folder else ""
    below = {path: blob for path, blob in files.items() if path.startswith(prefix)}
    if folder and not below:
        raise Refused(404, f"{folder} does not exist", "EntryNotFound")
    rows, folders = [], set()
    for path, blob in sorted(below.items()):
        parts = path.removeprefix(prefix).split("/")
        depth = range(1, len(parts)) if recursive else range(1, min(2, len(parts)))
        folders |= {prefix + "/".join(parts[:i]) for i in depth}
        if recursive or len(parts) == 1:
            rows.append(blob.entry(path))
    return [
        *(
            {"type": "directory", "path": p, "size": 0, "oid": hashlib.sha1(p.encode()).hexdigest()}
            for p in sorted(folders)
        ),
        *rows,
    ]


def symlink(target: str) -> Blob:
    """A symbolic link, as git keeps it."""
    return Blob(target.encode(), kind="symlink")


def pretending(data: bytes, size: int) -> Blob:
    """A large file whose listing states another size than it has."""
    return replace(Blob(data, large=True), declared=size)
