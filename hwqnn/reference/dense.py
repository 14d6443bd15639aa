"""Integer products by float arithmetic that never rounds: while no partial sum passes 2^24 (2^53), float32 (float64) holds them all exactly.

A kernel of our own rather than BLAS: it keeps to the thread it is called on.
"""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Edge, MatMul
from hwqnn.kernel import kernel
from hwqnn.reference.step import Step, check_int64, step_of, storage
from hwqnn.reference.tiles import tiled

_LANES = 16
_ROWS = 4
_COLUMNS = 2


@step_of(MatMul)
def matmul(op: MatMul, source: Edge, target: Edge) -> Step:
    """Integers (N, in) to accumulators (N, out)."""
    check_int64(op, source)
    check_int64(op, target)
    dtype = _exact_dtype(op, source)
    outputs, inputs = op.weight.shape
    weights = tiled(np.pad(op.weight, ((0, 0), (0, -inputs % _COLUMNS))).astype(dtype), _LANES)
    result = storage(target.type)

    def step(x: np.ndarray) -> np.ndarray:
        padded: np.ndarray = np.zeros((len(x) + -len(x) % _ROWS, weights.shape[1]), dtype)
        padded[: len(x), :inputs] = x
        out: np.ndarray = np.empty((len(padded), outputs), dtype)
        _product(padded, weights, out)
        return out[: len(x)].astype(result, copy=False)

    return step


def _exact_dtype(op: MatMul, source: Edge) -> type:
    """The fastest type in which no partial sum, in any order, can round: a sum of absolute products bounds them all."""
    largest = max(abs(source.type.min), abs(source.type.max))
    bound = largest * int(np.abs(op.weight.astype(np.float64)).sum(axis=1).max())
    if bound >= 2**62:
        raise op.fail("partial sums may need more than 63 bits")
    return next((dtype for dtype, limit in ((np.float32, 2**24), (np.float64, 2**53)) if max(bound, largest) <= limit), np.int64)


@kernel(fastmath={"contract"})
def _product(x, weights, out):  # type: ignore[no-untyped-def]
    """out = x @ weights for x (N, in), N a multiple of 4 and in of 2: a weight loaded once serves four images."""
    tile = weights.shape[2]
    p, q, r, s = np.empty(tile, x.dtype), np.empty(tile, x.dtype), np.empty(tile, x.dtype), np.empty(tile, x.dtype)
    for t in range(len(weights)):
        w = weights[t]
        for n in range(0, len(x), 4):
            p[:] = 0
            q[:] = 0
            r[:] = 0
            s[:] = 0
            for i in range(0, x.shape[1], 2):
                for o in range(tile):
                    a, b = w[i, o], w[i + 1, o]
                    p[o] += x[n, i] * a + x[n, i + 1] * b
                    q[o] += x[n + 1, i] * a + x[n + 1, i + 1] * b
                    r[o] += x[n + 2, i] * a + x[n + 2, i + 1] * b
                    s[o] += x[n + 3, i] * a + x[n + 3, i + 1] * b
            for o in range(min(tile, out.shape[1] - t * tile)):
                out[n, t * tile + o] = p[o]
                out[n + 1, t * tile + o] = q[o]
                out[n + 2, t * tile + o] = r[o]
                out[n + 3, t * tile + o] = s[o]
