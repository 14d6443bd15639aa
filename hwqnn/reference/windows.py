"""A convolution's windows as the rows of a product, a cache's worth at a time, and where they hang over the edge of the map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.ir import Conv, Edge, Geometry, MatMul
from hwqnn.kernel import kernel

_BLOCK = 1 << 18
"""Bytes of the rows handed out together: they should still be in a near cache when they are read."""

ROWS = 4
"""The product kernels take so many rows at a time."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some windows as rows of a product.

    Attributes:
        rows: (groups, count rounded up to a multiple of `ROWS`, taps * channels / groups); those past `count` are 0.
        count: how many windows.
        at: which window of the batch the first one is.
    """

    rows: np.ndarray
    count: int
    at: int


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a geometry over maps of `height` x `width`."""

    geometry: Geometry
    height: int
    width: int

    @classmethod
    def of(cls, op: MatMul | Conv, source: Edge) -> Windows:
        """Those of a convolution; a matrix product has one of a single position."""
        return cls(op.geometry, *source.shape[:2]) if isinstance(op, Conv) else cls(Geometry((1, 1)), 1, 1)

    @property
    def positions(self) -> tuple[int, int]:
        """(H', W')."""
        return self.geometry.output(self.height, self.width)

    @cached_property
    def classes(self) -> tuple[np.ndarray, np.ndarray]:
        """The different patterns of taps inside the map, bool (classes, taps), and the class of each position, int64 (H' * W',)."""
        rows, columns = self.geometry.inside(self.height, self.width)
        inside = rows[:, None, :, None] & columns[None, :, None, :]
        patterns, of = np.unique(inside.reshape(-1, self.geometry.taps), axis=0, return_inverse=True)
        return patterns, of.reshape(-1)

    def blocks(self, x: np.ndarray, dtype: type, groups: int = 1) -> Iterator[Block]:
        """Windows of maps (N, H, W, C) or vectors (N, C), position after position, image after image, as rows of `dtype` for each group of channels.

        Taps outside the map are 0.
        """
        maps = self._padded(x.reshape(len(x), self.height, self.width, x.shape[-1]), dtype)
        line, pixel = maps.shape[2] * maps.shape[3], maps.shape[3]
        (high, wide), (down, across), (dilated, apart) = self.positions, self.geometry.stride, self.geometry.dilation
        starts = (np.arange(high)[:, None] * down * line + np.arange(wide) * across * pixel).reshape(-1)
        runs = np.arange(self.geometry.kernel[0])[:, None] * dilated * line + np.arange(self.geometry.kernel[1]) * apart * pixel
        length = pixel // groups
        if apart == 1 and groups == 1:  # the taps of a kernel row lie side by side
            runs, length = runs[:, :1], pixel * runs.shape[1]
        runs = runs.reshape(-1)
        total, size = len(x) * len(starts), length * len(runs)
        step = max(ROWS, _BLOCK // (groups * size * np.dtype(dtype).itemsize) // ROWS * ROWS)
        for at in range(0, max(total, 1), step):
            count = min(step, total - at)
            rows: np.ndarray = np.empty((groups, -(-count // ROWS) * ROWS, size), dtype)
            rows[:, count:] = 0
            for group, part in enumerate(rows):
                _gather(maps.reshape(len(x), math.prod(maps.shape[1:])), starts, runs + group * length, length, at, part[:count])
            yield Block(rows, count, at)

    def _padded(self, maps: np.ndarray, dtype: type) -> np.ndarray:
        """The maps with their padding around them."""
        top, left, bottom, right = self.geometry.padding
        if not any(self.geometry.padding):
            return np.ascontiguousarray(maps, dtype)
        out: np.ndarray = np.zeros((len(maps), top + self.height + bottom, left + self.width + right, maps.shape[3]), dtype)
        out[:, top : top + self.height, left : left + self.width] = maps
        return out


def joined(parts: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """What came of the blocks, (count, C) each, as one array (*shape, C)."""
    found = list(parts)
    whole = found[0] if len(found) == 1 else np.concatenate(found)
    return whole.reshape(*shape, whole.shape[-1])


@kernel
def _gather(maps, starts, runs, length, at, rows):  # type: ignore[no-untyped-def]
    """Row i becomes window at + i of the batch: from each of `runs`, an offset from the window's start, `length` elements of the flat map."""
    for i in range(len(rows)):
        n, position = divmod(at + i, len(starts))
        for r in range(len(runs)):
            source = starts[position] + runs[r]
            for c in range(length):
                rows[i, r * length + c] = maps[n, source + c]
