"""Lowered thresholds against the exact model of the real arithmetic, on every value that the input can have, in every channel."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import exact_model
import numpy as np
import pytest

from hwqnn.errors import UnsupportedError
from hwqnn.ir import (
    Affine,
    BatchNorm,
    Clamp,
    Edge,
    Graph,
    Input,
    Int,
    MatMul,
    Op,
    Piece,
    Quantizer,
    Requantize,
    Rounding,
    SignQuantizer,
    UniformQuantizer,
    exact,
)
from hwqnn.passes import lower_requantize

F = Fraction
BITS = 6


def lowered(chain: tuple[Piece, ...], quantizer: Quantizer, channels: int) -> tuple[Requantize, Graph]:
    op = Requantize(name="act", inputs=("x",), chain=chain, quantizer=quantizer)
    return op, lower_requantize(Graph("g", (Input(name="x", inputs=(), type=Int(BITS), shape=(channels,)), op), "act"))


def run(op: Op, x: list[int]) -> list[int]:
    """The exact model's output for these channels."""
    return exact_model.RUN[type(op)](op, x, Edge(Int(BITS), (len(x),)))


def compare(chain: tuple[Piece, ...], quantizer: Quantizer, channels: int) -> set[int]:
    """Fails unless the threshold and the exact chain agree on -32 .. 31 in every channel; the codes that came."""
    op, graph = lowered(chain, quantizer, channels)
    codes = set()
    for x in range(-(2 ** (BITS - 1)), 2 ** (BITS - 1)):
        want = run(op, [x] * channels)
        got = run(graph.op("act"), [x] * channels)
        assert got == want, f"x = {x}"
        codes |= set(want)
    return codes


