"""The door to the Hugging Face Hub: a pin becomes a path on disk, or a data set read at its commit."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import FacebenchError, NeedsInstall, NotFetched, NotPinnable, NotPublished, Unpinned, WrongUse

T = TypeVar("T")

KINDS = ("model", "dataset")
REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
# What may stand unquoted in a shell and unescaped on a page, and leads nowhere else.
PLAIN = re.compile(r"(?=.{1,200}$)(?!(.*/)?\.{1,2}(/|$))[\w.][\w.+=-]*(/[\w.][\w.+=-]*)*", re.ASCII)
MOST_FILES = 10_000
MOST_BYTES = 4 << 30
BUSY = (408, 429)  # answers that are worth another attempt, beside those from 500
WAITS = (1.0, 4.0)  # seconds before the client's call is made a second and a third time
LONGEST_WAIT = 60.0
UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


@dataclass(frozen=True, slots=True)
class Pin:
    """A repository at one commit: ``revision`` is its 40 hexadecimal digits, ``kind`` is model or dataset.

    Raises Unpinned for a branch, a tag or a short commit, and WrongUse for what is no repository's name.
    """

    repo: str
    revision: str
    kind: str = "model"

    def __post_init__(self) -> None:
        check_repository(self.repo)
        if self.kind not in KINDS:
            raise WrongUse(f"{self.repo} was named as a {self.kind!r}.", "It is a model or a dataset.")
        if not COMMIT.fullmatch(self.revision):
            found = f"{self.revision!r} is no commit of 40 hexadecimal digits, so it can change under its name."
            raise Unpinned(f"{self.repo} was to be read.", found, f"facebench pin {self.repo}")

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as a repository declares it: ``size`` in bytes; ``sha256`` only of large files, else ""."""

    path: str
    size: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository holds at a commit; ``odd`` are entries that are neither files nor folders with files."""

    pin: Pin
    files: tuple[Entry, ...]
    odd: tuple[str, ...] = ()


def check_repository(repo: str) -> None:
    """Check that ``repo`` is written as a repository's name; raises WrongUse."""
    if not REPOSITORY.fullmatch(repo):
        found = "A repository is OWNER/NAME: letters, digits, '.', '_' and '-', no '--' or '..'."
        raise WrongUse(f"The repository {repo!r} was named.", found)


def resolve(repo: str, revision: str = "main", kind: str = "model") -> Listing:
    """The commit that ``revision`` stands for now, and its files; nothing is downloaded, nothing is run.

    Raises NotFetched where it cannot be had and NotPinnable where it has over 10,000 files.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    check_repository(repo)
    asked, api = f"{repo} was looked up at {revision}.", HfApi()
    info = patiently(asked, lambda: api.repo_info(repo, repo_type=kind, revision=revision, timeout=30))
    pin = Pin(repo, str(info.sha), kind)

    def read() -> list[Any]:
        tree = api.list_repo_tree(repo, recursive=True, revision=pin.revision, repo_type=kind)
        return list(islice(tree, MOST_FILES + 1))

    rows = patiently(asked, read)
    if len(rows) > MOST_FILES:
        raise NotPinnable(asked, f"It has over {MOST_FILES} files.", "Ask its owner for a smaller repository.")
    files = tuple(
        Entry(row.path, row.size, row.lfs.sha256 if row.lfs else "") for row in rows if isinstance(row, RepoFile)
    )
    # Git has no empty folders: what is listed as one and holds nothing is a link or a repository within.
    folders = {str(parent) for file in files for parent in Path(file.path).parents}
    odd = tuple(row.path for row in rows if not isinstance(row, RepoFile) and row.path not in folders)
    return Listing(pin, files, odd)


def fetch(pin: Pin, names: Sequence[str], most: int = MOST_BYTES) -> Path:
    """The folder that holds the files ``names`` (patterns as in fnmatch) of a pin, downloaded where they are not yet.

    What is in the client's cache costs no request. ``most``: the bytes that all of them may declare. Raises
    NotFetched where one cannot be had, NotPinnable where they are too large or a name leads out of the folder.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if (folder := _cached(pin, names)) is not None:
        return folder
    asked = f"{pin} was to be fetched."
    listing = resolve(pin.repo, pin.revision, pin.kind)
    wanted = [file for file in listing.files if any(fnmatchcase(file.path, name) for name in names)]
    held = {file.path for file in wanted}
    if absent := [name for name in names if "*" not in name and name not in held]:
        raise NotFetched(asked, f"It has no file {absent[0]}.", "Ask its owner, or pin another commit.")
    check_sizes(asked, wanted, most)
    if not sys.stderr.isatty():
        disable_progress_bars()
    kwargs: dict[str, Any] = {"repo_type": pin.kind, "revision": pin.revision, "allow_patterns": sorted(held)}
    return _inside(pin, Path(patiently(asked, lambda: snapshot_download(pin.repo, **kwargs))), sorted(held))


