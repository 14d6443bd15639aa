"""Where a sliding window looks: kernel, stride, dilation and padding over a map of height and width, as torch means them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Geometry:
    """A window over (H, W). A one-dimensional signal is a map of height 1.

    Attributes:
        kernel, stride, dilation: (height, width).
        padding: (top, left, bottom, right), positions outside the map that the window may cover.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def taps(self) -> int:
        """Positions in one window."""
        return self.kernel[0] * self.kernel[1]

    def problem(self, height: int, width: int) -> str | None:
        """Why it cannot slide over a map of this size; None when it can."""
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            return f"kernel {self.kernel}, stride {self.stride} and dilation {self.dilation} must be at least 1, padding {self.padding} at least 0"
        if min(self.output(height, width)) < 1:
            return f"a kernel of {self.kernel} with dilation {self.dilation} and padding {self.padding} is larger than the map of {(height, width)}"
        return None

    def output(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of what comes out."""
        top, left, bottom, right = self.padding
        sizes = (height + top + bottom, width + left + right)
        rows, columns = ((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, self.kernel, self.stride, self.dilation, strict=True))
        return rows, columns

    def rows(self, height: int) -> np.ndarray:
        """int64 (output height, kernel height): the input row under each kernel row; outside [0, height) it is padding."""
        return _positions(self.output(height, 1 << 30)[0], self.kernel[0], self.stride[0], self.dilation[0], self.padding[0])

    def columns(self, width: int) -> np.ndarray:
        """int64 (output width, kernel width): the input column under each kernel column; outside [0, width) it is padding."""
        return _positions(self.output(1 << 30, width)[1], self.kernel[1], self.stride[1], self.dilation[1], self.padding[1])

    def inside(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """bool (output height, kernel height) and (output width, kernel width): a tap lies in the map where both hold."""
        rows, columns = self.rows(height), self.columns(width)
        return (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)


def _positions(outputs: int, kernel: int, stride: int, dilation: int, before: int) -> np.ndarray:
    return np.arange(outputs)[:, None] * stride + np.arange(kernel) * dilation - before
