"""Results sent to a data set of boards on the Hub: what may be sent, and how it gets there whole or not at all.

What is sent is what a stranger can ask again: a result of all official trials, whose scores follow from its trials, by
methods that anyone can get. A method can be got where it is a pinned repository, came from a package index or a version
control, or is a plugin of facebench's own repository; where its code and weights here are those of the result; and
where somebody hands its weights out. Code of a script or of a folder of one's own cannot be got, whatever its version.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bench import boards, cleaning, data_card, disclosure, hub
from bench.answers import read_table, write
from bench.errors import NotFetched, NotPublished, RunDamaged
from bench.hub import MOST_BYTES, Listing, check_sizes
from bench.leaderboard import Entry
from bench.method import HUB, Folder
from bench.metrics.timing import NOISY
from bench.plugins import CHECKOUT, Plugin, Registry, discover
from bench.publish import Shipment
from bench.results import Card
from bench.selection import PICKED_ON_TEST, picked_on_test
from bench.trials import other_trials

DATASET = "dataset"
REMOTE = ("https", "http", "ssh", "git")


@dataclass(frozen=True, slots=True)
class Sent:
    """How a shipment ended: ``files`` were sent to ``url``; none where ``url`` is where all of them already were."""

    url: str
    files: tuple[str, ...] = ()


def pack_results(place: str | Path, repo: str) -> Shipment:
    """The files that one result, a run, or all of a folder of runs or boards put on the boards in ``repo``.

    Raises NotPublished, naming every result that is not fit for others' eyes and why, and NotAResult.
    """
    hub.check_repository(repo)
    asked, path = f"{place} was to be published in {repo}.", Path(place).expanduser()
    cleaning.refuse(path, asked)
    single = path.is_file() or (path / "result.json").is_file()
    entries = [boards.entry(path)] if single else boards.read_results([path])
    files: dict[str, bytes | Path] = {}
    faults: list[str] = []
    for found in entries:
        faults += [f"{found.path}: {why}" for why in unfit(found)]
        for name, source in boards.board_files(found).items():
            if name in files:
                faults.append(f"{source}: {name} would be another result, too")
            files[name] = source
    faults += [f"{found.path}: {why}" for found, why in other_trials(entries)]
    if faults:
        raise NotPublished(asked, "\n".join(faults), "Nothing was sent: give only what others can ask again.")
    shipment = Shipment(repo, files)
    check_sizes(asked, [hub.Entry(name, size) for name, size in shipment.sizes()], MOST_BYTES)
    return shipment


def unfit(found: Entry) -> Iterator[str]:
    """Why a result is not published; nothing where it is."""
    result = found.result
    if result.provenance.external:
        yield "its answers were made elsewhere"
    if result.provenance.limit is not None:
        yield f"it is partial, limited to {result.provenance.limit:,} trials"
    elif not result.official:
        yield PICKED_ON_TEST if picked_on_test(result.roles) else "its trials are not the official ones"
    yield from (f"{score.metric} is {score.note}" for score in result.scores if score.note.startswith(NOISY))
    yield from (f"{what}: {fault}" for what, fault in boards.audited(found) if fault)
    if found.trials.exists() and (why := _more_than_scores(found)):
        yield why
    yield from disclosure.in_result(result)
    for name, card in result.cards.items():
        if why := unavailable(name, card):
            yield why


def _more_than_scores(found: Entry) -> str:
    """What of trials might be an answer, a picture or a name; "" where they hold numbers and short texts alone."""
    try:
        trials = read_table(found.trials)
    except RunDamaged as error:
        return error.found
    return disclosure.in_trials(discover().protocols.get(found.result.protocol), trials)


def unavailable(name: str, card: Card) -> str:
    """Why nobody else could ask this method, as a result has it, again; "" where they could."""
    if why := unlike(name, card):
        return why
    method, plugin = discover().methods[name.partition(":")[0]]
    if plugin.kind != HUB and isinstance(method.weights, Folder) and not method.weights.source:
        return f"nobody hands out the weights of {name}"
    if not to_be_had(plugin):
        do = f"facebench publish method {plugin.path or 'FOLDER'} --to OWNER/NAME; pin that, and run again"
        return f"{card.distribution} {card.version} lies on this machine alone ({do})"
    return ""


def unlike(name: str, card: Card) -> str:
    """Why the method here is not the one of a result, in version, code and weights; "" where it is."""
    registry, bare = discover(), name.partition(":")[0]
    made = f"{card.distribution} {card.version}"
    if not card.distribution:
        return f"{name} comes from a script or a table, so nobody else has it"
    if bare not in registry.methods:
        return f"{name} of {made} is not here{_how_to_have(registry, card)}"
    method, plugin = registry.methods[bare]
    origin, weights = plugin.origin(), dict(method.weights.files) if method.weights else {}
    if (origin.distribution, origin.version) != (card.distribution, card.version) or origin.version == "unknown":
        return f"{name} was {made}, and here it is {origin.distribution} {origin.version}"
    if origin.code != card.code:
        return f"the code of {made} here is not the one that {name} was run with, though its version is the same"
    if weights != dict(card.weights):
        return f"the weights that {name} was run with are not those of {made}"
    return ""


def _how_to_have(registry: Registry, card: Card) -> str:
    causes = [p.cause for p in registry.plugins if p.cause and p.distribution == card.distribution]
    if causes:
        return f": its plugin is in quarantine, {causes[0]}"
    pinnable = hub.REPOSITORY.fullmatch(card.distribution) and hub.COMMIT.fullmatch(card.version)
    return f": facebench pin {card.distribution} --revision {card.version}" if pinnable else ""


def to_be_had(plugin: Plugin) -> bool:
    """Whether a stranger can get a plugin by its name and version."""
    if plugin.kind == HUB:
        return True
    if plugin.kind == "folder":
        return Path(plugin.path).is_relative_to(CHECKOUT)
    try:
        origin = importlib.metadata.distribution(plugin.distribution).read_text("direct_url.json")
        if origin is None:  # pip writes none for what came from an index
            return True
        url = urlsplit(json.loads(origin)["url"])
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return url.scheme in REMOTE or (url.scheme == "file" and Path(unquote(url.path)).is_relative_to(CHECKOUT))


def send(shipment: Shipment, direct: bool = False) -> Sent:
    """Propose the files that are not there yet, in one commit; ``direct``: write them to main.

    A pull request only adds files. What is there already, or proposed already, is not sent again. Raises NotFetched,
    and NotPublished for a file of other contents, or where the Hub did not take it; then nothing there was changed.
    """
    there = _there(shipment.repo, direct)
    same, other = compare(there, shipment.files)
    new = {name: data for name, data in shipment.files.items() if name not in same}
    if not new:
        return Sent(f"{shipment.repo}@{there.pin.revision}")
    if other and not direct:
        asked = f"{len(new)} files were to be proposed to {shipment.repo}."
        found = f"It has others by these names: {', '.join(sorted(other))}."
        raise NotPublished(asked, found, "A pull request only adds. Its owner may replace them: --direct")
    title = _title(new)
    if not direct and (url := _proposed(shipment.repo, title, new)):
        return Sent(url)
    return Sent(hub.upload(there.pin, new, title, pull=not direct), tuple(sorted(new)))


def _there(repo: str, make: bool) -> Listing:
    """What the repository holds; ``make``: where it cannot be read, it is made first."""
    try:
        return hub.resolve(repo, kind=DATASET)
    except NotFetched:
        if not make:
            raise
    hub.create(repo, DATASET)
    return hub.resolve(repo, kind=DATASET)


def compare(there: Listing, files: Mapping[str, bytes | Path]) -> tuple[set[str], set[str]]:
    """Which of the files a repository holds with the same bytes, and which with others."""
    held = {file.path: file for file in there.files if file.path in files}
    alike = [name for name, file in held.items() if not file.sha256 and file.size == len(_bytes(files[name]))]
    folder = hub.fetch(there.pin, alike) if alike else None
    same = set()
    for name, file in held.items():
        if file.sha256:
            equal = file.sha256 == hashlib.sha256(_bytes(files[name])).hexdigest()
        else:
            equal = folder is not None and name in alike and (folder / name).read_bytes() == _bytes(files[name])
        if equal:
            same.add(name)
    return same, set(held) - same


def _bytes(data: bytes | Path) -> bytes:
    return data if isinstance(data, bytes) else data.read_bytes()


def _title(files: Mapping[str, bytes | Path]) -> str:
    """What the commit is called: the same for the same files, and nothing that a stranger wrote."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(_bytes(data)).hexdigest()}\n".encode())
    results = sum(name.endswith(".json") for name in files)
    return f"Add {results} results of facebench ({digest.hexdigest()[:12]})"


