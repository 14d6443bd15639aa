"""Exact sums of square roots: q1*sqrt(r1) + q2*sqrt(r2) + ... with rational q and r.

Batch norm divides by a square root, so exact thresholds live here and not in the rationals. Signs and floors are decided, never
estimated: square roots of integers whose pairwise products are no perfect squares are linearly independent over the rationals
(Besicovitch 1940), so after merging dependent roots the sum is zero only if no term is left; otherwise enough digits decide.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

_START_BITS = 64


def _is_square(n: int) -> bool:
    return isqrt(n) ** 2 == n


class Surd:
    """A number sum(coefficient * sqrt(radicand)); immutable. `terms` maps positive integer radicands to nonzero `Fraction`s."""

    __slots__ = ("terms",)

    def __init__(self, value: Fraction | int = 0, *, terms: dict[int, Fraction] | None = None) -> None:
        if terms is None:
            terms = {1: Fraction(value)}
        merged = {1: Fraction(0)}
        for radicand, coefficient in terms.items():
            if coefficient == 0:
                continue
            for known in merged:
                if known == radicand or _is_square(known * radicand):
                    # sqrt(radicand) = sqrt(known * radicand) / known * sqrt(known)
                    merged[known] += coefficient * Fraction(isqrt(known * radicand), known)
                    break
            else:
                merged[radicand] = coefficient
        self.terms = {r: c for r, c in merged.items() if c != 0}

    @classmethod
    def sqrt(cls, value: Fraction) -> Surd:
        """The square root of a rational > 0."""
        if value <= 0:
            raise ValueError(f"square root of {value}")
        n = value.numerator * value.denominator
        if _is_square(n):
            return cls(Fraction(isqrt(n), value.denominator))
        return cls(terms={n: Fraction(1, value.denominator)})

    def __add__(self, other: Surd) -> Surd:
        terms = dict(self.terms)
        for r, c in other.terms.items():
            terms[r] = terms.get(r, Fraction(0)) + c
        return Surd(terms=terms)

    def __neg__(self) -> Surd:
        return Surd(terms={r: -c for r, c in self.terms.items()})

    def __sub__(self, other: Surd) -> Surd:
        return self + -other

    def __mul__(self, other: Surd) -> Surd:
        terms: dict[int, Fraction] = {}
        for r, c in self.terms.items():
            for s, d in other.terms.items():
                n, q = (1, r) if r == s else (r * s, 1)  # sqrt(r) * sqrt(r) = r, without growing the radicand
                terms[n] = terms.get(n, Fraction(0)) + c * d * q
        return Surd(terms=terms)

    def reciprocal(self) -> Surd:
        """1 / self, for a sum of one term (all that batch norm needs)."""
        ((r, c),) = self.terms.items()
        return Surd(terms={r: 1 / (c * r)})

    def scaled(self, bits: int) -> tuple[int, int]:
        """Integers (lo, hi) with lo <= self * 2**bits <= hi and hi - lo <= 2 * number of terms."""
        lo = hi = 0
        for r, c in self.terms.items():
            # c * sqrt(r) * 2**bits = sign * sqrt(c^2 * r * 4**bits)
            square = c * c * r * (1 << (2 * bits))
            root = isqrt(square.numerator // square.denominator)
            exactly = root * root == square
            if c > 0:
                lo, hi = lo + root, hi + root + (not exactly)
            else:
                lo, hi = lo - root - (not exactly), hi - root
        return lo, hi

    def sign(self) -> int:
        """-1, 0 or +1."""
        if not self.terms:
            return 0
        bits = _START_BITS
        while True:
            lo, hi = self.scaled(bits)
            if lo > 0 or hi < 0:
                return 1 if lo > 0 else -1
            bits *= 2

    def floor(self) -> int:
        """The greatest integer <= self."""
        bits = _START_BITS
        while True:
            lo, hi = self.scaled(bits)
            if lo >> bits == hi >> bits:
                return lo >> bits
            candidate = hi >> bits
            if (self - Surd(candidate)).sign() == 0:
                return candidate
            bits *= 2

    def ceil(self) -> int:
        """The least integer >= self."""
        return -(-self).floor()

    def __float__(self) -> float:
        bits = _START_BITS
        while self.terms:
            lo, hi = self.scaled(bits)
            if (hi - lo) << 60 <= max(abs(lo), abs(hi)):  # as many bits as a tiny value needs
                return float(Fraction(lo, 1 << bits))
            bits *= 2
        return 0.0
