"""The protocols of the SOCI family as the starting server runs them; the other server helps.

SMUL, SCMP, SSBA, SDIV as in the published code of SOCI and SOCI+, with one joint decryption for SMUL's two factors;
SMIN by tournament; BatchSquare for squared distances of packed differences. A list is asked for in one message.

What the helper sees: additive masks hide a value but for a statistical distance of 2^-mask_bits. SCMP's mask is a
factor r: a fair coin swaps the sides, so the sign says nothing, but the size is r times |x - y| give or take less than
one. Here log r is uniform over as wide a range as N allows, so two differences can be told apart with an advantage of
at most ``comparison_leak``; with ``spread`` 1, as published, their bit lengths are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gmpy2 import invert, mpz, powmod

from facebench_pura import randomness
from facebench_pura.factored import joined
from facebench_pura.gallery import best_group, multiproduct
from facebench_pura.helping import COMPARE, MULTIPLY, REVEAL, SQUARE
from facebench_pura.kernel import powers
from facebench_pura.keys import PublicKey
from facebench_pura.refusals import ValueRefused
from facebench_pura.shares import Opened, Share
from facebench_pura.tables import planes_of
from facebench_pura.templates import DIFFERENCE_BITS, MASK_BITS, Layout, Template

Ask = Callable[[str, Sequence[int], Sequence[Opened]], Sequence[mpz]]


def widest_spread(public: PublicKey, value_bits: int, mask_bits: int = MASK_BITS) -> int:
    """The octaves from 2^mask_bits over which SCMP's mask may range for |x - y| <= 2^(value_bits + 1)."""
    return public.bits - 4 - value_bits - mask_bits


def comparison_leak(value_bits: int, spread: int) -> float:
    """The most that SCMP's helper gains in telling two differences apart (statistical distance), 1 at most.

    Shifting a uniform logarithm of range ``spread`` by at most value_bits + 1 octaves, and by log2 of 1 - theta
    (1 / ln 2 octaves in the mean), changes the distribution by no more than their ratio.
    """
    return min(1.0, (value_bits + 1 + 1.4427) / spread)


