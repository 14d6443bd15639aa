"""Products of packed bits: with d bits of n in which x and w differ, their bipolar dot product is n - 2 d (Rastegari et al. 2016).
The words of a neuron's weights are its inputs in the sense of `tiles.py`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqnn.ir import Conv, Edge, MatMul, Threshold
from hwqnn.kernel import kernel
from hwqnn.reference import bits
from hwqnn.reference.bits import popcount
from hwqnn.reference.step import Step
from hwqnn.reference.tiles import tiled
from hwqnn.reference.windows import Block, Windows, joined

_LANES = 8


def xnor_sum(op: MatMul | Conv, source: Edge, target: Edge, then: Step | None = None) -> Step:
    """Packed bits (N, ..., words) to accumulators, int32 (N, *shape); or to what `then`, the step of a threshold, makes of them block by block."""
    windows = Windows.of(op, source)
    weights = tiled(_packed_rows(op.weight > 0), _LANES)
    start, of = _padded_differing(op, windows)
    base = (windows.classes[0].sum(axis=1) * op.weight.shape[-1])[:, None] + 2 * start

    def multiplied(block: Block) -> np.ndarray:
        (rows,) = block.rows
        out = np.empty((len(rows), len(op.weight)), np.int32)
        _sum(rows, weights, base, of, block.at, out)
        return out[: block.count] if then is None else then(out[: block.count])

    return lambda x: joined(map(multiplied, windows.blocks(x, np.uint64)), (len(x), *target.shape[:-1]))


def xnor_threshold(op: MatMul | Conv, threshold: Threshold, source: Edge, target: Edge) -> Step:
    """Packed bits (N, ..., words) to packed bits (N, ..., words of the outputs): a product and the one-level bipolar threshold after it."""
    outputs = len(op.weight)
    windows = Windows.of(op, source)
    inputs = windows.classes[0].sum(axis=1) * op.weight.shape[-1]
    limit, flip = differing_limit(threshold, inputs, outputs)
    # Negating a neuron's weights makes d into inputs - d, so "d > limit" becomes "d < inputs - limit" and all compare in one direction.
    negated = np.where(flip.reshape(-1, *[1] * (op.weight.ndim - 1)), -op.weight, op.weight)
    weights = tiled(_packed_rows(negated > 0), bits.WORD)
    start, of = _padded_differing(replace(op, weight=negated), windows)
    limit = np.where(flip, inputs[:, None] - limit - 1, limit) + start
    padded = np.full((len(limit), weights.shape[0] * weights.shape[2]), -1, np.int64)
    padded[:, :outputs] = limit
    limits = padded.reshape(len(limit), weights.shape[0], weights.shape[2])

    def multiplied(block: Block) -> np.ndarray:
        (rows,) = block.rows
        out = np.empty((len(rows), bits.words(outputs)), np.uint64)
        _threshold(rows, weights, limits, of, block.at, out)
        return out[: block.count]

    return lambda x: joined(map(multiplied, windows.blocks(x, np.uint64)), (len(x), *target.shape[:-1]))


def differing_limit(op: Threshold, inputs: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """For windows of `inputs` (classes,) values: a limit for each neuron, int64 (classes, out), and whether to flip it, bool (out,).

    The output is +1 where (differing bits <= limit) != flip.
    """
    above = np.broadcast_to(op.thresholds[:, 0], outputs)
    inputs = inputs[:, None]
    # acc = inputs - 2 d >= t, so d <= (inputs - t) / 2, rounded down; d is in [0, inputs], so a limit outside [-1, inputs] says no more.
    limit = (inputs - np.clip(above, -inputs, inputs + 1)) // 2
    flip = np.broadcast_to(op.descending, outputs) ^ (op.step < 0)
    if op.step == 0:
        limit, flip = np.broadcast_to(inputs, limit.shape), np.full(outputs, op.base < 0)
    return limit, flip


def _packed_rows(ones: np.ndarray) -> np.ndarray:
    """Each neuron's weights, bool (out, ..., C), as words (out, inputs): whole words for every tap."""
    return bits.pack(ones).reshape(len(ones), -1)


