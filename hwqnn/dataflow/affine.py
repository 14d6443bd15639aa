"""The block that scales and shifts each channel by integers: exact scores of classes, operands of a join that must agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, counters, rom_luts
from hwqnn.dataflow.delays import MULTIPLY, Paths
from hwqnn.dataflow.design import Beat, Datapath, Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory
from hwqnn.gates.affine import Affine, constant, variable
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT
from hwqnn.ir import ChannelAffine, Edge, smallest

_LEAST_DSP_BITS = 9
"""Of a product: smaller ones are made of LUTs."""

_CUT = 17
"""Bits of the lower part of a factor that is too wide for one DSP48E1 (`rtl/affine_dsp.sv`)."""

_HANDSHAKE = 3
"""LUTs that tell whether the pipeline advances and whether a step is made, and the reset's inverter."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelAffineBlock(MeasuredBlock):
    """mul[c] * x + add[c], one multiplier a lane. A frame has `vectors` times all channels (pixels).

    Attributes:
        budget_ns: logic delay allowed between two registers.
    """

    module: ClassVar[str] = "channel_affine"
    op: ChannelAffine
    vectors: int = 1
    budget_ns: float

    @classmethod
    def make(cls, op: ChannelAffine, beat: Beat, edge: Edge, budget_ns: float) -> ChannelAffineBlock:
        """The block for inputs of `beat` and an output edge `edge`."""
        return cls(beat_in=beat, beat_out=Beat(beat.elements, edge.type), op=op, vectors=prod(edge.shape[:-1]), budget_ns=budget_ns)

    @property
    def fold(self) -> int:
        return len(self.op.mul) // self.beat_in.elements

    @property
    def cycles(self) -> int:
        return self.fold * self.vectors

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, every, every, self.datapath.depth)

    @property
    def parameters(self) -> dict[str, int]:
        shape = self._shape
        return {
            "PE": shape.lanes,
            "FOLD": self.fold,
            "VECTORS": self.vectors,
            "WIDTH": shape.x_bits,
            "MUL_BITS": shape.mul_bits,
            "ADD_BITS": shape.add_bits,
            "OUT_BITS": shape.sum_bits,
            "DP_DEPTH": self.datapath.depth,
        }

    @property
    def memories(self) -> dict[str, Memory]:
        (mul, mul_bits), (add, add_bits) = self._words
        return {"MUL_FILE": memory(mul, mul_bits), "ADD_FILE": memory(add, add_bits)}

    @cached_property
    def datapath(self) -> Datapath:
        """In LUTs, words and all where there is one for each lane, or in DSP48E1s."""
        if self.dsps:
            return _in_dsps(self._shape, self.dsps, CLOCK_TO_OUT + max(LUT, self._late_ns) + MULTIPLY > self.budget_ns, self.fold > 1)
        if self.fold == 1:
            mul, add = self._factors
            return constant(self._shape, mul.tolist(), add.tolist(), self.budget_ns)
        return variable(self._shape, self.budget_ns, self._late_ns)

    @property
    def dsps(self) -> int:
        """DSP48E1s of a lane. Small products are made of LUTs, and those that are too wide for two."""
        shape = self._shape
        narrow, wide = sorted((shape.x_bits + (not shape.signed), shape.mul_bits))
        if min(narrow + wide, shape.sum_bits) < _LEAST_DSP_BITS:
            return 0
        if narrow <= _CUT + 1 and wide <= 25 and shape.sum_bits <= 48:
            return 1
        return 2 if narrow <= 25 and wide <= 2 * _CUT + 1 and shape.add_bits <= 46 else 0

    @property
    def parts(self) -> Parts:
        depth, several, count = self.datapath.depth, self.cycles > 1, counters(self.fold, self.vectors)
        late = several and depth > 2  # a single step is always the last; what takes longer lies in a shift register
        exact = Resources(
            lut=_HANDSHAKE + late + sum(rom_luts(values, bits) for values, bits in self._words),
            ff=count.bits + depth + (depth if several and not late else 0),
            carry4=count.carry4,
        )
        return Parts(exact, {"counters": count.luts})

    @property
    def paths(self) -> Paths:
        """A word that is the same in all steps is no ROM's."""
        words = [delays.rom(self.fold) if (values != values[:1]).any() else 0.0 for values, _ in self._words]
        found, longest = dict(delays.control(self.fold, self.vectors)), self.datapath.longest
        if longest is not None:
            inputs = max(longest.from_inputs["x_i"], longest.from_inputs["w_i"] + (max(words) if self.fold > 1 else 0.0))
            return {**found, "from inputs": {"ns": CLOCK_TO_OUT + inputs}, "datapath": {"ns": CLOCK_TO_OUT + longest.from_registers}}
        late = dict(self.datapath.parameters)["REGISTER"]
        found["multiplier"] = {"ns": CLOCK_TO_OUT + MULTIPLY + (0.0 if late else words[0]), "inverter": not late and words[0] > 0}
        found["words"] = {"ns": CLOCK_TO_OUT + max(words)}
        return found

    @cached_property
    def _shape(self) -> Affine:
        x, out = self.beat_in.type, self.beat_out.type.bits
        mul, add = (min(_signed_bits(values), out) for values in self._factors)  # the result is modulo 2**out
        return Affine(self.beat_in.elements, x.bits, kind(x) == 2, mul, add, out)

    @property
    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        """(mul, add) for the stream's bit patterns: a bipolar value is 2 * bit - 1."""
        mul, add = self.op.mul, self.op.add
        return (2 * mul, add - mul) if kind(self.beat_in.type) == 0 else (mul, add)

    @property
    def _words(self) -> tuple[tuple[np.ndarray, int], tuple[np.ndarray, int]]:
        """The patterns of factors and of addends, (fold, lanes), and their bits."""
        (mul, add), shape = self._factors, self._shape
        return self._folded(mul, shape.mul_bits), self._folded(add, shape.add_bits)

    def _folded(self, values: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
        return (values & ((1 << bits) - 1)).reshape(self.fold, -1), bits

    @property
    def _late_ns(self) -> float:
        """How long the words take out of their LUTs: up to 64 of one, four of which two multiplexers join; of more, the mapper makes two levels."""
        levels = 0 if self.fold == 1 else 1 if self.fold <= 64 else 2 if self.fold <= 256 else 3
        return levels * LUT


def _in_dsps(shape: Affine, dsps: int, register: bool, words: bool) -> Datapath:
    """Of `rtl/affine_dsp.sv`. A single word needs no register."""
    parameters = {
        "PE": shape.lanes,
        "X_BITS": shape.x_bits,
        "SIGNED": int(shape.signed),
        "MUL_BITS": shape.mul_bits,
        "ADD_BITS": shape.add_bits,
        "SUM_BITS": shape.sum_bits,
        "REGISTER": int(register),
    }
    kept = (shape.add_bits if register and words else 0) + (_CUT if dsps == 2 else 0)
    return Datapath(
        module="affine_dsp",
        x_bits=shape.lanes * shape.x_bits,
        w_bits=shape.w_bits,
        sum_bits=shape.lanes * shape.sum_bits,
        depth=1 + dsps + register,
        texts=(),
        parameters=tuple(parameters.items()),
        cells=Resources(ff=shape.lanes * kept, dsp=shape.lanes * dsps),
    )


def _signed_bits(values: np.ndarray) -> int:
    return smallest(min(-1, int(values.min())), int(values.max())).bits
