"""Nearest-neighbour upsampling in hardware."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import cost
from hwqnn.dataflow.design import Block, Buffering, Resources
from hwqnn.dataflow.ring import Ring

_LUTS_PER_STATE = 1.1
"""Measured with yosys 0.70."""


@lru_cache(maxsize=32)
def upsample_ring(factor: tuple[int, int], height: int, width: int, beats: int) -> Ring:
    """What an upsampler's reader does: each row `factor[0]` times, each of its pixels `factor[1]` times, all of a pixel's beats each time."""
    shape = (height, factor[0], width, factor[1], beats)  # in the order of the steps
    row, time, column, _, _ = np.ogrid[tuple(slice(n) for n in shape)]
    tap = row * width + column
    oldest = row * width + (time == factor[0] - 1) * column  # all of the row, until it is read for the last time

    def steps(per_pixel: np.ndarray) -> np.ndarray:
        return np.broadcast_to(per_pixel, shape).reshape(-1)

    return Ring(steps(tap), steps(np.array(True)), steps(oldest), height * width, beats)


@dataclass(frozen=True, eq=False, kw_only=True)
class UpsampleBlock(Block):
    """Gives each pixel of a (height, width, channels) map `factor` = (down, across) times. beat_out is beat_in, whose elements divide `channels`."""

    module: ClassVar[str] = "upsample"
    factor: tuple[int, int]
    height: int
    width: int
    channels: int

    @property
    def ring(self) -> Ring:
        return upsample_ring(self.factor, self.height, self.width, self.channels // self.beat_in.elements)

    @property
    def schedule(self) -> Buffering:
        return self.ring.schedule(1)

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
            "CAPACITY": self.ring.capacity,
            "COUNT_BITS": self.ring.count_bits,
        }

    @property
    def estimate(self) -> Resources:
        walked = cost.counter_bits(self.height, self.width, *self.factor, self.ring.beats)
        return self.ring.estimate(self.beat_in.bits, walked, _LUTS_PER_STATE, bram=False)
