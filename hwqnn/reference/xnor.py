"""Products of packed bits: with d bits of n in which x and w differ, their bipolar dot product is n - 2 d (Rastegari et al. 2016).
The words of a neuron's weights are its inputs in the sense of `tiles.py`.
"""

from __future__ import annotations

import numpy as np

from hwqnn.ir import MatMul, Threshold
from hwqnn.kernel import kernel
from hwqnn.reference import bits
from hwqnn.reference.bits import popcount
from hwqnn.reference.step import Step
from hwqnn.reference.tiles import tiled

_LANES = 8


def xnor_sum(op: MatMul) -> Step:
    """Packed bits (N, words) to accumulators, int32 (N, out)."""
    outputs, inputs = op.weight.shape
    weights = tiled(bits.pack(op.weight > 0), _LANES)

    def step(x: np.ndarray) -> np.ndarray:
        out = np.empty((len(x), outputs), np.int32)
        _sum(x, weights, inputs, out)
        return out

    return step


def xnor_threshold(op: MatMul, threshold: Threshold) -> Step:
    """Packed bits (N, words of in) to packed bits (N, words of out): a product and the one-level bipolar threshold after it."""
    outputs, inputs = op.weight.shape
    limit, flip = differing_limit(threshold, inputs, outputs)
    # Negating a neuron's weights makes d into inputs - d, so "d > limit" becomes "d < inputs - limit" and all compare in one direction.
    weights = tiled(bits.pack((op.weight > 0) ^ flip[:, None]), bits.WORD)
    limit = np.where(flip, inputs - limit - 1, limit)
    padded = np.full(weights.shape[0] * weights.shape[2], -1, np.int64)
    padded[:outputs] = limit
    limits = padded.reshape(weights.shape[0], weights.shape[2])
    width = bits.words(outputs)

    def step(x: np.ndarray) -> np.ndarray:
        out = np.empty((len(x), width), np.uint64)
        _threshold(x, weights, limits, out)
        return out

    return step


def differing_limit(op: Threshold, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """For each neuron a limit, int64, and whether to flip, bool: the output is +1 where (differing bits <= limit) != flip."""
    above = np.broadcast_to(op.thresholds[:, 0], outputs)
    # acc = inputs - 2 d >= t, so d <= (inputs - t) / 2, rounded down; d is in [0, inputs], so a limit outside [-1, inputs] says no more.
    limit = (inputs - np.clip(above, -inputs, inputs + 1)) // 2
    flip = np.broadcast_to(op.descending, outputs) ^ (op.step < 0)
    if op.step == 0:
        limit, flip = np.full(outputs, inputs), np.full(outputs, op.base < 0)
    return limit, flip


@kernel
def _differing(x, w, count):  # type: ignore[no-untyped-def]
    """count[o] = the bits in which x (words,) and w[:, o] differ; four words at a time, so that count is loaded and stored less often."""
    count[:] = 0
    whole = len(x) // 4 * 4
    for i in range(0, whole, 4):
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        for o in range(len(count)):
            count[o] += popcount(a ^ w[i, o]) + popcount(b ^ w[i + 1, o]) + popcount(c ^ w[i + 2, o]) + popcount(d ^ w[i + 3, o])
    for i in range(whole, len(x)):
        for o in range(len(count)):
            count[o] += popcount(x[i] ^ w[i, o])


@kernel
def _sum(x, weights, inputs, out):  # type: ignore[no-untyped-def]
    tile = weights.shape[2]
    count = np.empty(tile, np.uint64)
    for t in range(len(weights)):
        for n in range(len(x)):
            _differing(x[n], weights[t], count)
            for o in range(min(tile, out.shape[1] - t * tile)):
                out[n, t * tile + o] = inputs - 2 * np.int64(count[o])


@kernel
def _threshold(x, weights, limits, out):  # type: ignore[no-untyped-def]
    tile = weights.shape[2]
    count = np.empty(tile, np.uint64)
    for t in range(len(weights)):
        for n in range(len(x)):
            _differing(x[n], weights[t], count)
            for v in range(min(tile // 64, out.shape[1] - t * (tile // 64))):
                word = np.uint64(0)
                for j in range(64):
                    word |= np.uint64(np.int64(count[64 * v + j]) <= limits[t, 64 * v + j]) << np.uint64(j)
                out[n, t * (tile // 64) + v] = word
