"""One small key for all tests; it is insecure and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from facebench_pura import keys, paillier, shares
from facebench_pura.helping import Helper
from facebench_pura.keys import PrivateKey, PublicKey
from facebench_pura.organisation import Organisation, Setup
from facebench_pura.paillier import Encryptor
from facebench_pura.shares import Share
from facebench_pura.starting import Starter

BITS, WINDOW = 512, 5


@dataclass(frozen=True)
class Pair:
    """Both servers in this process, without a network."""

    private: PrivateKey
    shares: tuple[Share, Share]
    encryptor: Encryptor

    @property
    def public(self) -> PublicKey:
        return self.private.public

    def starter(self, first: int = 0, **settings: Any) -> Starter:
        helper = Helper(self.shares[1 - first], self.encryptor)
        return Starter(self.shares[first], self.encryptor, helper.answer, **settings)

    def enc(self, values: Sequence[int]) -> list[Any]:
        return self.encryptor.encrypt(values)

    def dec(self, ciphertexts: Sequence[Any]) -> list[int]:
        return [int(value) for value in paillier.decrypt(self.private, ciphertexts)]


@pytest.fixture(scope="session")
def private() -> PrivateKey:
    return keys.generate(BITS, insecure=True)


@pytest.fixture(scope="session")
def pair(private: PrivateKey) -> Pair:
    return Pair(private, shares.split(private), Encryptor(private.public, WINDOW))


@pytest.fixture(scope="session")
def published(private: PrivateKey, pair: Pair) -> Pair:
    return Pair(private, shares.split(private, "published"), pair.encryptor)


Started = Callable[..., Organisation]


@pytest.fixture
def started(private: PrivateKey, tmp_path: Path) -> Iterator[Started]:
    """Start two servers on a folder under the test key; they are ended with the test."""
    running: list[Organisation] = []

    def start(folder: Path = tmp_path, **setup: Any) -> Organisation:
        running.append(Organisation(private, folder, Setup(**{"threshold": 500, "window": WINDOW, **setup})))
        return running[-1]

    yield start
    for organisation in running:
        organisation.stop()
