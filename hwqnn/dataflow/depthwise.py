"""Depthwise convolution and average pools: PE channels at a time, one tap of their windows a step, with its thresholds fused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.accumulator import Accumulator, Product, accumulator
from hwqnn.dataflow.design import Beat, Memory, Schedule
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.matrix_block import MatrixBlock, every, sum_type
from hwqnn.dataflow.pack import code, memory
from hwqnn.ir import Threshold, Type


@dataclass(frozen=True, eq=False, kw_only=True)
class Depthwise(MatrixBlock):
    """PE channels a beat, in and out. Its input comes tile by tile of PE channels, all taps of a tile in a row."""

    module: ClassVar[str] = "depthwise"

    @classmethod
    def fold(
        cls,
        matrix: Matrix,
        threshold: Threshold | None,
        x: Type,
        pe: int,
        *,
        bram: bool = False,
        acc: Accumulator | None = None,
        product: Product = Product.PLANES,
    ) -> Depthwise:
        """The unit with this folding, for a matrix that is `depthwise`; `pe` divides the channels. `acc` is `accumulator`'s, if at hand."""
        acc = acc or accumulator(matrix, threshold, x)
        out = threshold.type if threshold is not None else sum_type(matrix, x, acc)
        return cls(beat_in=Beat(pe, x), beat_out=Beat(pe, out), matrix=matrix, threshold=threshold, accumulator=acc, bram=bram, product=product)

    @property
    def simd(self) -> int:
        return 1

    @cached_property
    def weight_words(self) -> int:
        """One where all steps multiply with the same: the weights of an average pool."""
        return 1 if (self._tiles == self._tiles[0]).all() else len(self._tiles)

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
        return Schedule(always, always, last_tap, 2 + self.search_stages)

    @property
    def parameters(self) -> dict[str, int]:
        folding = {"FOLD": self.sets, "TAPS": self.matrix.taps, "VECTORS": self.matrix.pixels, "W_WORDS": self.weight_words}
        return folding | super().parameters

    @cached_property
    def _tiles(self) -> np.ndarray:
        """Weights (tile, tap; lane)."""
        return self.matrix.weight.reshape(self.sets, self.pe, self.matrix.taps).transpose(0, 2, 1).reshape(-1, self.pe)

    @property
    def weights(self) -> Memory:
        w = self.matrix.weight_type
        return memory(code(self._tiles[: self.weight_words], w), w.bits)
