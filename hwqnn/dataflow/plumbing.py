"""What joins two blocks: FIFOs that decouple them, and converters between beats of different width."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import gcd
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, counters
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Beat, Buffering, Resources, Schedule
from hwqnn.dataflow.storage import block_ram, choose_luts, lut_ram, shift_registers
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, chain


class FifoStore(IntEnum):
    """What a FIFO keeps its beats in, as `rtl/fifo.sv` numbers it.

    Attributes:
        SHIFT: shift registers, at least two beats. RAM: registers up to two beats, else LUT RAM; a power of two. BLOCK: block RAM, a power of two.
    """

    SHIFT = 0
    RAM = 1
    BLOCK = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Fifo(MeasuredBlock):
    """A FIFO, in the memory that takes the fewest LUTs.

    Attributes:
        depth: beats; with one, it takes a beat every second cycle.
        bram: in block RAM, `depth` a power of two from 4 on: two cycles slower.
    """

    module: ClassVar[str] = "fifo"
    depth: int
    bram: bool = False

    @property
    def store(self) -> FifoStore:
        if self.bram:
            return FifoStore.BLOCK
        if self.depth == 1 or (self.depth.bit_count() == 1 and _ram_luts(self._bits, self.depth) <= _shift_luts(self._bits, self.depth)):
            return FifoStore.RAM
        return FifoStore.SHIFT

    @property
    def _bits(self) -> int:
        """With the last flag."""
        return self.beat_in.bits + 1

    @property
    def style(self) -> str:
        ram = "registers" if self.depth <= 2 else "LUT RAM"
        return f"{self.depth} beats in " + {FifoStore.SHIFT: "shift registers", FifoStore.RAM: ram, FifoStore.BLOCK: "BRAM"}[self.store]

    @property
    def schedule(self) -> Buffering:
        return Buffering(takes=1, need=np.ones(1, dtype=np.int64), free=np.zeros(1, dtype=np.int64), capacity=self.depth, depth=2 if self.bram else 0)

    @property
    def parameters(self) -> dict[str, int]:
        return {"WIDTH": self.beat_in.bits, "DEPTH": self.depth, "STORE": int(self.store)}

    @property
    def costs(self) -> str:
        return f"fifo of {self.store.name.lower()}"

    @property
    def parts(self) -> Parts:
        bits, depth, address = self._bits, self.depth, (self.depth - 1).bit_length()
        match self.store:
            case FifoStore.SHIFT:
                rows = -(-depth // 128)  # four shift registers in a row meet in MUXF7 and MUXF8, more rows in LUTs
                kept = Resources(lut=shift_registers(bits, depth) + bits * -(-(rows - 1) // 3)) if depth > 2 else Resources(lut=bits, ff=2 * bits)
                return Parts(kept + Resources(ff=address + 2, carry4=-(-address // 4) if depth > 4 else 0), {"address": address})
            case FifoStore.RAM if depth <= 2:
                exact = Resources(lut=-(-bits // 2) if depth == 2 else 0, ff=depth * (bits + depth))
                return Parts(exact, {"registers": 1, "two": depth == 2})
            case FifoStore.RAM:
                return Parts(Resources(lut=lut_ram(bits, depth) + _address_luts(depth), ff=2 * address + 2))
            case _:
                return Parts(block_ram(bits, depth) + Resources(lut=_address_luts(depth), ff=2 * address + 4 + bits))

    @property
    def paths(self) -> Paths:
        bits, depth = counters(self.depth).bits, self.depth
        # the next address, and whether it is the other one
        fills = {"ns": CLOCK_TO_OUT + (delays.lut(min(bits, 6)) + 0.492 if bits > 4 else LUT + 0.365)}
        match self.store:
            case FifoStore.SHIFT:
                return {"read": {"ns": delays.shift_register(depth)}, "address": {"ns": CLOCK_TO_OUT + 0.5 + delays.added(max(1, bits))}}
            case FifoStore.RAM if depth <= 2:
                return {"handshake": {"ns": 1.0, "two": depth == 2}}
            case FifoStore.RAM:
                return {"read": {"ns": delays.lut_ram(depth)}, "address": fills}
            case _:
                return {"read": {"ns": delays.block_ram(self._bits, depth)}, "address": fills}


def _shift_luts(bits: int, depth: int) -> int:
    """Four shift registers of a bit are joined for free; three more such groups want a LUT."""
    groups = -(-depth // 128)
    registers = bits if depth == 2 else shift_registers(bits, depth) + bits * -(-(groups - 1) // 3)
    return registers + 2 * (depth - 1).bit_length() + 5


def _ram_luts(bits: int, depth: int) -> int:
    if depth <= 2:
        return 4 if depth == 1 else 8 + -(-bits // 2)
    return lut_ram(bits, depth) + _address_luts(depth) + 5


_STEPS = (0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 5, 5, 5, 5, 5)
"""LUTs of `rtl/de_bruijn.sv`, by its bits."""


def _address_luts(depth: int) -> int:
    """Of the two addresses of `rtl/fifo_ram.sv`: how each goes on, and whether it then is the other one (`rtl/same.sv`)."""
    address = (depth - 1).bit_length()
    threes = -(-address // 3)
    return 2 * (_STEPS[address] + threes + (threes > 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class WidthDown(MeasuredBlock):
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
    def parts(self) -> Parts:
        part = counters(self.ratio)
        return Parts(
            Resources(lut=choose_luts(self.beat_out.bits, self.ratio), ff=self.beat_in.bits + part.bits + 2, carry4=part.carry4),
            {"counter": part.luts},
        )

    @property
    def paths(self) -> Paths:
        bits = counters(self.ratio).bits
        seen = (
            delays.equal(bits) + 0.407 + delays.RESET if bits > 2 else (0.238 if bits == 2 else 0.0) + delays.FIRST
        )  # a bit or two melt into the counter
        last = {"ns": CLOCK_TO_OUT + seen}
        chosen = {"ns": CLOCK_TO_OUT + delays.choose(self.ratio), "many": self.ratio > 16}
        return {"handshake": {"ns": 1.0}, "last": last, "counter": {"ns": _counted(bits)}, "chosen": chosen}


@dataclass(frozen=True, eq=False, kw_only=True)
class WidthUp(MeasuredBlock):
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
    def parts(self) -> Parts:
        part = counters(self.ratio)
        exact = Resources(ff=self.beat_out.bits - self.beat_in.bits + part.bits + (self.ratio > 2), carry4=part.carry4)
        return Parts(exact, {"parts": self.ratio, "counter": part.luts})

    @property
    def paths(self) -> Paths:
        bits = counters(self.ratio).bits
        stored = {"ns": CLOCK_TO_OUT + delays.equal(bits) + 0.109, "many": self.ratio > 32}
        return {"handshake": {"ns": 1.0}, "counter": {"ns": _counted(bits)}, "stored": stored}


def _counted(bits: int) -> float:
    return CLOCK_TO_OUT + (0.407 if bits <= 2 else 0.127 + chain(bits))


def convert(beat: Beat, elements: int, frame: int) -> list[WidthDown | WidthUp]:
    """The converters that turn `beat` into beats of `elements`, for frames of `frame` elements: none, one, or down to the common divisor and up."""
    common = gcd(beat.elements, elements)
    blocks: list[WidthDown | WidthUp] = []
    if common < beat.elements:
        blocks.append(WidthDown(beat_in=beat, beat_out=Beat(common, beat.type), beats=frame // beat.elements))
    if common < elements:
        blocks.append(WidthUp(beat_in=Beat(common, beat.type), beat_out=Beat(elements, beat.type), beats=frame // common))
    return blocks
