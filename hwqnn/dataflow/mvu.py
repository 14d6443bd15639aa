"""The matrix-vector unit: PE neurons at a time, SIMD inputs at a time, with its thresholds fused."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hwqnn.dataflow.accumulator import Accumulator, Product, accumulator
from hwqnn.dataflow.design import Beat, Schedule, Store
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.matrix_block import MatrixBlock, every, sum_type
from hwqnn.dataflow.pack import code
from hwqnn.ir import Threshold, Type


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvu(MatrixBlock):
    """`beat_in.elements` is SIMD, `beat_out.elements` is PE. For each vector, NF = outputs of a group / PE passes over SF = inputs / SIMD beats."""

    @classmethod
    def fold(
        cls,
        matrix: Matrix,
        threshold: Threshold | None,
        x: Type,
        pe: int,
        simd: int,
        *,
        store: Store = Store.LUT,
        acc: Accumulator | None = None,
        product: Product = Product.PLANES,
        budget_ns: float = math.inf,
    ) -> Mvu:
        """The unit with this folding; `pe` divides the outputs of a group and `simd` the inputs of a vector. `acc` is `accumulator`'s, if at hand."""
        acc = acc or accumulator(matrix, threshold, x)
        out = threshold.type if threshold is not None else sum_type(matrix, x, acc)
        return cls(
            beat_in=Beat(simd, x),
            beat_out=Beat(pe, out),
            matrix=matrix,
            threshold=threshold,
            accumulator=acc,
            store=store,
            product=product,
            budget_ns=budget_ns,
        )

    @property
    def simd(self) -> int:
        return self.beat_in.elements

    @property
    def shared(self) -> bool:
        return True

    @property
    def nf(self) -> int:
        return self.matrix.weight.shape[1] // self.pe

    @property
    def sf(self) -> int:
        return self.matrix.inputs // self.simd

    @property
    def steps_a_sum(self) -> int:
        return self.sf

    @staticmethod
    def words(matrix: Matrix, pe: int, simd: int) -> int:
        """Of the weights, with this folding."""
        return matrix.outputs // pe * (matrix.inputs // simd)

    @property
    def weight_words(self) -> int:
        return self.words(self.matrix, self.pe, self.simd)

    @property
    def replayed(self) -> int:
        return self.sf if self.nf > 1 else 0

    @property
    def cycles(self) -> int:
        return self.matrix.vectors * self.nf * self.sf

    @property
    def schedule(self) -> Schedule:
        first_pass = every(self.cycles, self.nf * self.sf, slice(self.sf))
        last_piece = every(self.cycles, self.sf, slice(self.sf - 1, None))
        return Schedule(first_pass, first_pass, last_piece, self.depth)

    @property
    def parameters(self) -> dict[str, int]:
        return {"SF": self.sf, "GROUPS": self.matrix.groups} | super().parameters

    @property
    def weight_patterns(self) -> np.ndarray:
        """Word (group, nf, sf); element (p, s)."""
        tiles = self.matrix.weight.reshape(self.sets, self.pe, self.sf, self.simd).transpose(0, 2, 1, 3)
        return code(tiles.reshape(self.weight_words, self.pe * self.simd), self.matrix.weight_type)
