"""From plain integers to packed bits, and back."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Edge, Threshold
from hwqnn.kernel import kernel
from hwqnn.reference import bits
from hwqnn.reference.step import Step, check_int64
from hwqnn.reference.threshold import limited


def pack_threshold(op: Threshold, source: Edge) -> Step:
    """Integers (N, ..., C) through a one-level bipolar threshold to packed bits (N, ..., words)."""
    check_int64(op, source)
    flip = np.broadcast_to(op.descending, source.channels) ^ (op.step < 0)
    above = np.broadcast_to(limited(op.thresholds[:, 0], source), source.channels)
    if op.step == 0:
        above, flip = np.full(source.channels, source.type.min), np.full(source.channels, op.base < 0)
    return _packer(above, flip)


def pack_signs(channels: int) -> Step:
    """Bipolar integers (N, ..., C) to packed bits (N, ..., words)."""
    return _packer(np.zeros(channels, np.int64), np.zeros(channels, bool))


def unpack(channels: int) -> Step:
    """Packed bits (N, ..., words) to bipolar integers, int32 (N, ..., C)."""
    return lambda x: 2 * bits.unpack(x, channels).astype(np.int32) - 1


def _packer(above: np.ndarray, flip: np.ndarray) -> Step:
    flips = bits.pack(flip)
    above = np.ascontiguousarray(above, next(dtype for dtype in (np.int16, np.int32, np.int64) if np.abs(above).max() <= np.iinfo(dtype).max))

    def step(x: np.ndarray) -> np.ndarray:
        out = np.empty((*x.shape[:-1], len(flips)), np.uint64)
        _pack(np.ascontiguousarray(x).reshape(-1, len(above)), above, flips, out.reshape(-1, len(flips)))
        return out

    return step


@kernel
def _pack(x, above, flips, out):  # type: ignore[no-untyped-def]
    """Comparisons into a row of bytes, then eight bytes to a byte of bits: the product gathers the lowest bit of each in the top byte."""
    ones = np.zeros(len(flips) * 64, np.uint8)
    eights = ones.view(np.uint64)
    gather = np.uint64(0x0102040810204080)
    for n in range(len(x)):
        for c in range(len(above)):
            ones[c] = x[n, c] >= above[c]
        for v in range(len(flips)):
            word = np.uint64(0)
            for b in range(8):
                word |= ((eights[8 * v + b] * gather) >> np.uint64(56)) << np.uint64(8 * b)
            out[n, v] = word ^ flips[v]
