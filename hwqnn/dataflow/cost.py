"""The LUT model of the matrix-vector unit: a weighted sum of what it is made of.

The weights are least squares over yosys 0.70 runs (`benchmarks/estimate.py --fit` repeats them, and without `--fit` measures the error on
parameters that no fit has seen). Everything here is an estimate; reports say so and show its error beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import log2

_DSP_PRODUCT_BITS = 9
"""yosys puts products of at least so many bits into a DSP48."""
_RAMB18_WORDS, _RAMB18_BITS = 512, 36


def rom_luts(width: int, depth: int) -> float:
    """LUTs of a ROM in logic: a LUT6 holds 64 words of a bit, MUXF7 and MUXF8 join four, shallow ROMs repeat columns."""
    if depth <= 1:
        return 0.0
    lut6 = -(-depth // 64)
    joined = 1 if lut6 == 1 else 2 if lut6 == 2 else 4 * -(-lut6 // 4) + 0.5 * (-(-lut6 // 4) - 1)
    return min(width, 2 ** min(depth, 20) / 2) * joined


def rom_bram36(width: int, depth: int) -> float:
    """BRAM36 of a ROM in block RAM, a RAMB18E1 as half of one."""
    return -(-width // _RAMB18_BITS) * -(-depth // _RAMB18_WORDS) / 2


@dataclass(frozen=True, kw_only=True)
class MvuParts:
    """What a matrix-vector unit holds, in the units of `MVU_LUTS`.

    Attributes:
        weights, inits, thresholds: LUTs of the ROMs, by `rom_luts`.
        counted: bits that go into popcounts. multiplied: operand bits of products made of LUTs. summed: PEs that sum DSP products.
        accumulated: accumulator bits of all PEs. buffered: input bits that can be replayed. stored: LUTs of that buffer's RAM.
        searched: bits compared in threshold searches. counters: bits of address counters. units: always 1.
    """

    weights: float
    inits: float
    thresholds: float
    counted: float
    multiplied: float
    summed: float
    accumulated: float
    buffered: float
    stored: float
    searched: float
    counters: float
    units: float = 1.0


MVU_LUTS = MvuParts(
    weights=1.12,
    inits=0.78,
    thresholds=0.0,
    counted=0.957,
    multiplied=3.0,
    summed=15.0,
    accumulated=1.133,
    buffered=0.446,
    stored=0.964,
    searched=1.236,
    counters=1.768,
    units=5.86,
)
"""LUTs for one of each part."""


def total(parts: MvuParts, each: MvuParts = MVU_LUTS) -> float:
    """The LUTs of all parts together."""
    return sum(getattr(parts, f.name) * getattr(each, f.name) for f in fields(MvuParts))


def buffer_luts(bits: int, words: int) -> float:
    """LUT RAM of a buffer: RAM32M holds 32 words of six bits in four LUTs, RAM64M 64 of three; one word is a register."""
    if words <= 1:
        return 0.0
    return 4 * (bits / 6 * -(-words // 32) if words <= 32 else bits / 3 * -(-words // 64))


def takes_dsp(x_bits: int, w_bits: int) -> bool:
    """Whether yosys multiplies signed operands of these widths in a DSP48."""
    return x_bits + w_bits >= _DSP_PRODUCT_BITS


def counter_bits(*sizes: int) -> float:
    return sum(log2(max(1, size)) for size in sizes)
