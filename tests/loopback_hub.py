"""A Hub on 127.0.0.1 that the real clients talk to through HF_ENDPOINT, with faults on demand.

Standard library only, all state in memory (``hub_store``). Small files are committed inline, large ones by the basic
transfer of large-file storage; there is no xet, so clients run with HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hub_routes import ROUTES, Answer, Request, refusal
from hub_store import Refused, Repository, Store, User

# Tokens: one may write to owner/ and lab/, one may only read, one may write elsewhere.
OWNER, READER, GUEST = "hf_owner", "hf_reader", "hf_guest"


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next ``times`` requests whose method and path match, after ``skip`` of them.

    ``status``: answered in place of the true one, with ``code`` and ``headers``; ``drop``: the connection is closed
    "before" the request has an effect, or "after" it; ``cut``: it is closed after so many bytes of the body; ``slow``:
    seconds before each of the body's four pieces.
    """

    path: str
    method: str = ""
    status: int = 0
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: str = ""
    cut: int | None = None
    slow: float = 0.0
    times: int = 1
    skip: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Whether it strikes this request; counts."""
        if self.times < 1 or self.method not in ("", method) or not re.search(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class LoopbackHub:
    """A Hub at ``endpoint``. ``requests`` lists what was asked, hashes masked; ``faults`` go wrong in order."""

    def __init__(self) -> None:
        self.store = Store(
            {OWNER: User("owner", organisations=("lab",)), READER: User("reader", writes=False), GUEST: User("guest")}
        )
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self._port = 0
        self._server: _Server | None = None
        self.start()

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is to be; the same after ``stop`` and ``start``."""
        return f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """The variables that lead the clients here, and away from anywhere else."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_TOKEN": OWNER,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def fault(self, path: str, **how: Any) -> Fault:
        """Let something go wrong: see Fault."""
        self.faults.append(Fault(path, **how))
        return self.faults[-1]

    def start(self) -> None:
        """Listen; what was stored is kept."""
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.hub, self._port = self, self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Answer nothing more, and close what is open."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            for connection in list(self._server.open):
                connection.close_now()
            self._server = None

    def respond(self, request: Request) -> Answer:
        """The answer to a request, under the lock."""
        for method, pattern, call in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and request.method in method.split():
                named = {key: unquote(value) for key, value in found.groupdict().items() if value is not None}
                with self.lock:
                    try:
                        return call(self, request, **named)
                    except Refused as error:
                        return refusal(error)
        return Answer({"error": "no such route"}, 404)

    def repository(self, request: Request, kind: str, name: str) -> Repository:
        """A repository that the user may see."""
        found = self.store.repositories.get((kind, name))
        if found is None or (found.private and (request.user is None or request.user.name not in found.writers)):
            status = 404 if request.user else 401
            raise Refused(status, "Repository not found", "RepoNotFound")
        return found

    def writer(self, request: Request, repository: Repository | None = None, namespace: str = "") -> User:
        """The user, who may write to a repository or a namespace; or 401, 403."""
        if request.user is None:
            raise Refused(401, "Invalid username or password.")
        spaces = {request.user.name, *request.user.organisations}
        allowed = namespace in spaces if repository is None else bool(spaces & repository.writers)
        if not request.user.writes or not (allowed or (repository is None and not namespace)):
            raise Refused(403, "You don't have the rights to do this.")
        return request.user


def lead(patch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Set variables, and what the client in this process read of them when it was imported."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    for name, value in variables.items():
        patch.setenv(name, value)
    endpoint, home = variables["HF_ENDPOINT"], variables["HF_HOME"]
    read = {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": home,
        "HF_HUB_CACHE": f"{home}/hub",
        "HF_TOKEN_PATH": f"{home}/token",
        "HF_STORED_TOKENS_PATH": f"{home}/stored_tokens",
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_OFFLINE": variables.get("HF_HUB_OFFLINE") == "1",
    }
    for name, value in read.items():
        patch.setattr(constants, name, value)
    close_session()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: LoopbackHub

    def __init__(self, *given: Any) -> None:
        self.open: set[_Handler] = set()
        super().__init__(*given)

    def handle_error(self, *given: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self)

    def finish(self) -> None:
        self.server.open.discard(self)
        super().finish()

    def close_now(self) -> None:
        """Close the connection whatever it is in the middle of."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *given: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        hub, parts = self.server.hub, urlsplit(self.path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        known = hub.store.users.get(token)
        request = Request(self.command, parts.path, parse_qs(parts.query), dict(self.headers), self._body(), known)
        with hub.lock:
            hub.requests.append(f"{self.command} {re.sub(r'[0-9a-f]{40,64}', '<oid>', unquote(self.path))}")
            fault = next((f for f in hub.faults if f.strikes(self.command, unquote(self.path))), None)
        if fault and fault.drop == "before":
            return self.close_now()
        if fault and fault.status:
            return self._send(refusal(Refused(fault.status, "a fault", fault.code), fault.headers), None)
        if token and known is None:
            answer = refusal(Refused(401, "Invalid credentials in Authorization header"))
        else:
            try:
                answer = hub.respond(request)
            except Exception as error:  # a mistake of ours is an answer, too, or the client would wait
                answer = Answer({"error": f"{type(error).__name__}: {error}"}, 500)
        if fault and fault.drop == "after":
            return self.close_now()
        self._send(answer, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        plain = isinstance(answer.body, bytes)
        body = answer.body if plain else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        headers = {"Content-Type": "application/octet-stream" if plain else "application/json", **answer.headers}
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault and fault.cut is not None:
            self.wfile.write(body[: fault.cut])
            self.wfile.flush()
            return self.close_now()
        size = -(-len(body) // 4) if fault and fault.slow else len(body)
        for start in range(0, len(body), size or 1):
            time.sleep(fault.slow if fault else 0)
            self.wfile.write(body[start : start + size])
