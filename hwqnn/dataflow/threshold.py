"""The threshold block: quantizes a stream by comparing with integer thresholds (the input quantizer, mostly)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, counters, function_luts, rom_luts
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory
from hwqnn.dataflow.threshold_cost import Search, comparison_ns
from hwqnn.gates import delay
from hwqnn.ir import Bipolar, Threshold, smallest


def search_stages(levels: int) -> int:
    """Registered comparisons of the binary search over `levels` thresholds."""
    return levels.bit_length()


def search_registers(bits: int, levels: int, rows: int, budget_ns: float) -> int:
    """Registers in each stage of the search: 2 where looking the threshold up and comparing with it take longer than `budget_ns` together."""
    address = (rows - 1).bit_length() + search_stages(levels) - 1  # at the last stage
    return 1 if delay.CLOCK_TO_OUT + comparison_ns(bits, address) <= budget_ns else 2


def output_code(op: Threshold) -> tuple[int, int]:
    """(base, step) such that the output's bit pattern is base + step * n; a bipolar output is the bit n itself."""
    return (0, 1) if isinstance(op.type, Bipolar) else (op.base, op.step)


def compare_bits(thresholds: np.ndarray, lo: int, hi: int) -> int:
    """Bits of a signed comparison of values in [lo, hi] with `thresholds`; where these are padded (see `search_table`), such that the greatest
    pattern is never reached."""
    padded = (thresholds.shape[1] + 1).bit_count() > 1
    least, most = min(lo, int(thresholds.min())), max(hi, int(thresholds.max()))
    return smallest(min(least, -1), most + padded).bits


def search_table(thresholds: np.ndarray, lanes: int, bits: int) -> Memory:
    """ROM of the binary search: one word for every `lanes` rows, each row padded to a power of two with the unreachable value."""
    rows, levels = thresholds.shape
    entries = 1 << search_stages(levels)
    table = np.full((rows, entries), (1 << (bits - 1)) - 1, dtype=np.int64)
    table[:, :levels] = thresholds
    return memory((table & ((1 << bits) - 1)).reshape(rows // lanes, lanes * entries), bits)


@dataclass(frozen=True, eq=False, kw_only=True)
class ThresholdBlock(MeasuredBlock):
    """`beat_in.elements` lanes, one beat a cycle. A frame has `vectors` times all channels (pixels).

    Attributes:
        budget_ns: logic delay allowed between registers.
    """

    module: ClassVar[str] = "threshold"
    op: Threshold
    channels: int
    vectors: int = 1
    budget_ns: float = math.inf

    @property
    def search_registers(self) -> int:
        return search_registers(self.bits, self.op.levels, self.rows, self.budget_ns)

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
        return Schedule(every, every, every, self.search_registers * search_stages(self.op.levels))

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
            "SEARCH_REGISTERS": self.search_registers,
        }

    @property
    def memories(self) -> dict[str, Memory]:
        rows = self.rows * self.lanes
        table = np.broadcast_to(self.thresholds, (rows, self.op.levels))
        files = {"THRESHOLD_FILE": search_table(table, self.lanes, self.bits)}
        if self.op.descending.any():
            files["FLIP_FILE"] = memory(self._flips, 1)
        return files

    @property
    def _flips(self) -> np.ndarray:
        """int64 (rows, lanes)."""
        return np.broadcast_to(self.op.descending, (self.rows * self.lanes,)).reshape(self.rows, self.lanes).astype(np.int64)

    @property
    def _code_luts(self) -> int:
        """Of what makes codes of levels: bits that are those of the level take none."""
        (base, step), stages = output_code(self.op), search_stages(self.op.levels)
        level, out = np.arange(1 << stages), np.arange(self.op.type.bits)
        codes = [base + step * n >> out[:, None] & 1 for n in (level, self.op.levels - level)]  # as it is and flipped
        if self.rows > 1 and self.op.descending.any():
            return self.lanes * function_luts(np.concatenate(codes, axis=1).astype(bool))
        luts = [function_luts(code.astype(bool)) for code in codes]
        return int(sum(luts[flip] for flip in self._flips[0]))

    @property
    def parts(self) -> Parts:
        steps = counters(self.fold, self.vectors)
        stages = search_stages(self.op.levels)
        depth = stages * self.search_registers
        flipped = self.op.descending.any() and self.rows > 1
        flip = counters(self.rows)
        last = depth if depth <= 2 else 0  # what takes longer lies in a shift register
        cells = Resources(
            lut=self._code_luts + (rom_luts(self._flips, 1) if flipped else 0) + (self.cycles > 1 and depth > 2),
            ff=steps.bits + (self.lanes + flip.bits if flipped else 0) + depth + (last if self.cycles > 1 else 0),
            carry4=steps.carry4,
        )
        coded = {"counters": steps.luts, "flips": flip.luts if flipped else 0}
        return Parts(cells, coded) + self._search.parts

    @property
    def paths(self) -> Paths:
        stages = search_stages(self.op.levels)
        found = {**delays.control(self.fold, self.vectors), **self._search.paths}
        if self.cycles > 1 and stages * self.search_registers > 2:
            found["last"] = {"ns": delays.SHIFTED}
        return found

    @cached_property
    def _search(self) -> Search:
        return Search(
            lanes=self.lanes,
            bits=self.bits,
            value_bits=self.beat_in.type.bits,
            thresholds=self.thresholds,
            stages=search_stages(self.op.levels),
            rows=self.rows,
            registers=self.search_registers,
            signed=kind(self.beat_in.type) == 2,
            outside=True,
        )
