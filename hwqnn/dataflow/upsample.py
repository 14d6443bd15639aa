"""Nearest-neighbour upsampling in hardware."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import cost
from hwqnn.dataflow.design import Block, Buffering, Resources
from hwqnn.dataflow.ring import Ring, RingSize

_LUTS_PER_STATE = 1.1
"""Measured with yosys 0.70."""


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
class UpsampleBlock(Block):
    """Gives each pixel of a (height, width, channels) map `factor` = (down, across) times. beat_out is beat_in, whose elements divide `channels`."""

    module: ClassVar[str] = "upsample"
    factor: tuple[int, int]
    height: int
    width: int
    channels: int

    @property
    def walk(self) -> tuple[tuple[int, int], int, int, int]:
        """All that the reader's order depends on."""
        return self.factor, self.height, self.width, self.channels // self.beat_in.elements

    @property
    def size(self) -> RingSize:
        return _size(*self.walk)

    @property
    def style(self) -> str:
        return f"ring of {self.size.capacity} pixels in LUTs"

    @property
    def schedule(self) -> Buffering:
        return _ring(*self.walk).schedule(self.size, 1)

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
        }

    @property
    def estimate(self) -> Resources:
        walked = cost.counter_bits(self.height, self.width, *self.factor, self.size.beats)
        return self.size.estimate(self.beat_in.bits, walked, _LUTS_PER_STATE, bram=False)
