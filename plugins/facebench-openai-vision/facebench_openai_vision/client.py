"""Requests to one server: bounded, paced, repeated where that may help, and silent about the key."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

LIMIT = 8 << 20  # bytes of a response
SHOWN = 200  # characters of a server's words in a message
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
LONGEST_WAIT = 60.0
KEY = "FACEBENCH_OPENAI_KEY"


class Refused(Exception):
    """The server does not take this one request; others may be fine."""


class Gone(SystemExit):
    """No answer is to be had any more.

    It ends the worker, so that a run stops, to go on later, rather than count failures.
    """


@dataclass(frozen=True, slots=True)
class Pace:
    """How a server is asked: at most ``concurrency`` requests at a time, ``rate`` a second (0: any number).

    ``timeout``: seconds for one; ``retries``: how often it is sent again.
    """

    concurrency: int = 4
    rate: float = 0.0
    timeout: float = 120.0
    retries: int = 5

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Pace:
        """From FACEBENCH_OPENAI_CONCURRENCY, _RATE, _TIMEOUT and _RETRIES; raises ValueError naming the variable."""
        bounds = {"concurrency": (1, 256), "rate": (0, 1e6), "timeout": (0.1, 3600), "retries": (0, 20)}
        found: dict[str, Any] = {}
        for name, (least, most) in bounds.items():
            variable = f"FACEBENCH_OPENAI_{name.upper()}"
            text = environment.get(variable, "")
            kind = int if name in ("concurrency", "retries") else float
            try:
                found |= {name: kind(text)} if text else {}
            except ValueError:
                raise ValueError(f"{variable} is {text!r}, which is no number") from None
            if name in found and not least <= found[name] <= most:
                raise ValueError(f"{variable} is {text}; it is from {least} to {most:g}")
        return cls(**found)


class Client:
    """One server at ``url``, the part before ``/chat/completions``. Its calls may be made from several threads."""

    def __init__(self, url: str, pace: Pace, sleep: Callable[[float], object] = time.sleep) -> None:
        self.url, self.pace, self._sleep = _address(url), pace, sleep
        self._key = os.environ.get(KEY, "")
        local = _is_local(self.url)
        if self._key and self.url.scheme != "https" and not local:
            raise ValueError(f"{KEY} would be sent unencrypted to {self.url.host}: use https")
        headers = {"Accept-Encoding": "identity", "User-Agent": "facebench-openai-vision"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx2.Client(headers=headers, timeout=pace.timeout, trust_env=not local)
        self._lock, self._next, self._gone = threading.Lock(), 0.0, ""

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that a request below ``url`` is answered with.

        Raises Refused where the server says that the request is wrong, Gone where no answer is to be had.
        """
        return self._patiently("POST", f"{self.url}{path}", body)

    def look(self, path: str, above: bool = False) -> dict[str, Any] | None:
        """The JSON object at ``path``, or None where the server has none there; ``above``: beside its /v1.

        Raises Gone where the server cannot be reached.
        """
        base = re.sub(r"/v1$", "", str(self.url)) if above else str(self.url)
        try:
            return self._patiently("GET", f"{base}{path}", None)
        except Refused:
            return None

    def close(self) -> None:
        """Let connections go."""
        self._http.close()

    def _patiently(self, method: str, url: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        fault = ""
        for attempt in range(self.pace.retries + 1):
            if self._gone:  # another thread has waited long enough
                break
            self._wait_for_turn()
            told = 0.0
            try:
                status, headers, data = self._once(method, url, body)
                if status == 200:
                    return _object(data)
                fault = f"it answered {status}: {self._shown(data)}"
                if status not in AGAIN:
                    self._refuse(status, fault)
                told = _seconds(headers.get("retry-after", ""))
            except (httpx2.TransportError, httpx2.InvalidURL, _Broken) as error:
                fault = self._hidden(f"{type(error).__name__.strip('_')}: {error}")
            if attempt < self.pace.retries:
                # Spread out, so that requests that failed together do not come back together.
                self._sleep(min(LONGEST_WAIT, max(told, 0.5 * 2**attempt * (1 + random.random()))))
        do = "See that it runs; the same command goes on where this one stopped."
        self._gone = self._gone or f"{url} gave no answer in {attempt + 1} attempts. The last: {fault}. {do}"
        raise Gone(self._gone)

    def _once(self, method: str, url: str, body: Mapping[str, Any] | None) -> tuple[int, Mapping[str, str], bytes]:
        """One request: status, headers and at most LIMIT bytes, within the time for one."""
        end = time.monotonic() + self.pace.timeout
        data = bytearray()
        with self._http.stream(method, url, json=body) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise _Broken("its answer is compressed, which was not asked for")
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > LIMIT:
                    raise _Broken(f"its answer is over {LIMIT >> 20} MiB")
                if time.monotonic() > end:
                    raise _Broken(f"its answer took over {self.pace.timeout:g} s")
            return response.status_code, response.headers, bytes(data)

    def _refuse(self, status: int, fault: str) -> None:
        if status in (401, 403):
            raise Gone(f"{self.url} does not let us in: {fault}. Set {KEY} to a key that may ask it.")
        if 300 <= status < 400:
            raise Gone(f"{self.url} leads elsewhere ({status}). Give the address that it leads to.")
        raise Refused(fault)

    def _wait_for_turn(self) -> None:
        if not self.pace.rate:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + 1 / self.pace.rate
        self._sleep(turn - now)

    def _shown(self, data: bytes) -> str:
        text = data[: 4 * SHOWN].decode("utf-8", "replace")
        return self._hidden("".join(c if c.isprintable() else " " for c in text)[:SHOWN])

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, "(key)") if self._key else text


class _Broken(Exception):
    """A response that is no answer; it may be one next time."""


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _Broken("its answer is no JSON") from None
    if not isinstance(value, dict):
        raise _Broken(f"its answer is a {type(value).__name__}, not an object")
    return value


def _seconds(text: str) -> float:
    return min(float(text), LONGEST_WAIT) if re.fullmatch(r"\d{1,6}(\.\d+)?", text, re.ASCII) else 0.0


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url.rstrip("/"))
    except (httpx2.InvalidURL, TypeError):
        address = httpx2.URL("")
    if address.scheme not in ("http", "https") or not address.host or address.query or address.fragment:
        raise ValueError(f"FACEBENCH_OPENAI_URL is {url[:SHOWN]!r}; it is like http://127.0.0.1:8000/v1")
    if address.userinfo:
        raise ValueError(f"FACEBENCH_OPENAI_URL holds a name or password; a key goes into {KEY}")
    return address


def _is_local(address: httpx2.URL) -> bool:
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return address.host == "localhost"
