"""The LUT model of the matrix-vector and the depthwise unit: a weighted sum of what they are made of.

The weights are least squares over yosys 0.70 runs (`benchmarks/estimate.py --fit` repeats them, and without `--fit` measures the error on
parameters that no fit has seen); `added`, `searched` and `constants` are evened out by hand between narrow and wide sums. Everything here
is an estimate; reports say so and show its error beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import log2

_RAMB18 = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
"""The shapes of a RAMB18E1: bits and words (UG473)."""


def rom_luts(width: int, depth: int) -> float:
    """LUTs of a ROM in logic: a LUT6 holds 64 words of a bit, MUXF7 and MUXF8 join four, shallow ROMs repeat columns."""
    if depth <= 1:
        return 0.0
    lut6 = -(-depth // 64)
    joined = 1 if lut6 == 1 else 2 if lut6 == 2 else 4 * -(-lut6 // 4) + 0.5 * (-(-lut6 // 4) - 1)
    return min(width, 2 ** min(depth, 20) / 2) * joined


def ramb18(bits: int, words: int) -> int:
    """RAMB18E1s of a RAM or ROM, in the shape that takes the fewest."""
    return min(_ramb18s(bits, words))[0]


def bram_luts(bits: int, words: int) -> int:
    """LUTs that choose among the block RAMs holding a ROM's words one after another: for each bit, a LUT6 among four. A RAMB36E1 is twice as deep."""
    _, banks = min(_ramb18s(bits, words))
    return bits * -(-banks // 4) if banks > 1 else 0


def _ramb18s(bits: int, words: int) -> list[tuple[int, int]]:
    """For each shape, how many, and how many pairs one after another."""
    return [(-(-bits // wide) * -(-words // deep), -(-words // (2 * deep))) for wide, deep in _RAMB18]


def melted_luts(width: int, depth: int) -> float:
    """LUTs of `rtl/lookup.sv`: up to 8 words fit into the adders that read them."""
    return 0.0 if depth <= 8 else rom_luts(width, depth)


@dataclass(frozen=True, kw_only=True)
class MatrixParts:
    """What a block that multiplies with a matrix holds, in the units of `MATRIX_LUTS`.

    Attributes:
        weights, inits, thresholds: LUTs of the ROMs, by `rom_luts` and `melted_luts`.
        counted: bits that go into popcounts. planes: one-bit products of few-bit operands that are counted by threes, all bit planes together.
        loose: those of the elements that no three are left for. added: bits added to sum up the products of multipliers.
        accumulated: accumulator bits of all PEs. buffered: input bits that can be replayed. stored: LUTs of that buffer's RAM.
        searched: bits compared in threshold searches. constants: those compared with thresholds that never change.
        counters: bits of address counters. units: always 1.
    """

    weights: float
    inits: float
    thresholds: float
    counted: float
    planes: float
    loose: float
    added: float
    accumulated: float
    buffered: float
    stored: float
    searched: float
    constants: float
    counters: float
    units: float = 1.0


MATRIX_LUTS = MatrixParts(
    weights=1.11,
    inits=0.317,
    thresholds=0.342,
    counted=0.952,
    planes=1.18,
    loose=1.391,
    added=0.6,
    accumulated=1.133,
    buffered=0.454,
    stored=1.0,
    searched=0.7,
    constants=0.5,
    counters=1.801,
    units=12.528,
)
"""LUTs for one of each part."""


def total(parts: MatrixParts, each: MatrixParts = MATRIX_LUTS) -> float:
    """The LUTs of all parts together."""
    return sum(getattr(parts, f.name) * getattr(each, f.name) for f in fields(MatrixParts))


def buffer_luts(bits: int, words: int) -> float:
    """LUT RAM of a buffer: RAM32M holds 32 words of six bits in four LUTs, RAM64M 64 of three; one word is a register."""
    if words <= 1:
        return 0.0
    return 4 * (bits / 6 * -(-words // 32) if words <= 32 else bits / 3 * -(-words // 64))


def counter_bits(*sizes: int) -> float:
    return sum(log2(max(1, size)) for size in sizes)
