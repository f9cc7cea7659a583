"""Features in the coefficients of polynomials, through TenSEAL's bindings of SEAL.

CKKS encodes a polynomial by its complex values at roots of unity, the slots; here they are the values of a polynomial
that is known, so that a product of ciphertexts is one of these polynomials and nothing is ever rotated. A probe is
sum x_i X^i. Rows lie one after the other, each backwards, ``step`` coefficients apart: y_i of row j at
X^(step j + step - 1 - i). Of the product, coefficient step j + step - 1 is the inner product of probe and row j.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenseal
from tenseal import sealapi

from facebench_tenseal import parameters
from facebench_tenseal.polynomials import Roots, blocks, with_lengths

# By gallery: ring dimension, bits of each prime of the modulus, binary logarithms of the scales of probe and rows, and
# the most features, whose score times both scales is at most a quarter of the modulus. A row in the clear is whole
# numbers as it is. The small last prime only makes fresh noise smaller.
PARAMETERS = {"plaintext": (2048, [54], (27, 0), 2048), "encrypted": (4096, [46, 46, 17], (30, 30), 2048)}
HEAD, SIZE = struct.Struct("<III"), struct.Struct("<I")


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
    roots: Roots
    encoder: Any
    encrypt: Callable[[Any, Any], None]
    encrypt_row: Callable[[Any, Any], None]
    encrypt_zero: Callable[[Any], None]
    evaluator: Any
    decryptor: Any
    folder: tempfile.TemporaryDirectory[str]


class CoefficientMatcher:
    """CKKS with the public or the secret key; a gallery in the clear or encrypted, which the owner opens."""

    def __init__(self) -> None:
        self._made: Key | None = None
        self._gallery: list[Any] = []
        self._rows = self._step = 0

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """A new key of 128 bits of security, whatever fewer ``bits`` ask for."""
        parameters.refuse(bits, division)
        self.close()
        self._made = _key(gallery, secretly=division == "owner")

    def precompute(self, pooled: int) -> None:
        """Nothing: SEAL's tables come with the context."""

    def enrol(self, rows: Any) -> None:
        """Rows, many a polynomial, in the clear or encrypted by the owner with the secret key."""
        key = self._key
        parameters.fits(rows.shape[1], PARAMETERS[key.gallery][3])
        encrypted = key.gallery == "encrypted"
        wide = with_lengths(rows, of_rows=True) if encrypted else rows
        self._rows, self._step = wide.shape
        polynomials = [_plain(key, block, of_rows=True) for block in blocks(wide, key.roots.ring)]
        self._gallery = [_made(key, key.encrypt_row, one) for one in polynomials] if encrypted else polynomials

    def encrypt(self, probe: Any) -> Encrypted:
        """One ciphertext."""
        key = self._key
        parameters.fits(len(probe), PARAMETERS[key.gallery][3])
        wide = with_lengths(probe[None], of_rows=False)[0] if key.gallery == "encrypted" else probe
        return Encrypted([_made(key, key.encrypt, _plain(key, wide, of_rows=False))], 1, len(probe))

    def match(self, probe: Encrypted) -> Encrypted:
        """One product for as many rows as the ring holds."""
        key, (cipher,) = self._key, probe.ciphertexts
        if key.gallery == "encrypted":
            products = [_made(key, key.evaluator.multiply, cipher, block) for block in self._gallery]
        else:
            products = [
                _zero(key, cipher.scale) if block.is_zero() else _made(key, key.evaluator.multiply_plain, cipher, block)
                for block in self._gallery
            ]
        return Encrypted(products, self._step, self._rows)

    def pack(self, scores: Encrypted) -> Encrypted:
        """The scores as they are: many a ciphertext already."""
        return scores

    def answer(self, probe: Encrypted) -> int | None:
        """The owner opens all distances and tells the position of the smallest: CKKS cannot compare."""
        if self._key.gallery != "encrypted":
            raise NotImplementedError("only an encrypted gallery is answered with a position")
        return parameters.smallest(self.decrypt(self.match(probe)))

    def decrypt(self, encrypted: Encrypted) -> list[int]:
        """The values, rounded."""
        key, values = self._key, []
        for cipher in encrypted.ciphertexts:
            plain = sealapi.Plaintext()
            key.decryptor.decrypt(cipher, plain)
            found = key.roots.coefficients(key.encoder.decode_complex(plain))
            values += found[encrypted.step - 1 :: encrypted.step].tolist()
        return [round(value) for value in values[: encrypted.count]]

    def serialise(self, encrypted: Encrypted) -> bytes:
        """Step, count and number of ciphertexts, then each after its length."""
        path = Path(self._key.folder.name, "ciphertext")
        pieces = [HEAD.pack(encrypted.step, encrypted.count, len(encrypted.ciphertexts))]
        for cipher in encrypted.ciphertexts:
            cipher.save(str(path))  # these bindings write to files only
            data = path.read_bytes()
            pieces += [SIZE.pack(len(data)), data]
        return b"".join(pieces)

    def deserialise(self, data: bytes) -> Encrypted:
        """What ``serialise`` wrote; raises FacebenchError for other bytes."""
        key, ciphertexts = self._key, []
        path = Path(key.folder.name, "ciphertext")
        try:
            (step, count, number), at = HEAD.unpack_from(data), HEAD.size
            for _ in range(number):
                (size,), at = SIZE.unpack_from(data, at), at + SIZE.size
                path.write_bytes(data[at : at + size])
                ciphertexts.append(sealapi.Ciphertext(key.context))
                ciphertexts[-1].load(key.context, str(path))
                at += size
        except (struct.error, RuntimeError, ValueError) as error:
            raise parameters.damaged(error) from None
        if at != len(data) or not 0 < step <= key.roots.ring or count > number * (key.roots.ring // step):
            raise parameters.damaged("lengths do not fit together")
        return Encrypted(ciphertexts, step, count)

    def processes(self) -> Sequence[int]:
        """None beside the worker."""
        return ()

    def security(self) -> int:
        """By ring and whole modulus of the live secret key's context."""
        return parameters.security(self._key.context.get_context_data(self._key.secret.parms_id()))

    def about(self) -> str:
        """Version, ring, moduli and packing."""
        ring, primes, (scale, _), _ = PARAMETERS[self._key.gallery]
        return f"TenSEAL {tenseal.__version__}, CKKS n={ring} log q={sum(primes)} scale 2^{scale}, coefficients"

    def close(self) -> None:
        """Forget key and gallery."""
        if self._made is not None:
            self._made.folder.cleanup()
        self._made, self._gallery, self._rows, self._step = None, [], 0, 0

    @property
    def _key(self) -> Key:
        if self._made is None:
            raise parameters.no_key()
        return self._made


def _key(gallery: str, secretly: bool) -> Key:
    ring, primes, _, _ = PARAMETERS[gallery]
    asked = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.CKKS)
    asked.set_poly_modulus_degree(ring)
    asked.set_coeff_modulus(sealapi.CoeffModulus.Create(ring, primes))
    context = sealapi.SEALContext(asked, True, sealapi.SEC_LEVEL_TYPE.TC128)
    generator, public = sealapi.KeyGenerator(context), sealapi.PublicKey()
    generator.create_public_key(public)
    secret = generator.secret_key()
    openly, privately = sealapi.Encryptor(context, public), sealapi.Encryptor(context, secret).encrypt_symmetric
    return Key(
        gallery=gallery,
        context=context,
        secret=secret,
        roots=Roots.of(ring),
        encoder=sealapi.CKKSEncoder(context),
        encrypt=privately if secretly else openly.encrypt,
        encrypt_row=privately,
        encrypt_zero=openly.encrypt_zero,
        evaluator=sealapi.Evaluator(context),
        decryptor=sealapi.Decryptor(context, secret),
        folder=tempfile.TemporaryDirectory(prefix="facebench-tenseal-"),
    )


def _made(key: Key, call: Callable[..., None], *given: Any) -> Any:
    """The ciphertext that a call of SEAL writes."""
    cipher = sealapi.Ciphertext(key.context)
    call(*given, cipher)
    return cipher


def _zero(key: Key, scale: float) -> Any:
    """Zero, encrypted: SEAL refuses a product that is zero whatever the key."""
    cipher = _made(key, key.encrypt_zero)
    cipher.scale = scale
    return cipher


def _plain(key: Key, coefficients: Any, of_rows: bool) -> Any:
    """The polynomial of these whole numbers, times the scale."""
    plain, scales = sealapi.Plaintext(), PARAMETERS[key.gallery][2]
    key.encoder.encode(key.roots.slots(coefficients).tolist(), 2.0 ** scales[of_rows], plain)
    return plain
