"""A convolution's windows over the maps of a batch, where they lie in memory, and where they hang over the edge of the map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.ir import Conv, Edge, Geometry, MatMul


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a geometry over maps of `height` x `width` pixels of `pixel` elements: channels, or words of packed bits."""

    geometry: Geometry
    height: int
    width: int
    pixel: int

    @classmethod
    def of(cls, op: MatMul | Conv, source: Edge, pixel: int) -> Windows:
        """Those of a convolution; a matrix product has one of a single position."""
        if isinstance(op, MatMul):
            return cls(Geometry((1, 1)), 1, 1, pixel)
        height, width, _ = source.shape
        return cls(op.geometry, height, width, pixel)

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

    @property
    def padded(self) -> tuple[int, int, int]:
        """The shape of a map with its padding around it."""
        top, left, bottom, right = self.geometry.padding
        return top + self.height + bottom, left + self.width + right, self.pixel

    @property
    def starts(self) -> np.ndarray:
        """Which element of a padded map each position's window starts at, int64 (H' * W',)."""
        return self._places(self.positions, self.geometry.stride).reshape(-1)

    @property
    def taps(self) -> np.ndarray:
        """How many elements after the start of its window each tap lies, int64 (kh, kw)."""
        return self._places(self.geometry.kernel, self.geometry.dilation)

    def _places(self, counts: tuple[int, int], apart: tuple[int, int]) -> np.ndarray:
        down, across = (np.arange(count) * distance for count, distance in zip(counts, apart, strict=True))
        return (down[:, None] * self.padded[1] + across) * self.pixel

    def flat(self, x: np.ndarray, dtype: np.dtype, beyond: int) -> np.ndarray:
        """Maps (N, H, W, C) or vectors (N, C) with their padding around them, zeros, one after another; and `beyond` more elements of any value."""
        if x.dtype == dtype and not any(self.geometry.padding) and not beyond:
            return np.ascontiguousarray(x).reshape(-1)
        size = len(x) * math.prod(self.padded)
        out: np.ndarray = (np.zeros if any(self.geometry.padding) else np.empty)(size + beyond, dtype)
        top, left, _, _ = self.geometry.padding
        maps = out[:size].reshape(len(x), *self.padded)
        maps[:, top : top + self.height, left : left + self.width] = x.reshape(len(x), self.height, self.width, self.pixel)
        return out
