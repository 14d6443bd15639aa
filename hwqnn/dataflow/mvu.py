"""The matrix-vector unit: PE neurons at a time, SIMD inputs at a time, with its thresholds fused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import cost
from hwqnn.dataflow.design import Beat, Block, Memory, Resources, Schedule
from hwqnn.dataflow.pack import code, kind, memory
from hwqnn.dataflow.threshold import compare_bits, output_code, search_stages, search_table
from hwqnn.ir import Bipolar, Int, MatMul, Threshold, Type, smallest


@dataclass(frozen=True)
class Accumulator:
    """What a folding does not change: the accumulator's start values, thresholds and width, in the hardware's own counting.

    When inputs and weights are bipolar the hardware counts agreements (p = popcount of XNOR) instead of summing products (2p - N);
    otherwise it sums bit planes, which leave a constant per weight (`plane_excess`) for the start value to take away.

    Attributes:
        init: int64 (out,), the accumulator's value before the first input, up to a multiple of 2**bits.
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
    start, table = np.zeros(outputs, dtype=np.int64), None
    if threshold is not None:
        table = np.broadcast_to(threshold.thresholds, (outputs, threshold.levels))
        if xnor:
            table = -((-table - n) // 2)  # 2p - n >= t is p >= ceil((t + n) / 2)
        if threshold.levels == 1:
            start, table = -table[:, 0], None
    elif xnor:
        start = np.full(outputs, -((n + 1) // 2))
    least, most = int((lo + start).min()), int((hi + start).max())
    init = start if xnor else start - plane_excess(matmul, x)
    return Accumulator(init, table, smallest(min(least, -1), most).bits, least, most)


def plane_excess(matmul: MatMul, x: Type) -> np.ndarray:
    """What `rtl/dot_product.sv` sums over a row beyond the dot product, int64 (out,); it depends on the weights alone.

    An element adds w * x' plus: for signed w, 2**(W_BITS-1) * max; for negative bipolar w, max. And x' is x plus an offset.
    """
    w, w_type = matmul.weight, matmul.weight_type
    offset, most = {0: (1, 2), 1: (0, (1 << x.bits) - 1), 2: (1 << (x.bits - 1), (1 << x.bits) - 1)}[kind(x)]
    added = {0: (w < 0) * most, 1: np.zeros_like(w), 2: np.full_like(w, most << (w_type.bits - 1))}[kind(w_type)]
    return (w * offset + added).sum(axis=1)


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
            "W_BRAM": int(self.bram),
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
    def parts(self) -> cost.MvuParts:
        """What the estimate adds up."""
        acc, x, w = self.accumulator, self.beat_in.type, self.matmul.weight_type
        lanes, depth = self.pe * self.simd, self.nf * self.sf
        stages = search_stages(self.levels) if self.levels > 1 else 0
        binary = kind(x) == kind(w) == 0
        return cost.MvuParts(
            weights=0.0 if self.bram else cost.rom_luts(lanes * w.bits, depth),
            inits=cost.rom_luts(self.pe * acc.bits, self.nf),
            thresholds=sum(cost.rom_luts(self.pe * self.threshold_bits, self.nf << stage) for stage in range(stages)),
            counted=lanes if binary else 0,
            planes=0 if binary else lanes * x.bits * w.bits,
            accumulated=self.pe * acc.bits,
            buffered=self.simd * x.bits if self.nf > 1 else 0,
            stored=cost.buffer_luts(self.simd * x.bits, self.sf) if self.nf > 1 else 0,
            searched=self.pe * self.threshold_bits * stages,
            counters=cost.counter_bits(self.nf, self.sf, depth),
        )

    @property
    def estimate(self) -> Resources:
        acc, depth, lanes = self.accumulator.bits, self.nf * self.sf, self.pe * self.simd
        weight_bits = lanes * self.matmul.weight_type.bits
        return Resources(
            lut=cost.total(self.parts),
            ff=weight_bits * (depth > 1 and not self.bram) + 2 * self.pe * acc + 20,
            carry4=self.pe * (acc / 4 + self.simd / 7),
            bram36=cost.rom_bram36(weight_bits, depth) if self.bram else 0.0,
        )
