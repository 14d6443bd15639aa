"""A layer whose weights are logic: a whole vector in, all outputs out, in every cycle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.accumulator import Accumulator
from hwqnn.dataflow.cost import counters
from hwqnn.dataflow.design import Beat, Block, Datapath, Memory, Resources, Schedule
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.matrix_block import sum_type
from hwqnn.dataflow.pack import kind, memory
from hwqnn.dataflow.threshold import output_code
from hwqnn.gates import frozen
from hwqnn.ir import Threshold, Type

MAX_VECTOR_BITS = 8192
"""The widest beat of a vector: 784 bytes, and any window (`MAX_WINDOW_BITS`)."""

MAX_PRODUCTS = 1 << 19
"""The most bits of inputs times weights that are not 0: of a seventh of a LUT each, they fill any board."""

MAX_SUM_BITS = 30
"""The widest sums: the portable text counts in 32 bits."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Frozen(Block):
    """`beat_in.elements` is a whole vector, `beat_out.elements` all outputs; of a matrix of one group.

    Attributes:
        budget_ns: logic delay allowed between two registers.
    """

    module: ClassVar[str] = "frozen"
    matrix: Matrix
    threshold: Threshold | None
    budget_ns: float

    @classmethod
    def of(cls, matrix: Matrix, threshold: Threshold | None, x: Type, acc: Accumulator, budget_ns: float) -> Frozen:
        """The block of a layer that reads `x`; `acc` is `accumulator`'s."""
        assert matrix.groups == 1
        out = threshold.type if threshold is not None else sum_type(matrix, x, acc)
        beats = Beat(matrix.inputs, x), Beat(matrix.outputs, out)
        return cls(beat_in=beats[0], beat_out=beats[1], matrix=matrix, threshold=threshold, budget_ns=budget_ns)

    @staticmethod
    def fits(matrix: Matrix, threshold: Threshold | None, x: Type, acc: Accumulator) -> bool:
        """Whether this could be built: groups, which take turns, share nothing; a vector comes whole; sums are not too wide."""
        products = int(np.count_nonzero(matrix.weight)) * x.bits
        narrow = (acc.hi - acc.lo).bit_length() <= MAX_SUM_BITS
        return matrix.groups == 1 and matrix.inputs * x.bits <= MAX_VECTOR_BITS and products <= MAX_PRODUCTS and narrow

    @property
    def style(self) -> str:
        return "weights as logic"

    @property
    def cycles(self) -> int:
        return self.matrix.vectors

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, every, every, self.datapath.depth)

    @cached_property
    def forms(self) -> frozen.Forms:
        """The outputs, exactly."""
        x, threshold, matrix = self.beat_in.type, self.threshold, self.matrix
        levels = threshold.levels if threshold is not None else 0
        table = (
            np.broadcast_to(threshold.thresholds, (matrix.outputs, levels))
            if threshold is not None
            else np.zeros((matrix.outputs, 0), dtype=np.int64)
        )
        base, step = output_code(threshold) if threshold is not None else (0, 0)
        out_bits = self.beat_out.type.bits
        return frozen.Forms(
            weights=_rows(matrix.weight[0]),
            x_bits=x.bits,
            lowest=-(1 << x.bits - 1) if kind(x) == 2 else x.min,
            step=2 if kind(x) == 0 else 1,
            signed=kind(x) == 2,
            constants=_rows(matrix.missing(x)),
            thresholds=_rows(table),
            codes=tuple((base + step * level) & ((1 << out_bits) - 1) for level in range(levels + 1)),
            out_bits=out_bits,
        )

    @property
    def classes(self) -> int:
        """Kinds of positions that start from different values."""
        return len(self.forms.constants)

    @cached_property
    def datapath(self) -> Datapath:
        return frozen.frozen(self.forms, self.budget_ns)

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "X_BITS": self.beat_in.bits,
            "Y_BITS": self.beat_out.bits,
            "VECTORS": self.matrix.vectors,
            "CLASSES": self.classes,
            "COLUMNS": len(self.matrix.positions.columns) if self.classes > 1 else 1,
            "W_BITS": self.datapath.w_bits,
            "DP_DEPTH": self.datapath.depth,
        }

    @property
    def memories(self) -> dict[str, Memory]:
        if self.classes == 1:
            return {}
        positions, width = self.matrix.positions, self.forms.address_bits
        return {
            "ROW_FILE": memory((positions.rows * positions.padded.shape[1])[:, None], width),
            "COLUMN_FILE": memory(positions.columns[:, None], width),
        }

    @property
    def estimate(self) -> Resources:
        columns = len(self.matrix.positions.columns)
        places = (self.matrix.vectors // columns, columns, columns, self.classes) if self.classes > 1 else ()
        return frozen.estimate(self.forms, self.budget_ns) + Resources(lut=4 + counters(self.matrix.vectors, *places).luts)


def _rows(table: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(v) for v in row) for row in table)
