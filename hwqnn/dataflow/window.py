"""The sliding-window unit: turns a map into the stream of its kernel windows, for convolutions and pools."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, adder_carry4, counters, rom_luts
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Buffering, Memory, Resources
from hwqnn.dataflow.pack import memory
from hwqnn.dataflow.ring import Ring, RingSize
from hwqnn.gates.delay import CLOCK_TO_OUT
from hwqnn.ir import Geometry


def _ring(geometry: Geometry, height: int, width: int, beats: int, tile_beats: int) -> Ring:
    """What a window's reader does: for each output pixel, for each tile of a pixel's beats, for each tap, for each beat of the tile."""
    rows, columns = geometry.rows(height), geometry.columns(width)
    lines, across = len(rows), len(columns)
    inside_y, inside_x = geometry.inside(height, width)
    shape = (lines, across, beats // tile_beats, *geometry.kernel, tile_beats)  # in the order of the steps
    tap = rows[:, None, None, :, None, None] * width + columns[:, None, None, :, None]
    reads = inside_y[:, None, None, :, None, None] & inside_x[:, None, None, :, None]

    # A window's first tap is the oldest pixel wanted, unless so much padding surrounds the map that the next line, or frame, starts before it: then
    # windows past `free_across`, or lines past `free_lines`, let nothing go.
    down, along = geometry.stride[0] * width, geometry.stride[1]
    free_across = min(across - 1, down // along)
    every_line = (lines - 1) * down + free_across * along <= height * width
    free_lines = min(lines - 1, height // geometry.stride[0])
    line, position = np.arange(lines)[:, None], np.arange(across)
    oldest = rows[0, 0] * width + columns[0, 0] + np.minimum(line, free_lines) * down
    oldest = oldest + (every_line | (line < free_lines)) * np.minimum(position, free_across) * along

    def steps(per_tap: np.ndarray) -> np.ndarray:
        return np.broadcast_to(per_tap, shape).reshape(-1)

    return Ring(steps(tap), steps(reads), steps(oldest[:, :, None, None, None, None]), height * width, beats)


@cache
def _size(geometry: Geometry, height: int, width: int, beats: int, tile_beats: int) -> RingSize:
    return _ring(geometry, height, width, beats, tile_beats).size


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(MeasuredBlock):
    """Stores the map in a ring of pixels and gives for each output pixel the elements under the kernel: for each tile of `tile` channels, for each
    kernel row and column, the tile's beats. `tile` divides `channels`, `beat_in.elements` divides `tile`; beat_out is beat_in.

    Attributes:
        pad: what a tap outside the map gives, as the bit pattern of each channel, int64 (channels,); or one for all.
        bram: the ring lies in block RAM instead of LUTs.
    """

    module: ClassVar[str] = "window"
    geometry: Geometry
    height: int
    width: int
    channels: int
    tile: int
    pad: np.ndarray | int
    bram: bool

    @property
    def beats(self) -> int:
        """Beats a pixel."""
        return self.channels // self.beat_in.elements

    @property
    def walk(self) -> tuple[Geometry, int, int, int, int]:
        """All that the reader's order depends on."""
        return self.geometry, self.height, self.width, self.beats, self.tile // self.beat_in.elements

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
        return self.beats * max(self.height * self.width, math.prod(self.geometry.output(self.height, self.width)) * self.geometry.taps)

    @property
    def pads(self) -> np.ndarray:
        """int64 (rows, elements of a beat): the pad words; no rows for zeros, one when all beats are alike."""
        words = np.broadcast_to(self.pad, (self.channels,)).reshape(self.beats, -1)
        if not any(self.geometry.padding) or not words.any():
            return words[:0]
        return words[:1] if (words == words[0]).all() else words

    @property
    def parameters(self) -> dict[str, int]:
        top, left, bottom, right = self.geometry.padding
        return {
            "BITS": self.beat_in.type.bits,
            "E": self.beat_in.elements,
            "CHANNELS": self.channels,
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
            "TILE": self.tile,
            "CAPACITY": self.size.capacity,
            "COUNT_BITS": self.size.count_bits,
            "BLOCK_RAM": int(self.bram),
            "PAD_ROWS": len(self.pads),
        }

    @property
    def memories(self) -> dict[str, Memory]:
        return {"PAD_FILE": memory(self.pads, self.beat_in.type.bits)} if len(self.pads) else {}

    @property
    def parts(self) -> Parts:
        tile_beats, beats = self.tile // self.beat_in.elements, self.beats
        tiled = 1 < tile_beats < beats  # then the beat of a pixel is more than that of a tile
        loops = [counters(n).bits for n in (*self.geometry.kernel, tile_beats)]
        count, whole = counters(*self.geometry.kernel, tile_beats), counters(beats).bits if tile_beats < beats else 0
        (top, left, _, _), places = self.geometry.padding, self._places
        padded = any(place.pads for place in places)
        exact = Resources(
            lut=rom_luts(self.pads, self.beat_in.type.bits),
            ff=sum(loops) + whole + sum(place.bits for place in places) + (top + left > 0) + self._told + padded,
            carry4=sum(map(adder_carry4, loops)) + adder_carry4(whole) + sum(adder_carry4(place.bits) for place in places),
        )
        mapped = {
            "counters": count.luts,
            "tiles": counters(beats).luts if tile_beats < beats else 0,
            "beats of tiles": whole * tiled,
            "position bits": sum(place.bits for place in places),
            "sides": sum(place.pads for place in places),
            "first pads": top + left > 0,
            **self._moves,
        }
        step = min((_zeros(move) for move in self._walk["back"]), default=0)
        return Parts(exact, mapped) + self.size.parts(self.beat_in.bits, bram=self.bram, pads=len(self.pads), padded=padded, still=step)

    @property
    def paths(self) -> Paths:
        """Through the loops to the positions, and through the ring."""
        (lines, across), places = self.geometry.output(self.height, self.width), self._places
        loops = (self.tile // self.beat_in.elements, *self.geometry.kernel, self.channels // self.tile)
        place = {
            "ns": CLOCK_TO_OUT + 0.4 + delays.added(max(1, *(place.bits for place in places))),
            "loops": sum(n > 1 for n in (*loops, across, lines)),
            "compared": sum(n > 4 for n in loops),  # in a LUT of its own
            "turns": max((_turns(bits) for bits in _patterns(self._walk["row moves"], places[0].bits + places[0].still)), default=0),
            "sides": sum(place.pads for place in places),
        }
        ring = self.size.paths(self.beat_in.bits, bram=self.bram, pads=len(self.pads), late=0.0)
        return {**delays.control(*loops), "place": place, **ring}

    @property
    def _told(self) -> int:
        """Registers that tell the ring of a step: that there is one, its beat, whether it is the last, moves; equal bits share theirs."""
        moves = {pattern for name in ("back", "free") for pattern in _patterns(self._walk[name], self.size.count_bits)}
        last = (0,) * (len(self._walk["back"]) - 1) + (1,)
        return 1 + counters(self.beats).bits + len({pattern for pattern in (*moves, last) if len(set(pattern)) > 1})

    @property
    def _moves(self) -> dict[str, int]:
        """What the loops that end with a step, each inside the next one, choose the step's moves by: functions of two of these ends or more. A bit
        that changes at one end only is that end itself."""
        bits = {"back": self.size.count_bits, "free": self.size.count_bits}
        bits |= dict(zip(("row moves", "column moves"), (place.bits + place.still if place.bits else 0 for place in self._places), strict=True))
        return {name: _choices(values, bits[name]) for name, values in self._walk.items()}

    @cached_property
    def _walk(self) -> dict[str, list[int]]:
        """By how much a step moves, when so many loops end as can, and the next one goes on."""
        (lines, across), (kh, kw), (sy, sx) = self.geometry.output(self.height, self.width), self.geometry.kernel, self.geometry.stride
        (dy, dx), (top, left, _, _), width = self.geometry.dilation, self.geometry.padding, self.width
        loops = (self.tile // self.beat_in.elements, kw, kh, self.channels // self.tile, across, lines)
        reach_y, reach_x, line = (kh - 1) * dy, (kw - 1) * dx, (across - 1) * sx
        span, last_row, last_column = reach_y * width + reach_x, (lines - 1) * sy + reach_y - top, line + reach_x - left
        frame = span + (lines - 1) * sy * width + line - self.height * width
        happens = [n > 1 for n in loops] + [True]
        moves = {
            "back": (0, -dx, reach_x - dy * width, span, span - sx, span + line - sy * width, frame),
            "free": (0, 0, 0, 0, -sx, line - sy * width, line + (lines - 1) * sy * width - self.height * width),
            "row moves": (0, 0, dy, -reach_y, -reach_y, sy - reach_y, -top - last_row),
            "column moves": (0, dx, -reach_x, -reach_x, sx - reach_x, -left - last_column, -left - last_column),
        }
        return {name: [v for v, h in zip(values, happens, strict=True) if h] for name, values in moves.items()}

    @cached_property
    def _places(self) -> tuple[_Place, _Place]:
        """Of a tap's row and column."""
        (height, width), of = (self.height, self.width), self.geometry
        (lines, across), (down, along) = of.output(height, width), (of.stride[0] * width, of.stride[1])
        free_across, free_lines = min(across - 1, down // along), min(lines - 1, height // of.stride[0])
        every_line = (lines - 1) * down + free_across * along <= height * width
        rows = _Place.of(height, of.padding[0], of.rows(height), self._walk["row moves"], lines > 1 or not (every_line or free_lines == lines))
        return rows, _Place.of(width, of.padding[1], of.columns(width), self._walk["column moves"], across > 1 or free_across < across - 1)


@dataclass(frozen=True)
class _Place:
    """A row or a column that a window's reader counts: bits that change, lower ones that stand still, and whether it may lie outside the map."""

    bits: int
    still: int
    pads: bool

    @classmethod
    def of(cls, size: int, before: int, taps: np.ndarray, moves: list[int], ends: bool) -> _Place:
        """Of a side of the map with padding `before` it. Where its end tells nothing, and there is no padding, nobody counts."""
        pads = before > 0 or int(taps.max()) >= size
        if not pads and not ends:
            return cls(0, 0, False)
        bits = counters(max(int(taps.max()) + 1, size) + before).bits
        still = min(bits, min(map(_zeros, moves)))
        return cls(bits - still, still, pads)


_MANY = 64
"""More than any number has bits."""


def _zeros(number: int) -> int:
    """How many of a number's lowest bits are 0."""
    return (number & -number).bit_length() - 1 if number else _MANY


def _choices(values: list[int], bits: int) -> int:
    """How many different functions, of two ends or more, the bits of a value are that the number of loops that end chooses."""
    return sum(_turns(pattern) > 1 for pattern in _patterns(values, bits))


def _turns(pattern: tuple[int, ...]) -> int:
    """How often a bit changes from one number of loops that end to the next."""
    return sum(a != b for a, b in itertools.pairwise(pattern))


def _patterns(values: list[int], bits: int) -> set[tuple[int, ...]]:
    """Of each bit, what it is for so many loops that end."""
    return {tuple(value >> k & 1 for value in values) for k in range(bits)}