def _proposed(repo: str, title: str, files: Mapping[str, bytes | Path]) -> str:
    """The address of an open pull request that already brings these files; "" where there is none."""
    from huggingface_hub import HfApi

    api = HfApi()
    kwargs: dict[str, Any] = {"repo_type": DATASET, "discussion_type": "pull_request", "discussion_status": "open"}

    def read() -> list[Any]:
        return [pull for pull in api.get_repo_discussions(repo, **kwargs) if pull.title == title]

    for pull in hub.patiently(f"The pull requests of {repo} were read.", read):
        same, _ = compare(hub.resolve(repo, f"refs/pr/{pull.num}", DATASET), files)
        if same == set(files):
            return str(pull.url)
    return ""


def send_pages(repo: str) -> Sent:
    """Write the tables, the card and ``eval.yaml`` of a data set of boards anew from its results, on its main.

    Raises NotFetched, NotAResult and NotPublished, and NotWritten where a README there is its owner's.
    """
    there = hub.resolve(repo, kind=DATASET)
    names = [f.path for f in there.files if f.path.endswith((".json", ".trials.parquet", ".md", ".toml", ".yaml"))]
    with tempfile.TemporaryDirectory(prefix="facebench-boards-") as made:
        folder = Path(made).resolve()
        source = hub.fetch(there.pin, names)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        if data_card.EVAL not in names:
            write(folder / data_card.EVAL, b"")
        texts = boards.pages(folder)
        boards.refuse_others(folder, texts)
        pages: dict[str, bytes | Path] = {
            path.relative_to(folder).as_posix(): text.encode() for path, text in texts.items()
        }
    same, _ = compare(there, pages)
    changed = {name: data for name, data in pages.items() if name not in same}
    if not changed:
        return Sent(f"{repo}@{there.pin.revision}")
    return Sent(hub.upload(there.pin, changed, "Write the boards of facebench anew"), tuple(sorted(changed)))
