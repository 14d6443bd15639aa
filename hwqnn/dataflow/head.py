"""The block that finds the greatest of several values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import SHORT, MeasuredBlock, Parts, adder_carry4, counters, greater
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Resources, Schedule
from hwqnn.dataflow.pack import kind
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, chain


@dataclass(frozen=True, eq=False, kw_only=True)
class ArgMaxBlock(MeasuredBlock):
    """Compares the classes `beat_in.elements` at a time and gives one beat a vector (pixel): the indices of the greatest `beat_out.elements`."""

    module: ClassVar[str] = "argmax"
    channels: int
    vectors: int = 1
    budget_ns: float = math.inf
    """Logic delay allowed between registers."""

    @property
    def fold(self) -> int:
        return self.channels // self.beat_in.elements

    @property
    def levels(self) -> int:
        """Of the tree that finds the greatest of a beat; several labels have none."""
        return (self.beat_in.elements - 1).bit_length() if self.beat_out.elements == 1 else 0

    @property
    def x_register(self) -> bool:
        """Whether values wait in a register before the first comparison: a FIFO shows its beat a clock-to-output and a LUT after the clock's edge."""
        bits = self.beat_in.type.bits
        compared = CLOCK_TO_OUT + 2 * LUT + chain(-(-bits // 2)) + LUT  # the FIFO's LUT, one for two bits of each value, and what chooses
        return self.beat_out.elements == 1 and compared > self.budget_ns

    @property
    def cycles(self) -> int:
        return self.fold * self.vectors

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, every, np.arange(self.cycles) % self.fold == self.fold - 1, 1 + self.levels + self.x_register)

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "PE": self.beat_in.elements,
            "FOLD": self.fold,
            "VECTORS": self.vectors,
            "K": self.beat_out.elements,
            "WIDTH": self.beat_in.type.bits,
            "SIGNED": int(kind(self.beat_in.type) == 2),  # the bits of bipolar values order as they do
            "OUT_BITS": self.beat_out.type.bits,
            "X_REGISTER": int(self.x_register),
        }

    @property
    def costs(self) -> str:
        return "argmax" if self.beat_out.elements == 1 else "argmax of several"

    @property
    def parts(self) -> Parts:
        return self._greatest if self.beat_out.elements == 1 else self._several

    @property
    def _base_bits(self) -> int:
        """Of the index of lane 0 that change from step to step."""
        lanes = self.beat_in.elements
        return self.beat_out.type.bits - ((lanes & -lanes).bit_length() - 1) if self.fold > 1 else 0

    @property
    def _steps(self) -> Parts:
        """What counts the steps by the index of lane 0, and the pixels."""
        vectors, base, late = counters(self.vectors), self._base_bits, self.levels + self.x_register
        odd = self.beat_in.elements.bit_count() > 1  # the counter's steps are not of 1
        step = counters(1 if odd else self.fold)
        last = (late + 1 if late < 2 else 0) if self.cycles > 1 else 0  # what takes longer lies in a shift register
        exact = Resources(
            lut=self.cycles > 1 and late >= 2,
            ff=base + vectors.bits + 2 * late + 1 + last,
            carry4=vectors.carry4 + (adder_carry4(base) if odd else step.carry4),
        )
        return Parts(exact, {"counters": vectors.luts + step.luts, "base": base * odd, "odd": odd and base > 0})

    @property
    def _greatest(self) -> Parts:
        """Of `rtl/argmax_tree.sv`, and what keeps its best."""
        lanes, width, index, base = self.beat_in.elements, self.beat_in.type.bits, self.beat_out.type.bits, self._base_bits
        matches, alone, late = lanes - 1, self.fold == 1, self.levels + self.x_register
        winners = [-(-lanes >> level) for level in range(1, self.levels + 1)]
        lane_bits = sum((min(1 << level, lanes - (i << level)) - 1).bit_length() for level, n in enumerate(winners, 1) for i in range(n))
        met = [-(-lanes >> level - 1) // 2 for level in range(1, self.levels + 1)]  # matches of each level
        chosen_lanes = sum(n * (level - 1) for level, n in enumerate(met, 1))
        compared = greater(width) if width > 2 else Resources(lut=1)
        last = greater(width + self.x_register) if width > 2 else Resources()
        moved = (matches - (alone and matches > 0)) * (-(-width // 2))  # a single beat's greatest value is not wanted
        kept = sum(winners) * width + lane_bits - alone * width * (lanes > 1) + (0 if alone else width + index)
        exact = Resources(lut=moved + chosen_lanes, ff=kept + (0 if alone else late * (base + 1)) + lanes * width * self.x_register)
        exact += compared * matches + (Resources() if alone else last)
        uneven = lanes.bit_count() > 1  # some lanes pass through levels of the tree alone
        mapped = {"index": 0 if alone or not uneven else index, "folded": not alone, "levels": self.levels}
        added = Resources(carry4=0 if alone or not uneven else adder_carry4(index))
        return self._steps + Parts(exact + added, mapped)

    @property
    def _values(self) -> tuple[int, int]:
        """How many of the best values are kept for the next beat, and how many are chosen on the way through the lanes: those that a later value
        meets. A single lane's value enters the first place by its register's enable."""
        lanes, k, before = self.beat_in.elements, self.beat_out.elements, (self.fold - 1) * self.beat_in.elements
        kept, moved = {0} if before else set(), 0
        while True:
            read, moved = set(kept), 0  # places that are read behind the lane
            for p in reversed(range(lanes)):
                moved += sum(before + p > j or (j > 0 and before + p > j - 1) for j in read)
                read = {j for j in range(k) if before + p > j} | {j - 1 for j in read if j > 0}
            if read == kept or not before:
                return len(kept), moved - (lanes == 1 and before > 0)
            kept = read

    @property
    def _several(self) -> Parts:
        lanes, width, k, index = self.beat_in.elements, self.beat_in.type.bits, self.beat_out.elements, self.beat_out.type.bits
        before = (self.fold - 1) * lanes  # values of earlier beats, at most
        places = [(p, j) for p in range(lanes) for j in range(k) if before + p > j]  # where a value meets one that came before
        free = sum(j >= p for p, j in places)  # places that may still be free
        kept_values, moved_values = self._values
        single_beat = sum(min(p + 1, k) * p.bit_length() for p in range(1, lanes))
        moved_indices = (lanes * k - (lanes == 1)) * index if self.fold > 1 else single_beat
        kept, moved_bits = kept_values * width + k * index, moved_values * width
        low = (lanes & -lanes).bit_length() - 1  # bits of an index that the lane alone tells; lanes that differ in these only share an adder
        numbers = range(1, ((lanes - 1) >> low) + 1) if self.fold > 1 and lanes.bit_count() > 1 else range(0)
        adders = [index - low - (n & -n).bit_length() + 1 for n in numbers]  # bits that a number's lowest 1 and all above it change
        compared = greater(width) if width > 2 else Resources(lut=1)
        cells = compared * len(places) + Resources(ff=kept, carry4=sum(map(adder_carry4, adders)))
        mapped = {
            "free": free,
            "enables": k * (lanes == 1),
            "moved": moved_bits,
            "moved index": moved_indices,
            "moved index of single bits": moved_indices * (width == 1),
            "numbered": sum(adders),
            "folded": self.fold > 1,
            "lone single bits": k * (width == lanes == 1),
        }
        return self._steps + Parts(cells, mapped)

    @property
    def paths(self) -> Paths:
        lanes, width, index = self.beat_in.elements, self.beat_in.type.bits, self.beat_out.type.bits
        found = dict(delays.control(self.fold, self.vectors))
        uneven = lanes.bit_count() > 1
        compared, added = delays.greater(width), chain(index) if uneven and self.fold > 1 else 0.0
        if self.beat_out.elements > 1:
            return found | {"lanes": {"ns": self._lanes_ns}, "numbers": {"ns": CLOCK_TO_OUT + 0.3 + added + 0.3 * lanes}}
        behind = 0.127 if width > SHORT else 0.238  # a LUT that asks whether it is greater
        if lanes > 1:
            found["tree"] = {"ns": CLOCK_TO_OUT + compared + behind + (delays.RESET if uneven else 0.0)}
        if self.fold > 1:
            asked = LUT if width <= 2 else 0.472 if width <= SHORT and lanes == 1 else 0.127  # of a lane alone, whether there is a step, too
            last = delays.greater(width + 1) if self.x_register else delays.greater(width) + asked
            found["best"] = {"ns": CLOCK_TO_OUT + last + delays.ENABLE}
            found["index"] = {"ns": CLOCK_TO_OUT + 0.3 + added}
            if uneven:
                found["base"] = {"ns": CLOCK_TO_OUT + delays.equal(self._base_bits) + 0.407 + delays.RESET}
        return found

    @property
    def _lanes_ns(self) -> float:
        """Through the lanes of several labels, whose worst path goes down a place a lane: there the index is asked whether the place is still free,
        and what is pushed down is chosen. Or it stays in the first place, and ends at a reset where the lane gives a bit of the index. In a single
        beat, the first lane meets nothing.
        """
        lanes, width, k = self.beat_in.elements, self.beat_in.type.bits, self.beat_out.elements
        if width > SHORT:
            compared, free = delays.greater(width, delays.SECOND), 0.17  # by its fastest pin, mostly
            first = CLOCK_TO_OUT + delays.FIRST - delays.SECOND
        else:  # a bit or two are compared in the LUT that asks the index
            compared, free = (0.238, 0.407)[width - 1] if width <= 2 else 0.534, 0.2 if width <= 2 else 0.3
            first = CLOCK_TO_OUT + delays.FIRST - compared - (free if width <= 2 else 0.0)
        if self.fold == 1:
            return first + (lanes - 1) * (compared + 0.44) - 0.033 + delays.RESET
        if lanes == 1:
            return first + compared + free + 0.407 + delays.ENABLE
        pushed = min(k - 1, lanes)
        down = min(k, lanes) * free + pushed * 0.407 + (lanes - pushed) * 0.238
        stays = free + (lanes - 1) * 0.238 + 0.407 + delays.RESET if lanes % 2 == 0 else 0.0
        return first + lanes * compared + max(down, stays)
