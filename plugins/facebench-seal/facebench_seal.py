"""BFV of Microsoft SEAL, through seal-python: vectors in the coefficients of polynomials.

A probe is the polynomial sum x_i X^i. Rows lie one after the other, each backwards, ``step`` coefficients apart: y_i of
row j at X^(step j + step - 1 - i). Of the product, coefficient step j + step - 1 is the inner product of probe and row
j; the others are sums that nobody asked for. No rotation and no key for one is needed.
Source of the packing: Yasuda et al. 2013, Packed homomorphic encryption based on ideal lattices.
"""

from __future__ import annotations

import importlib.metadata
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import bench

MOST_BITS = 3072  # a Paillier modulus of 128 bits of security, which is what the parameters here have
# By gallery: ring dimension, bits of each prime of the coefficient modulus, bits of the plaintext modulus. A product of
# two ciphertexts needs a larger modulus; the small last prime only makes fresh noise smaller.
PARAMETERS = {"plaintext": (2048, (54,), 25), "encrypted": (4096, (46, 46, 17), 26)}
# HomomorphicEncryption.org's standard (2018), table 1: most bits of the whole modulus for 128 bits of security against
# classical attacks, ternary secret.
STANDARD = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}
LARGEST = 128  # of int8, in magnitude
DIGIT = 1 << 12  # squared lengths are sent as two digits, since large coefficients make much noise
HEAD, SIZE = struct.Struct("<III"), struct.Struct("<I")


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method."""
    return [
        bench.Method(
            name="seal-bfv",
            tasks=frozenset({"encryption"}),
            inputs=frozenset({"int8"}),
            load=load,
            about="BFV of Microsoft SEAL, vectors in coefficients: many rows a ciphertext",
            licence="Apache-2.0; SEAL and seal-python are MIT",
            cite="Fan and Vercauteren 2012; Yasuda et al. 2013 (packing); github.com/Huelse/SEAL-Python",
            needs=("seal-python", "numpy"),
        )
    ]


def load(given: bench.Load) -> SealMatcher:
    """The matcher."""
    return SealMatcher()


@dataclass(frozen=True, slots=True)
class Encrypted:
    """``count`` values in the ciphertexts' coefficients step - 1, 2 step - 1, …: a probe (step 1) or scores."""

    ciphertexts: list[Any]
    step: int
    count: int


@dataclass(frozen=True, slots=True)
class Key:
    """What ``keygen`` made; the parties take their parts of it."""

    gallery: str
    context: Any
    secret: Any
    ring: int
    modulus: int
    prefix: bytes
    encrypt: Callable[[Any], Any]
    encrypt_row: Callable[[Any], Any]
    encrypt_zero: Callable[[], Any]
    evaluator: Any
    decryptor: Any


