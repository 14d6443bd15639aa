"""The threshold block: quantizes a stream by comparing with integer thresholds (the input quantizer, mostly)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.design import Block, Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory
from hwqnn.ir import Bipolar, Threshold, smallest


def search_stages(levels: int) -> int:
    """Registered comparisons of the binary search over `levels` thresholds."""
    return levels.bit_length()


def output_code(op: Threshold) -> tuple[int, int]:
    """(base, step) such that the output's bit pattern is base + step * n; a bipolar output is the bit n itself."""
    return (0, 1) if isinstance(op.type, Bipolar) else (op.base, op.step)


def compare_bits(thresholds: np.ndarray, lo: int, hi: int) -> int:
    """Bits of a signed comparison of values in [lo, hi] with `thresholds`, such that the greatest pattern is never reached."""
    least, most = min(lo, int(thresholds.min())), max(hi, int(thresholds.max()))
    return smallest(min(least, -1), most + 1).bits


def search_table(thresholds: np.ndarray, lanes: int, bits: int) -> Memory:
    """ROM of the binary search: one word for every `lanes` rows, each row padded to a power of two with the unreachable value."""
    rows, levels = thresholds.shape
    entries = 1 << search_stages(levels)
    table = np.full((rows, entries), (1 << (bits - 1)) - 1, dtype=np.int64)
    table[:, :levels] = thresholds
    return memory((table & ((1 << bits) - 1)).reshape(rows // lanes, lanes * entries), bits)


@dataclass(frozen=True, eq=False, kw_only=True)
class ThresholdBlock(Block):
    """`beat_in.elements` lanes, one beat a cycle. A frame has `vectors` times all channels (pixels)."""

    module: ClassVar[str] = "threshold"
    op: Threshold
    channels: int
    vectors: int = 1

    @property
    def lanes(self) -> int:
        return self.beat_in.elements

    @property
    def fold(self) -> int:
        return self.channels // self.lanes

    @property
    def cycles(self) -> int:
        return self.fold * self.vectors

    @property
    def style(self) -> str:
        return "one comparison" if self.op.levels == 1 else f"binary search in {search_stages(self.op.levels)} steps"

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, every, every, search_stages(self.op.levels))

    @property
    def bits(self) -> int:
        least = 0 if kind(self.beat_in.type) == 0 else self.beat_in.type.min
        return compare_bits(self.thresholds, least, self.beat_in.type.max)

    @property
    def thresholds(self) -> np.ndarray:
        """The op's thresholds for the stream's bit patterns: a bipolar value is 2 * bit - 1, so it reaches t when its bit reaches (t + 1) / 2."""
        return -(-(self.op.thresholds + 1) // 2) if kind(self.beat_in.type) == 0 else self.op.thresholds

    @property
    def rows(self) -> int:
        return 1 if len(self.op.thresholds) == 1 else self.fold

    @property
    def parameters(self) -> dict[str, int]:
        base, step = output_code(self.op)
        return {
            "PE": self.lanes,
            "FOLD": self.fold,
            "VECTORS": self.vectors,
            "WIDTH": self.beat_in.type.bits,
            "SIGNED": int(kind(self.beat_in.type) == 2),
            "LEVELS": self.op.levels,
            "T_BITS": self.bits,
            "FLIP": int(self.op.descending.any()),
            "BASE": base,
            "STEP": step,
            "OUT_BITS": self.op.type.bits,
            "ROWS": self.rows,
        }

    @property
    def memories(self) -> dict[str, Memory]:
        rows = self.rows * self.lanes
        table = np.broadcast_to(self.thresholds, (rows, self.op.levels))
        files = {"THRESHOLD_FILE": search_table(table, self.lanes, self.bits)}
        if self.op.descending.any():
            files["FLIP_FILE"] = memory(np.broadcast_to(self.op.descending, (rows,)).reshape(self.rows, self.lanes).astype(np.int64), 1)
        return files

    @property
    def estimate(self) -> Resources:
        stages = search_stages(self.op.levels)
        if self.rows == 1 and self.op.levels == 1:
            # only the bits above the constant's trailing zeros matter; a power of two at the top is the top bit itself
            t = int(self.thresholds[0, 0])
            compare = max(0, self.bits - 2 - ((t & -t).bit_length() - 1 if t else 0)) / 5
        else:
            compare = self.bits * (stages - 1 + (0.25 if self.rows == 1 else 1.2))
        return Resources(lut=self.lanes * compare + 4 + self.cycles.bit_length(), ff=self.lanes * stages * (self.bits + 1))
