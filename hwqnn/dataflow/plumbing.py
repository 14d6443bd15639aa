"""What joins two blocks: FIFOs that decouple them, and converters between beats of different width."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.design import Beat, Block, Buffering, Resources, Schedule


@dataclass(frozen=True, eq=False, kw_only=True)
class Fifo(Block):
    """A shift-register FIFO."""

    module: ClassVar[str] = "fifo"
    depth: int

    @property
    def schedule(self) -> Buffering:
        return Buffering(takes=1, need=np.ones(1, dtype=np.int64), free=np.zeros(1, dtype=np.int64), capacity=self.depth, depth=0)

    @property
    def parameters(self) -> dict[str, int]:
        return {"WIDTH": self.beat_in.bits, "DEPTH": self.depth}

    @property
    def estimate(self) -> Resources:
        return Resources(lut=(self.beat_in.bits + 1) * -(-self.depth // 32) + 2 * self.depth.bit_length() + 2, ff=self.depth.bit_length() + 2)


@dataclass(frozen=True, eq=False, kw_only=True)
class WidthDown(Block):
    """Splits each beat into `ratio` narrower ones, low part first. The beat waits in a register of its own, so that its source goes on."""

    module: ClassVar[str] = "width_down"
    beats: int
    """Input beats a frame."""

    @property
    def ratio(self) -> int:
        return self.beat_in.elements // self.beat_out.elements

    @property
    def cycles(self) -> int:
        return self.beats * self.ratio

    @property
    def schedule(self) -> Schedule:
        first = np.arange(self.cycles) % self.ratio == 0
        return Schedule(first, first, np.ones(self.cycles, dtype=bool), 1)

    @property
    def parameters(self) -> dict[str, int]:
        return {"WIDTH": self.beat_out.bits, "RATIO": self.ratio}

    @property
    def estimate(self) -> Resources:
        return Resources(lut=self.beat_in.bits * 0.4 + 3, ff=self.beat_in.bits + self.ratio.bit_length())


@dataclass(frozen=True, eq=False, kw_only=True)
class WidthUp(Block):
    """Joins `ratio` beats into a wider one, the first in the low part."""

    module: ClassVar[str] = "width_up"
    beats: int
    """Input beats a frame."""

    @property
    def ratio(self) -> int:
        return self.beat_out.elements // self.beat_in.elements

    @property
    def cycles(self) -> int:
        return self.beats

    @property
    def schedule(self) -> Schedule:
        step = np.arange(self.cycles)
        every = np.ones(len(step), dtype=bool)
        return Schedule(every, every, step % self.ratio == self.ratio - 1, 0)

    @property
    def parameters(self) -> dict[str, int]:
        return {"WIDTH": self.beat_in.bits, "RATIO": self.ratio, "BEATS": self.beats}

    @property
    def estimate(self) -> Resources:
        return Resources(lut=4 + self.ratio.bit_length(), ff=self.beat_out.bits - self.beat_in.bits)


def convert(beat: Beat, elements: int, frame: int) -> list[WidthDown | WidthUp]:
    """The converters that turn `beat` into beats of `elements`, for frames of `frame` elements: none, one, or down to the common divisor and up."""
    common = gcd(beat.elements, elements)
    blocks: list[WidthDown | WidthUp] = []
    if common < beat.elements:
        blocks.append(WidthDown(beat_in=beat, beat_out=Beat(common, beat.type), beats=frame // beat.elements))
    if common < elements:
        blocks.append(WidthUp(beat_in=Beat(common, beat.type), beat_out=Beat(elements, beat.type), beats=frame // common))
    return blocks
