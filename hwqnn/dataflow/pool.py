"""Max pooling in hardware: the greatest, or the least, of what a window gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import cost
from hwqnn.dataflow.design import Block, Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory


@dataclass(frozen=True, eq=False, kw_only=True)
class PoolBlock(Block):
    """Reduces `taps` beats in a row, lane by lane, to one. The beats come for each pixel, for each tile of `beat_in.elements` channels, for each tap:
    as from a window whose tile is a beat. beat_out is beat_in.

    Attributes:
        taps: positions under the kernel. channels, pixels: of the output map.
        minimum: bool (channels or 1,): where set, the least wins, not the greatest.
    """

    module: ClassVar[str] = "pool"
    taps: int
    channels: int
    pixels: int
    minimum: np.ndarray

    @property
    def lanes(self) -> int:
        return self.beat_in.elements

    @property
    def fold(self) -> int:
        """Tiles a pixel."""
        return self.channels // self.lanes

    @property
    def schedule(self) -> Schedule:
        step = np.arange(self.cycles)
        every = np.ones(len(step), dtype=bool)
        return Schedule(every, every, step % self.taps == self.taps - 1, 1)

    @property
    def cycles(self) -> int:
        return self.pixels * self.fold * self.taps

    @property
    def least(self) -> np.ndarray:
        """bool (rows, lanes): the lanes where the least wins; no rows when nowhere, one when all tiles are alike."""
        words = np.broadcast_to(self.minimum, (self.channels,)).reshape(self.fold, self.lanes)
        if not words.any():
            return words[:0]
        return words[:1] if (words == words[0]).all() else words

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "PE": self.lanes,
            "FOLD": self.fold,
            "TAPS": self.taps,
            "PIXELS": self.pixels,
            "BITS": self.beat_in.type.bits,
            "SIGNED": int(kind(self.beat_in.type) == 2),
            "MIN_ROWS": len(self.least),
        }

    @property
    def memories(self) -> dict[str, Memory]:
        return {"MIN_FILE": memory(self.least.astype(np.int64), 1)} if len(self.least) else {}

    @property
    def estimate(self) -> Resources:
        bits, rows = self.beat_in.type.bits, len(self.least)
        counters = cost.counter_bits(self.taps, self.pixels * self.fold)
        compared = 1.0 if bits <= 2 else 0.85 * bits  # a lane's LUTs, measured with yosys
        masks = cost.rom_luts(self.lanes, rows) + 2 * rows.bit_length() if rows > 1 else 0.0
        return Resources(
            lut=self.lanes * compared + masks + counters + 3,
            ff=self.beat_in.bits + counters + 2 + (self.lanes + rows.bit_length() if rows > 1 else 0),
            carry4=self.lanes if bits >= 8 else 0,
        )
