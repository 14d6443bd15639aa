"""Nearest-neighbour upsampling in hardware."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, adder_carry4, counters
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Buffering, Resources
from hwqnn.dataflow.ring import Ring, RingSize


def _ring(factor: tuple[int, int], height: int, width: int, beats: int) -> Ring:
    """What an upsampler's reader does: each row `factor[0]` times, each of its pixels `factor[1]` times, all of a pixel's beats each time."""
    shape = (height, factor[0], width, factor[1], beats)  # in the order of the steps
    row, time, column, _, _ = np.ogrid[tuple(slice(n) for n in shape)]
    tap = row * width + column
    oldest = row * width + (time == factor[0] - 1) * column  # all of the row, until it is read for the last time

    def steps(per_pixel: np.ndarray) -> np.ndarray:
        return np.broadcast_to(per_pixel, shape).reshape(-1)

    return Ring(steps(tap), steps(np.array(True)), steps(oldest), height * width, beats)


@cache
def _size(factor: tuple[int, int], height: int, width: int, beats: int) -> RingSize:
    return _ring(factor, height, width, beats).size


@dataclass(frozen=True, eq=False, kw_only=True)
class UpsampleBlock(MeasuredBlock):
    """Gives each pixel of a (height, width, channels) map `factor` = (down, across) times. beat_out is beat_in, whose elements divide `channels`.

    Attributes:
        bram: the ring lies in block RAM instead of LUTs.
    """

    module: ClassVar[str] = "upsample"
    factor: tuple[int, int]
    height: int
    width: int
    channels: int
    bram: bool = False

    @property
    def walk(self) -> tuple[tuple[int, int], int, int, int]:
        """All that the reader's order depends on."""
        return self.factor, self.height, self.width, self.channels // self.beat_in.elements

    @property
    def size(self) -> RingSize:
        return _size(*self.walk)

    @property
    def style(self) -> str:
        return f"ring of {self.size.capacity} pixels in " + ("BRAM" if self.bram else "LUTs")

    @property
    def schedule(self) -> Buffering:
        return _ring(*self.walk).schedule(self.size, 2 if self.bram else 1)

    @property
    def cycles(self) -> int:
        return math.prod((*self.factor, self.height, self.width, self.size.beats))

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "BITS": self.beat_in.type.bits,
            "E": self.beat_in.elements,
            "CHANNELS": self.channels,
            "HEIGHT": self.height,
            "WIDTH": self.width,
            "FACTOR_H": self.factor[0],
            "FACTOR_W": self.factor[1],
            "CAPACITY": self.size.capacity,
            "COUNT_BITS": self.size.count_bits,
            "BLOCK_RAM": int(self.bram),
        }

    @property
    def parts(self) -> Parts:
        count = counters(self.size.beats, *self.factor, self.width, self.height)
        bits = [counters(self.size.beats).bits, *(max(1, counters(n).bits) for n in (*self.factor, self.width, self.height))]
        own = Parts(Resources(ff=sum(bits), carry4=sum(map(adder_carry4, bits))), {"counters": count.luts})
        return own + self.size.parts(self.beat_in.bits, bram=self.bram, pads=0, padded=False, still=0)

    @property
    def paths(self) -> Paths:
        counts = (self.size.beats, *self.factor, self.width, self.height)
        goes_back = self.factor[0] > 1 and self.width > 4  # at the end of a line; a counter of two bits melts into what asks it
        late = delays.equal(counters(self.width).bits) if goes_back else 0.0
        return {**delays.control(*counts), **self.size.paths(self.beat_in.bits, bram=self.bram, pads=0, late=late)}
