"""The parallel sliding window: a whole window a beat, for convolutions of few channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import cost
from hwqnn.dataflow.design import Block, Resources, Schedule
from hwqnn.ir import Geometry


@dataclass(frozen=True, eq=False, kw_only=True)
class ParallelWindow(Block):
    """Takes a pixel a step and gives in one beat all that lies under the kernel, in the order (kh, kw, channel); taps outside the map are the bit
    pattern 0. `beat_in.elements` is the map's channels, `beat_out.elements` that many for each tap.

    The step in which a pixel comes gives the window whose last tap it is. Windows that end to the right of a row are given while the next row begins,
    those that end behind the map in steps of their own.
    """

    module: ClassVar[str] = "window_parallel"
    geometry: Geometry
    height: int
    width: int

    @staticmethod
    def problem(geometry: Geometry, height: int, width: int) -> str | None:
        """Why no map of this size can be walked so; None when it can. There has to be much padding for that."""
        if _first(geometry, width) < 0:
            return "a window lies before the map"
        if (geometry.output(height, width)[1] - 1) * geometry.stride[1] >= width:
            return "a line's windows begin further apart than the map is wide"
        if geometry.kernel[0] > 1 and geometry.dilation[0] * width <= _reach(geometry)[1]:
            return "the kernel is wider than the map"
        return None

    @property
    def _give(self) -> np.ndarray:
        """int64 (windows,): the step in which each is given."""
        lines, across = self.geometry.output(self.height, self.width)
        line, position = np.arange(lines)[:, None], np.arange(across)
        return (_first(self.geometry, self.width) + line * self.geometry.stride[0] * self.width + position * self.geometry.stride[1]).reshape(-1)

    @property
    def cycles(self) -> int:
        lines, across = self.geometry.output(self.height, self.width)
        down, along = self.geometry.stride
        return max(self.height * self.width, _first(self.geometry, self.width) + (lines - 1) * down * self.width + (across - 1) * along + 1)

    @property
    def style(self) -> str:
        return f"whole windows, {self.geometry.kernel[0] - 1} lines in shift registers"

    @property
    def schedule(self) -> Schedule:
        step = np.arange(self.cycles)
        take = step < self.height * self.width
        return Schedule(take, take, np.isin(step, self._give), 1)

    @property
    def parameters(self) -> dict[str, int]:
        top, left, bottom, right = self.geometry.padding
        return {
            "BITS": self.beat_in.bits,
            "HEIGHT": self.height,
            "WIDTH": self.width,
            "KERNEL_H": self.geometry.kernel[0],
            "KERNEL_W": self.geometry.kernel[1],
            "STRIDE_H": self.geometry.stride[0],
            "STRIDE_W": self.geometry.stride[1],
            "DILATION_H": self.geometry.dilation[0],
            "DILATION_W": self.geometry.dilation[1],
            "TOP": top,
            "LEFT": left,
            "BOTTOM": bottom,
            "RIGHT": right,
        }

    @property
    def estimate(self) -> Resources:
        bits, taps, (kh, kw), (down, along) = self.beat_in.bits, self.geometry.taps, self.geometry.kernel, self.geometry.dilation
        gap = down * self.width - _reach(self.geometry)[1]
        waits = (along,) * (kh * (kw - 1)) + (gap,) * (kh - 1)  # in steps; one or two are registers
        inside_y, inside_x = self.geometry.inside(self.height, self.width)
        always = np.outer(inside_y.all(axis=0), inside_x.all(axis=0))  # on the map: these taps' registers are also the chain's
        counters = cost.counter_bits(self.cycles, *self.geometry.stride)
        return Resources(
            lut=bits * sum(-(-n // 32) for n in waits if n > 2) + (~always).sum() + 1.7 * counters + 5 + 3 * (self.cycles > self.height * self.width),
            ff=bits * (taps + sum(n for n in waits if n <= 2) - always.sum() + always[0, 0]) + counters + 3,
            carry4=counters / 3,
        )


def _reach(geometry: Geometry) -> tuple[int, int]:
    """Rows and columns from a window's first tap to its last."""
    down, along = ((k - 1) * d for k, d in zip(geometry.kernel, geometry.dilation, strict=True))
    return down, along


def _first(geometry: Geometry, width: int) -> int:
    """The place in the row-major map of the first window's last tap."""
    (down, along), (top, left, _, _) = _reach(geometry), geometry.padding
    return (down - top) * width + along - left
