"""The parallel sliding window: a whole window a beat, for convolutions of few channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, adder_carry4, counters, support
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Resources, Schedule
from hwqnn.dataflow.storage import block_ram, shift_registers, single_port_ram
from hwqnn.gates.delay import CLOCK_TO_OUT, chain
from hwqnn.ir import Geometry


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
    def _words(self) -> int:
        """Of a RAM."""
        return self.gap - (self.line_store is LineStore.BLOCK)

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
        top, left, _, _ = self.geometry.padding
        rows = max((self._start_column + self.cycles - 1) // self.width, self._first_row + top) + 2
        return (rows - 1).bit_length(), max(self.width, left).bit_length()

    @property
    def _conditions(self) -> dict[str, np.ndarray]:
        """Tables over all rows, or all columns, of what stands behind a boundary; of the kernel's rows and columns that are never outside, none."""
        (down, along), (kh, kw) = self.geometry.stride, self.geometry.kernel
        (dh, dw), (top, left, _, _) = self.geometry.dilation, self.geometry.padding
        lines, across = self.geometry.output(self.height, self.width)
        first, start = self._first_row, self._start_column
        row, column = (np.arange(1 << bits) for bits in self._place_bits)
        last_row, last_column = first + (lines - 1) * down, (across - 1) * along
        found = {
            "row ends": column == self.width - 1,
            "row gives": (row >= first) & (row <= last_row) & ((row - first) % _told(down) == 0),
            "column gives": (column <= last_column) & (column % _told(along) == 0),
        }
        steps = {"end": self.cycles - 1}
        if self._drains:
            steps["taken"] = self.height * self.width - 1
        if int(self._give[-1]) < self.cycles - 1:
            steps["given"] = int(self._give[-1])
        for name, step in steps.items():
            y, x = divmod(start + step, self.width)
            found[f"{name} row"] = row == y
            if name != "end" or x < self.width - 1:  # else it is where a row ends
                found[f"{name} column"] = column == x
        for y in range(kh):
            on = first + top - y * dh
            found[f"row {y}"] = (row < on) & (on > first) | (row >= on + self.height) & (on + self.height <= last_row)
        for x in range(kw):
            on = left - x * dw
            found[f"column {x}"] = (column < on) & (on > 0) | (column >= on + self.width) & (on + self.width <= last_column)
        return found

    @property
    def parts(self) -> Parts:
        bits, taps, (kh, kw), along = self.beat_in.bits, self.geometry.taps, self.geometry.kernel, self.geometry.dilation[1]
        gap, address = self.gap, counters(self._words)
        inside_y, inside_x = self.geometry.inside(self.height, self.width)
        always = np.outer(inside_y.all(axis=0), inside_x.all(axis=0))  # on the map: these taps' registers are also the chain's
        match self.line_store:
            case LineStore.SHIFT:
                lines = Parts(Resources(lut=shift_registers(self._line_bits, gap), ff=self._line_bits * gap if gap <= 2 else 0))
            case LineStore.RAM:
                cells = Resources(lut=single_port_ram(self._line_bits, gap) + address.untold_luts, ff=address.bits)
                lines = Parts(cells, {"line banks": self._line_bits * (gap > 64)})
            case LineStore.BLOCK:
                lines = Parts(block_ram(self._line_bits, self._words) + Resources(lut=address.untold_luts, ff=address.bits))
        waits = bits * kh * (kw - 1)  # between the taps of a row
        later = np.diff(always[:, ::-1].astype(int), axis=1) > 0 if along == 2 else always[:0]  # a tap that joins its wait: a shift register of three
        joined = bits * int(later.sum())
        row, column = self._place_bits
        phases = [counters(n).bits for n in self.geometry.stride if _told(n) < n]
        exact = Resources(
            lut=shift_registers(waits, along) + joined,
            ff=bits * (taps - int(always.sum()) + int(always[0, 0] if self.line_store is LineStore.SHIFT else always[:, 0].sum()))
            + (waits * along if along <= 2 else 0)
            - 3 * joined
            + row
            + column
            + sum(phases)
            + 2
            + self._drains,
            carry4=adder_carry4(row)
            + adder_carry4(column)
            + sum(map(adder_carry4, phases))
            + (address.carry4 if self.line_store is not LineStore.SHIFT else 0),
        )
        conditions = self._conditions
        outside_rows = sum(bool(conditions[f"row {y}"].any()) for y in range(kh))
        outside_columns = sum(bool(conditions[f"column {x}"].any()) for x in range(kw))
        resets = (outside_rows + (outside_rows < kh)) * (outside_columns + (outside_columns < kw)) - (outside_rows < kh and outside_columns < kw)
        different = {(name.startswith("row") or name.endswith("row"), table.tobytes()): table for name, table in conditions.items()}
        mapped = {
            "conditions": sum(map(_condition_luts, different.values())),
            "resets": resets,
            "start": self._start_column.bit_count(),
            "short counters": sum(n - 1 for n in (row, column) if n <= 2),
            "phases": len(phases),
            "bits of phases": sum(n - 2 for n in phases),
            "drains": self._drains,
        }
        return Parts(exact, mapped) + lines

    @property
    def _first_row(self) -> int:
        return -(-_first(self.geometry, self.width) // self.width)

    @property
    def _start_column(self) -> int:
        """Of the first step, whose row is 0."""
        return self._first_row * self.width - _first(self.geometry, self.width)

    @property
    def _drains(self) -> bool:
        """There are steps behind the last pixel's."""
        return self.cycles > self.height * self.width

    @property
    def paths(self) -> Paths:
        row, column = self._place_bits
        several = self.height > 1
        found: dict[str, Mapping[str, float]] = {"column": {"ns": CLOCK_TO_OUT + 0.26 + chain(column)}}
        found["frame"] = {"ns": CLOCK_TO_OUT + delays.equal(max(row, column)) + 0.8, "rows": several, "drains": self._drains}
        if any(_told(n) < n for n in self.geometry.stride):
            found["phases"] = {
                "ns": CLOCK_TO_OUT + delays.equal(max(row, column)) + 2 * 0.407 + delays.RESET,
                "bits": max(counters(n).bits for n in self.geometry.stride) - 2,
                "lines": _told(self.geometry.stride[0]) < self.geometry.stride[0],
            }
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
                found["line counter"] = {"ns": delays.counter(self._words)}
        return found


def _told(stride: int) -> int:
    """The stride, if the place itself tells it; else 1."""
    return stride if stride.bit_count() == 1 else 1


def _wide(bits: int) -> int:
    """LUTs of a condition that so many bits tell."""
    return 1 if bits <= 6 else -(-(bits - 1) // 5)


def _condition_luts(table: np.ndarray) -> int:
    """Of a condition with a value for each word: bits that do not matter take nothing."""
    inputs = int(support(table[:, None], counters(len(table)).bits)[0])
    return 0 if inputs == 0 or (inputs == 1 and table[-1]) else _wide(inputs)


def _reach(geometry: Geometry) -> tuple[int, int]:
    """Rows and columns from a window's first tap to its last."""
    down, along = ((k - 1) * d for k, d in zip(geometry.kernel, geometry.dilation, strict=True))
    return down, along


def _first(geometry: Geometry, width: int) -> int:
    """The place in the row-major map of the first window's last tap."""
    (down, along), (top, left, _, _) = _reach(geometry), geometry.padding
    return (down - top) * width + along - left