class Starter:
    """One server's side; ``ask(kind, numbers, opened)`` brings the other server's reply.

    Ciphertexts in and out are ``mpz``. ``value_bits``: a bound on inputs, |x| < 2^value_bits, given for each call.
    ``spread``: octaves of SCMP's mask, None for all that N allows.
    """

    def __init__(
        self, share: Share, encryptor: Any, ask: Ask, mask_bits: int = MASK_BITS, spread: int | None = None
    ) -> None:
        self.share, self.encryptor, self.ask = share, encryptor, ask
        self.mask_bits, self.spread = mask_bits, spread
        self.public = share.public

    def multiply(self, xs: Sequence[mpz], ys: Sequence[mpz], value_bits: int) -> list[mpz]:
        """SMUL: [x y] for each pair."""
        if not xs:
            return []
        square, low = self.public.square, 1 << value_bits
        width = value_bits + self.mask_bits + 1
        self._room(2 * width)
        masks = [(low + self._mask(value_bits), low + self._mask(value_bits)) for _ in xs]
        joint = self.encryptor.encrypt([(first << width) + second for first, second in masks])
        lifted = powers(xs, mpz(1) << width, square, self.encryptor.kernel)
        hidden = [x * y % square * e % square for x, y, e in zip(lifted, ys, joint, strict=True)]
        products = self._asked(MULTIPLY, (width,), hidden, len(xs))
        offsets = self.encryptor.encrypt([-first * second for first, second in masks])
        found = []
        for x, y, (first, second), product, offset in zip(xs, ys, masks, products, offsets, strict=True):
            cross = powmod(x, second, square) * powmod(y, first, square) % square
            found.append(product * offset % square * invert(cross, square) % square)
        return found

    def less(self, xs: Sequence[mpz], ys: Sequence[mpz], value_bits: int) -> list[mpz]:
        """SCMP: [1] where x < y, else [0].

        A coin decides between r (x - y + 1) - r' and r (y - x) - r', 0 < r' < r: the published values without the
        N/2 that both sides know.
        """
        if not xs:
            return []
        square = self.public.square
        spread = max(1, self.spread or widest_spread(self.public, value_bits, self.mask_bits))
        self._room(value_bits + 2 + self.mask_bits + spread)
        coins, hidden, shifts = [randomness.coin() for _ in xs], [], []
        for x, y, swapped in zip(xs, ys, coins, strict=True):
            r = randomness.log_uniform(self.mask_bits, spread)
            low = 1 + randomness.below(r - 1)
            difference = y * invert(x, square) if swapped else x * invert(y, square)
            hidden.append(powmod(difference, r, square))
            shifts.append(-low if swapped else r - low)
        masks = self.encryptor.encrypt(shifts)
        hidden = [value * mask % square for value, mask in zip(hidden, masks, strict=True)]
        replies = self._asked(COMPARE, (), hidden, len(xs))
        ones = self.encryptor.encrypt([int(swapped) for swapped in coins])
        return [
            one * (invert(reply, square) if swapped else reply) % square
            for one, reply, swapped in zip(ones, replies, coins, strict=True)
        ]

    def magnitude(self, xs: Sequence[mpz], value_bits: int) -> tuple[list[mpz], list[mpz]]:
        """SSBA: [1] where x < 0, else [0], and [|x|]."""
        square = self.public.square
        negative = self.less(xs, self.encryptor.encrypt([0] * len(xs)), value_bits)
        ones = self.encryptor.encrypt([1] * len(xs))
        signs = [one * invert(bit * bit, square) % square for one, bit in zip(ones, negative, strict=True)]
        return negative, self.multiply(signs, xs, value_bits)

    def divide(self, x: mpz, y: mpz, quotient_bits: int, value_bits: int) -> tuple[mpz, mpz]:
        """SDIV: [x // y] and [x mod y] for 0 <= x < 2^value_bits, 0 < y, x // y < 2^quotient_bits."""
        square = self.public.square
        quotient = self.encryptor.encrypt([0])[0]
        bits = value_bits + quotient_bits
        for place in reversed(range(quotient_bits)):
            scaled = powmod(y, mpz(1) << place, square)
            (below,) = self.less([x], [scaled], bits)
            taken = self.encryptor.encrypt([1])[0] * invert(below, square) % square
            quotient = quotient * powmod(taken, mpz(1) << place, square) % square
            (part,) = self.multiply([taken], [scaled], bits)
            x = x * invert(part, square) % square
        return quotient, x

    def smallest(self, xs: Sequence[mpz], tags: Sequence[mpz], value_bits: int) -> tuple[mpz, mpz]:
        """SMIN: the least value and its tag, by tournament; of equal ones the first. Tags lie below 2^value_bits."""
        if not xs:
            raise ValueRefused("The smallest value was asked for.", "There is none.", "Enrol a template first.")
        square = self.public.square
        standing = list(zip(xs, tags, strict=True))
        while len(standing) > 1:
            pairs = list(zip(standing[::2], standing[1::2], strict=False))
            bits = self.less([second[0] for _, second in pairs], [first[0] for first, _ in pairs], value_bits)
            gaps = [
                b * invert(a, square) % square for first, second in pairs for a, b in zip(first, second, strict=True)
            ]
            steps = self.multiply([bit for bit in bits for _ in range(2)], gaps, value_bits + 1)
            won = [
                (first[0] * steps[2 * i] % square, first[1] * steps[2 * i + 1] % square)
                for i, (first, _) in enumerate(pairs)
            ]
            standing = won + standing[2 * len(pairs) :]
        return standing[0]

    def ranked(self, xs: Sequence[mpz], tags: Sequence[mpz], count: int, value_bits: int) -> list[tuple[mpz, mpz]]:
        """Top-k: the ``count`` smallest with their distinct tags, in order; fewer where there are fewer."""
        square, xs, found = self.public.square, list(xs), []
        for _ in range(min(count, len(xs))):
            found.append(self.smallest(xs, tags, value_bits))
            if len(found) < min(count, len(xs)):
                won = [found[-1][1]] * len(xs)
                unequal = zip(self.less(tags, won, value_bits), self.less(won, tags, value_bits), strict=True)
                ones = self.encryptor.encrypt([1] * len(xs))
                # The winner rises by 2^(value_bits + 1), above all others of either sign.
                rise = [one * invert(a * b, square) for one, (a, b) in zip(ones, unequal, strict=True)]
                lifted = powers(rise, mpz(1) << (value_bits + 1), square, self.encryptor.kernel)
                xs = [x * step % square for x, step in zip(xs, lifted, strict=True)]
                value_bits += 2
        return found

    def squared_distances(self, probe: Template, rows: Sequence[Template], layout: Layout) -> list[mpz]:
        """BatchSquare: [sum of (x_i - y_i)^2] for each row, one message a row."""
        return [self._squared_distance(probe, row, layout) for row in rows]

    def distances_by_products(self, probe: Template, row: Template) -> mpz:
        """The same for one row with one SMUL a feature: what BatchSquare is measured against."""
        square = self.public.square
        gaps = [x * y % square for x, y in zip(probe.features, row.features, strict=True)]
        total = mpz(1)
        for product in self.multiply(gaps, gaps, DIFFERENCE_BITS):
            total = total * product % square
        return total

    def revealed(self, ciphertexts: Sequence[mpz]) -> list[mpz]:
        """Plaintexts modulo N, seen by both servers: only for values that carry somebody else's mask."""
        return self._asked(REVEAL, (), ciphertexts, len(ciphertexts))

    def _squared_distance(self, probe: Template, row: Template, layout: Layout) -> mpz:
        n, square = self.public.n, self.public.square
        length = DIFFERENCE_BITS + layout.mask_bits + 1
        masks = [
            (1 << DIFFERENCE_BITS) + self._mask(DIFFERENCE_BITS, layout.mask_bits) for _ in range(layout.dimension)
        ]
        joint = [
            sum(mask << (layout.slot * j) for j, mask in enumerate(masks[start : start + layout.per]))
            for start in range(0, layout.dimension, layout.per)
        ]
        hidden = [
            x * y % square * mask % square
            for x, y, mask in zip(probe.packs, row.packs, self.encryptor.encrypt(joint), strict=True)
        ]
        (sums,) = self._asked(SQUARE, (layout.slot, layout.per, layout.dimension), hidden, 1)
        gaps = [x * y % square for x, y in zip(probe.features, row.features, strict=True)]
        group = best_group(layout.dimension, 1, length, self.encryptor.kernel)
        table = multiproduct(gaps, self.public, group, self.encryptor.kernel)
        ((product, k),) = table.products(planes_of([masks], group, length))
        cross = joined(product, k, n)
        (offset,) = self.encryptor.encrypt([-sum(mask * mask for mask in masks)])
        return sums * invert(cross * cross, square) % square * offset % square

    def _mask(self, value_bits: int, mask_bits: int | None = None) -> mpz:
        return randomness.bits(value_bits + (self.mask_bits if mask_bits is None else mask_bits))

    def _asked(self, kind: str, numbers: Sequence[int], hidden: Sequence[mpz], count: int) -> list[mpz]:
        replies = list(self.ask(kind, numbers, self.share.open(hidden, self.encryptor.kernel)))
        if len(replies) != count:
            raise ValueRefused("The other server was asked.", "Its reply has another length.", "Use one version.")
        return replies

    def _room(self, bits: int) -> None:
        if bits > self.public.bits - 2:
            raise ValueRefused(
                f"A protocol needs plaintexts of {bits} bits.",
                f"The modulus has {self.public.bits} bits.",
                "Take a larger key, or smaller values or masks.",
            )
