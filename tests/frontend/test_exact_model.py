"""The evaluator that other tests lean on, against high-precision decimals and cases worked out by hand."""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from fractions import Fraction

import exact_model
import numpy as np
import pytest
import torch
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


def on_map(op: ir.Op, x: np.ndarray, of: ir.Type) -> np.ndarray:
    """What one op makes of maps (N, H, W, C)."""
    graph = ir.Graph("g", (ir.Input(name="x", inputs=(), type=of, shape=x.shape[1:]), op), op.name)
    return np.array([exact_model.evaluate(graph, image.ravel().tolist()) for image in x]).reshape(-1, *graph.edges[op.name].shape)


def pad(x: torch.Tensor, geometry: ir.Geometry, value: float) -> torch.Tensor:
    top, left, bottom, right = geometry.padding
    return torch.nn.functional.pad(x, (left, right, top, bottom), value=value)


WINDOWS = [
    ir.Geometry((3, 3)),
    ir.Geometry((3, 3), padding=(1, 1, 1, 1)),
    ir.Geometry((2, 3), stride=(2, 1), padding=(1, 0, 0, 2)),
    ir.Geometry((1, 1), stride=(3, 2)),
    ir.Geometry((3, 2), stride=(1, 2), padding=(2, 0, 1, 1), dilation=(2, 3)),
    ir.Geometry((5, 6)),
]


@pytest.mark.parametrize("geometry", WINDOWS)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_conv_is_that_of_torch(geometry: ir.Geometry, groups: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 8, (3, 5, 6, 4))
    weight = rng.integers(-4, 4, (8, *geometry.kernel, 4 // groups))
    op = ir.Conv(name="c", inputs=("x",), weight=weight, weight_type=ir.Int(3), geometry=geometry, groups=groups)
    maps, kernels = (torch.tensor(v, dtype=torch.float64).permute(0, 3, 1, 2) for v in (x, weight))
    wanted = torch.nn.functional.conv2d(pad(maps, geometry, 0.0), kernels, None, geometry.stride, 0, geometry.dilation, groups)
    assert (on_map(op, x, ir.Int(4)) == wanted.permute(0, 2, 3, 1).numpy()).all()


@pytest.mark.parametrize("geometry", WINDOWS[:4])
def test_pool_is_that_of_torch(geometry: ir.Geometry) -> None:
    x = np.random.default_rng(1).integers(-8, 8, (3, 5, 6, 4))
    down = np.array([False, True, True, False])
    maps = torch.tensor(np.where(down, -x, x), dtype=torch.float64).permute(0, 3, 1, 2)
    wanted = torch.nn.functional.max_pool2d(pad(maps, geometry, -torch.inf), geometry.kernel, geometry.stride).permute(0, 2, 3, 1).numpy()
    assert (on_map(ir.MaxPool(name="p", inputs=("x",), geometry=geometry, minimum=down), x, ir.Int(4)) == np.where(down, -wanted, wanted)).all()


def test_padding_is_zero_even_of_bipolar() -> None:
    """exactness.md, 9: ones under a 3x3 kernel of ones give 4 in a corner, 6 at an edge, 9 inside."""
    ones = np.ones((1, 3, 3, 1), np.int64)
    op = ir.Conv(
        name="c", inputs=("x",), weight=ones, weight_type=ir.Bipolar(), geometry=ir.Geometry((3, 3), padding=(1, 1, 1, 1)), groups=1
    )  # fmt: skip
    assert on_map(op, ones, ir.Bipolar())[0, :, :, 0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_joins_upsampling_reshape_and_pixel_labels() -> None:
    graph = ir.Graph(
        "g",
        (
            ir.Input(name="x", inputs=(), type=ir.UInt(3), shape=(1, 2, 2)),
            ir.ChannelAffine(name="a", inputs=("x",), mul=np.array([2, -1]), add=np.array([0, 1])),
            ir.Add(name="s", inputs=("a", "x")),
            ir.Concat(name="c", inputs=("s", "x")),
            ir.Upsample(name="u", inputs=("c",), factor=(2, 1)),
            ir.ArgMax(name="l", inputs=("u",), k=3),
            ir.Reshape(name="r", inputs=("l",), shape=(3, 4)),
        ),
        "r",
    )
    assert exact_model.trace(graph, [3, 1, 0, 7]) == {
        "x": [3, 1, 0, 7],
        "a": [6, 0, 0, -6],
        "s": [9, 1, 0, 1],
        "c": [9, 1, 3, 1, 0, 1, 0, 7],
        "u": [9, 1, 3, 1, 0, 1, 0, 7] * 2,
        "l": [0, 2, 1, 3, 1, 0] * 2,
        "r": [0, 2, 1, 3, 1, 0] * 2,
    }


def test_parameters_go_by_channel() -> None:
    """Of a map of two pixels: chains, thresholds and the meaning repeat from pixel to pixel."""
    halves = ir.Affine(ir.exact([Fraction(1, 2), -1]), ir.exact([0, 3]))
    ops = (
        ir.Input(name="x", inputs=(), type=ir.UInt(3), shape=(1, 2, 2)),
        ir.Requantize(
            name="q", inputs=("x",), chain=(halves,), quantizer=ir.UniformQuantizer(Fraction(1), 0, 0, 3, ir.Rounding.HALF_EVEN)
        ),
        ir.Threshold(
            name="t", inputs=("q",), thresholds=np.array([[1], [2]]), descending=np.array([False, True]), base=-1, step=2, type=ir.Bipolar()
        ),
    )  # fmt: skip
    graph = ir.Graph("g", ops, "t", (ir.Affine(ir.exact([1, 2]), ir.exact([0])),))
    assert exact_model.trace(graph, [1, 1, 3, 5]) == {"x": [1, 1, 3, 5], "q": [0, 2, 2, 0], "t": [-1, -1, 1, 1]}
    assert exact_model.real_outputs(graph, [1, 1, 3, 5]) == [-1, -2, 1, 2]
    assert exact_model.labels(graph, [1, 1, 3, 5]) == [0, 1]
    assert exact_model.labels(graph, [1, 1, 3, 5], k=2) == [0, 1, 1, 0]
