"""What the blocks that multiply with a matrix have in common: accumulators, fused thresholds, ROMs and their cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.dataflow import cost
from hwqnn.dataflow.accumulator import Accumulator, Product, counts_agreements, plane_excess
from hwqnn.dataflow.design import Block, Memory, Resources
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.pack import kind, memory
from hwqnn.dataflow.threshold import compare_bits, output_code, search_stages, search_table
from hwqnn.ir import Int, Threshold, Type


def sum_type(matrix: Matrix, x: Type, acc: Accumulator) -> Type:
    """Of the sums themselves, when no threshold follows: agreements are half of them."""
    return Int(acc.bits + (counts_agreements(matrix, x) and not acc.doubled))


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixBlock(Block):
    """`beat_out.elements` is PE: so many outputs at a time, with a multiplier for each of `simd` inputs.

    Attributes:
        bram: weights in block RAM instead of LUTs.
        product: how the multipliers are built.
    """

    matrix: Matrix
    threshold: Threshold | None
    accumulator: Accumulator
    bram: bool
    product: Product

    @property
    def pe(self) -> int:
        return self.beat_out.elements

    @property
    def simd(self) -> int:
        raise NotImplementedError

    @property
    def weight_words(self) -> int:
        """Words of the weight ROM."""
        raise NotImplementedError

    @property
    def replayed(self) -> int:
        """Beats of a buffer from which inputs are read again; 0 when there is none."""
        raise NotImplementedError

    @property
    def sets(self) -> int:
        """How many times PE outputs there are."""
        return self.matrix.outputs // self.pe

    @property
    def classes(self) -> int:
        """Kinds of positions that start from different values."""
        return len(self.accumulator.init)

    @property
    def levels(self) -> int:
        return self.threshold.levels if self.threshold is not None else 0

    @property
    def search_stages(self) -> int:
        return search_stages(self.levels) if self.levels > 1 else 0

    @property
    def threshold_bits(self) -> int:
        acc = self.accumulator
        return 1 if acc.thresholds is None else compare_bits(acc.thresholds, acc.lo, acc.hi)

    @property
    def style(self) -> str:
        binary = counts_agreements(self.matrix, self.beat_in.type)
        by = "XNOR" if binary else {Product.PLANES: "bit planes", Product.DSP: "DSP48"}[self.product]
        return f"{by}, weights " + ("in BRAM" if self.bram else "in LUTs" if self.weight_words > 1 else "fixed")

    @property
    def parameters(self) -> dict[str, int]:
        """Those that both modules have."""
        base, step = output_code(self.threshold) if self.threshold is not None else (0, 1)
        return {
            "PE": self.pe,
            "CLASSES": self.classes,
            "COLUMNS": len(self.matrix.positions.columns) if self.classes > 1 else 1,
            "X_BITS": self.beat_in.type.bits,
            "X_KIND": kind(self.beat_in.type),
            "W_BITS": self.matrix.weight_type.bits,
            "W_KIND": kind(self.matrix.weight_type),
            "ACC_BITS": self.accumulator.bits,
            "DOUBLE": int(self.accumulator.doubled),
            "DSP": int(self.product is Product.DSP),
            "LEVELS": self.levels,
            "T_BITS": self.threshold_bits,
            "BASE": base,
            "STEP": step,
            "OUT_BITS": self.beat_out.type.bits,
            "W_BRAM": int(self.bram),
        }

    @property
    def weights(self) -> Memory:
        raise NotImplementedError

    @cached_property
    def memories(self) -> dict[str, Memory]:
        acc = self.accumulator
        init = acc.init
        if self.product is Product.PLANES and not counts_agreements(self.matrix, self.beat_in.type):
            init = init - plane_excess(self.matrix, self.beat_in.type)
        files = {
            "WEIGHT_FILE": self.weights,
            "INIT_FILE": memory(init.reshape(self.classes * self.sets, self.pe) & ((1 << acc.bits) - 1), acc.bits),
        }
        if acc.thresholds is not None:
            files["THRESHOLD_FILE"] = search_table(acc.thresholds, self.pe, self.threshold_bits)
        if self.classes > 1:
            positions = self.matrix.positions
            width = (self.classes * self.sets - 1).bit_length()
            kinds_of_columns = positions.padded.shape[1]
            files["ROW_FILE"] = memory((positions.rows * kinds_of_columns * self.sets)[:, None], width)
            files["COLUMN_FILE"] = memory((positions.columns * self.sets)[:, None], width)
        return files

    @property
    def parts(self) -> cost.MatrixParts:
        """What the estimate adds up."""
        acc, x, w = self.accumulator, self.beat_in.type, self.matrix.weight_type
        binary, dsp = counts_agreements(self.matrix, x), self.product is Product.DSP
        planes = 0 if binary or dsp else self.pe * x.bits * w.bits
        loose = self.simd % 3 if self.weight_words > 1 or self.simd > 1 else 0  # times a constant is wires
        products_bits = min(acc.bits, x.bits + w.bits + 1)
        rows, columns = len(self.matrix.positions.rows), len(self.matrix.positions.columns)
        places = (rows, columns, columns, self.classes * self.sets) if self.classes > 1 else ()
        searched = self.pe * self.threshold_bits * self.search_stages
        return cost.MatrixParts(
            weights=(cost.bram_luts if self.bram else cost.rom_luts)(self.pe * self.simd * w.bits, self.weight_words),
            inits=cost.melted_luts(self.pe * acc.bits, self.classes * self.sets),
            thresholds=sum(cost.rom_luts(self.pe * self.threshold_bits, self.sets << stage) for stage in range(self.search_stages)),
            counted=self.pe * self.simd if binary else 0,
            planes=planes * (self.simd // 3 * 3),
            loose=planes * loose,
            added=self.pe * (self.simd - 1) * products_bits if dsp else 0,
            accumulated=0 if dsp and self.simd == 1 else self.pe * acc.bits,
            buffered=self.beat_in.bits if self.replayed else 0,
            stored=cost.buffer_luts(self.beat_in.bits, self.replayed),
            searched=searched if self.sets > 1 else 0,
            constants=searched if self.sets == 1 else 0,
            counters=cost.counter_bits(self.sets, self.weight_words, self.matrix.vectors, *places),
        )

    @property
    def estimate(self) -> Resources:
        acc, lanes = self.accumulator.bits, self.pe * self.simd
        weight_bits = lanes * self.matrix.weight_type.bits
        return Resources(
            lut=cost.total(self.parts),
            ff=weight_bits * (self.weight_words > 1 and not self.bram) + 2 * self.pe * acc + 20,
            carry4=self.pe * (acc / 4 + self.simd / 7),
            bram36=cost.ramb18(weight_bits, self.weight_words) / 2 if self.bram else 0.0,
            dsp=lanes if self.product is Product.DSP else 0.0,
        )


def every(steps: int, of: int, which: slice) -> np.ndarray:
    """bool (steps,): marks `which` of every `of` steps."""
    marked = np.zeros(of, dtype=bool)
    marked[which] = True
    return np.tile(marked, steps // of)
