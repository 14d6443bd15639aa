"""Integer products by float arithmetic that never rounds: while no partial sum passes 2^24 (2^53), float32 (float64) holds them all exactly.

A kernel of our own rather than BLAS: it keeps to the thread it is called on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hwqnn.ir import Edge, MatMul
from hwqnn.reference.step import Step, no_wider_than_64, step_of, storage


@step_of(MatMul)
def matmul(op: MatMul, source: Edge, target: Edge) -> Step:
    """Integers (N, in) to accumulators (N, out)."""
    no_wider_than_64(op, source)
    no_wider_than_64(op, target)
    dtype = _exact_dtype(op, source)
    weights: np.ndarray = np.ascontiguousarray(op.weight.T, dtype)
    result = storage(target.type)

    def step(x: np.ndarray) -> np.ndarray:
        out: np.ndarray = np.empty((len(x), weights.shape[1]), dtype)
        _product(np.ascontiguousarray(x, dtype), weights, out)
        return out.astype(result, copy=False)

    return step


def _exact_dtype(op: MatMul, source: Edge) -> type:
    """The fastest type in which no partial sum, in any order, can round: a sum of absolute products bounds them all."""
    largest = max(abs(source.type.min), abs(source.type.max))
    bound = largest * int(np.abs(op.weight.astype(np.float64)).sum(axis=1).max())
    if bound >= 2**62:
        raise op.fail("partial sums may need more than 63 bits")
    return next((dtype for dtype, limit in ((np.float32, 2**24), (np.float64, 2**53)) if max(bound, largest) <= limit), np.int64)


@njit(nogil=True, cache=True, fastmath={"contract"})
def _product(x, weights, out):  # type: ignore[no-untyped-def]
    """out = x @ weights, (N, in) @ (in, out), vectorized over out; four inputs at a time, so that out is loaded and stored less often."""
    whole = x.shape[1] // 4 * 4
    for n in range(len(x)):
        acc = out[n]
        acc[:] = 0
        for i in range(0, whole, 4):
            a, b, c, d = x[n, i], x[n, i + 1], x[n, i + 2], x[n, i + 3]
            for o in range(len(acc)):
                acc[o] += a * weights[i, o] + b * weights[i + 1, o] + c * weights[i + 2, o] + d * weights[i + 3, o]
        for i in range(whole, x.shape[1]):
            for o in range(len(acc)):
                acc[o] += x[n, i] * weights[i, o]
