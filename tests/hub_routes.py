"""What a loopback Hub answers: its requests by method and path."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from hub_store import WHEN, Blob, Commit, Pull, Refused, Repository, User, listing

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub

PREFIXES = {"model": "", "dataset": "datasets/", "space": "spaces/"}
REVISION = r"(?P<revision>refs/(?:pr|convert|heads|tags)/[^/]+|[^/]+)"
API = r"/api/(?P<kind>model|dataset|space)s/(?P<name>[^/]+/[^/]+)"
FILES = r"/(?:(?P<kind>dataset|space)s/)?(?P<name>[^/]+/[^/]+)"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its path percent-encoded as it came, its body whole."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    user: User | None

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``body`` is JSON unless it is bytes."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(error: Refused, headers: Mapping[str, str] | None = None) -> Answer:
    named = {"X-Error-Message": error.text, **({"X-Error-Code": error.code} if error.code else {}), **(headers or {})}
    return Answer({"error": error.text, **error.more}, error.status, named)


def _whoami(hub: LoopbackHub, request: Request) -> Answer:
    if request.user is None:
        raise Refused(401, "Invalid username or password.")
    role = "write" if request.user.writes else "read"
    orgs = [{"name": name} for name in request.user.organisations]
    token = {"accessToken": {"role": role, "displayName": "a test's"}}
    return Answer({"type": "user", "name": request.user.name, "orgs": orgs, "auth": token})


def _create(hub: LoopbackHub, request: Request) -> Answer:
    given = request.json
    owner = given.get("organization") or (request.user.name if request.user else "")
    user = hub.writer(request, namespace=owner)
    kind, name = given.get("type") or "model", f"{owner}/{given['name']}"
    private = bool(given.get("private")) or given.get("visibility") == "private"
    url = f"{hub.endpoint}/{PREFIXES[kind]}{name}"
    try:
        hub.store.create(kind, name, user.name, private).writers.add(owner)
    except Refused as error:
        raise Refused(error.status, error.text, url=url) from None
    return Answer({"url": url, "name": name, "id": "0" * 24})


def _validate(hub: LoopbackHub, request: Request) -> Answer:
    return Answer({"errors": [], "warnings": []})


def _info(hub: LoopbackHub, request: Request, kind: str, name: str, revision: str = "main") -> Answer:
    found = hub.repository(request, kind, name)
    commit = found.resolve(revision)
    siblings = [{"rfilename": p, "size": b.size, "blobId": b.oid} for p, b in sorted(commit.files.items())]
    return Answer(
        {
            **{"_id": "0" * 24, "id": name, "modelId": name, "author": name.partition("/")[0], "sha": commit.oid},
            **{
                "private": found.private,
                "gated": "manual" if found.gated else False,
                "disabled": False,
                "downloads": 0,
            },
            **{"likes": 0, "tags": [], "lastModified": WHEN, "createdAt": WHEN, "siblings": siblings},
        }
    )


def _tree(hub: LoopbackHub, request: Request, kind: str, name: str, revision: str, folder: str = "") -> Answer:
    recursive = request.query.get("recursive", ["false"])[0].lower() in ("1", "true")
    return Answer(listing(_open(hub, request, kind, name).resolve(revision).files, folder, recursive))


def _open(hub: LoopbackHub, request: Request, kind: str, name: str) -> Repository:
    """A repository whose files the user may read."""
    found = hub.repository(request, kind, name)
    if found.gated and (request.user is None or request.user.name not in found.writers):
        raise Refused(403 if request.user else 401, "Access to this repository is restricted.", "GatedRepo")
    return found


def _paths(hub: LoopbackHub, request: Request, kind: str, name: str, revision: str) -> Answer:
    files = _open(hub, request, kind, name).resolve(revision).files
    is_json = "json" in request.headers.get("Content-Type", "")
    paths = request.json["paths"] if is_json else parse_qs(request.body.decode()).get("paths", [])
    rows = []
    for path in paths:
        if path in files:
            rows.append(files[path].entry(path))
        elif any(name.startswith(path + "/") for name in files):
            rows.append({"type": "directory", "path": path, "size": 0, "oid": "0" * 40})
    return Answer(rows)


def _refs(hub: LoopbackHub, request: Request, kind: str, name: str) -> Answer:
    found = hub.repository(request, kind, name)

    def rows(prefix: str) -> list[dict[str, str]]:
        refs = sorted(found.refs.items())
        return [{"name": r.removeprefix(prefix), "ref": r, "targetCommit": o} for r, o in refs if r.startswith(prefix)]

    pulls = {"pullRequests": rows("refs/pr/")}
    return Answer({"branches": rows("refs/heads/"), "converts": [], "tags": rows("refs/tags/"), **pulls})


def _new_ref(hub: LoopbackHub, request: Request, kind: str, name: str, what: str, revision: str) -> Answer:
    found = hub.repository(request, kind, name)
    hub.writer(request, found)
    tag = request.json.get("tag")
    start = revision if what == "tag" else request.json.get("startingPoint") or "main"
    ref = f"refs/tags/{tag}" if what == "tag" else f"refs/heads/{revision}"
    if ref in found.refs:
        raise Refused(409, f"{ref} exists")
    found.refs[ref] = found.resolve(start).oid
    return Answer({"ref": ref})


def _commits(hub: LoopbackHub, request: Request, kind: str, name: str, revision: str) -> Answer:
    found, rows = hub.repository(request, kind, name), []
    commit: Commit | None = found.resolve(revision)
    while commit is not None:
        row = {"id": commit.oid, "title": commit.message, "message": "", "date": WHEN}
        rows.append({**row, "authors": [{"user": commit.author}]})
        commit = found.commits.get(commit.parent)
    return Answer(rows)


def _preupload(hub: LoopbackHub, request: Request, kind: str, name: str, revision: str) -> Answer:
    found = hub.repository(request, kind, name)
    hub.writer(request, None if "create_pr" in request.query or revision.startswith("refs/pr/") else found)
    head, rows = found.resolve(revision), []
    for file in request.json["files"]:
        mode = "lfs" if hub.store.is_large(file["path"], file["size"]) else "regular"
        present = head.files.get(file["path"])
        row = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
        rows.append({**row, "oid": present.etag} if present else row)
    return Answer({"commitOid": head.oid, "files": rows})


def _batch(hub: LoopbackHub, request: Request, name: str, kind: str = "model") -> Answer:
    hub.repository(request, kind, name)
    hub.writer(request)
    objects = []
    for wanted in request.json["objects"]:
        row = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in hub.store.objects:
            row["actions"] = {"upload": {"href": f"{hub.endpoint}/objects/{wanted['oid']}", "header": {}}}
        objects.append(row)
    return Answer({"transfer": "basic", "objects": objects})


def _object(hub: LoopbackHub, request: Request, oid: str) -> Answer:
    if Blob(request.body).sha256 != oid:
        raise Refused(400, "The bytes are not what their name says.")
    hub.store.objects[oid] = request.body
    return Answer()


def _commit(hub: LoopbackHub, request: Request, kind: str, name: str, revision: str) -> Answer:
    found = hub.repository(request, kind, name)
    as_pull = "create_pr" in request.query
    user = hub.writer(request, None if as_pull or revision.startswith("refs/pr/") else found)
    header, *lines = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    head, given = found.resolve(revision), header["value"]
    parent = given.get("parentCommit") or head.oid
    if parent != head.oid and not as_pull:
        raise Refused(412, "A commit has happened since. Please refresh and try again.")
    head = found.resolve(parent)
    files = hub.store.apply(head.files, lines)
    pull = found.open_pull(given["summary"], user.name, base=head.oid) if as_pull else None
    ref = f"refs/pr/{pull.num}" if pull else revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    made = found.commit(ref, files, given["summary"], user.name, head.oid)
    base = f"{hub.endpoint}/{PREFIXES[kind]}{name}"
    told = {"success": True, "commitOid": made.oid, "commitUrl": f"{base}/commit/{made.oid}", "hookOutput": ""}
    return Answer(told | ({"pullRequestUrl": f"{base}/discussions/{pull.num}"} if pull else {}))


def _pull(found: Repository, pull: Pull) -> dict[str, Any]:
    about = {"num": pull.num, "title": pull.title, "status": pull.status, "isPullRequest": True, "createdAt": WHEN}
    about |= {"author": {"name": pull.author, "_id": "0" * 24}, "repo": {"name": found.name, "type": found.kind}}
    about |= {"changes": {"base": pull.target, "mergeCommitId": pull.merged_as}, "events": pull.events, "diff": ""}
    conflicts = found.conflicts(pull) if pull.status in ("open", "draft") else []
    return {**about, "repoOwner": {"name": found.name.partition("/")[0]}, "filesWithConflicts": conflicts}


def _pulls(hub: LoopbackHub, request: Request, kind: str, name: str) -> Answer:
    found = hub.repository(request, kind, name)
    if request.method == "POST":
        pull = found.open_pull(request.json["title"], hub.writer(request).name, status="draft")
        url = f"{hub.endpoint}/{PREFIXES[kind]}{name}/discussions/{pull.num}"
        return Answer({"num": pull.num, "url": url, "pullRequest": True})
    status, author = (request.query.get(key, [""])[0] for key in ("status", "author"))
    alive = {"open": ("open", "draft"), "closed": ("closed", "merged")}.get(
        status, ("open", "draft", "closed", "merged")
    )
    rows = [p for p in found.pulls.values() if p.status in alive and author in ("", p.author)]
    return Answer({"discussions": [_pull(found, p) for p in reversed(rows)], "count": len(rows), "start": 0})


def _event(pull: Pull, user: User, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    event = {
        "id": f"{len(pull.events):024x}",
        "type": kind,
        "createdAt": WHEN,
        "author": {"name": user.name},
        "data": data,
    }
    pull.events.append(event)
    return event


def _one_pull(hub: LoopbackHub, request: Request, kind: str, name: str, num: str, what: str = "") -> Answer:
    found = hub.repository(request, kind, name)
    if int(num) not in found.pulls:
        raise Refused(404, "Discussion not found")
    pull = found.pulls[int(num)]
    if request.method == "GET":
        return Answer(_pull(found, pull))
    if what == "merge":
        user = hub.writer(request, found)
        made = found.merge(pull, user.name)
        _event(pull, user, "status-change", {"status": "merged"})
        return Answer({"success": True, "mergeCommitId": made.oid})
    user = hub.writer(request)
    if what == "status":
        pull.status = request.json["status"]
        return Answer({"newStatus": _event(pull, user, "status-change", {"status": pull.status})})
    said = {"edited": False, "hidden": False, "latest": {"raw": request.json.get("comment", "")}}
    return Answer({"newMessage": _event(pull, user, "comment", said)})


def _resolve(hub: LoopbackHub, request: Request, name: str, revision: str, path: str, kind: str = "model") -> Answer:
    commit = _open(hub, request, kind, name).resolve(revision)
    named = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
    if path not in commit.files:
        return refusal(Refused(404, "Entry not found", "EntryNotFound"), named)
    blob = commit.files[path]
    named["ETag"] = f'"{blob.etag}"'
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if not asked:
        return Answer(blob.data, headers=named)
    first, total = int(asked[1]), len(blob.data)
    if first >= total:
        return refusal(Refused(416, "Range not satisfiable"), {**named, "Content-Range": f"bytes */{total}"})
    last = min(int(asked[2] or total - 1), total - 1)
    named["Content-Range"] = f"bytes {first}-{last}/{total}"
    return Answer(blob.data[first : last + 1], 206, named)


ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/api/whoami-v2", _whoami),
    ("POST", "/api/repos/create", _create),
    ("POST", "/api/validate-yaml", _validate),
    ("GET", rf"{API}/refs", _refs),
    ("GET", rf"{API}/commits/{REVISION}", _commits),
    ("GET", rf"{API}/tree/{REVISION}(?:/(?P<folder>.+))?", _tree),
    ("POST", rf"{API}/paths-info/{REVISION}", _paths),
    ("POST", rf"{API}/preupload/{REVISION}", _preupload),
    ("POST", rf"{API}/commit/{REVISION}", _commit),
    ("POST", rf"{API}/(?P<what>tag|branch)/{REVISION}", _new_ref),
    ("GET POST", rf"{API}/discussions", _pulls),
    ("GET POST", rf"{API}/discussions/(?P<num>\d+)(?:/(?P<what>merge|status|comment))?", _one_pull),
    ("GET HEAD", rf"{API}(?:/revision/{REVISION})?", _info),
    ("POST", rf"{FILES}\.git/info/lfs/objects/batch", _batch),
    ("PUT", r"/objects/(?P<oid>[0-9a-f]{64})", _object),
    ("GET HEAD", rf"{FILES}/resolve/{REVISION}/(?P<path>.+)", _resolve),
]
