"""Thresholds that lie evenly, as those of a uniform quantizer do, counted by one multiplication: floor(slope * x + offset), within [0, levels].

Of those that a value x has reached, count(x) = #{j : x >= t[j]}, j from 0. The function of floats f(x) = trunc(clamp(slope * x + offset, 0, levels))
never falls as x rises, for each of its operations rounds monotonically and slope >= 0. So f = count on every integer if for every j
f(t[j]) >= j + 1 and f(t[j] - 1) <= j, where these are values that can come. `line` looks for such lines and has `_line` itself prove them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwqnn.ir import smallest
from hwqnn.kernel import kernel
from hwqnn.reference.step import Step, storage

_FLOATS = ((np.float32, 1 << 24), (np.float64, 1 << 53))
"""The faster one first, and up to where every integer is one of its values."""


@dataclass(frozen=True, eq=False)
class Line:
    """`slope` and `offset`, float32 or float64 (C,), that count up to `levels`."""

    slope: np.ndarray
    offset: np.ndarray
    levels: int

    def step(self, base: np.ndarray, step: np.ndarray) -> Step:
        """From integers (N, ..., C) to base + step * count, of the dtype of `base` and `step` (C,)."""
        channels = len(base)

        def count(x: np.ndarray) -> np.ndarray:
            x = np.ascontiguousarray(x, x.dtype if x.dtype in (np.int32, np.int64) else np.int16)
            out = np.empty(x.shape, base.dtype)
            repeat = x.shape[-2] if x.ndim > 2 else 1  # a row of pixels at a time, so that few channels fill the vectors, too
            constants = (np.tile(of, repeat) for of in (self.slope, self.offset, base, step))
            _line(x.reshape(-1, repeat * channels), self.slope.dtype.type(self.levels), *constants, out.reshape(-1, repeat * channels))
            return out

        return count


def line(levels: np.ndarray, least: np.ndarray, most: np.ndarray) -> Line | None:
    """The line that counts `levels`, int64 (levels, C), ascending, in values that lie in [least, most], int64 (C,); None if no such line is found."""
    if not len(levels):
        return None
    slope, offset = _candidate(levels, least, most)
    for dtype, exact in _FLOATS:
        found = Line(slope.astype(dtype), offset.astype(dtype), len(levels))
        if max(-least.min(), most.max()) <= exact and _proven(found, levels, least, most):
            return found
    return None


def _proven(found: Line, levels: np.ndarray, least: np.ndarray, most: np.ndarray) -> bool:
    """Whether the line is right at both sides of every threshold, and so everywhere."""
    zero, one = np.zeros(len(least), np.int32), np.ones(len(least), np.int32)
    count, j = found.step(zero, one), np.arange(len(levels))[:, None]
    kind = storage(smallest(int(least.min()), int(most.max())))
    above = count(np.clip(levels, least, most).astype(kind)) > j
    below = count(np.clip(levels - 1, least, most).astype(kind)) <= j
    right = (above | (levels > most)) & (below | (levels <= least))
    return bool(right.all() and (found.slope >= 0).all())


def _candidate(levels: np.ndarray, least: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes > 0 and offsets, float64 (C,), of the lines that keep farthest from where they would miss a level.

    Level j is met where t[j] - 1 < apart * (j + 1) + start <= t[j], with slope = 1 / apart and offset = -start / apart. For each `apart` this is an
    interval of starts, whose width is concave in `apart`: a ternary search finds the widest.
    """
    steps = np.arange(1, len(levels) + 1)[:, None]
    reached, missed = levels <= most, levels > least

    def interval(apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        to = np.where(reached, levels - apart * steps, np.inf).min(axis=0)
        return np.where(missed, levels - 1 - apart * steps, -np.inf).max(axis=0), to

    low, high = np.full(len(most), 2.0**-8), (most - least + 2).astype(float)
    for _ in range(80):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        widths = [to - start for start, to in (interval(a), interval(b))]
        low, high = np.where(widths[0] < widths[1], a, low), np.where(widths[0] < widths[1], high, b)
    apart = (low + high) / 2
    low, high = interval(apart)
    start = np.where(np.isinf(low), high - 1, np.where(np.isinf(high), low + 1, (low + high) / 2))
    return 1 / apart, -start / apart


@kernel
def _line(x, levels, slope, offset, base, step, out):  # type: ignore[no-untyped-def]
    """Row by row, without branches; `x` and `out` are (N, C), contiguous. Without fast math, so each operation rounds by itself."""
    for n in range(len(x)):
        for c in range(x.shape[1]):
            reached = slope.dtype.type(x[n, c]) * slope[c] + offset[c]
            reached = reached if reached > slope.dtype.type(0) else slope.dtype.type(0)
            reached = reached if reached < levels else levels
            out[n, c] = base[c] + step[c] * np.int32(reached)
