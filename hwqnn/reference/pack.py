"""From plain integers to packed bits, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hwqnn.ir import Edge, Threshold
from hwqnn.kernel import kernel
from hwqnn.reference import bits
from hwqnn.reference.step import Step, check_int64, storage
from hwqnn.reference.threshold import limited

Packer = Callable[[np.ndarray, int], np.ndarray]


def pack_threshold(op: Threshold, source: Edge) -> Step:
    """Integers (N, ..., C) through a one-level bipolar threshold to packed bits (N, ..., words)."""
    check_int64(op, source)
    above, flip = rising(op, source)
    pack = packer(above[None], flip, np.zeros(1, np.int64))
    return lambda x: pack(x, 0)


def pack_signs(channels: int) -> Step:
    """Bipolar integers (N, ..., C) to packed bits (N, ..., words)."""
    pack = packer(np.zeros((1, channels), np.int64), np.zeros(channels, bool), np.zeros(1, np.int64))
    return lambda x: pack(x, 0)


def unpack(channels: int) -> Step:
    """Packed bits (N, ..., words) to bipolar integers, int16 (N, ..., C)."""
    return lambda x: 2 * bits.unpack(x, channels).astype(np.int16) - 1


def rising(op: Threshold, source: Edge) -> tuple[np.ndarray, np.ndarray]:
    """A limit for each channel, int64 (C,), and whether to flip it, bool (C,): a one-level bipolar output is +1 where (x >= limit) != flip."""
    if op.step == 0:
        return np.full(source.channels, source.type.min), np.full(source.channels, op.base < 0)
    flip = op.descending ^ (op.step < 0)
    return np.broadcast_to(limited(op.thresholds[:, 0], source), source.channels), np.broadcast_to(flip, source.channels)


def packer(above: np.ndarray, flip: np.ndarray, of: np.ndarray) -> Packer:
    """From integers (..., C), the first at position `at`, to the bits (x >= above[of[position]]) != flip, packed (..., words).

    `above` is (classes, C), `of` the class of each position, int64 (positions,); pixels follow each other position after position.
    """
    flips = bits.pack(flip)

    def pack(x: np.ndarray, at: int) -> np.ndarray:
        x = np.ascontiguousarray(x, x.dtype if x.dtype in (np.int32, np.int64) else np.int16)
        out = np.empty((*x.shape[:-1], len(flips)), np.uint64)
        _pack(x.reshape(-1, above.shape[1]), np.ascontiguousarray(above, x.dtype), of, at, flips, out.reshape(-1, len(flips)))
        return out

    return pack


@kernel
def _pack(x, above, of, at, flips, out):  # type: ignore[no-untyped-def]
    """Eight channels at a time, then one by one those that are left."""
    channels = x.shape[1]
    eights = channels // 8
    for n in range(len(x)):
        limits = of[(at + n) % len(of)]
        for v in range(len(flips)):
            word = np.uint64(0)
            for b in range(8 * v, min(8 * v + 8, eights)):
                word |= np.uint64(_at_least(x, n * channels + 8 * b, above, limits * channels + 8 * b)) << np.uint64(8 * b % 64)
            for c in range(max(64 * v, 8 * eights), min(64 * v + 64, channels)):
                word |= np.uint64(x[n, c] >= above[limits, c]) << np.uint64(c % 64)
            out[n, v] = word ^ flips[v]


@intrinsic
def _at_least(typing: Any, x: Any, i: Any, y: Any, j: Any) -> Any:
    """Eight comparisons x[i] >= y[j] of neighbours in flat arrays of one type, as bits."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        eight = ir.VectorType(ir.IntType(x.dtype.bitwidth), 8)

        def load(of: Any, array: Any, at: Any) -> Any:
            place = builder.gep(context.make_array(of)(context, builder, value=array).data, [at])
            return builder.load(builder.bitcast(place, eight.as_pointer()), align=x.dtype.bitwidth // 8)

        return builder.bitcast(builder.icmp_signed(">=", load(x, *args[:2]), load(y, *args[2:])), ir.IntType(8))

    return types.uint8(x, types.int64, y, types.int64), emit
