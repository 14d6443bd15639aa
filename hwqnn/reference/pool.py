"""Max pooling."""

from __future__ import annotations

from functools import reduce

import numpy as np

from hwqnn.ir import Edge, MaxPool
from hwqnn.reference import bits
from hwqnn.reference.step import Step, packed_step_of, step_of


@step_of(MaxPool)
def max_pool(op: MaxPool, source: Edge, target: Edge) -> Step:
    """Integers (N, H, W, C) to integers (N, H', W', C)."""
    # ~ turns the order of integers round and overflows nowhere: it is an exclusive or with -1
    return _pool(op, source, np.maximum, -np.broadcast_to(op.minimum, source.channels).astype(np.int64))


@packed_step_of(MaxPool)
def max_pool_of_bits(op: MaxPool, source: Edge, target: Edge) -> Step:
    """Packed bits (N, H, W, words) to packed bits (N, H', W', words): the greatest of bits is their or."""
    return _pool(op, source, np.bitwise_or, bits.pack(np.broadcast_to(op.minimum, source.channels)))


def _pool(op: MaxPool, source: Edge, greatest: np.ufunc, flips: np.ndarray) -> Step:
    """`greatest` over the window, where `flips` (C or words,) turn round the order of what they are exclusively or-ed with.

    A tap outside the map is moved onto one inside the same window, which changes no extreme.
    """
    rows = _moved_inside(op.geometry.rows(source.shape[0]), source.shape[0])
    columns = _moved_inside(op.geometry.columns(source.shape[1]), source.shape[1])
    turned = flips.any()

    def step(x: np.ndarray) -> np.ndarray:
        mask = flips.astype(x.dtype)
        x = x ^ mask if turned else x
        x = reduce(greatest, (x[:, rows[:, k]] for k in range(rows.shape[1])))
        x = reduce(greatest, (x[:, :, columns[:, k]] for k in range(columns.shape[1])))
        return x ^ mask if turned else x

    return step


def _moved_inside(positions: np.ndarray, size: int) -> np.ndarray:
    """Positions (outputs, taps) with each one outside [0, size) replaced by one of the same row that lies inside."""
    inside = (positions >= 0) & (positions < size)
    first = np.take_along_axis(positions, inside.argmax(axis=1)[:, None], axis=1)
    return np.where(inside, positions, first)
