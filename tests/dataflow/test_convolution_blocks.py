"""Matrix-vector and depthwise units of convolutions: their ROMs, run by tests/rom_arithmetic.py, against convolution written out as loops."""

from __future__ import annotations

import numpy as np
import pytest
from rom_arithmetic import run_depthwise, run_mvu

from hwqnn.dataflow.accumulator import Product, accumulator, products
from hwqnn.dataflow.depthwise import Depthwise
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.mvu import Mvu
from hwqnn.ir import Bipolar, Conv, Edge, Geometry, Int, MatMul, Ternary, Threshold, Type, UInt

GEOMETRIES = {
    "3x3 padded": (Geometry((3, 3), padding=(1, 1, 1, 1)), 4, 3),
    "strided, dilated, padded on one side": (Geometry((2, 3), stride=(2, 1), padding=(0, 2, 1, 0), dilation=(1, 2)), 5, 4),
    "one kind of position, padded": (Geometry((3, 2), padding=(1, 0, 1, 0)), 1, 2),
    "1-D": (Geometry((1, 3), padding=(0, 1, 0, 1)), 1, 6),
    "not padded": (Geometry((2, 2)), 3, 3),
    "1x1": (Geometry((1, 1)), 2, 3),
}
TYPES: list[tuple[Type, Type]] = [(Bipolar(), Bipolar()), (Bipolar(), Ternary()), (UInt(2), Bipolar()), (Int(3), Int(2)), (UInt(1), UInt(2))]


def draw(of: Type, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1, 1], shape) if isinstance(of, Bipolar) else rng.integers(of.min, of.max + 1, shape)


def naive(op: Conv, x: np.ndarray) -> np.ndarray:
    """(output height, output width, out), tap by tap; what lies outside the map adds nothing."""
    g = op.geometry
    height, width, _ = x.shape
    out, kh, kw, inputs = op.weight.shape
    rows = (height + g.padding[0] + g.padding[2] - g.dilation[0] * (kh - 1) - 1) // g.stride[0] + 1
    columns = (width + g.padding[1] + g.padding[3] - g.dilation[1] * (kw - 1) - 1) // g.stride[1] + 1
    y = np.zeros((rows, columns, out), dtype=np.int64)
    for r, c, o in np.ndindex(y.shape):
        group = o // (out // op.groups)
        for i, j in np.ndindex(kh, kw):
            u, v = r * g.stride[0] + i * g.dilation[0] - g.padding[0], c * g.stride[1] + j * g.dilation[1] - g.padding[1]
            if 0 <= u < height and 0 <= v < width:
                y[r, c, o] += int(op.weight[o, i, j] @ x[u, v, group * inputs : (group + 1) * inputs])
    return y


