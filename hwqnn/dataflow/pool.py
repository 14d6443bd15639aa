"""Max pooling in hardware: the greatest, or the least, of what a window gives, or of a map's pixels as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import SHORT, MeasuredBlock, Parts, counters, greater, rom_luts
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Memory, Resources, Schedule
from hwqnn.dataflow.pack import kind, memory
from hwqnn.dataflow.storage import single_port_ram
from hwqnn.gates.delay import CLOCK_TO_OUT
from hwqnn.ir import Geometry


@dataclass(frozen=True, eq=False, kw_only=True)
class Pooling(MeasuredBlock):
    """What both blocks have: `beat_in.elements` lanes, one for each channel of a tile. beat_out is beat_in.

    Attributes:
        channels: of the map.
        minimum: bool (channels or 1,): where set, the least wins, not the greatest.
    """

    channels: int
    minimum: np.ndarray

    @property
    def lanes(self) -> int:
        return self.beat_in.elements

    @property
    def fold(self) -> int:
        """Tiles a pixel."""
        return self.channels // self.lanes

    @property
    def least(self) -> np.ndarray:
        """bool (rows, lanes): the lanes where the least wins; no rows when nowhere, one when all tiles are alike."""
        words = np.broadcast_to(self.minimum, (self.channels,)).reshape(self.fold, self.lanes)
        if not words.any():
            return words[:0]
        return words[:1] if (words == words[0]).all() else words

    @property
    def parameters(self) -> dict[str, int]:
        """Those that both modules have."""
        return {
            "PE": self.lanes,
            "FOLD": self.fold,
            "BITS": self.beat_in.type.bits,
            "SIGNED": int(kind(self.beat_in.type) == 2),
            "MIN_ROWS": len(self.least),
        }

    @property
    def memories(self) -> dict[str, Memory]:
        return {"MIN_FILE": memory(self.least.astype(np.int64), 1)} if len(self.least) else {}

    @property
    def _chosen(self) -> int:
        """LUTs that choose a lane's value; a register's enable takes none."""
        return 0

    @property
    def _lanes(self) -> Parts:
        """Comparisons, and what tells where the least wins."""
        bits, rows = self.beat_in.type.bits, len(self.least)
        row = counters(max(1, rows))
        masks = Resources(lut=rom_luts(self.least.astype(np.int64), 1), ff=self.lanes + row.bits, carry4=row.carry4) if rows > 1 else Resources()
        lane = Resources(lut=1 + (self._chosen if bits > 1 else 0)) + (greater(bits) if bits > 2 else Resources())
        return Parts(masks + lane * self.lanes + Resources(ff=self.beat_in.bits), {"masks": row.untold_luts})


@dataclass(frozen=True, eq=False, kw_only=True)
class PoolBlock(Pooling):
    """Reduces `taps` beats in a row, lane by lane, to one. The beats come for each pixel, for each tile of `beat_in.elements` channels, for each tap:
    as from a window whose tile is a beat.

    Attributes:
        taps: positions under the kernel. pixels: of the output map.
    """

    module: ClassVar[str] = "pool"
    taps: int
    pixels: int

    @property
    def schedule(self) -> Schedule:
        step = np.arange(self.cycles)
        every = np.ones(len(step), dtype=bool)
        return Schedule(every, every, step % self.taps == self.taps - 1, 1)

    @property
    def cycles(self) -> int:
        return self.pixels * self.fold * self.taps

    @property
    def parameters(self) -> dict[str, int]:
        return super().parameters | {"TAPS": self.taps, "PIXELS": self.pixels}

    @property
    def parts(self) -> Parts:
        count = counters(self.taps, self.pixels * self.fold)
        second = self.lanes * (len(self.least) > 1 and self.beat_in.type.bits == 2)  # of seven inputs
        steps = Resources(lut=second, ff=count.bits + 2, carry4=count.carry4)
        few = {"few taps": self.taps <= 4, "few beats": self.pixels * self.fold <= 2}  # such counters melt into what asks
        return self._lanes + Parts(steps, {"counters": count.luts, **few})

    @property
    def paths(self) -> Paths:
        mixed, bits = len(self.least), self.beat_in.type.bits
        best = {"ns": CLOCK_TO_OUT + delays.greater(bits) + 0.3, "mixed": mixed > 0, "rows": mixed > 1}
        return {**delays.control(self.taps, self.pixels * self.fold), "best": best}


@dataclass(frozen=True, eq=False, kw_only=True)
class StreamPool(Pooling):
    """Pools a (height, width, channels) map with windows that tile it: takes each beat as it comes, and keeps the best of each window so far.

    Attributes:
        geometry: `tiles` holds for it.
    """

    module: ClassVar[str] = "pool_stream"
    geometry: Geometry
    height: int
    width: int

    @staticmethod
    def tiles(geometry: Geometry) -> bool:
        """Whether the windows lie side by side, on the map: the stride is the kernel, nothing pads."""
        return geometry.stride == geometry.kernel and geometry.dilation == (1, 1) and not any(geometry.padding)

    @property
    def schedule(self) -> Schedule:
        (kh, kw), (lines, columns) = self.geometry.kernel, self.geometry.output(self.height, self.width)
        row, column = np.arange(self.height)[:, None], np.arange(self.width)
        gives = (row % kh == kh - 1) & (row < lines * kh) & (column % kw == kw - 1) & (column < columns * kw)
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, every, np.repeat(gives.reshape(-1), self.fold), 1)

    @property
    def cycles(self) -> int:
        return self.height * self.width * self.fold

    @property
    def style(self) -> str:
        return "the best of each window of a row in LUT RAM"

    @property
    def _words(self) -> int:
        """Of its RAM; one is a register."""
        return (self.geometry.output(self.height, self.width)[1] if self.geometry.kernel[0] > 1 else 1) << (self.fold - 1).bit_length()

    @property
    def _chosen(self) -> int:
        return -(-self.beat_in.type.bits // 2)

    @property
    def parameters(self) -> dict[str, int]:
        kh, kw = self.geometry.kernel
        return super().parameters | {"HEIGHT": self.height, "WIDTH": self.width, "KERNEL_H": kh, "KERNEL_W": kw}

    @property
    def parts(self) -> Parts:
        kh, kw = self.geometry.kernel
        words = self._words
        count = counters(self.fold, kw, -(-self.width // kw), kh, -(-self.height // kh))
        bits = self.beat_in.bits
        shared = self.width % kw == 0  # the best so far is also the output's register
        kept = Resources(ff=0 if shared else bits) if words == 1 else Resources(lut=single_port_ram(bits, words))
        still = (self.width <= kw) + (self.height <= kh)  # counters of one place, which their boundary hides
        steps = Parts(kept + Resources(ff=count.bits + still + 2, carry4=count.carry4), {"counters": count.luts})
        return self._lanes + steps

    @property
    def paths(self) -> Paths:
        (kh, kw), mixed, compared = self.geometry.kernel, len(self.least), delays.greater(self.beat_in.type.bits)
        found = dict(delays.control(self.fold, kw, -(-self.width // kw), kh, -(-self.height // kh)))
        if self._words == 1:
            return found | {"kept": {"ns": CLOCK_TO_OUT + compared + 0.55}}
        several = counters(-(-self._words // 64)).bits
        best = {"ns": delays.RAM + compared + 0.85, "several RAMs": several > 0, "RAMs": several, "mixed": mixed > 0}
        bits, first = self.beat_in.type.bits, counters(kw, kh).bits
        by_luts = {"single bits": bits == 1, "deep and single bits": bits == 1 and self._words > 32, "few bits": 3 < bits <= SHORT}
        return found | {"best": best | by_luts | {"first": first}}
