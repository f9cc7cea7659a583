"""What was fitted, handed on: the weights of a run's folds as a repository of the Hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from bench import hub, results
from bench.answers import Cell
from bench.checkpoints import read_snapshot
from bench.errors import NotAResult, NotPublished
from bench.leaderboard import number, plain
from bench.plugins import discover
from bench.protocol import Data
from bench.publish import PAGE, Shipment
from bench.results import Result
from bench.selection import picked_on_test

TABLE, WEIGHTS = "facebench-fits.json", "model.safetensors"


def pack_fits(run: str | Path, repo: str) -> Shipment:
    """The repository that the fits of a finished run become: weights a fold, a table of what they are, and a page.

    Only weights go, never the state of a fit. Raises NotAResult where the folder is no finished run of a fitted method,
    and NotPublished where part of the question was asked, or the data's licence keeps what follows from it.
    """
    from safetensors.numpy import save

    hub.check_repository(repo)
    cell, asked = Cell(Path(run).expanduser()), f"The fits of {run} were to be published as {repo}."
    folds = {path.parent.name: path for path in sorted(cell.folder.glob("*/checkpoint.safetensors"))}
    if not cell.result.is_file() or not folds:
        do = "Give a run's folder, which 'facebench run' names at its end."
        raise NotAResult(asked, "It holds no result of a method that was fitted.", do)
    result = results.read(cell.result)
    protocol = discover().protocols.get(result.protocol)
    if protocol is None or not protocol.data.trials_publishable:
        found = f"The licence of the data of {result.protocol} is not known to let what follows from it be handed on."
        raise NotPublished(asked, found, "Publish the code that fits, and the result.")
    if result.digest != protocol.digest:
        found = f"It answers digest {result.digest[:12]}, and {result.protocol} has {protocol.digest[:12]}."
        raise NotPublished(asked, found, "Run the official question as it is now.")
    if result.provenance.limit is not None or picked_on_test(result.roles):
        raise NotPublished(asked, "Its fits saw part of the data only, or were picked on the test.")
    files: dict[str, bytes | Path] = {}
    hashes = {}
    for fold, path in folds.items():
        name = f"{fold}/{WEIGHTS}"
        data = save({key: array.copy(order="C") for key, array in read_snapshot(path).weights.items()})
        files[name], hashes[name] = data, hashlib.sha256(data).hexdigest()
    files[TABLE] = _table(result, hashes).encode()
    files[PAGE] = _page(result, repo, len(folds), protocol.data).encode()
    shipment = Shipment(repo, files)
    hub.check_sizes(asked, [hub.Entry(name, size) for name, size in shipment.sizes()], hub.MOST_BYTES)
    return shipment


def publish_fits(shipment: Shipment, pull: bool = False) -> str:
    """Send fits in one commit, weights of folds that are no longer in it going; return the commit's address.

    Raises NotPublished where the Hub did not take it.
    """
    if not pull:
        hub.create(shipment.repo)
    there = hub.resolve(shipment.repo)
    gone = [f.path for f in there.files if f.path.endswith(f"/{WEIGHTS}") and f.path not in shipment.files]
    return hub.upload(there.pin, shipment.files, "Publish fits of facebench", remove=gone, pull=pull)


def _table(result: Result, hashes: dict[str, str]) -> str:
    card = result.cards[result.roles["method"][0]]
    told = {
        "facebench": 1,
        "protocol": result.protocol,
        "digest": result.digest,
        "method": result.name,
        "distribution": f"{card.distribution} {card.version}",
        "code": card.code,
        "seed": result.provenance.seed,
        "data": result.provenance.data,
        "files": hashes,
    }
    return json.dumps(told, indent=2) + "\n"


def _page(result: Result, repo: str, folds: int, data: Data) -> str:
    headline = result.scores[0]
    about = f"Weights of {plain(result.name)}, fitted {folds} times on {plain(data.name)} for {plain(result.protocol)}."
    lines = [
        *("---", "license: other", "library_name: facebench", "tags:", "- facebench", "---", ""),
        *(f"# {repo.partition('/')[2]}", "", about, ""),
        "Each folder is named after the fold or the opaque number of the subject that its weights never saw. A figure",
        f"is honest only where each answers what it was not fitted on; `{TABLE}` says what they follow from.",
        "",
        f"* **{headline.metric}** over all folds: {number(headline)}",
        f"* **Licence of the data**: {plain(data.licence)}",
        f"* **Withdrawn**: {plain(data.withdrawn) or 'no'}",
        "",
        f"A folder's `{WEIGHTS}`, read with `safetensors.numpy.load_file`, is what the method's `restore` takes.",
        "Weights can show those whom they were fitted on. Nothing here is made for deployment on people.",
        "",
    ]
    return "\n".join(lines)
