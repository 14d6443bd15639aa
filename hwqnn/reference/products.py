"""Every product of a network goes through here: its weights as panels for the micro-kernel, its results a cache's worth of windows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hwqnn.reference.microkernel import LANES, ROWS, sums
from hwqnn.reference.windows import Windows

_BLOCK = 1 << 18
"""Bytes of the sums handed out together: they should still be in a near cache when they are read."""


class Block(NamedTuple):
    """The sums of some windows, (count, out), int32 or int64, and which window of the batch the first one is."""

    sums: np.ndarray
    at: int


Sums = Callable[[np.ndarray], Iterator[Block]]
"""From maps (N, H, W, C) or vectors (N, C) to the sums of all windows, position after position, image after image."""


def sums_of(windows: Windows, weights: np.ndarray, groups: int = 1) -> Sums:
    """The products of windows and `weights` (out, kh, kw, elements of a pixel / groups), both of the weights' dtype: see `LANES`.

    Right wherever the weights, what they multiply and the final sums fit: int16 into int32, int64 into int64, packed bits (uint64) into int32.
    """
    outputs, _, across, inputs = weights.shape
    lanes = LANES[weights.dtype]
    taps, lanewise = windows.taps, outputs == groups and inputs == 1 and weights.dtype.kind == "i"
    if groups == 1 and windows.geometry.dilation[1] == 1:  # the taps of a kernel row lie side by side
        taps, inputs = taps[:, :1], across * inputs
    runs = taps.flatten()
    if lanewise:
        panels = _panels(weights.reshape(1, outputs, -1, 1), lanes, 1)[..., 0]
        first = np.arange(len(panels)) * lanes
    else:
        panels = _panels(weights.reshape(groups, outputs // groups, len(runs), inputs), lanes, 2 if weights.dtype == np.int16 else 1)
        first = np.arange(groups).repeat(len(panels) // groups) * inputs
    parts = 1 if lanewise else groups  # each starts a new panel, so that some columns only fill up a vector
    starts, size, positions = windows.starts, math.prod(windows.padded), math.prod(windows.positions)
    beyond = lanes if lanewise else inputs % 2 if weights.dtype == np.int16 else 0
    result = np.dtype(np.int64 if weights.dtype == np.int64 else np.int32)
    width = len(panels) * lanes
    rows = max(1, _BLOCK // (width * result.itemsize * ROWS)) * ROWS

    def blocks(x: np.ndarray) -> Iterator[Block]:
        maps, total = windows.flat(x, weights.dtype, beyond), len(x) * positions
        for at in range(0, max(total, 1), rows):
            count = min(rows, total - at)
            out = np.empty((-(-count // ROWS) * ROWS, width), result)
            sums(maps, starts, size, at, total, first, runs, panels, out)
            real = out[:count].reshape(count, parts, width // parts)[..., : outputs // parts]
            yield Block(real.reshape(count, outputs), at)

    return blocks


def _panels(weights: np.ndarray, lanes: int, step: int) -> np.ndarray:
    """Weights (groups, out, runs, inputs) as (panels, runs * steps, lanes, step), with zeros where outputs and inputs do not fill the last of them."""
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