def check_sizes(asked: str, files: Sequence[Entry], most: int) -> None:
    """Check names and declared sizes before anything is downloaded; raises NotPinnable."""
    for file in files:
        if not PLAIN.fullmatch(file.path):
            found = f"The name {file.path!r} is not plain: letters, digits, and ._+=- between single '/'."
            raise NotPinnable(asked, found, "Ask its owner to rename the file.")
    total = sum(file.size for file in files)
    if total > most:
        largest = max(files, key=lambda file: file.size)
        found = f"It declares {size(total)} ({largest.path}: {size(largest.size)}); {size(most)} are allowed."
        raise NotPinnable(asked, found, "Where that is meant, allow more with --max-size.")


def size(count: int) -> str:
    """A number of bytes as a person reads it."""
    unit, name = next((pair for pair in UNITS if count >= pair[0]), (1, "bytes"))
    return f"{count / unit:.3g} {name}"


def load_dataset(pin: Pin, name: str | None = None, split: str | None = None, streaming: bool = False) -> Any:
    """A data set of the Hub at its pinned commit, through ``datasets``; no code of the repository is run.

    Raises WrongUse for a pin of a model, NeedsInstall without ``datasets``, and NotFetched where it cannot be had.
    """
    asked = f"The data set {pin} was to be read."
    if pin.kind != "dataset":
        raise WrongUse(asked, "It is pinned as a model.", f"facebench pin {pin.repo} --kind dataset")
    try:
        import datasets
    except ImportError:
        raise NeedsInstall(asked, "It needs datasets.", "pip install datasets -c constraints.txt") from None
    # Without a network the client takes whichever commit it finds in its cache, so each commit has a cache of its own.
    cache = str(Path(datasets.config.HF_DATASETS_CACHE, pin.revision))
    kwargs = {"split": split, "revision": pin.revision, "streaming": streaming, "cache_dir": cache}
    return patiently(asked, lambda: datasets.load_dataset(pin.repo, name, **kwargs))


def create(repo: str, kind: str = "model") -> None:
    """Make a repository where it does not exist; raises NotPublished."""
    from huggingface_hub import HfApi

    check_repository(repo)
    asked, api = f"{repo} was to be made.", HfApi()
    _called(asked, lambda: api.create_repo(repo, repo_type=kind, exist_ok=True), WAITS, NotPublished)


