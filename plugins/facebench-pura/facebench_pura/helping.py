"""The helping server's side of each protocol: finish the decryption of masked values, answer under encryption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmpy2 import mpz

from facebench_pura.refusals import ValueRefused
from facebench_pura.shares import Opened, Share

MULTIPLY, COMPARE, SQUARE, REVEAL = "multiply", "compare", "square", "reveal"


class Helper:
    """Answers for one share; what it sees is masked, and SCMP's mask hides sizes only as ``starting`` says."""

    def __init__(self, share: Share, encryptor: Any) -> None:
        self.share, self.encryptor = share, encryptor

    def answer(self, kind: str, numbers: Sequence[int], opened: Sequence[Opened]) -> list[mpz]:
        """The reply to one request; raises ValueRefused for an unknown kind or numbers that do not fit."""
        if kind == MULTIPLY and len(numbers) == 1:
            return self._multiply(opened, numbers[0])
        if kind == COMPARE and not numbers:
            return self._compare(opened)
        if kind == SQUARE and len(numbers) == 3:
            return self._square(opened, *numbers)
        if kind == REVEAL and not numbers:
            return [value % self.share.public.n for value in self.share.finish(opened, self.encryptor.kernel)]
        raise ValueRefused("A server was asked to help.", "The request is of no protocol.", "Use one version.")

    def _multiply(self, opened: Sequence[Opened], width: int) -> list[mpz]:
        """SMUL: [u w] for each u 2^width + w."""
        self._within(2 * width)
        plain = self.share.finish(opened, self.encryptor.kernel)
        return list(self.encryptor.encrypt([(value >> width) * (value & ((1 << width) - 1)) for value in plain]))

    def _compare(self, opened: Sequence[Opened]) -> list[mpz]:
        """SCMP: [0] where the value is positive, else [1]."""
        return list(
            self.encryptor.encrypt([int(value <= 0) for value in self.share.finish(opened, self.encryptor.kernel)])
        )

    def _square(self, opened: Sequence[Opened], slot: int, per: int, count: int) -> list[mpz]:
        """BatchSquare: [sum of the squares of ``count`` slots] for each ceil(count / per) packs."""
        packs = -(-count // per) if per else 0
        if not packs or len(opened) % packs:
            raise ValueRefused("A server was asked to square.", "The packs do not fit the count.", "Use one layout.")
        self._within(slot * per)
        mask, sums = (1 << slot) - 1, []
        plain = [int(value) for value in self.share.finish(opened, self.encryptor.kernel)]
        for start in range(0, len(plain), packs):
            held = [(value >> (slot * j)) & mask for value in plain[start : start + packs] for j in range(per)]
            sums.append(sum(value * value for value in held[:count]))
        return list(self.encryptor.encrypt(sums))

    def _within(self, bits: int) -> None:
        if not 0 < bits < self.share.public.bits:
            raise ValueRefused("A server was asked to help.", "The widths exceed the modulus.", "Use one layout.")
