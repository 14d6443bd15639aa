"""How weights lie for every product kernel: in tiles of neurons, neurons innermost, as (tiles, inputs, neurons a tile).

So one SIMD register holds the same input's weights of several neurons, nothing is summed across lanes, and a tile stays in a near cache
while the whole batch passes by.
"""

from __future__ import annotations

import numpy as np

_TILE = 256


def tiled(weights: np.ndarray, multiple: int) -> np.ndarray:
    """Weights (out, in) as (tiles, in, neurons a tile), zeros after the last neuron; neurons a tile is a multiple of `multiple`, at most 256."""
    outputs, inputs = weights.shape
    tiles = -(-outputs // _TILE)
    tile = -(-outputs // (tiles * multiple)) * multiple
    padded = np.zeros((tiles * tile, inputs), weights.dtype)
    padded[:outputs] = weights
    return np.ascontiguousarray(padded.reshape(tiles, tile, inputs).transpose(0, 2, 1))
