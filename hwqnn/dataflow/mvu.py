"""The matrix-vector unit: PE neurons at a time, SIMD inputs at a time, with its thresholds fused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.design import Beat, Block, Memory, Resources, Schedule
from hwqnn.dataflow.pack import code, memory
from hwqnn.dataflow.threshold import compare_bits, output_code, search_stages, search_table
from hwqnn.ir import Bipolar, Int, MatMul, Threshold, Type, UInt, smallest


def kind(of: Type) -> int:
    """How `rtl/mvu.sv` reads an operand: 0 bipolar, 1 unsigned, 2 signed."""
    return 0 if isinstance(of, Bipolar) else 1 if isinstance(of, UInt) else 2


@dataclass(frozen=True)
class Accumulator:
    """What a folding does not change: the accumulator's start values, thresholds and width, in the hardware's own counting.

    When inputs and weights are bipolar the hardware counts agreements (p = popcount of XNOR) instead of summing products (2p - N).

    Attributes:
        init: int64 (out,), the accumulator's value before the first input.
        thresholds: int64 (out, levels) to compare the accumulator with; None when its sign or itself is the result.
        bits: signed width. Only the final value must fit: partial sums may wrap, for two's complement addition forgives it.
        lo, hi: the final value's range over all channels.
    """

    init: np.ndarray
    thresholds: np.ndarray | None
    bits: int
    lo: int
    hi: int


def accumulator(matmul: MatMul, threshold: Threshold | None, x: Type) -> Accumulator:
    """The accumulator for this layer, from the ranges that its weights really make."""
    outputs, n = matmul.weight.shape
    xnor = isinstance(x, Bipolar) and isinstance(matmul.weight_type, Bipolar)
    lo, hi = (np.zeros(outputs, dtype=np.int64), np.full(outputs, n)) if xnor else matmul.channel_range(x)
    init, table = np.zeros(outputs, dtype=np.int64), None
    if threshold is not None:
        table = np.broadcast_to(threshold.thresholds, (outputs, threshold.levels))
        if xnor:
            table = -((-table - n) // 2)  # 2p - n >= t is p >= ceil((t + n) / 2)
        if threshold.levels == 1:
            init, table = -table[:, 0], None
    elif xnor:
        init = np.full(outputs, -((n + 1) // 2))
    least, most = int((lo + init).min()), int((hi + init).max())
    return Accumulator(init, table, smallest(min(least, -1), most).bits, least, most)


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvu(Block):
    """`beat_in.elements` is SIMD, `beat_out.elements` is PE. NF = out / PE passes over SF = in / SIMD input beats."""

    module: ClassVar[str] = "mvu"
    matmul: MatMul
    threshold: Threshold | None
    accumulator: Accumulator
    bram: bool
    """Weights in block RAM instead of LUTs."""

    @classmethod
    def fold(
        cls, matmul: MatMul, threshold: Threshold | None, x: Type, pe: int, simd: int, bram: bool = False, acc: Accumulator | None = None
    ) -> Mvu:
        """The unit with this folding; `pe` divides the outputs and `simd` the inputs."""
        acc = acc or accumulator(matmul, threshold, x)
        if threshold is not None:
            out: Type = threshold.type
        else:
            out = Int(acc.bits + (isinstance(x, Bipolar) and isinstance(matmul.weight_type, Bipolar)))
        return cls(beat_in=Beat(simd, x), beat_out=Beat(pe, out), matmul=matmul, threshold=threshold, accumulator=acc, bram=bram)

    @property
    def pe(self) -> int:
        return self.beat_out.elements

    @property
    def simd(self) -> int:
        return self.beat_in.elements

    @property
    def nf(self) -> int:
        return self.matmul.weight.shape[0] // self.pe

    @property
    def sf(self) -> int:
        return self.matmul.weight.shape[1] // self.simd

    @property
    def levels(self) -> int:
        return self.threshold.levels if self.threshold is not None else 0

    @property
    def schedule(self) -> Schedule:
        step = np.arange(self.nf * self.sf)
        first_pass = step < self.sf
        depth = 2 + (search_stages(self.levels) if self.levels > 1 else 0)
        return Schedule(first_pass, first_pass, step % self.sf == self.sf - 1, depth)

    @property
    def threshold_bits(self) -> int:
        acc = self.accumulator
        return 1 if acc.thresholds is None else compare_bits(acc.thresholds, acc.lo, acc.hi)

    @property
    def parameters(self) -> dict[str, int]:
        base, step = output_code(self.threshold) if self.threshold is not None else (0, 1)
        return {
            "PE": self.pe,
            "SIMD": self.simd,
            "NF": self.nf,
            "SF": self.sf,
            "X_BITS": self.beat_in.type.bits,
            "X_KIND": kind(self.beat_in.type),
            "W_BITS": self.matmul.weight_type.bits,
            "W_KIND": kind(self.matmul.weight_type),
            "ACC_BITS": self.accumulator.bits,
            "LEVELS": self.levels,
            "T_BITS": self.threshold_bits,
            "BASE": base,
            "STEP": step,
            "OUT_BITS": self.beat_out.type.bits,
        }

    @cached_property
    def memories(self) -> dict[str, Memory]:
        nf, sf, pe, simd, w = self.nf, self.sf, self.pe, self.simd, self.matmul.weight_type
        tiles = self.matmul.weight.reshape(nf, pe, sf, simd).transpose(0, 2, 1, 3).reshape(nf * sf, pe * simd)
        acc = self.accumulator
        files = {
            "WEIGHT_FILE": memory(code(tiles, w), w.bits),
            "INIT_FILE": memory(acc.init.reshape(nf, pe) & ((1 << acc.bits) - 1), acc.bits),
        }
        if acc.thresholds is not None:
            files["THRESHOLD_FILE"] = search_table(acc.thresholds, pe, self.threshold_bits)
        return files

    @property
    def estimate(self) -> Resources:
        """LUTs of ROM, XNOR and popcount (or products), accumulators and thresholds, by coefficients fitted to yosys."""
        acc, x_bits, w_bits = self.accumulator.bits, self.beat_in.type.bits, self.matmul.weight_type.bits
        depth = self.nf * self.sf
        lanes = self.pe * self.simd
        rom = 0.0 if self.bram else lanes * w_bits * (depth / 64 if depth > 64 else 0.5 if depth > 8 else 0.1)
        # a RAMB18 holds 512 words of 36 bits
        blocks = -(-lanes * w_bits // 36) * -(-depth // 512) / 2 if self.bram else 0.0
        if kind(self.beat_in.type) == kind(self.matmul.weight_type) == 0:
            product = lanes * 1.3
        elif w_bits == 1 or x_bits == 1:
            product = lanes * (x_bits + w_bits)
        else:
            product = lanes * (1.3 * x_bits * w_bits + x_bits + w_bits)
        stages = search_stages(self.levels) if self.levels > 1 else 0
        compare = self.pe * stages * self.threshold_bits * (1 + self.nf / 32)
        buffer = 0 if self.nf == 1 else self.simd * x_bits * max(1.4, self.sf / 32)
        return Resources(lut=rom + product + self.pe * acc + compare + buffer + 16, ff=self.pe * 2 * acc + self.pe * stages * acc, bram36=blocks)
