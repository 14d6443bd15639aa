"""Sums of square roots against 200-digit decimals; zeros, which no digits decide, by construction."""

from __future__ import annotations

import math
import random
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction

import pytest

from hwqnn.passes.surd import Surd


def decimal_of(terms: list[tuple[Fraction, Fraction]]) -> Decimal:
    """sum(c * sqrt(r)) for terms (c, r), to the current precision."""
    return sum((Decimal(c.numerator) / c.denominator * (Decimal(r.numerator) / r.denominator).sqrt() for c, r in terms), Decimal(0))


def surd_of(terms: list[tuple[Fraction, Fraction]]) -> Surd:
    return sum((Surd(c) * Surd.sqrt(r) for c, r in terms), Surd())


def random_terms(rng: random.Random) -> list[tuple[Fraction, Fraction]]:
    size = 10 ** rng.choice([1, 3, 9])
    return [
        (
            Fraction(rng.randint(-size, size), rng.randint(1, size)),
            Fraction(rng.choice([rng.randint(1, 20), rng.randint(1, size)]), rng.randint(1, size)),
        )
        for _ in range(rng.randint(0, 4))
    ]


@pytest.fixture(autouse=True)
def digits():
    with localcontext() as context:
        context.prec = 200
        yield


@pytest.mark.parametrize("seed", range(300))
def test_sign_floor_ceil_float(seed: int) -> None:
    terms = random_terms(random.Random(seed))
    x, d = surd_of(terms), decimal_of(terms)
    if abs(d) < Decimal(10) ** -150:
        d = Decimal(0)
    assert x.sign() == (d > 0) - (d < 0)
    nearest = d.to_integral_value()
    if abs(d - nearest) < Decimal(10) ** -150:
        d = nearest
    assert x.floor() == int(d.to_integral_value(ROUND_FLOOR))
    assert x.ceil() == int(d.to_integral_value(ROUND_CEILING))
    assert float(x) == pytest.approx(float(d), rel=1e-15)


@pytest.mark.parametrize("seed", range(100))
def test_arithmetic(seed: int) -> None:
    rng = random.Random(seed)
    left, right = random_terms(rng), random_terms(rng)
    x, y, a, b = surd_of(left), surd_of(right), decimal_of(left), decimal_of(right)
    for got, want in ((x + y, a + b), (x - y, a - b), (x * y, a * b), (-x, -a)):
        again = decimal_of([(c, Fraction(r)) for r, c in got.terms.items()])
        assert abs(again - want) <= Decimal(10) ** -150 * (1 + abs(want))
    one = Surd(left[0][0] if left and left[0][0] else 7) * Surd.sqrt(Fraction(rng.randint(1, 50)))
    assert (one * one.reciprocal() - Surd(1)).sign() == 0


@pytest.mark.parametrize("seed", range(100))
def test_zero_by_dependent_roots(seed: int) -> None:
    """sqrt(k^2 r) = k sqrt(r) however it is written, so the sum vanishes; a hair more, and it does not."""
    rng = random.Random(seed)
    total, hair = Surd(), Fraction(1, 10 ** rng.choice([1, 30, 120]))
    for _ in range(rng.randint(1, 4)):
        r, k, c = Fraction(rng.randint(1, 30), rng.randint(1, 30)), Fraction(rng.randint(1, 99), rng.randint(1, 99)), Fraction(rng.randint(-9, 9), 7)
        total = total + Surd(c) * Surd.sqrt(k * k * r) - Surd(c * k) * Surd.sqrt(r)
    assert total.sign() == 0 and total.floor() == total.ceil() == 0 and float(total) == 0.0
    assert (total + Surd(hair)).sign() == 1 and (total + Surd(hair)).floor() == 0 and (total + Surd(hair)).ceil() == 1
    assert (total - Surd(hair)).sign() == -1 and (total - Surd(hair)).floor() == -1


def test_close_sums_of_independent_roots() -> None:
    """sqrt(n^2 + 1) - n is about 1 / 2n, and sqrt(n - 1) + sqrt(n + 1) misses 2 sqrt(n) by about n^-1.5 / 4."""
    for n in (10**10, 10**40, 10**90):
        assert (Surd.sqrt(Fraction(n * n + 1)) - Surd(n)).sign() == 1
        assert Surd.sqrt(Fraction(n * n + 1)).floor() == n
        assert Surd.sqrt(Fraction(n * n - 1)).floor() == n - 1
        assert (Surd.sqrt(Fraction(n - 1)) + Surd.sqrt(Fraction(n + 1)) - Surd(2) * Surd.sqrt(Fraction(n))).sign() == -1


def test_products_of_roots_become_rational() -> None:
    assert (Surd.sqrt(Fraction(2)) * Surd.sqrt(Fraction(8))).terms == {1: Fraction(4)}
    assert (Surd.sqrt(Fraction(9, 4))).terms == {1: Fraction(3, 2)}


@pytest.mark.parametrize("value", [Fraction(1, 10**60), Fraction(-7, 10**45), Fraction(10**60)])
def test_floats_of_any_size(value: Fraction) -> None:
    assert float(Surd(value)) == pytest.approx(float(value), rel=1e-15)
    assert float(Surd(value) * Surd.sqrt(Fraction(2))) == pytest.approx(float(value) * math.sqrt(2), rel=1e-15)


@pytest.mark.parametrize("value", [Fraction(0), Fraction(-1, 3)])
def test_no_root_of_nothing(value: Fraction) -> None:
    with pytest.raises(ValueError, match="square root of"):
        Surd.sqrt(value)
