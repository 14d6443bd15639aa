"""What the blocks put into their ROMs, read as docs/architecture.md says and run with arithmetic that wraps as wires do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from rom_arithmetic import field, run_mvu, search, signed

from hwqnn.dataflow import Beat
from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.affine import ChannelAffineBlock
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.threshold import ThresholdBlock
from hwqnn.gates.delay import budget_ns
from hwqnn.ir import Bipolar, ChannelAffine, Edge, Int, MatMul, Ternary, Threshold, Type, UInt


def values_of(of: Type) -> list[int]:
    return [v for v in range(of.min, of.max + 1) if v or not isinstance(of, Bipolar)]


KINDS = [
    (Bipolar(), Bipolar()),
    (Bipolar(), Ternary()),
    (Bipolar(), Int(3)),
    (UInt(2), Bipolar()),
    (Int(2), Int(3)),
    (Int(1), UInt(2)),
    (UInt(1), UInt(1)),
    (Ternary(), Ternary()),
]


@pytest.mark.parametrize(("x_type", "w_type"), KINDS, ids=lambda of: str(of))
@pytest.mark.parametrize("levels", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_mvu_with_wrapping_sums(x_type: Type, w_type: Type, levels: int, n: int) -> None:
    """All inputs, for extreme and random weights, thresholds below, at, within and above the range, and every folding."""
    rng = np.random.default_rng(levels)
    weight = np.vstack([np.full(n, w_type.min), np.full(n, w_type.max), rng.choice(values_of(w_type), (2, n))])
    matmul = MatMul(name="fc", inputs=("x",), weight=weight, weight_type=w_type)
    lo, hi = matmul.channel_range(x_type)
    threshold = None
    if levels:
        table = np.sort(rng.integers(lo.min() - 2, hi.max() + 3, (4, levels)), axis=1)
        table[0, 0], table[1, -1] = lo[0], hi[1] + 1  # always, never
        table.sort(axis=1)
        of: Type = Bipolar() if levels == 1 else Int(3)
        base, step = (-1, 2) if levels == 1 else (-3, 1)
        threshold = Threshold(name="t", inputs=("fc",), thresholds=table, descending=np.zeros(4, bool), base=base, step=step, type=of)
    matrix = Matrix.of(matmul, Edge(x_type, (n,)))
    for simd, pe, style in product((d for d in (1, 2, 3) if n % d == 0), (1, 2, 4), Product):
        if style is Product.DSP and isinstance(x_type, Bipolar) and isinstance(w_type, Bipolar):
            continue  # agreements are counted, never multiplied
        block = Mvu.fold(matrix, threshold, x_type, pe, simd, product=style)
        for x in product(values_of(x_type), repeat=n):
            sums = (weight @ np.array(x)).tolist()
            want = sums
            if threshold is not None:
                want = [threshold.base + threshold.step * sum(v >= t for t in row) for v, row in zip(sums, table.tolist(), strict=True)]
            assert run_mvu(block, [x]) == want


@pytest.mark.parametrize("of", [UInt(8), Int(4), Bipolar(), UInt(1)], ids=str)
@pytest.mark.parametrize(("levels", "rows"), [(1, 1), (1, 6), (3, 6), (6, 1), (7, 6), (8, 6)])
def test_threshold_memories(of: Type, levels: int, rows: int) -> None:
    rng = np.random.default_rng(levels)
    table = np.sort(rng.integers(of.min - 1, of.max + 2, (rows, levels)), axis=1)
    down = rng.random(rows) < 0.5
    op = Threshold(name="t", inputs=("x",), thresholds=table, descending=down, base=-2, step=1, type=Int(5))
    for pe in (1, 2, 3, 6):
        block = ThresholdBlock(beat_in=Beat(pe, of), beat_out=Beat(pe, op.type), op=op, channels=6)
        p, memories = block.parameters, block.memories
        words = memories["THRESHOLD_FILE"].words
        assert len(words) == p["ROWS"] == (1 if rows == 1 else 6 // pe)
        assert p["FLIP"] == int(down.any())
        for channel, value in product(range(6), values_of(of)):
            address, lane = (channel // pe if p["ROWS"] > 1 else 0), channel % pe
            pattern = int(value > 0) if isinstance(of, Bipolar) else value  # a stream's bits are compared as they are
            count = search(pattern, words[address], lane, levels, p["T_BITS"])
            if p["FLIP"] and field(memories["FLIP_FILE"].words[address], lane, 1):
                count = levels - count
            row = channel if rows > 1 else 0
            reached = sum(value >= t for t in table[row].tolist())
            assert signed(p["BASE"] + p["STEP"] * count, p["OUT_BITS"]) == -2 + (levels - reached if down[row] else reached)


def test_channel_affine_memories() -> None:
    mul, add = np.array([3, -4, 0, 7, 1, -1]), np.array([100, -128, 0, 5, 127, 1])
    x = Int(4)
    op = ChannelAffine(name="a", inputs=("x",), mul=mul, add=add)
    edge = op.infer((Edge(x, (6,)),))
    for pe in (1, 2, 3, 6):
        block = ChannelAffineBlock.make(op, Beat(pe, x), edge, budget_ns(100))
        p = block.parameters
        for channel, value in product(range(6), values_of(x)):
            address, lane = divmod(channel, pe)
            m = signed(field(block.memories["MUL_FILE"].words[address], lane, p["MUL_BITS"]), p["MUL_BITS"])
            a = signed(field(block.memories["ADD_FILE"].words[address], lane, p["ADD_BITS"]), p["ADD_BITS"])
            got = m * value + a
            assert got == mul[channel] * value + add[channel]
            assert (signed(got, p["OUT_BITS"]) if edge.type.min < 0 else got) == got and edge.type.min <= got <= edge.type.max
