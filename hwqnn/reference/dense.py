"""Integer products in the arithmetic with the most lanes that holds them: int16, or floats that never round, for while no partial sum passes
2^24 (2^53), float32 (float64) is exact.

A kernel of our own rather than BLAS: it keeps to the thread it is called on.
"""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Conv, Edge, MatMul
from hwqnn.kernel import kernel
from hwqnn.reference import depthwise
from hwqnn.reference.step import Step, check_int64, step_of, storage
from hwqnn.reference.tiles import tiled
from hwqnn.reference.windows import Block, Windows, joined

_LANES = 16


@step_of(MatMul)
@step_of(Conv)
def product(op: MatMul | Conv, source: Edge, target: Edge, then: Step | None = None) -> Step:
    """Integers (N, *shape) to accumulators (N, *shape); or to what `then`, the step of a threshold, makes of them block by block."""
    check_int64(op, source)
    check_int64(op, target)
    dtype, result = _exact_dtype(op, source), storage(target.type)
    windows = Windows.of(op, source)
    groups = op.groups if isinstance(op, Conv) else 1
    outputs = len(op.weight)
    if isinstance(op, Conv) and outputs == groups and op.weight.shape[-1] == 1:
        return depthwise.product(op, source, target, then)
    if then is not None and dtype is np.int16:
        result = np.dtype(dtype)  # thresholds take any integers
    weights = [tiled(w.reshape(len(w), -1).astype(dtype), _LANES) for w in np.split(op.weight, groups)]

    def multiplied(block: Block) -> np.ndarray:
        out = np.empty((groups, block.rows.shape[1], outputs // groups), result)
        for rows, weight, part in zip(block.rows, weights, out, strict=True):
            _product(rows, weight, part)
        whole = out[0] if groups == 1 else out.transpose(1, 0, 2).reshape(-1, outputs)
        return whole[: block.count] if then is None else then(whole[: block.count])

    return lambda x: joined(map(multiplied, windows.blocks(x, dtype, groups)), (len(x), *target.shape[:-1]))


def _exact_dtype(op: MatMul | Conv, source: Edge) -> type:
    """The fastest type in which no partial sum, in any order, can round or overflow: a sum of absolute products bounds them all."""
    largest = max(abs(source.type.min), abs(source.type.max))
    bound = largest * int(np.abs(op.weight.astype(np.float64)).reshape(len(op.weight), -1).sum(axis=1).max())
    if bound >= 2**62:
        raise op.fail("partial sums may need more than 63 bits")
    largest = max(bound, largest, int(np.abs(op.weight).max()))
    return next((dtype for dtype, limit in ((np.int16, 2**15 - 1), (np.float32, 2**24), (np.float64, 2**53)) if largest <= limit), np.int64)


@kernel(fastmath={"contract"})
def _product(x, weights, out):  # type: ignore[no-untyped-def]
    """out = x @ weights for x (N, in), N a multiple of 4: a weight loaded once serves four rows, an accumulator loaded once takes four weights."""
    tile, inputs = weights.shape[2], x.shape[1]
    p, q, r, s = np.empty(tile, x.dtype), np.empty(tile, x.dtype), np.empty(tile, x.dtype), np.empty(tile, x.dtype)
    whole = inputs // 4 * 4
    for t in range(len(weights)):
        w = weights[t]
        for n in range(0, len(x), 4):
            p[:] = 0
            q[:] = 0
            r[:] = 0
            s[:] = 0
            for i in range(0, whole, 4):
                for o in range(tile):
                    a, b, c, d = w[i, o], w[i + 1, o], w[i + 2, o], w[i + 3, o]
                    p[o] += x[n, i] * a + x[n, i + 1] * b + x[n, i + 2] * c + x[n, i + 3] * d
                    q[o] += x[n + 1, i] * a + x[n + 1, i + 1] * b + x[n + 1, i + 2] * c + x[n + 1, i + 3] * d
                    r[o] += x[n + 2, i] * a + x[n + 2, i + 1] * b + x[n + 2, i + 2] * c + x[n + 2, i + 3] * d
                    s[o] += x[n + 3, i] * a + x[n + 3, i + 1] * b + x[n + 3, i + 2] * c + x[n + 3, i + 3] * d
            for i in range(whole, inputs):
                for o in range(tile):
                    p[o] += x[n, i] * w[i, o]
                    q[o] += x[n + 1, i] * w[i, o]
                    r[o] += x[n + 2, i] * w[i, o]
                    s[o] += x[n + 3, i] * w[i, o]
            for o in range(min(tile, out.shape[1] - t * tile)):
                out[n, t * tile + o] = p[o]
                out[n + 1, t * tile + o] = q[o]
                out[n + 2, t * tile + o] = r[o]
                out[n + 3, t * tile + o] = s[o]
