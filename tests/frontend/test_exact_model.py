"""The evaluator that other tests lean on, against high-precision decimals and cases worked out by hand."""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from fractions import Fraction

import exact_model
import numpy as np
import pytest
from exact_model import Real

from hwqnn import ir


def test_reals_against_decimals() -> None:
    rng = random.Random(0)
    with localcontext() as context:
        context.prec = 80
        for _ in range(300):
            terms = [(Fraction(rng.randint(-9, 9), rng.randint(1, 9)), Fraction(rng.randint(1, 20), rng.randint(1, 9))) for _ in range(3)]
            real = Real(terms)
            decimal = sum(Decimal(c.numerator) / c.denominator * (Decimal(r.numerator) / r.denominator).sqrt() for c, r in terms)
            near_zero = abs(decimal) < Decimal(10) ** -60
            assert real.sign() == (0 if near_zero else 1 if decimal > 0 else -1)
            nearest = round(decimal)
            integer = abs(decimal - nearest) < Decimal(10) ** -60
            assert real.floor() == (nearest if integer else int(decimal // 1) - (decimal < 0))
            assert float(real) == pytest.approx(float(decimal))


def test_equal_sums_of_roots_are_equal() -> None:
    two, eight, half = (Real([(Fraction(1), Fraction(r))]) for r in (2, 8, Fraction(1, 2)))
    assert two * 2 == eight
    assert half + half == two
    assert (two + Real([(Fraction(1), Fraction(3))]) - eight + two - Real([(Fraction(2), Fraction(3, 4))])).sign() == 0
    assert two != Fraction(14142135623730950488, 10**19)


@pytest.mark.parametrize(
    ("rounding", "codes"),
    [
        (ir.Rounding.HALF_EVEN, [-2, -2, 0, 0, 0, 2, 2]),
        (ir.Rounding.HALF_UP, [-2, -1, 0, 0, 1, 2, 3]),
        (ir.Rounding.FLOOR, [-3, -2, -1, 0, 0, 1, 2]),
        (ir.Rounding.CEIL, [-2, -1, 0, 0, 1, 2, 3]),
    ],
)
def test_rounding_of_halves(rounding: ir.Rounding, codes: list[int]) -> None:
    halves = [Fraction(n, 2) for n in (-5, -3, -1, 0, 1, 3, 5)]
    assert [exact_model.round_real(Real.of(x), rounding) for x in halves] == codes


def test_quantizers() -> None:
    uniform = ir.UniformQuantizer(Fraction(1, 2), 3, 0, 7, ir.Rounding.HALF_EVEN)
    assert [exact_model.quantize(uniform, Real.of(Fraction(x, 4))) for x in (-9, -3, -1, 0, 1, 3, 9)] == [-3, -1, -1, 0, 1, 1, 4]
    assert [exact_model.quantize(ir.SignQuantizer(Fraction(2)), Real.of(x)) for x in (-1, 0, 1)] == [-1, 1, 1]


def test_batch_norm_on_a_boundary() -> None:
    """(x - 1) / sqrt(4) at x = 2 is exactly one half."""
    norm = ir.BatchNorm(*(ir.exact([v]) for v in (1, 0, 1, 4)))
    (real,) = exact_model.apply_chain((norm,), [2])
    assert real == Fraction(1, 2)
    assert exact_model.round_real(real, ir.Rounding.HALF_EVEN) == 0


def test_canonical_graph() -> None:
    graph = ir.Graph(
        "g",
        (
            ir.Input(name="x", inputs=(), type=ir.UInt(4), shape=(2,)),
            ir.Threshold(
                name="t", inputs=("x",), thresholds=np.array([[3, 5], [2, 2]]), descending=np.array([False, True]), base=-1, step=1, type=ir.Ternary()
            ),
            ir.MatMul(name="m", inputs=("t",), weight=np.array([[1, -1], [2, 0], [0, 3]]), weight_type=ir.Int(3)),
            ir.ChannelAffine(name="a", inputs=("m",), mul=np.array([2, -1, 1]), add=np.array([0, 4, 0])),
            ir.ArgMax(name="l", inputs=("a",)),
        ),
        "l",
    )
    assert exact_model.trace(graph, [4, 1]) == {"x": [4, 1], "t": [0, 1], "m": [-1, 0, 3], "a": [-2, 4, 3], "l": [1]}
    assert exact_model.trace(graph, [5, 2]) == {"x": [5, 2], "t": [1, -1], "m": [2, 2, -3], "a": [4, 2, -3], "l": [0]}
    assert exact_model.evaluate(graph, [0, 15]) == [1]


def test_label_of_a_tie_is_the_lowest() -> None:
    graph = ir.Graph("g", (ir.Input(name="x", inputs=(), type=ir.Int(3), shape=(3,)),), "x", (ir.Affine(ir.exact([1, 2, 1]), ir.exact([0])),))
    assert exact_model.label(graph, [2, 1, 2]) == 0
    assert exact_model.label(graph, [1, 1, 2]) == 1
