"""The ring buffer inside the sliding window and the upsampler: what its reader looks at, and how many pixels it must hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import Parts, adder_carry4, counters
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Buffering, Resources
from hwqnn.dataflow.storage import block_ram, lut_ram
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT
from hwqnn.ir import smallest
from hwqnn.kernel import kernel

_FRAMES = 4
"""The last interval between so many frames is the one that stays."""


@dataclass(frozen=True)
class RingSize:
    """What `rtl/ring_buffer.sv` is built for.

    Attributes:
        beats: of a pixel.
        capacity: pixels, a power of two.
        count_bits: of its two signed differences.
    """

    beats: int
    capacity: int
    count_bits: int

    def parts(self, bits: int, *, bram: bool, pads: int, padded: bool, still: int) -> Parts:
        """Of `rtl/ring_buffer.sv`.

        Args:
            bits: of a beat.
            bram: the ring lies in block RAM.
            pads: pad words other than zeros. padded: some steps read padding.
            still: so many of the read address' lowest bits never change.
        """
        words, pixel = self.capacity * self.beats, self.capacity.bit_length() - 1
        beat, moving = counters(self.beats), max(0, pixel - still)
        kept = Resources(lut=lut_ram(bits, words), ff=bits)
        if bram:
            kept = block_ram(bits, words) + Resources(ff=bits + padded + bits * (pads > 1))
        carries = 2 * adder_carry4(self.count_bits + 1) + adder_carry4(pixel) + adder_carry4(moving)
        ff = beat.bits + pixel + moving + 2 * self.count_bits + (4 if bram else 2)
        exact = kept + Resources(ff=ff, carry4=carries + adder_carry4(beat.bits))
        mapped = {
            "count bits": self.count_bits,
            "pixel bits": pixel + moving,
            "written beats": beat.luts,
            "padded": bits * (pads > 1 and not bram),
            "padded behind block RAM": bits * (pads > 1 and bram),
            "block RAM": bram,
            "may pad": padded,
        }
        return Parts(exact, mapped)

    def paths(self, bits: int, *, bram: bool, pads: int, late: float) -> Paths:
        """Of the same, of beats of so many bits; `late`: ns that the surrounding block takes to tell the step, 0 where a register does."""
        words = self.capacity * self.beats
        read = delays.block_ram(bits, words) if bram else delays.lut_ram(words)
        moved, written = late + 0.44 if late else LUT, delays.equal(counters(self.beats).bits) + 0.238
        return {
            "count": {"ns": CLOCK_TO_OUT + moved + delays.added(self.count_bits + 1)},
            "written": {"ns": CLOCK_TO_OUT + written + delays.added(self.count_bits + 1)},
            "block RAM" if bram else "read": {"ns": read + 0.2 * (pads > 1)},
        }


@dataclass(frozen=True, eq=False)
class Ring:
    """One frame of a reader of pixels, as `rtl/ring_buffer.sv` sees it.

    Attributes:
        tap: int64 (steps,), the pixel of the frame that each step looks at.
        reads: bool (steps,), false where that lies outside the map: the step gives padding, and waits for nothing but the frame's first pixel.
        oldest: int64 (steps,), nondecreasing: no step from this one on reads an earlier pixel. Negative where the frame before is still held.
        pixels: of a frame. beats: of a pixel.
    """

    tap: np.ndarray
    reads: np.ndarray
    oldest: np.ndarray
    pixels: int
    beats: int

    @cached_property
    def need(self) -> np.ndarray:
        """int64 (steps,), pixels of the frame that must be there before each step."""
        return np.where(self.reads, self.tap + 1, 1)

    @property
    def size(self) -> RingSize:
        """The capacity is the least power of two with which a reader that is never stalled, behind a writer that never pauses, makes every frame in
        max(beats to write, steps) cycles, as it would with an endless memory: found by running it."""
        capacity = 2
        while capacity < (self.need - self.oldest).max():
            capacity *= 2
        best = max(self.pixels * self.beats, len(self.tap))
        while _interval(self.need, self.oldest, self.pixels, self.beats, capacity, _FRAMES) > best:
            capacity *= 2

        # what is surely written before a step: all that earlier steps needed, in this frame and the one before
        before = np.maximum.accumulate(np.concatenate([[self.need.max() - self.pixels], self.need[:-1]]))
        looks = self.reads.copy()
        looks[0] = True  # padding, too, waits there
        ahead = (before - self.tap - 1)[looks].min()  # of the tap's pixel
        held = (before - self.oldest).min() - capacity
        return RingSize(self.beats, capacity, smallest(min(int(ahead), int(held)), capacity - 1).bits)

    def schedule(self, size: RingSize, depth: int) -> Buffering:
        beats = self.beats
        return Buffering(self.pixels * beats, self.need * beats, self.oldest * beats, size.capacity * beats, depth)


@kernel
def _interval(need, oldest, pixels, beats, capacity, frames):  # type: ignore[no-untyped-def]
    """Cycles from the end of the last but one frame to that of the last."""
    steps = len(need)
    written = start = cycle = previous = interval = 0  # `written` and `start`, of the frame, in beats
    for _ in range(frames):
        i = 0
        while i < steps:
            step = written >= start + need[i] * beats
            written += written < start + (oldest[i] + capacity) * beats
            i += step
            cycle += 1
        start += pixels * beats
        interval = cycle - previous
        previous = cycle
    return interval