def windows(op: Conv, x: np.ndarray, of: Type, tile: int) -> list[list[int]]:
    """What a window gives for each output pixel and tile of channels: (kh, kw, channel of the tile); padding is the value of code 0."""
    g = op.geometry
    height, width, channels = x.shape
    rows, columns = g.output(height, width)
    zero = -1 if isinstance(of, Bipolar) else 0
    vectors = []
    for r, c, t in np.ndindex(rows, columns, channels // tile):
        vector = []
        for i, j in np.ndindex(g.kernel):
            u, v = r * g.stride[0] + i * g.dilation[0] - g.padding[0], c * g.stride[1] + j * g.dilation[1] - g.padding[1]
            inside = 0 <= u < height and 0 <= v < width
            vector += x[u, v, t * tile : (t + 1) * tile].tolist() if inside else [zero] * tile
        vectors.append(vector)
    return vectors


def thresholds(sums: np.ndarray, levels: int, rng: np.random.Generator) -> Threshold:
    """Per channel, around the values that occur, some of them hit exactly."""
    channels = sums.shape[-1]
    table = np.sort(rng.choice(sums.reshape(-1), (channels, levels)) + rng.integers(-1, 2, (channels, levels)), axis=1)
    of: Type = Bipolar() if levels == 1 else UInt(3)
    base, step = (-1, 2) if levels == 1 else (0, 1)
    return Threshold(name="t", inputs=("c",), thresholds=table, descending=np.zeros(channels, bool), base=base, step=step, type=of)


def quantized(threshold: Threshold | None, sums: np.ndarray) -> list[int]:
    if threshold is not None:
        sums = threshold.base + threshold.step * (sums[..., None] >= threshold.thresholds).sum(axis=-1)
    return sums.reshape(-1).tolist()


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("x_type", "w_type"), TYPES, ids=str)
@pytest.mark.parametrize("levels", [0, 1, 4])
def test_mvu(geometry: str, x_type: Type, w_type: Type, levels: int) -> None:
    rng = np.random.default_rng(levels)
    g, height, width = GEOMETRIES[geometry]
    for groups in (1, 2):
        op = Conv(name="c", inputs=("x",), weight=draw(w_type, (4, *g.kernel, 4 // groups), rng), weight_type=w_type, geometry=g, groups=groups)
        x = draw(x_type, (height, width, 4), rng)
        sums = naive(op, x)
        threshold = thresholds(sums, levels, rng) if levels else None
        matrix = Matrix.of(op, Edge(x_type, x.shape))
        acc = accumulator(matrix, threshold, x_type)
        for pe, simd in ((1, 1), (2, 2), (4 // groups, matrix.inputs), (1, g.taps)):
            block = Mvu.fold(matrix, threshold, x_type, pe, simd, acc=acc)
            assert run_mvu(block, windows(op, x, x_type, 4 // groups)) == quantized(threshold, sums)
            assert len(block.schedule.take) == block.cycles and block.schedule.gives == sums.size // pe
            assert block.schedule.take.sum() == matrix.pixels * groups * matrix.inputs // simd
        if threshold is None:
            assert block.beat_out.type == op.infer((Edge(x_type, x.shape),)).type


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("x_type", "w_type"), TYPES, ids=str)
@pytest.mark.parametrize("levels", [0, 1, 4])
def test_depthwise(geometry: str, x_type: Type, w_type: Type, levels: int) -> None:
    rng = np.random.default_rng(levels)
    g, height, width = GEOMETRIES[geometry]
    op = Conv(name="c", inputs=("x",), weight=draw(w_type, (6, *g.kernel, 1), rng), weight_type=w_type, geometry=g, groups=6)
    x = draw(x_type, (height, width, 6), rng)
    sums = naive(op, x)
    threshold = thresholds(sums, levels, rng) if levels else None
    matrix = Matrix.of(op, Edge(x_type, x.shape))
    assert matrix.depthwise
    for pe in (1, 2, 6):
        block = Depthwise.fold(matrix, threshold, x_type, pe)
        beats = [vector[k : k + pe] for vector in windows(op, x, x_type, pe) for k in range(0, len(vector), pe)]
        assert run_depthwise(block, beats) == quantized(threshold, sums)
        assert len(block.schedule.take) == block.cycles == len(beats) and block.schedule.gives == sums.size // pe
    if threshold is None:
        assert block.beat_out.type == op.infer((Edge(x_type, x.shape),)).type


@pytest.mark.parametrize("of", [UInt(4), Int(3), Bipolar()], ids=str)
def test_average_pool_has_one_word_of_weights(of: Type) -> None:
    rng = np.random.default_rng(0)
    op = Conv(name="c", inputs=("x",), weight=np.ones((4, 2, 2, 1), np.int64), weight_type=UInt(1), geometry=Geometry((2, 2), (2, 2)), groups=4)
    x = draw(of, (4, 4, 4), rng)
    block = Depthwise.fold(Matrix.of(op, Edge(of, x.shape)), None, of, 2)
    beats = [vector[k : k + 2] for vector in windows(op, x, of, 2) for k in range(0, len(vector), 2)]
    assert block.parameters["W_WORDS"] == 1
    assert run_depthwise(block, beats) == x.reshape(2, 2, 2, 2, 4).sum(axis=(1, 3)).reshape(-1).tolist()


@pytest.mark.parametrize(("x_type", "w_type"), [(UInt(8), Int(8)), (Int(5), Int(4)), (UInt(6), UInt(5))], ids=str)
def test_multipliers(x_type: Type, w_type: Type) -> None:
    """Both styles of products compute the same from ROMs of their own, padding and depthwise included."""
    rng = np.random.default_rng(1)
    g, height, width = GEOMETRIES["3x3 padded"]
    x = draw(x_type, (height, width, 2), rng)
    dense = Conv(name="c", inputs=("x",), weight=draw(w_type, (2, 3, 3, 2), rng), weight_type=w_type, geometry=g, groups=1)
    lanes = Conv(name="c", inputs=("x",), weight=draw(w_type, (2, 3, 3, 1), rng), weight_type=w_type, geometry=g, groups=2)
    matrices = [Matrix.of(op, Edge(x_type, x.shape)) for op in (dense, lanes)]
    for product in products(matrices[0], x_type):
        mvu = Mvu.fold(matrices[0], None, x_type, 2, 3, product=product)
        assert run_mvu(mvu, windows(dense, x, x_type, 2)) == naive(dense, x).reshape(-1).tolist()
        depthwise = Depthwise.fold(matrices[1], None, x_type, 2, product=product)
        beats = [vector[k : k + 2] for vector in windows(lanes, x, x_type, 2) for k in range(0, len(vector), 2)]
        assert run_depthwise(depthwise, beats) == naive(lanes, x).reshape(-1).tolist()
        assert depthwise.parameters["DP_SUMS"] == (product is Product.DSP)
        assert mvu.estimate.dsp == (6 if product is Product.DSP else 0)


@pytest.mark.parametrize(
    ("x_type", "w_type", "dsp"),
    [(Bipolar(), Bipolar(), False), (UInt(2), Int(2), False), (UInt(4), Int(4), True), (UInt(8), Bipolar(), False), (Int(25), Int(18), True),
     (UInt(25), Int(4), False), (Int(19), Int(19), False)],
)  # fmt: skip
def test_what_a_dsp48_can_multiply(x_type: Type, w_type: Type, dsp: bool) -> None:
    """25 by 18 bits, both signed; and products of less than 9 bits, or with a single bit, are not worth one."""
    op = MatMul(name="m", inputs=("x",), weight=np.full((1, 16), w_type.max), weight_type=w_type)
    assert (Product.DSP in products(Matrix.of(op, Edge(x_type, (16,))), x_type)) == dsp


def test_a_small_sum_needs_no_dsp48() -> None:
    """Above its highest bit a product's bits change nothing, and what is left of it is less than 9 bits."""
    op = MatMul(name="m", inputs=("x",), weight=np.ones((1, 8), np.int64), weight_type=Int(4))
    assert products(Matrix.of(op, Edge(UInt(4), (8,))), UInt(4)) == (Product.PLANES,)


def test_positions() -> None:
    """Kinds of rows and columns, and what each misses of a kernel of ones."""
    g = Geometry((3, 3), padding=(1, 1, 1, 1))
    op = Conv(name="c", inputs=("x",), weight=np.ones((1, 3, 3, 1), np.int64), weight_type=Bipolar(), geometry=g, groups=1)
    matrix = Matrix.of(op, Edge(Bipolar(), (4, 5, 1)))
    positions = matrix.positions
    missing = matrix.missing(Bipolar()).reshape(3, 3, 1)[positions.rows][:, positions.columns, 0]
    assert missing.tolist() == [[5, 3, 3, 3, 5], [3, 0, 0, 0, 3], [3, 0, 0, 0, 3], [5, 3, 3, 3, 5]]
    assert not matrix.missing(UInt(2)).any()
