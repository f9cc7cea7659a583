"""Polynomials by their coefficients and by their values in CKKS's slots, and vectors written as polynomials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DIGIT = 1 << 12  # squared lengths are written as two digits, since large coefficients make much noise


@dataclass(frozen=True, slots=True)
class Roots:
    """The slots of a ring of dimension ``ring``: slot j is the value at exp(i pi / ring) to the power 3^j.

    ``order``: which odd power, counted from 0, each slot is; ``twist``: exp(i pi k / ring) for each coefficient k.
    """

    ring: int
    order: Any
    twist: Any

    @classmethod
    def of(cls, ring: int) -> Roots:
        """For a power of two."""
        powers = [1]
        while len(powers) < ring // 2:
            powers.append(powers[-1] * 3 % (2 * ring))
        return cls(ring, (np.array(powers) - 1) // 2, np.exp(1j * np.pi * np.arange(ring) / ring))

    def slots(self, coefficients: Any) -> Any:
        """Complex [ring / 2]: the values of the polynomial with these coefficients, the rest of them 0."""
        padded = np.zeros(self.ring)
        padded[: len(coefficients)] = coefficients
        values = np.fft.ifft(padded * self.twist, norm="forward")
        return values[self.order]

    def coefficients(self, slots: Sequence[complex]) -> Any:
        """Float [ring]: of the polynomial with real coefficients that has these values."""
        values = np.empty(self.ring, complex)
        values[self.order] = slots
        values[self.ring - 1 - self.order] = np.conj(slots)
        return (np.fft.fft(values, norm="forward") / self.twist).real


def blocks(rows: Any, ring: int) -> Iterator[Any]:
    """Coefficients for as many rows at once as the ring holds, each row backwards."""
    at_once = ring // rows.shape[1]
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once, ::-1].ravel()


def with_lengths(vectors: Any, of_rows: bool) -> Any:
    """Vectors whose inner product, a probe's with a row's, is the squared distance: [n, d] to [n, d + 4].

    |x - y|² = -2 <x, y> + |x|² + |y|², each squared length as two digits.
    """
    wide = vectors.astype(np.int64)
    high, low = np.divmod((wide**2).sum(axis=1, keepdims=True), DIGIT)
    digit, one = np.full_like(high, DIGIT), np.ones_like(high)
    parts = (-2 * wide, digit, one, high, low) if of_rows else (wide, high, low, digit, one)
    return np.concatenate(parts, axis=1)
