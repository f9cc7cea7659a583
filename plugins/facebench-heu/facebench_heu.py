"""HEU of SecretFlow: Okamoto-Uchiyama or Paillier, arrays of ciphertexts, scores as products of matrices."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from typing import Any

import bench

SCHEMES = {"ou": "ou", "paillier": "z-paillier"}
# NIST SP 800-57 part 1, table 2: bits of the modulus, bits of security. It is of factoring, which both schemes rest on;
# OU's modulus is p²q, whose factors of a third of its length no known method finds sooner at these lengths.
SECURITY = ((3072, 128), (2048, 112), (1024, 80))
SHORTEST = 960  # bits of a modulus that HEU makes for Okamoto-Uchiyama
LOWEST = -128  # of int8


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method."""
    return [
        bench.Method(
            name="heu",
            tasks=frozenset({"encryption"}),
            inputs=frozenset({"int8"}),
            load=load,
            about="SecretFlow's HEU: Okamoto-Uchiyama or Paillier",
            licence="Apache-2.0, as HEU",
            cite="Okamoto and Uchiyama 1998; Paillier 1999; github.com/secretflow/heu",
            options=(bench.Option("scheme", "ou", "which cryptosystem", tuple(SCHEMES)),),
            needs=("sf-heu", "numpy"),
        )
    ]


def load(given: bench.Load) -> HeuMatcher:
    """The matcher of the scheme asked for."""
    return HeuMatcher(str(given.options.get("scheme", "ou")))


class HeuMatcher:
    """The public key, a ciphertext a feature, and a gallery in the clear; all else is not offered."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self._made: Any = None
        self._gallery: Any = None
        self._rows = 0

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """A new pair of keys, of at least the shortest modulus that HEU makes."""
        from heu import numpy as heu_numpy

        if division != "public" or gallery != "plaintext":
            raise NotImplementedError("HEU encrypts a feature a ciphertext and matches against a plaintext gallery")
        self.close()
        self._made = heu_numpy.setup(SCHEMES[self._scheme], max(bits, SHORTEST))

    def precompute(self, pooled: int) -> None:
        """Nothing: HEU makes its tables with the key."""

    def enrol(self, rows: Any) -> None:
        """Columns of features, shifted until none is negative: those take HEU about five times as long."""
        self._rows, self._gallery = len(rows), self._plain(rows.T.astype("int64") - LOWEST)

    def encrypt(self, probe: Any) -> Any:
        """Ciphertexts [1, d]."""
        return self._key.encryptor().encrypt(self._plain(probe[None].astype("int64")))

    def match(self, probe: Any) -> Any:
        """Ciphertexts [1, n]: <x, y> = <x, y + 128> - 128 sum(x)."""
        import numpy as np

        evaluator, features = self._key.evaluator(), probe.shape[1]
        total = evaluator.matmul(probe, self._plain(np.ones((features, 1), np.int64)))
        shift = evaluator.mul(total, self._plain(np.array([[LOWEST]], np.int64)))
        shifts = evaluator.matmul(shift, self._plain(np.ones((1, self._rows), np.int64)))
        return evaluator.add(evaluator.matmul(probe, self._gallery), shifts)

    def pack(self, scores: Any) -> Any:
        """The scores as they are."""
        return scores

    def answer(self, probe: Any) -> int | None:
        """Not offered: there is no encrypted gallery."""
        raise NotImplementedError("HEU has no encrypted gallery")

    def decrypt(self, encrypted: Any) -> list[int]:
        """The values, signed."""
        opened = self._key.decryptor().decrypt(encrypted).to_numpy(self._key.bigint_encoder())
        return [int(value) for value in opened.ravel()]

    def serialise(self, encrypted: Any) -> bytes:
        """HEU's own form of an array of ciphertexts."""
        data: bytes = encrypted.serialize()
        return data

    def deserialise(self, data: bytes) -> Any:
        """The ciphertexts of ``serialise``; raises FacebenchError for other bytes."""
        from heu import numpy as heu_numpy

        try:
            return heu_numpy.CiphertextArray.load_from(data)
        except RuntimeError as error:
            found = f"They are damaged: {str(error).splitlines()[0]}."
            raise bench.FacebenchError("Ciphertexts were read.", found) from None

    def processes(self) -> Sequence[int]:
        """None beside the worker: HEU has threads only."""
        return ()

    def security(self) -> int:
        """By the length of the modulus that the live public key prints."""
        printed = re.search(r"\bn=([0-9A-F ]+)", str(self._key.public_key()))
        length = int(printed[1].replace(" ", ""), 16).bit_length() if printed else 0
        return next((security for bits, security in SECURITY if length >= bits), 0)

    def about(self) -> str:
        """The scheme and HEU's version."""
        return f"HEU {importlib.metadata.version('sf-heu')}, {SCHEMES[self._scheme]}"

    def close(self) -> None:
        """Forget the keys."""
        self._made, self._gallery, self._rows = None, None, 0

    def _plain(self, values: Any) -> Any:
        return self._key.array(values, self._key.bigint_encoder())

    @property
    def _key(self) -> Any:
        if self._made is None:
            raise bench.FacebenchError("A stage was called.", "There is no key.", "First: keygen.")
        return self._made
