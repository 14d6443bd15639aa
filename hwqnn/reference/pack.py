"""From plain integers to packed bits, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from hwqnn.ir import Edge, Threshold
from hwqnn.kernel import kernel
from hwqnn.reference import bits
from hwqnn.reference.step import Step, check_int64
from hwqnn.reference.threshold import limited

_AT_ONCE = 16

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
    """`_AT_ONCE` channels at a time, then one by one those that are left."""
    channels = x.shape[1]
    vectors = channels // _AT_ONCE
    position = at % len(of)
    for n in range(len(x)):
        limits = of[position]
        for v in range(len(flips)):
            word = np.uint64(0)
            for b in range(64 // _AT_ONCE * v, min(64 // _AT_ONCE * (v + 1), vectors)):
                word |= np.uint64(_at_least(x, n * channels + _AT_ONCE * b, above, limits * channels + _AT_ONCE * b)) << np.uint64(_AT_ONCE * b % 64)
            for c in range(max(64 * v, _AT_ONCE * vectors), min(64 * (v + 1), channels)):
                word |= np.uint64(x[n, c] >= above[limits, c]) << np.uint64(c % 64)
            out[n, v] = word ^ flips[v]
        position = position + 1 if position + 1 < len(of) else 0


@intrinsic
def _at_least(typing: Any, x: Any, i: Any, y: Any, j: Any) -> Any:
    """`_AT_ONCE` comparisons x[i] >= y[j] of neighbours in flat arrays of one type, as bits."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(x.dtype.bitwidth), _AT_ONCE)

        def load(of: Any, array: Any, at: Any) -> Any:
            place = builder.gep(context.make_array(of)(context, builder, value=array).data, [at])
            return builder.load(builder.bitcast(place, vector.as_pointer()), align=x.dtype.bitwidth // 8)

        return builder.bitcast(builder.icmp_signed(">=", load(x, *args[:2]), load(y, *args[2:])), ir.IntType(_AT_ONCE))

    return types.uint16(x, types.int64, y, types.int64), emit
