"""Depthwise convolution and average pools: PE channels at a time, one tap of their windows a step, with its thresholds fused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.dataflow.accumulator import Accumulator, Product, accumulator
from hwqnn.dataflow.design import Beat, Schedule, Store
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.matrix_block import MatrixBlock, every, sum_type
from hwqnn.dataflow.pack import code
from hwqnn.ir import Threshold, Type


@dataclass(frozen=True, eq=False, kw_only=True)
class Depthwise(MatrixBlock):
    """PE channels a beat, in and out. Its input comes tile by tile of PE channels, all taps of a tile in a row: each tile is a group."""

    @classmethod
    def fold(
        cls,
        matrix: Matrix,
        threshold: Threshold | None,
        x: Type,
        pe: int,
        *,
        store: Store = Store.LUT,
        acc: Accumulator | None = None,
        product: Product = Product.PLANES,
        budget_ns: float = math.inf,
    ) -> Depthwise:
        """The unit with this folding, for a matrix that is `depthwise`; `pe` divides the channels. `acc` is `accumulator`'s, if at hand."""
        acc = acc or accumulator(matrix, threshold, x)
        out = threshold.type if threshold is not None else sum_type(matrix, x, acc)
        return cls(
            beat_in=Beat(pe, x),
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
        return 1

    @property
    def steps_a_sum(self) -> int:
        return self.matrix.taps

    @staticmethod
    def words(matrix: Matrix, pe: int) -> int:
        """Of the weights, with this folding: one where all steps multiply with the same, the weights of an average pool."""
        tiles = _tiles(matrix, pe)
        return 1 if (tiles == tiles[0]).all() else len(tiles)

    @cached_property
    def weight_words(self) -> int:
        return self.words(self.matrix, self.pe)

    @property
    def shared(self) -> bool:
        return False

    @property
    def nf(self) -> int:
        return 1

    @property
    def replayed(self) -> int:
        return 0

    @property
    def cycles(self) -> int:
        return self.matrix.pixels * self.sets * self.matrix.taps

    @property
    def schedule(self) -> Schedule:
        always = np.ones(self.cycles, dtype=bool)
        last_tap = every(self.cycles, self.matrix.taps, slice(self.matrix.taps - 1, None))
        return Schedule(always, always, last_tap, self.depth)

    @property
    def parameters(self) -> dict[str, int]:
        return {"SF": self.matrix.taps, "GROUPS": self.sets} | super().parameters

    @property
    def weight_patterns(self) -> np.ndarray:
        return code(_tiles(self.matrix, self.pe)[: self.weight_words], self.matrix.weight_type)


def _tiles(matrix: Matrix, pe: int) -> np.ndarray:
    """Weights (tile, tap; lane)."""
    return matrix.weight.reshape(matrix.outputs // pe, pe, matrix.taps).transpose(0, 2, 1).reshape(-1, pe)
