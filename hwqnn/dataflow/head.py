"""Per-channel integer scales (exact scores of classes, operands of a join that must agree), and the argmax."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.design import Beat, Block, Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory
from hwqnn.ir import ChannelAffine, Edge, smallest


@dataclass(frozen=True, eq=False, kw_only=True)
class ArgMaxBlock(Block):
    """Compares the classes `beat_in.elements` at a time and gives one beat a vector (pixel): the indices of the greatest `beat_out.elements`."""

    module: ClassVar[str] = "argmax"
    channels: int
    vectors: int = 1

    @property
    def fold(self) -> int:
        return self.channels // self.beat_in.elements

    @property
    def cycles(self) -> int:
        return self.fold * self.vectors

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, every, np.arange(self.cycles) % self.fold == self.fold - 1, 1)

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
        }

    @property
    def estimate(self) -> Resources:
        width, k = self.beat_in.type.bits, self.beat_out.elements
        places = 1.5 * width + (k - 1) * 2 * (width + self.beat_out.type.bits)  # a value that is pushed down brings its index along
        return Resources(lut=self.beat_in.elements * places + 12, ff=k * (width + self.beat_out.type.bits) + self.beat_out.type.bits)


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelAffineBlock(Block):
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

    def _rom(self, values: np.ndarray) -> Memory:
        bits = _signed_bits(values)
        return memory((values & ((1 << bits) - 1)).reshape(self.fold, self.beat_in.elements), bits)

    @property
    def estimate(self) -> Resources:
        lanes, bits = self.beat_in.elements, self.beat_out.type.bits
        return Resources(lut=lanes * bits + 12, ff=lanes * 2 * bits, dsp=lanes)  # yosys multiplies in a DSP48


def _signed_bits(values: np.ndarray) -> int:
    return smallest(min(-1, int(values.min())), int(values.max())).bits
