"""Per-channel integer scales (exact scores of classes, operands of a join that must agree), and the argmax."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.cost import SHORT, MeasuredBlock, Parts, adder_carry4, comparator_carry4, comparator_luts, counters, rom_luts
from hwqnn.dataflow.design import Beat, Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, chain
from hwqnn.ir import ChannelAffine, Edge, smallest


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
    def _greatest(self) -> Parts:
        """Of `rtl/argmax_tree.sv`, and what keeps its best."""
        lanes, width, index = self.beat_in.elements, self.beat_in.type.bits, self.beat_out.type.bits
        steps, matches, alone = counters(self.fold, self.vectors), lanes - 1, self.fold == 1
        winners = [-(-lanes >> level) for level in range(1, self.levels + 1)]
        lane_bits = sum(n * min(level, self.levels) for level, n in enumerate(winners, 1))
        kept = sum(winners) * width + lane_bits - alone * width + (0 if alone else width + 2 * index - ((lanes & -lanes).bit_length() - 1))
        carries = matches * comparator_carry4(width) + (0 if alone else comparator_carry4(width + self.x_register))
        late = self.levels + self.x_register
        entering = lanes * width + (0 if alone else index - ((lanes & -lanes).bit_length() - 1)) if self.x_register else 0
        chained = comparator_luts(width) if width > SHORT else 0
        exact = Resources(
            lut=(matches + (not alone)) * chained + (matches - (alone and matches > 0)) * width,  # a single beat's greatest value is not wanted
            ff=kept + steps.bits + 2 * late + 1 + (self.cycles > 1) + entering,
            carry4=carries + steps.carry4,
        )
        mapped = {
            "counters": steps.luts,
            "matches": matches,
            "lane bits": lane_bits,
            "compared": 0 if alone else width,
            "compared without carries": (matches + (not alone)) * width * (chained == 0),
            "index": 0 if alone else index,
        }
        return Parts(exact, mapped, {"compared": width, "lanes": lanes > 1, "counters": steps.levels})

    @property
    def _several(self) -> Parts:
        lanes, width, k, index = self.beat_in.elements, self.beat_in.type.bits, self.beat_out.elements, self.beat_out.type.bits
        steps = counters(self.fold, self.vectors)
        places = sum(min(max(0, (self.fold - 1) * lanes + p), k) for p in range(lanes))  # the first values meet empty places
        if self.fold > 1:
            kept, moved = k * (width + index) + index - ((lanes & -lanes).bit_length() - 1), lanes * k
            moved -= lanes == 1  # a single lane's value enters the first place by its register's enable
        else:
            kept, moved = k * index, places
        numbered = (lanes - 1) * index if self.fold > 1 and lanes.bit_count() > 1 else 0
        chained = comparator_luts(width) if width > SHORT else 0
        carries = places * comparator_carry4(width) + numbered // 4 + steps.carry4
        cells = Resources(lut=places * chained, ff=kept + steps.bits + 1 + (self.cycles > 1), carry4=carries)
        mapped = {
            "counters": steps.luts,
            "places": places,
            "compared without carries": places * width * (1 < width <= SHORT),
            "moved": moved * width * (width > 1),
            "moved index": moved * index * (width > 1),
            "single bits": places * (width == 1),
            "moved index of single bits": moved * index * (width == 1),
            "numbered": numbered,
            "base": index if self.fold > 1 else 0,
        }
        return Parts(cells, mapped, {"lanes": lanes, "compared": lanes * width, "places": k, "folded": self.fold > 1})


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelAffineBlock(MeasuredBlock):
    """mul[c] * x + add[c], one multiplier a lane. A frame has `vectors` times all channels (pixels)."""

    module: ClassVar[str] = "channel_affine"
    op: ChannelAffine
    vectors: int = 1

    @classmethod
    def make(cls, op: ChannelAffine, beat: Beat, edge: Edge) -> ChannelAffineBlock:
        """The block for inputs of `beat` and an output edge `edge`."""
        return cls(beat_in=beat, beat_out=Beat(beat.elements, edge.type), op=op, vectors=prod(edge.shape[:-1]))

    @property
    def fold(self) -> int:
        return len(self.op.mul) // self.beat_in.elements

    @property
    def cycles(self) -> int:
        return self.fold * self.vectors

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, every, every, 2)

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "PE": self.beat_in.elements,
            "FOLD": self.fold,
            "VECTORS": self.vectors,
            "WIDTH": self.beat_in.type.bits,
            "SIGNED": int(kind(self.beat_in.type) == 2),
            "MUL_BITS": _signed_bits(self.factors[0]),
            "ADD_BITS": _signed_bits(self.factors[1]),
            "OUT_BITS": self.beat_out.type.bits,
        }

    @property
    def memories(self) -> dict[str, Memory]:
        mul, add = self.factors
        return {"MUL_FILE": self._rom(mul), "ADD_FILE": self._rom(add)}

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """(mul, add) for the stream's bit patterns: a bipolar value is 2 * bit - 1."""
        mul, add = self.op.mul, self.op.add
        return (2 * mul, add - mul) if kind(self.beat_in.type) == 0 else (mul, add)

    def _words(self, values: np.ndarray) -> np.ndarray:
        return (values & ((1 << _signed_bits(values)) - 1)).reshape(self.fold, self.beat_in.elements)

    def _rom(self, values: np.ndarray) -> Memory:
        return memory(self._words(values), _signed_bits(values))

    @property
    def _dsps(self) -> int:
        """DSP48s of a lane: yosys multiplies 18 by 25 bits in one, and products of less than nine bits in LUTs."""
        x = self.beat_in.type.bits + (kind(self.beat_in.type) != 2)
        narrow, wide = sorted((x, _signed_bits(self.factors[0])))
        if min(narrow + wide, self.beat_out.type.bits) < 9:
            return 0
        return -(-(narrow - 1) // 17) * -(-(wide - 1) // 24)

    @property
    def costs(self) -> str:
        return "channel_affine " + ("in LUTs" if self._dsps == 0 else "in a DSP" if self._dsps == 1 else "in DSPs")

    @property
    def parts(self) -> Parts:
        lanes, out, dsps = self.beat_in.elements, self.beat_out.type.bits, self._dsps
        mul, add = (_signed_bits(values) for values in self.factors)
        steps, address = counters(self.fold, self.vectors), counters(self.fold)
        kept = 0 if dsps == 1 else lanes * (2 * out if dsps == 0 else out)  # a single DSP has all of a lane's registers
        words = lanes * (mul + add) if self.fold > 1 else 0
        exact = Resources(
            lut=sum(rom_luts(self._words(values), _signed_bits(values)) for values in self.factors),
            ff=steps.bits + 2 * address.bits + 4 + (self.fold > 1) + kept + (words if dsps != 1 else 0),
            carry4=steps.carry4 + 2 * address.carry4 + lanes * (0 if dsps == 1 else adder_carry4(out) + (adder_carry4(out) if dsps else 1)),
            dsp=lanes * dsps,
        )
        mapped = {"counters": steps.luts, "addresses": address.luts, "words": words}
        if dsps > 1:
            mapped["sums"] = lanes * out
        elif dsps == 0 and self.fold > 1:
            mapped |= {"sums": lanes * out, "products": lanes * mul * self.beat_in.type.bits}
        elif dsps == 0:  # a constant's first bit needs no adder
            adders = sum(abs(int(factor)).bit_count() - 1 for factor in self.factors[0] if factor)
            mapped |= {"sums with constants": lanes * out, "products with constants": adders * self.beat_in.type.bits}
        return Parts(exact, mapped, {"counters": steps.levels, "sums": out})


def _signed_bits(values: np.ndarray) -> int:
    return smallest(min(-1, int(values.min())), int(values.max())).bits