def _padded_differing(op: MatMul | Conv, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """How many bits differ over the taps outside the map, int64 (classes, out), and the class of each position.

    There all bits of the input are 0, so what differs is the ones of the weights; but padding contributes nothing.
    """
    patterns, of = windows.classes
    ones = (op.weight > 0).sum(axis=-1).reshape(len(op.weight), -1)  # (out, taps)
    return (~patterns).astype(np.int64) @ ones.T, of


@kernel(inline="always")
def _differing(x, n, w, count):  # type: ignore[no-untyped-def]
    """count[r, o] = the bits in which x[n + r] and w[:, o] differ: four rows and three words at a time, to load and store little.

    The words of x stand in variables, or they would be loaded again after every store to count.
    """
    count[:] = 0
    tile, words = w.shape[1], x.shape[1]
    whole = words // 3 * 3
    for i in range(0, whole, 3):
        j, k = i + 1, i + 2
        pi, pj, pk = x[n, i], x[n, j], x[n, k]
        qi, qj, qk = x[n + 1, i], x[n + 1, j], x[n + 1, k]
        ri, rj, rk = x[n + 2, i], x[n + 2, j], x[n + 2, k]
        si, sj, sk = x[n + 3, i], x[n + 3, j], x[n + 3, k]
        for o in range(tile):
            a, b, c = w[i, o], w[j, o], w[k, o]
            count[0, o] += popcount(pi ^ a) + popcount(pj ^ b) + popcount(pk ^ c)
            count[1, o] += popcount(qi ^ a) + popcount(qj ^ b) + popcount(qk ^ c)
            count[2, o] += popcount(ri ^ a) + popcount(rj ^ b) + popcount(rk ^ c)
            count[3, o] += popcount(si ^ a) + popcount(sj ^ b) + popcount(sk ^ c)
    for i in range(whole, words):
        p, q, r, s = x[n, i], x[n + 1, i], x[n + 2, i], x[n + 3, i]
        for o in range(tile):
            a = w[i, o]
            count[0, o] += popcount(p ^ a)
            count[1, o] += popcount(q ^ a)
            count[2, o] += popcount(r ^ a)
            count[3, o] += popcount(s ^ a)


@kernel
def _sum(x, weights, base, of, at, out):  # type: ignore[no-untyped-def]
    """Row n is at position p = (at + n) mod len(of), of class of[p]; out = base of its class - 2 * differing bits."""
    tile = weights.shape[2]
    count = np.empty((4, tile), np.uint64)
    for t in range(len(weights)):
        for n in range(0, len(x), 4):
            _differing(x, n, weights[t], count)
            for r in range(4):
                here = base[of[(at + n + r) % len(of)]]
                for o in range(min(tile, out.shape[1] - t * tile)):
                    out[n + r, t * tile + o] = here[t * tile + o] - 2 * np.int64(count[r, o])


@kernel
def _threshold(x, weights, limits, of, at, out):  # type: ignore[no-untyped-def]
    """Rows and classes as in `_sum`; the bit is whether at most limits[class] bits differ."""
    tile = weights.shape[2]
    count = np.empty((4, tile), np.uint64)
    for t in range(len(weights)):
        for n in range(0, len(x), 4):
            _differing(x, n, weights[t], count)
            for r in range(4):
                here = limits[of[(at + n + r) % len(of)], t]
                for v in range(min(tile // 64, out.shape[1] - t * (tile // 64))):
                    word = np.uint64(0)
                    for j in range(64):
                        word |= np.uint64(np.int64(count[r, 64 * v + j]) <= here[64 * v + j]) << np.uint64(j)
                    out[n + r, t * (tile // 64) + v] = word
