"""What the blocks put into their ROMs, read as docs/architecture.md says and run with arithmetic that wraps as wires do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hwqnn.dataflow import Beat
from hwqnn.dataflow.head import ChannelAffineBlock
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.threshold import ThresholdBlock
from hwqnn.ir import Bipolar, ChannelAffine, Edge, Int, MatMul, Ternary, Threshold, Type, UInt


def field(word: int, index: int, bits: int) -> int:
    return word >> (index * bits) & ((1 << bits) - 1)


def signed(pattern: int, bits: int) -> int:
    pattern &= (1 << bits) - 1
    return pattern - (1 << bits) if pattern >> (bits - 1) else pattern


def operand(pattern: int, bits: int, kind: int) -> int:
    return (2 * pattern - 1, pattern, signed(pattern, bits))[kind]


def element(weight: int, value: int, p: dict[str, int]) -> int:
    """What one weight and one input add to the accumulator."""
    if p["X_KIND"] == p["W_KIND"] == 0:
        return int(weight == value)
    most = 2 if p["X_KIND"] == 0 else 2 ** p["X_BITS"] - 1
    shifted = value + (1, 0, 2 ** (p["X_BITS"] - 1))[p["X_KIND"]]
    if p["W_KIND"] == 0:
        return shifted if weight > 0 else most - shifted
    return weight * shifted + (2 ** (p["W_BITS"] - 1) * most if p["W_KIND"] == 2 else 0)


def search(value: int, word: int, lane: int, levels: int, bits: int) -> int:
    """Counts the thresholds reached; the entries past LEVELS are checked to be the greatest pattern and unreached."""
    size = 1 << levels.bit_length()
    entries = [signed(field(word, lane * size + e, bits), bits) for e in range(size)]
    assert entries == sorted(entries)
    assert all(e == 2 ** (bits - 1) - 1 and value < e for e in entries[levels:])
    return sum(value >= e for e in entries[:levels])


def run_mvu(block: Mvu, x: list[int]) -> list[int]:
    """Output values, from nothing but parameters and memories; the accumulator keeps ACC_BITS after every addition."""
    p, memories = block.parameters, block.memories
    acc_bits, levels, out_bits = p["ACC_BITS"], p["LEVELS"], p["OUT_BITS"]
    binary = p["X_KIND"] == p["W_KIND"] == 0
    outputs = []
    for nf in range(p["NF"]):
        for lane in range(p["PE"]):
            acc = signed(field(memories["INIT_FILE"].words[nf], lane, acc_bits), acc_bits)
            for sf in range(p["SF"]):
                word = memories["WEIGHT_FILE"].words[nf * p["SF"] + sf]
                for s in range(p["SIMD"]):
                    weight = operand(field(word, lane * p["SIMD"] + s, p["W_BITS"]), p["W_BITS"], p["W_KIND"])
                    value = x[sf * p["SIMD"] + s]
                    acc = signed(acc + element(weight, value, p), acc_bits)
            if levels == 0:
                n = p["SIMD"] * p["SF"]
                raw = 2 * acc + n % 2 if binary else acc
                outputs.append(signed(raw, out_bits))
            else:
                count = int(acc >= 0) if levels == 1 else search(acc, memories["THRESHOLD_FILE"].words[nf], lane, levels, p["T_BITS"])
                raw = (p["BASE"] + p["STEP"] * count) % 2**out_bits
                of = block.beat_out.type
                outputs.append(2 * raw - 1 if isinstance(of, Bipolar) else signed(raw, out_bits) if of.min < 0 else raw)
    return outputs


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
    for simd, pe in product((d for d in (1, 2, 3) if n % d == 0), (1, 2, 4)):
        block = Mvu.fold(matmul, threshold, x_type, pe, simd)
        for x in product(values_of(x_type), repeat=n):
            sums = (weight @ np.array(x)).tolist()
            want = sums
            if threshold is not None:
                want = [threshold.base + threshold.step * sum(v >= t for t in row) for v, row in zip(sums, table.tolist(), strict=True)]
            assert run_mvu(block, list(x)) == want


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
        block = ChannelAffineBlock.make(op, Beat(pe, x), edge)
        p = block.parameters
        for channel, value in product(range(6), values_of(x)):
            address, lane = divmod(channel, pe)
            m = signed(field(block.memories["MUL_FILE"].words[address], lane, p["MUL_BITS"]), p["MUL_BITS"])
            a = signed(field(block.memories["ADD_FILE"].words[address], lane, p["ADD_BITS"]), p["ADD_BITS"])
            got = m * value + a
            assert got == mul[channel] * value + add[channel]
            assert (signed(got, p["OUT_BITS"]) if edge.type.min < 0 else got) == got and edge.type.min <= got <= edge.type.max
