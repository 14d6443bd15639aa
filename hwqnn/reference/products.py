"""Every product of a network goes through here: its weights as panels for the micro-kernel, its results a cache's worth of windows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hwqnn.reference.microkernel import LANES, ROWS, sums
from hwqnn.reference.windows import Windows

_BLOCK = 1 << 19
"""Bytes of the sums handed out together: they should still be in a near cache when they are read."""


class Block(NamedTuple):
    """The sums of some windows, int32 or int64 (count, out), and which window of the batch the first one is."""

    sums: np.ndarray
    at: int


Sums = Callable[[np.ndarray], Iterator[Block]]
"""From maps (N, H, W, C) or vectors (N, C) to the sums of all windows, position after position, image after image."""


def sums_of(windows: Windows, weights: np.ndarray, groups: int = 1) -> Sums:
    """The sums of the products of windows and `weights` (out, kh, kw, elements of a pixel / groups), in the weights' dtype.

    Right wherever weights, what they multiply and the final sums fit: int16 into int32, packed bits (uint64) into int32, int64 into int64.
    """
    outputs, _, across, inputs = weights.shape
    taps, lanewise = windows.taps, outputs == groups > 1 and inputs == 1
    if groups == 1 and windows.geometry.dilation[1] == 1:  # the taps of a kernel row lie side by side
        taps, inputs = taps[:, :1], across * inputs
    runs = taps.flatten()
    parts = 1 if lanewise else groups  # each starts a new panel, so that some columns only fill up a vector
    vectors = 1 + (-(-outputs // parts // LANES[weights.dtype]) % 2 == 0)  # a panel is two vectors wide where that wastes none
    lanes = vectors * LANES[weights.dtype]
    if lanewise:
        panels = _panels(weights.reshape(1, outputs, len(runs), 1), lanes, 1)[..., 0]
        first, beyond = np.arange(len(panels)) * lanes, lanes
    else:
        step = 2 if weights.dtype == np.int16 else 1
        panels = _panels(weights.reshape(groups, outputs // groups, len(runs), inputs), lanes, step)
        first, beyond = np.arange(groups).repeat(len(panels) // groups) * inputs, inputs % step
    starts, size, positions = windows.starts, math.prod(windows.padded), math.prod(windows.positions)
    width, result = len(panels) * lanes, np.dtype(np.int64 if weights.dtype == np.int64 else np.int32)
    rows = max(1, _BLOCK // (width * result.itemsize * ROWS)) * ROWS

    def blocks(x: np.ndarray) -> Iterator[Block]:
        maps, total = windows.flat(x, weights.dtype, beyond), len(x) * positions
        for at in range(0, max(total, 1), rows):
            count = min(rows, total - at)
            out = np.empty((-(-count // ROWS) * ROWS, width), result)
            sums(maps, starts, size, at, total, first, runs, panels, vectors, out)
            real = out[:count].reshape(count, parts, width // parts)[..., : outputs // parts]
            yield Block(real.reshape(count, outputs), at)

    return blocks


def _panels(weights: np.ndarray, lanes: int, step: int) -> np.ndarray:
    """Weights (groups, out, runs, inputs) as (panels, runs * steps, lanes, step), zeros where outputs or inputs do not fill the last."""
    groups, outputs, runs, inputs = weights.shape
    panels, steps = -(-outputs // lanes), -(-inputs // step)
    padded = np.zeros((groups, panels * lanes, runs, steps * step), weights.dtype)
    padded[:, :outputs, :, :inputs] = weights
    tiles = padded.reshape(groups * panels, lanes, runs * steps, step)
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3))


def joined(parts: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """What came of the blocks, (count, C) each, as one array (*shape, C)."""
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return whole.reshape(*shape, whole.shape[-1])
