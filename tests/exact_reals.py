"""Exact reals for `exact_model.py`: sums of rational multiples of square roots, whose comparisons are decided, ties included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import total_ordering


def rational_root(x: Fraction) -> Fraction | None:
    """sqrt(x) if it is rational."""
    root = Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))
    return root if root * root == x else None


@total_ordering
class Real:
    """sum of coefficient * sqrt(radicand). No two radicands are a rational square apart, so it is zero only if it has no terms
    (square roots of different square classes are linearly independent over the rationals)."""

    def __init__(self, terms: Sequence[tuple[Fraction, Fraction]] = ()) -> None:
        self.terms: list[tuple[Fraction, Fraction]] = []
        for coefficient, radicand in terms:
            for i, (there, base) in enumerate(self.terms):
                if (root := rational_root(radicand / base)) is not None:
                    self.terms[i] = (there + coefficient * root, base)
                    break
            else:
                root = rational_root(radicand)
                self.terms.append((coefficient, radicand) if root is None else (coefficient * root, Fraction(1)))
        self.terms = [(c, r) for c, r in self.terms if c != 0]

    @staticmethod
    def of(x: int | Fraction) -> Real:
        return Real([(Fraction(x), Fraction(1))])

    def __add__(self, other: Real | int | Fraction) -> Real:
        return Real([*self.terms, *(other if isinstance(other, Real) else Real.of(other)).terms])

    def __mul__(self, factor: int | Fraction) -> Real:
        return Real([(c * factor, r) for c, r in self.terms])

    def __sub__(self, other: Real | int | Fraction) -> Real:
        return self + (other if isinstance(other, Real) else Real.of(other)) * -1

    def times_root(self, x: Fraction) -> Real:
        return Real([(c, r * x) for c, r in self.terms])

    def bounds(self, bits: int) -> tuple[Fraction, Fraction]:
        """Rationals below and above, closer with more bits."""
        lo = hi = Fraction(0)
        for c, r in self.terms:
            if r == 1:
                near, far = c, c
            else:
                root = Fraction(math.isqrt((r.numerator << 2 * bits) // r.denominator), 1 << bits)
                near, far = sorted((c * root, c * (root + Fraction(1, 1 << bits))))
            lo, hi = lo + near, hi + far
        return lo, hi

    def sign(self) -> int:
        if not self.terms:
            return 0
        bits = 64
        while True:
            lo, hi = self.bounds(bits)
            if lo > 0 or hi < 0:
                return 1 if lo > 0 else -1
            bits *= 2

    def floor(self) -> int:
        n = math.floor(self.bounds(64)[0])
        while (self - (n + 1)).sign() >= 0:
            n += 1
        return n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Real | int | Fraction) and (self - other).sign() == 0

    def __lt__(self, other: Real | int | Fraction) -> bool:
        return (self - other).sign() < 0

    def __hash__(self) -> int:
        raise TypeError("compare instead")

    def __float__(self) -> float:
        return float(self.bounds(128)[0])
