"""The threshold block: quantizes a stream by comparing with integer thresholds (the input quantizer, mostly)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.cost import MeasuredBlock, Parts, comparator_carry4, counters, rom_luts
from hwqnn.dataflow.design import Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory
from hwqnn.gates import delay
from hwqnn.ir import Bipolar, Threshold, smallest

_APART = 4
"""Thresholds of so many address bits are looked up apart (`rtl/threshold_search.sv`)."""


def search_stages(levels: int) -> int:
    """Registered comparisons of the binary search over `levels` thresholds."""
    return levels.bit_length()


def search_registers(bits: int, levels: int, rows: int, budget_ns: float) -> int:
    """Registers in each stage of the search: 2 where looking the threshold up and comparing with it take longer than `budget_ns` together."""
    address = (rows - 1).bit_length() + search_stages(levels) - 1  # at the last stage
    looked_up = delay.LUT * (1 if address <= 6 else 2) if address >= _APART else 0.0
    return 1 if delay.CLOCK_TO_OUT + looked_up + delay.LUT + delay.chain(bits) <= budget_ns else 2


_APART = 4  # address bits from which on `rtl/threshold_search.sv` looks thresholds up in LUTs apart from those that compare


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
            files["FLIP_FILE"] = memory(np.broadcast_to(self.op.descending, (rows,)).reshape(self.rows, self.lanes).astype(np.int64), 1)
        return files

    @property
    def parts(self) -> Parts:
        steps = counters(self.fold, self.vectors)
        stages = search_stages(self.op.levels)
        depth = stages * self.search_registers
        flips = self.op.descending.any()
        flip = counters(self.rows)
        flipped = self.lanes * stages if flips and self.rows > 1 else 0
        cells = Resources(
            lut=rom_luts(self.lanes, self.rows) if flipped else 0,
            ff=steps.bits + (self.lanes + flip.bits if flipped else 0) + 2 * depth,
            carry4=steps.carry4,
        )
        base, _ = output_code(self.op)
        coded = {
            "counters": steps.luts,
            "flips": flip.luts if flipped else 0,
            "flipped": flipped,
            "coded": self.lanes * stages * (base % (1 << stages) > 0),
        }
        if stages == 1 and self.rows == 1:
            # of each lane only the bits above its constant's trailing zeros matter; four of them fit into a LUT
            zeros = [(int(t) & -int(t)).bit_length() - 1 if t else 0 for t in np.broadcast_to(self.thresholds[:, 0], (self.lanes,))]
            matter = [max(0, self.beat_in.type.bits - z) for z in zeros]
            large = [bits for bits in matter if bits > _IN_A_LUT]
            exact = Resources(lut=sum(1 < bits <= _IN_A_LUT for bits in matter), ff=self.lanes, carry4=sum(-(-bits // 8) for bits in large))
            return Parts(cells + exact, coded | {"large constants": len(large), "constant bits": sum(large)}, {"compared": 1})
        value = self.beat_in.type.bits
        search = search_parts(self.lanes, self.bits, value, self.thresholds, stages, self.rows, self.search_registers)
        return Parts(cells, coded, {"counters": steps.levels}) + search


_SHORT = 6
"""Bits of a comparison that is a LUT or two, of which there is nothing to take away."""


_IN_A_LUT = 4
"""Bits that are compared with a constant in one LUT; for more, yosys makes a carry chain."""


def search_parts(lanes: int, bits: int, value_bits: int, thresholds: np.ndarray, stages: int, rows: int, registers: int) -> Parts:
    """Of `rtl/threshold_search.sv`, whose values have `value_bits` that are not but their sign again."""
    row, twice, value = counters(rows).bits, registers - 1, lanes * value_bits
    differ = min(bits, int(np.abs(thresholds).max()).bit_length() + bool(thresholds.min() < 0))  # the others only repeat the sign
    apart = [k for k in range(stages) if row + k >= _APART]
    ff = value * (stages - 1) + lanes * stages * (stages + 1) // 2 + row * (stages - 1)
    ff += twice * ((value + lanes * differ) * stages + lanes * stages * (stages - 1) // 2 + row * stages)
    exact = Resources(lut=sum(rom_luts(lanes * differ, rows << k) for k in apart), ff=ff, carry4=lanes * stages * comparator_carry4(bits))
    mapped = {
        "compared": value * (stages - (rows == 1) if not twice else stages),
        **{f"looked up by {row + k}": lanes * differ for k in range(stages) if 0 < row + k < _APART},
        "constants": value * (rows == 1),
        "stages": lanes * stages * min(1.0, bits / _SHORT),
    }
    return Parts(exact, mapped, {"compared": bits, "looked up": (row + stages) * (not twice), "searched": 1})