def uniform_quantizers() -> list[UniformQuantizer]:
    """1 to 8 bits, signed and unsigned, full and narrow, several zero points, each rounding."""
    found = []
    for bits, signed, narrow in product(range(1, 9), (False, True), (False, True)):
        lo, hi = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        lo, hi = (lo + (signed and narrow), hi - (narrow and not signed))
        if lo == hi:
            continue
        for rounding, zero_point in zip(Rounding, (0, lo, hi, (lo + hi) // 3), strict=True):
            found.append(UniformQuantizer(F(3, 4) if bits % 2 else F(2), zero_point, lo, hi, rounding))
    return found


UNIFORM = uniform_quantizers()
CHAINS: dict[str, tuple[Piece, ...]] = {
    "none": (),
    "affine": (Affine(exact([F(1, 2), F(-1, 4), 0, F(3, 8), F(1, 1000)]), exact([0, F(1, 8), F(3, 8), -5, 1])),),
    "shared": (Affine(exact([F(1, 8)]), exact([F(1, 16)])),),
    "norm": (
        BatchNorm(
            exact([1, -1, 0, F(5, 7), F(-1, 3)]),
            exact([0, F(1, 4), F(3, 8), -1, 2]),
            exact([0, 1, 2, -7, F(9, 2)]),
            exact([4, 2, 1, 8, 3]),
        ),
    ),
    "norms": (
        BatchNorm(exact([1, -1, 2, 1, -1]), exact([1, 0, 0, 3, 0]), exact([0, 1, 5, -2, 0]), exact([2, 8, 3, 4, 1])),
        BatchNorm(exact([-1, -3, 1, 0, 2]), exact([0, F(1, 2), 1, 1, 0]), exact([1, 1, 1, 1, 0]), exact([8, 2, 27, 5, 9])),
    ),
    "clamp": (Affine(exact([F(1, 4)]), exact([0])), Clamp(F(0), None)),
    "clamps": (
        Clamp(F(-20), F(25)),
        Affine(exact([1, -1, F(1, 2), -2, 0]), exact([0, 0, 1, 1, 1])),
        Clamp(F(-3), F(15, 2)),
        Affine(exact([F(-1, 2)]), exact([F(1, 4)])),
    ),
    "norm, then hard tanh": (BatchNorm(exact([1, -1, 0, 3, 1]), exact([0]), exact([F(1, 2)]), exact([50])), Clamp(F(-1), F(1))),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_every_value(chain: tuple[Piece, ...]) -> None:
    """All quantizers of up to 2 bits; of the wider ones every chain gets its own share, and together they get all."""
    turn = list(CHAINS.values()).index(chain)
    few, many = [q for q in UNIFORM if q.hi - q.lo < 4], [q for q in UNIFORM if q.hi - q.lo >= 4]
    for quantizer in [SignQuantizer(F(1)), *few, *many[turn :: len(CHAINS)]]:
        compare(chain, quantizer, 5)


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("slope", [1, -1])
def test_every_boundary_is_a_tie(rounding: Rounding, slope: int) -> None:
    """x/2 lies exactly on a boundary for every odd x, above even codes and odd ones; -3 .. 4 all come."""
    codes = compare((Affine(exact([F(slope, 2)]), exact([0])),), UniformQuantizer(F(1), 0, -3, 4, rounding), 1)
    assert codes == set(range(-3, 5))


@pytest.mark.parametrize("gamma", [F(3), F(-3)])
@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_batch_norm_ties_with_irrational_roots(gamma: Fraction, k: int) -> None:
    """Mean and boundary chosen so that the accumulator 5 hits boundary k exactly, through a square root that is no rational: beta = b_k there."""
    norm = BatchNorm(exact([gamma]), exact([k - F(1, 2)]), exact([5]), exact([2]))
    quantizer = UniformQuantizer(F(1), 0, -1, 4, Rounding.HALF_EVEN)
    compare((norm,), quantizer, 1)
    _, graph = lowered((norm,), quantizer, 1)
    assert run(graph.op("act"), [5]) == [k if k % 2 == 0 else k - 1]


def test_sign_of_zero_is_positive_whatever_the_direction() -> None:
    norm = BatchNorm(exact([1, -1, 0, 0]), exact([0, 0, 0, F(-1, 10**9)]), exact([3]), exact([7]))
    _, graph = lowered((norm,), SignQuantizer(F(1)), 4)
    assert run(graph.op("act"), [3] * 4) == [1, 1, 1, -1]
    compare((norm,), SignQuantizer(F(1)), 4)


@pytest.mark.parametrize("gamma", [F(1), F(-2), F(0)])
def test_ranges_come_from_the_weights(gamma: Fraction) -> None:
    """After a product the thresholds need only hold for accumulators it can make; they lie in that range or one past it."""
    weight = np.array([[1, 1, 1], [-1, 2, 0], [0, 0, 0]])
    ops = (
        Input(name="x", inputs=(), type=Int(3), shape=(3,)),
        MatMul(name="fc", inputs=("x",), weight=weight, weight_type=Int(3)),
        Requantize(
            name="act",
            inputs=("fc",),
            chain=(BatchNorm(exact([gamma]), exact([0]), exact([1]), exact([3])),),
            quantizer=UniformQuantizer(F(1), 2, -4, 3, Rounding.HALF_EVEN),
        ),
    )
    imported = Graph("g", ops, "act")
    graph = lower_requantize(imported)
    for x in product(range(-4, 4), repeat=3):
        assert exact_model.evaluate(graph, x) == exact_model.evaluate(imported, x)
    lo, hi = graph.op("fc").channel_range(Int(3))
    thresholds = graph.op("act").thresholds
    assert (thresholds >= lo[:, None]).all() and (thresholds <= hi[:, None] + 1).all()


def test_one_row_serves_equal_channels() -> None:
    _, graph = lowered(CHAINS["shared"], SignQuantizer(F(1)), 9)
    assert graph.op("act").thresholds.shape == (1, 1)


def test_a_quantizer_of_one_code_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"'act'.*only the code 0"):
        lowered((), UniformQuantizer(F(1), 0, 0, 0, Rounding.HALF_EVEN), 2)