class SealMatcher:
    """BFV with the public or the secret key; a gallery in the clear or encrypted, which the owner opens."""

    def __init__(self) -> None:
        self._made: Key | None = None
        self._gallery: list[Any] = []
        self._rows = self._step = 0

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """A new key of 128 bits of security, whatever fewer ``bits`` ask for."""
        if division == "pool":
            raise NotImplementedError("SEAL does not make randomness beforehand")
        if bits > MOST_BITS:
            raise NotImplementedError(f"parameters are for 128 bits of security, as {MOST_BITS}-bit moduli have")
        self.close()
        self._made = _key(gallery, secretly=division == "owner")

    def precompute(self, pooled: int) -> None:
        """Nothing: SEAL's tables come with the context."""

    def enrol(self, rows: Any) -> None:
        """Rows, many a polynomial, in the clear and transformed or encrypted by the owner with the secret key."""
        import numpy as np

        key, encrypted = self._key, self._key.gallery == "encrypted"
        wide = _with_lengths(rows, of_rows=True) if encrypted else np.asarray(rows, np.int64)
        self._check(rows.shape[1], wide.shape[1])
        self._rows, self._step = wide.shape
        at_once, self._gallery = key.ring // self._step, []
        for start in range(0, self._rows, at_once):
            plain = _plain(key, wide[start : start + at_once, ::-1].ravel())
            if encrypted:
                self._gallery.append(key.encrypt_row(plain))
            elif plain.is_zero():  # SEAL refuses a product that is zero whatever the key
                self._gallery.append(None)
            else:
                self._gallery.append(key.evaluator.transform_to_ntt(plain, key.context.first_parms_id()))

    def encrypt(self, probe: Any) -> Encrypted:
        """One ciphertext."""
        key = self._key
        wide = _with_lengths(probe[None], of_rows=False)[0] if key.gallery == "encrypted" else probe
        self._check(len(probe), len(wide))
        return Encrypted([key.encrypt(_plain(key, wide))], 1, len(probe))

    def match(self, probe: Encrypted) -> Encrypted:
        """One product for as many rows as the ring holds."""
        key, (cipher,) = self._key, probe.ciphertexts
        evaluator = key.evaluator
        if key.gallery == "encrypted":
            return self._scores([evaluator.multiply(cipher, block) for block in self._gallery])
        turned = evaluator.transform_to_ntt(cipher)
        return self._scores(
            [
                key.encrypt_zero()
                if block is None
                else evaluator.transform_from_ntt(evaluator.multiply_plain(turned, block))
                for block in self._gallery
            ]
        )

    def pack(self, scores: Encrypted) -> Encrypted:
        """The scores as they are: many a ciphertext already."""
        return scores

    def answer(self, probe: Encrypted) -> int | None:
        """The owner opens all distances and tells the position of the smallest: BFV cannot compare."""
        if self._key.gallery != "encrypted":
            raise NotImplementedError("only an encrypted gallery is answered with a position")
        distances = self.decrypt(self.match(probe))
        return min(range(len(distances)), key=distances.__getitem__, default=None)

    def decrypt(self, encrypted: Encrypted) -> list[int]:
        """The values, signed."""
        import numpy as np

        key, values = self._key, []
        for cipher in encrypted.ciphertexts:
            plain = np.zeros(key.ring, np.int64)
            written = np.frombuffer(key.decryptor.decrypt(cipher).to_bytes(), "<u8", offset=len(key.prefix))
            plain[: len(written)] = written
            values.append(plain[encrypted.step - 1 :: encrypted.step])
        found = np.concatenate([np.zeros(0, np.int64), *values])[: encrypted.count]
        signed: list[int] = np.where(found > key.modulus // 2, found - key.modulus, found).tolist()
        return signed

    def serialise(self, encrypted: Encrypted) -> bytes:
        """Step, count and number of ciphertexts, then each after its length."""
        pieces = [HEAD.pack(encrypted.step, encrypted.count, len(encrypted.ciphertexts))]
        for cipher in encrypted.ciphertexts:
            data = cipher.to_string()
            pieces += [SIZE.pack(len(data)), data]
        return b"".join(pieces)

    def deserialise(self, data: bytes) -> Encrypted:
        """What ``serialise`` wrote; raises FacebenchError for other bytes."""
        import seal

        key, ciphertexts = self._key, []
        try:
            (step, count, number), at = HEAD.unpack_from(data), HEAD.size
            for _ in range(number):
                (size,), at = SIZE.unpack_from(data, at), at + SIZE.size
                cipher = seal.Ciphertext()
                cipher.load_bytes(key.context, data[at : at + size])
                ciphertexts.append(cipher)
                at += size
        except (struct.error, RuntimeError, ValueError) as error:
            raise bench.FacebenchError("Ciphertexts were read.", f"They are damaged: {error}.") from None
        if at != len(data) or not 0 < step <= key.ring or count > number * (key.ring // step):
            raise bench.FacebenchError("Ciphertexts were read.", "Their lengths do not fit together.")
        return Encrypted(ciphertexts, step, count)

    def processes(self) -> Sequence[int]:
        """None beside the worker."""
        return ()

    def security(self) -> int:
        """By ring and whole modulus of the live secret key; 0 where the standard's table has less."""
        parameters = self._key.context.get_context_data(self._key.secret.parms_id())
        most = STANDARD.get(parameters.parms().poly_modulus_degree(), 0)
        return 128 if parameters.total_coeff_modulus_bit_count() <= most else 0

    def about(self) -> str:
        """Versions, ring and moduli."""
        key = self._key
        _, primes, bits = PARAMETERS[key.gallery]
        version = importlib.metadata.version("seal-python")
        return f"seal-python {version}, BFV n={key.ring} log q={sum(primes)} log t={bits}, coefficients"

    def close(self) -> None:
        """Forget key and gallery."""
        self._made, self._gallery, self._rows, self._step = None, [], 0, 0

    def _scores(self, ciphertexts: list[Any]) -> Encrypted:
        return Encrypted(ciphertexts, self._step, self._rows)

    def _check(self, features: int, written: int) -> None:
        key = self._key
        most = LARGEST**2 * features * (4 if key.gallery == "encrypted" else 1)
        if written > key.ring or most > key.modulus // 2:
            raise bench.FacebenchError(
                f"Vectors of {features} features were to be matched, {key.gallery} gallery.",
                f"A ring of {key.ring} and scores below {key.modulus // 2} do not hold them.",
                "Give shorter vectors.",
            )

    @property
    def _key(self) -> Key:
        if self._made is None:
            raise bench.FacebenchError("A stage was called.", "There is no key.", "First: keygen.")
        return self._made


def _key(gallery: str, secretly: bool) -> Key:
    import seal

    ring, primes, bits = PARAMETERS[gallery]
    parameters = seal.EncryptionParameters(seal.scheme_type.bfv)
    parameters.set_poly_modulus_degree(ring)
    parameters.set_coeff_modulus(seal.CoeffModulus.Create(ring, primes))
    parameters.set_plain_modulus(1 << bits)
    context = seal.SEALContext(parameters)
    generator = seal.KeyGenerator(context)
    secret = generator.secret_key()
    public = seal.Encryptor(context, generator.create_public_key())
    private = seal.Encryptor(context, secret).encrypt_symmetric
    return Key(
        gallery=gallery,
        context=context,
        secret=secret,
        ring=ring,
        modulus=1 << bits,
        # SEAL's serial form of a plaintext ends with its coefficients, 8 bytes each; reading and writing that is the
        # only way through these bindings that is not text.
        prefix=seal.Plaintext(ring).to_bytes()[: -8 * ring],
        encrypt=private if secretly else public.encrypt,
        encrypt_row=private,
        encrypt_zero=public.encrypt_zero,
        evaluator=seal.Evaluator(context),
        decryptor=seal.Decryptor(context, secret),
    )


def _plain(key: Key, coefficients: Any) -> Any:
    """A polynomial of these whole numbers, as many as the ring has or fewer."""
    import numpy as np
    import seal

    written = np.zeros(key.ring, "<u8")
    written[: len(coefficients)] = np.asarray(coefficients, np.int64) % key.modulus
    plain = seal.Plaintext()
    plain.load_bytes(key.context, key.prefix + written.tobytes())
    return plain


def _with_lengths(vectors: Any, of_rows: bool) -> Any:
    """Vectors whose inner product, a probe's with a row's, is the squared distance: [n, d] to [n, d + 4].

    |x - y|² = -2 <x, y> + |x|² + |y|², each squared length as two digits.
    """
    import numpy as np

    wide = vectors.astype(np.int64)
    high, low = np.divmod((wide**2).sum(axis=1, keepdims=True), DIGIT)
    digit, one = np.full_like(high, DIGIT), np.ones_like(high)
    parts = (-2 * wide, digit, one, high, low) if of_rows else (wide, high, low, digit, one)
    return np.concatenate(parts, axis=1)
