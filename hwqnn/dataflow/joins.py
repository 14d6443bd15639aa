"""Where streams part and meet: the fork, the element-wise sum, the concatenation of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, adder_carry4, counters
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Beat, Forking, Resources, Schedule
from hwqnn.dataflow.pack import kind
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT
from hwqnn.ir import Bipolar, Type, UInt


@dataclass(frozen=True, eq=False, kw_only=True)
class ForkBlock(MeasuredBlock):
    """Gives every beat to `copies` readers."""

    module: ClassVar[str] = "stream_fork"
    copies: int

    @property
    def outputs(self) -> int:
        return self.copies

    @property
    def schedule(self) -> Forking:
        return Forking(self.copies)

    @property
    def parameters(self) -> dict[str, int]:
        return {"WIDTH": self.beat_in.bits, "OUTPUTS": self.copies}

    @property
    def parts(self) -> Parts:
        return Parts(Resources(ff=self.copies), {"readers": self.copies})

    @property
    def paths(self) -> Paths:
        return {"handshake": {"ns": 1.0}}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Join(MeasuredBlock):
    """Two input streams and an output with as many elements a beat. `beat_in` is input 0's, `beat_in_b` input 1's."""

    beat_in_b: Beat

    @property
    def beats_in(self) -> tuple[Beat, ...]:
        return (self.beat_in, self.beat_in_b)

    @property
    def parameters(self) -> dict[str, int]:
        a, b = self.beat_in.type, self.beat_in_b.type
        return {
            "PE": self.beat_out.elements,
            "A_BITS": a.bits,
            "A_KIND": kind(a),
            "B_BITS": b.bits,
            "B_KIND": kind(b),
            "OUT_BITS": self.beat_out.type.bits,
        }

    @property
    def types(self) -> tuple[Type, Type]:
        """Of the inputs' elements."""
        return self.beat_in.type, self.beat_in_b.type


@dataclass(frozen=True, eq=False, kw_only=True)
class AddBlock(_Join):
    """The sum of both inputs, of `elements` a frame."""

    module: ClassVar[str] = "add"
    elements: int

    @property
    def cycles(self) -> int:
        return self.elements // self.beat_out.elements

    @property
    def schedule(self) -> Schedule:
        both = np.ones((self.cycles, 2), dtype=bool)
        return Schedule(both, both, both[:, 0], 1)

    @property
    def parameters(self) -> dict[str, int]:
        return super().parameters | {"BEATS": self.cycles}

    @property
    def parts(self) -> Parts:
        lanes, bits, step = self.beat_out.elements, self.beat_out.type.bits, counters(self.cycles)
        bits_only = self.types == (Bipolar(), Bipolar())  # their sum is even
        carried = 0 if bits_only else adder_carry4(bits)
        exact = Resources(lut=lanes * self._lane_luts, ff=lanes * (bits - bits_only) + step.bits + 2, carry4=lanes * carried + step.carry4)
        return Parts(exact, {"counters": step.luts})

    @property
    def paths(self) -> Paths:
        adder = {"ns": CLOCK_TO_OUT + 0.238 + delays.added(self.beat_out.type.bits)}
        return {**delays.control(1, self.cycles), "adder": adder}

    @property
    def _lane_luts(self) -> int:
        """A LUT for each bit that both numbers have, but no sign is added twice; a carry passes through what an unsigned one lacks."""
        unsigned = [of.bits for of in self.types if isinstance(of, UInt)]
        if Bipolar() in self.types:
            return 1 + max(of.bits for of in self.types)
        return min(unsigned) if unsigned else max(of.bits for of in self.types)


@dataclass(frozen=True, eq=False, kw_only=True)
class ConcatBlock(_Join):
    """For each of `pixels` a frame, `channels[0]` elements of input 0 and then `channels[1]` of input 1; a beat's elements divide both."""

    module: ClassVar[str] = "concat"
    channels: tuple[int, int]
    pixels: int

    @property
    def folds(self) -> tuple[int, int]:
        """Beats a pixel of each input."""
        a, b = self.channels
        return a // self.beat_out.elements, b // self.beat_out.elements

    @property
    def cycles(self) -> int:
        return sum(self.folds) * self.pixels

    @property
    def schedule(self) -> Schedule:
        a, b = self.folds
        from_a = np.tile(np.arange(a + b) < a, self.pixels)
        turn = np.stack([from_a, ~from_a], axis=1)
        return Schedule(turn, turn, np.ones(self.cycles, dtype=bool), 1)

    @property
    def parameters(self) -> dict[str, int]:
        a, b = self.folds
        return super().parameters | {"A_FOLD": a, "B_FOLD": b, "VECTORS": self.pixels}

    @property
    def parts(self) -> Parts:
        lanes, bits, steps = self.beat_out.elements, self.beat_out.type.bits, counters(sum(self.folds), self.pixels)
        exact = Resources(lut=lanes * self._lane_luts, ff=lanes * bits + steps.bits + 2, carry4=steps.carry4)
        return Parts(exact, {"counters": steps.luts, "comparison": counters(sum(self.folds)).bits})

    @property
    def paths(self) -> Paths:
        steps, first = sum(self.folds), self.folds[0]
        bits = counters(steps).bits
        turned = bits - ((first & -first).bit_length() - 1)  # bits of the step that tell whose turn it is
        found = {**delays.control(steps, self.pixels), "turn": {"ns": CLOCK_TO_OUT + delays.lut(min(turned, 6)) + 0.238 + delays.RESET}}
        if bits > 2 and (steps.bit_count() > 1 or self.pixels > 1):  # a step waits for one of two inputs, in a LUT6
            end = delays.RESET if steps.bit_count() > 1 else delays.ENABLE
            found["last"] = {"ns": CLOCK_TO_OUT + delays.equal(bits) + LUT + end}
        return found

    @property
    def _lane_luts(self) -> int:
        """A LUT for each bit that both numbers have; the other bits of an unsigned one are 0, which a register's reset gives. The lowest bit of a
        bipolar one is 1; its others are inverted."""
        bits = self.beat_out.type.bits
        widened = any(of == Bipolar() for of in self.types) and bits > 1
        unsigned = any(isinstance(of, UInt) for of in self.types)
        return min(of.bits if isinstance(of, UInt) else bits for of in self.types) - (widened and not unsigned)
