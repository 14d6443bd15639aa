"""The threshold block: quantizes a stream by comparing with integer thresholds (the input quantizer, mostly)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.cost import SHORT, MeasuredBlock, Parts, comparator_carry4, comparator_luts, constant_comparator_luts, counters, rom_luts
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
            files["FLIP_FILE"] = memory(self._flips, 1)
        return files

    @property
    def _flips(self) -> np.ndarray:
        """int64 (rows, lanes)."""
        return np.broadcast_to(self.op.descending, (self.rows * self.lanes,)).reshape(self.rows, self.lanes).astype(np.int64)

    @property
    def parts(self) -> Parts:
        steps = counters(self.fold, self.vectors)
        stages = search_stages(self.op.levels)
        depth = stages * self.search_registers
        flips = self.op.descending.any()
        flip = counters(self.rows)
        flipped = self.lanes * stages if flips and self.rows > 1 else 0
        cells = Resources(
            lut=rom_luts(self._flips, 1) if flipped else 0,
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
        value = self.beat_in.type.bits
        signed = kind(self.beat_in.type) == 2
        search = search_parts(self.lanes, self.bits, value, self.thresholds, stages, self.rows, self.search_registers, signed=signed)
        return Parts(cells, coded, {"counters": steps.levels}) + search


def search_parts(
    lanes: int, bits: int, value_bits: int, thresholds: np.ndarray, stages: int, rows: int, registers: int, *, signed: bool = True
) -> Parts:
    """Of `rtl/threshold_search.sv`.

    Args:
        value_bits: those of the values that are not but their sign again, or zeros of a value that is not `signed`.
        thresholds: int64 (rows * lanes, levels), or a row for all.
    """
    row, twice = counters(rows).bits, registers - 1
    levels, entries = thresholds.shape[1], 1 << stages
    table = np.full((rows, lanes, entries), (1 << (bits - 1)) - 1, dtype=np.int64)
    table[:, :, :levels] = np.broadcast_to(thresholds, (rows * lanes, levels)).reshape(rows, lanes, levels)
    # what each stage can meet, (rows, lanes, 2**stage); of the values only the bits above all of its thresholds' trailing zeros matter
    met = [table[:, :, (entries >> k + 1) - 1 :: entries >> k] for k in range(stages)]
    low = [np.bitwise_or.reduce(np.bitwise_or.reduce(m, axis=2), axis=0) for m in met]
    matter = [np.maximum(0, value_bits - _zeros(v)) for v in low]
    later = [np.maximum.reduce(matter[k:]).sum() for k in range(stages)]  # bits that stage k and those behind it look at
    apart = [k for k in range(stages) if row + k >= _APART]
    rom = sum(rom_luts(met[k].transpose(0, 2, 1).reshape(rows << k, lanes) & ((1 << bits) - 1), bits, together=bits) for k in apart)
    differ = min(bits, int(np.abs(thresholds).max()).bit_length() + bool(thresholds.min() < 0))  # the others only repeat the sign
    ff = sum(later[1:]) + lanes * stages * (stages + 1) // 2 + row * (stages - 1)
    ff += twice * (sum(later) + lanes * differ * stages + lanes * stages * (stages - 1) // 2 + row * stages)
    mapped: dict[str, float] = {}

    def add(name: str, amount: float) -> None:
        mapped[name] = mapped.get(name, 0.0) + amount

    width, compared = min(bits, value_bits + signed), 0.0
    for k in range(stages):
        address = row + k if not twice else _APART
        if bits > SHORT:
            compared += lanes * (comparator_luts(width) - (width % 3 == 1)) if address else constant_comparator_luts(met[k], width)
            add(f"looked up by {min(address, 2)}", lanes)
        elif address == 0:
            compared += int((matter[k] > 1).sum())
        else:
            add(f"short, looked up by {min(address, _APART)}", float(matter[k].sum()))
    return Parts(
        Resources(lut=rom + compared, ff=float(ff), carry4=lanes * stages * comparator_carry4(bits)),
        mapped,
        {"compared": bits, "looked up": (row + stages) * (not twice), "searched": 1},
    )


def _zeros(values: np.ndarray) -> np.ndarray:
    """Trailing zeros of integers; of 0, more than any number has bits."""
    lowest = values & -values
    return np.where(lowest == 0, 64, np.frexp(np.maximum(lowest, 1).astype(float))[1] - 1)