def upload(
    parent: Pin, files: Mapping[str, bytes | Path], message: str, *, remove: Sequence[str] = (), pull: bool = False
) -> str:
    """Commit files on top of ``parent``, all or none, and return the address of the commit, or of the pull request.

    ``files``: by their path in the repository; ``pull``: propose, where main is not to be written. The commit is not
    sent twice, since it may have arrived. Raises NotPublished, also where another commit came between.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    operations: list[Any] = [
        *(CommitOperationDelete(path) for path in remove),
        *(CommitOperationAdd(path, data) for path, data in sorted(files.items())),
    ]
    kwargs: dict[str, Any] = {"repo_type": parent.kind, "parent_commit": parent.revision, "create_pr": pull}
    asked, api = f"{len(files)} files were to be sent to {parent.repo}.", HfApi()
    call = partial(api.create_commit, parent.repo, operations, commit_message=message, **kwargs)
    made = _called(asked, call, (), NotPublished)
    return str(made.pr_url or made.commit_url)


def _cached(pin: Pin, names: Sequence[str]) -> Path | None:
    """The pin's folder in the client's cache if that holds all of ``names``, and knows what a pattern stands for."""
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError

    where: dict[str, Any] = {"repo_type": pin.kind, "revision": pin.revision}
    wanted = set(names)
    try:
        folder = Path(snapshot_download(pin.repo, local_files_only=True, allow_patterns=list(names), **where))
        if any("*" in name for name in names):
            paths = [file.path for file in get_cached_repo_tree(pin.repo, **where)]
            wanted = {path for path in paths if any(fnmatchcase(path, name) for name in names)}
    except (LocalEntryNotFoundError, CachedRepoTreeNotFoundError):
        return None
    return _inside(pin, folder, sorted(wanted)) if all((folder / name).is_file() for name in wanted) else None


def _inside(pin: Pin, folder: Path, names: Sequence[str]) -> Path:
    """The folder, its files being files of the client's cache of this repository and of nothing else."""
    cache = folder.parent.parent.resolve()
    for name in names:
        if not (folder / name).resolve().is_relative_to(cache):
            found = f"{folder / name} leads out of {cache}."
            raise NotFetched(f"{pin} was to be read.", found, f"Remove {cache} and run the same command again.")
    return folder


def patiently(asked: str, call: Callable[[], T]) -> T:
    """Make a call of the client, again after a wait where the Hub was busy or cut the line; then say why not."""
    return _called(asked, call, WAITS, NotFetched)


def _called(asked: str, call: Callable[[], T], waits: Sequence[float], refusal: type[FacebenchError]) -> T:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for wait in (*waits, None):
        try:
            return call()
        except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as error:
            wraps = isinstance(error, (LocalEntryNotFoundError, RuntimeError))
            cause = (error.__cause__ if wraps else None) or error
            if isinstance(cause, RuntimeError):
                raise
            status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else 0
            busy = status in BUSY or status >= 500 or isinstance(cause, httpx2.TransportError)
            if not busy or wait is None:
                found, do = _explained(cause, status, len(waits) + 1)
                raise refusal(asked, found, do) from None
            told = cause.response.headers.get("Retry-After", "") if isinstance(cause, HfHubHTTPError) else ""
            time.sleep(min(float(told), LONGEST_WAIT) if told.isdigit() else wait)
    raise AssertionError("the last attempt returns or raises")


def _explained(error: BaseException, status: int, attempts: int) -> tuple[str, str]:
    """What an error of the client means, and what to do."""
    import httpx2
    from huggingface_hub import errors

    login = "Log in with 'hf auth login' (or set HF_TOKEN)"
    if isinstance(error, errors.GatedRepoError):
        return "It is gated.", f"Ask for access on its page, then: {login}."
    if isinstance(error, errors.RepositoryNotFoundError):
        return "It does not exist, or is private.", f"Check the name; for a private one: {login}."
    if isinstance(error, errors.RevisionNotFoundError):
        return "It has no such revision.", "Give a branch, tag or commit that its page shows."
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return "It lacks a file.", "Ask its owner, or pin another commit."
    if isinstance(error, (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError)):
        found = "It is not in the cache, and HF_HUB_OFFLINE keeps from asking the Hub."
        return found, "Run the command once with a network and without HF_HUB_OFFLINE."
    if isinstance(error, errors.LocalTokenNotFoundError) or status in (401, 403):
        return f"The Hub refused the token, or its lack ({status}).", f"{login}, as one who may."
    if status in (409, 412):
        return "Another commit came first.", "Nothing was changed; run the same command again."
    if status in BUSY or status >= 500:
        found = f"The Hub answered {status} to {attempts} attempt{'s' * (attempts > 1)}."
        return found, "Wait a few minutes; the same command goes on."
    if isinstance(error, httpx2.TransportError):
        return f"The Hub could not be reached: {error}.", "Check the network; the same command goes on."
    return f"{type(error).__name__}: {str(error)[:300]}", ""
