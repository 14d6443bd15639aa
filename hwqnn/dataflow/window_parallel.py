"""The parallel sliding window: a whole window a beat, for convolutions of few channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, adder_carry4, counters
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Resources, Schedule
from hwqnn.dataflow.storage import block_ram, shift_registers, single_port_ram
from hwqnn.gates.delay import CLOCK_TO_OUT, chain
from hwqnn.ir import Geometry

_IN_A_LUT = 6
"""Bits of a counter that a LUT compares with a constant."""


class LineStore(IntEnum):
    """What lines wait in, as `rtl/delay_line.sv` numbers it."""

    SHIFT = 0
    RAM = 1
    BLOCK = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class ParallelWindow(MeasuredBlock):
    """Takes a pixel a step and gives in one beat all that lies under the kernel, in the order (kh, kw, channel); taps outside the map are the bit
    pattern 0. `beat_in.elements` is the map's channels, `beat_out.elements` that many for each tap.

    The step in which a pixel comes gives the window whose last tap it is. Windows that end to the right of a row are given while the next row begins,
    those that end behind the map in steps of their own.

    Attributes:
        bram: the lines wait in block RAM; else in LUTs, in what takes the fewest.
    """

    module: ClassVar[str] = "window_parallel"
    geometry: Geometry
    height: int
    width: int
    bram: bool = False

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
        where = {LineStore.SHIFT: "shift registers", LineStore.RAM: "LUT RAM", LineStore.BLOCK: "BRAM"}[self.line_store]
        return f"whole windows, {self.geometry.kernel[0] - 1} lines in {where}"

    @property
    def gap(self) -> int:
        """Steps from the last tap of a kernel's row to the first of the next one."""
        return self.geometry.dilation[0] * self.width - _reach(self.geometry)[1]

    @property
    def _line_bits(self) -> int:
        """Of all lines together."""
        return (self.geometry.kernel[0] - 1) * self.beat_in.bits

    @property
    def line_store(self) -> LineStore:
        if self.gap < 3 or not self._line_bits:
            return LineStore.SHIFT
        if self.bram:
            return LineStore.BLOCK
        return LineStore.RAM if self._ram_luts < shift_registers(self._line_bits, self.gap) else LineStore.SHIFT

    @property
    def _ram_luts(self) -> int:
        return single_port_ram(self._line_bits, self.gap) + (self.gap - 1).bit_length()

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
            "LINE_STORE": int(self.line_store),
        }

    @property
    def _place_bits(self) -> tuple[int, int]:
        """Of the row and the column that the steps are counted in."""
        first, (top, left, _, _) = -(-_first(self.geometry, self.width) // self.width), self.geometry.padding
        start = first * self.width - _first(self.geometry, self.width)
        rows = max((start + self.cycles - 1) // self.width, first + top) + 2
        return (rows - 1).bit_length(), max(self.width, left).bit_length()

    @property
    def _bounds(self) -> dict[str, float]:
        """Bits of rows, and of columns, that are compared with constants to tell whether a window is complete."""
        lines, across = self.geometry.output(self.height, self.width)
        first = -(-_first(self.geometry, self.width) // self.width)
        last_row, last_column = first + (lines - 1) * self.geometry.stride[0], (across - 1) * self.geometry.stride[1]
        rows, columns = counters(-(-self.cycles // self.width)).bits, counters(self.width).bits
        below, above = first > 0, last_row < (self.cycles - 1) // self.width
        looked_at = {"first row": rows * below, "last row": rows * above, "last column": columns * (last_column < self.width - 1)}
        return {name: -(-bits // _IN_A_LUT) for name, bits in looked_at.items()}

    @property
    def parts(self) -> Parts:
        bits, taps, (kh, kw), along = self.beat_in.bits, self.geometry.taps, self.geometry.kernel, self.geometry.dilation[1]
        gap, address = self.gap, counters(self.gap)
        inside_y, inside_x = self.geometry.inside(self.height, self.width)
        always = np.outer(inside_y.all(axis=0), inside_x.all(axis=0))  # on the map: these taps' registers are also the chain's
        match self.line_store:
            case LineStore.SHIFT:
                lines = Parts(Resources(lut=shift_registers(self._line_bits, gap), ff=self._line_bits * gap if gap <= 2 else 0))
            case LineStore.RAM:
                lines = Parts(
                    Resources(lut=single_port_ram(self._line_bits, gap), ff=address.bits),
                    {"line counter": address.luts, "line banks": self._line_bits * (gap > 64)},
                )
            case LineStore.BLOCK:
                cells = block_ram(self._line_bits, gap) + Resources(ff=address.bits, carry4=address.carry4)  # of the next address, too
                lines = Parts(cells, {"line counter": address.luts, "next address": address.bits})
        waits = bits * kh * (kw - 1)  # between the taps of a row
        row, column = self._place_bits
        strides, drains = counters(*self.geometry.stride), self.cycles > self.height * self.width
        later = np.diff(always[:, ::-1].astype(int), axis=1) > 0 if along == 2 else always[:0]  # a tap that joins its wait: a shift register of three
        joined = bits * int(later.sum())
        exact = Resources(
            lut=shift_registers(waits, along) + joined,
            ff=bits * (taps - int(always.sum()) + int(always[0, 0] if self.line_store is LineStore.SHIFT else always[:, 0].sum()))
            + (waits * along if along <= 2 else 0)
            - 3 * joined
            + row
            + column
            + strides.bits
            + 2
            + drains,
            carry4=adder_carry4(row)
            + adder_carry4(column)
            + strides.carry4
            + (adder_carry4(address.bits) if self.line_store is not LineStore.SHIFT else 0),
        )
        mapped = {
            "outside": float((~always).sum()),
            "outside rows": float((~inside_y.all(axis=0)).sum()),
            "outside columns": float((~inside_x.all(axis=0)).sum()),
            "row bits": row,
            "column bits": column,
            "strides": strides.luts,
            "striding": sum(n > 1 for n in self.geometry.stride),
            "rows": self.height > 1,
            "drains": drains,
            **self._bounds,
        }
        return Parts(exact, mapped) + lines

    @property
    def paths(self) -> Paths:
        row, column = self._place_bits
        drains, several = self.cycles > self.height * self.width, self.height > 1
        found: dict[str, Mapping[str, float]] = {"column": {"ns": CLOCK_TO_OUT + 0.26 + chain(column)}}
        found["frame"] = {"ns": CLOCK_TO_OUT + delays.equal(max(row, column)) + 0.8, "rows": several, "drains": drains}
        if several:
            found["row"] = {"ns": CLOCK_TO_OUT + 0.127 + chain(row) + 0.4}
        inside_y, inside_x = self.geometry.inside(self.height, self.width)
        if not (inside_y.all() and inside_x.all()):
            found["outside"] = {"ns": CLOCK_TO_OUT + 0.64 + 0.4 + delays.RESET}
        match self.line_store:
            case LineStore.RAM:
                found["line"] = {"ns": delays.RAM + 0.3, "several RAMs": self.gap > 64}
                found["line counter"] = {"ns": delays.counter(self.gap)}
            case LineStore.BLOCK:
                found["line"] = {"ns": delays.BLOCK}
                found["line counter"] = {"ns": delays.counter(self.gap)}
        return found


def _reach(geometry: Geometry) -> tuple[int, int]:
    """Rows and columns from a window's first tap to its last."""
    down, along = ((k - 1) * d for k, d in zip(geometry.kernel, geometry.dilation, strict=True))
    return down, along


def _first(geometry: Geometry, width: int) -> int:
    """The place in the row-major map of the first window's last tap."""
    (down, along), (top, left, _, _) = _reach(geometry), geometry.padding
    return (down - top) * width + along - left
