"""Depthwise convolutions: each channel has its own window and one output, so nothing is summed across channels."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Conv, Edge
from hwqnn.kernel import kernel
from hwqnn.reference.step import Step, storage


def product(op: Conv, source: Edge, target: Edge, then: Step | None = None) -> Step:
    """Integers (N, H, W, C) to accumulators (N, H', W', C), or to what `then` makes of them. Integer arithmetic may wrap in between: the end fits."""
    rows, columns = op.geometry.rows(source.shape[0]), op.geometry.columns(source.shape[1])
    result = storage(target.type)
    weights = np.ascontiguousarray(op.weight.reshape(len(op.weight), -1).T.astype(result))

    def step(x: np.ndarray) -> np.ndarray:
        out = np.zeros((len(x), *target.shape), result)
        _sum(np.ascontiguousarray(x, result), rows, columns, weights, out)
        return out if then is None else then(out)

    return step


@kernel
def _sum(x, rows, columns, weights, out):  # type: ignore[no-untyped-def]
    """`rows` (H', kh) and `columns` (W', kw) may lie outside the map; `weights` is (kh * kw, C); `out` comes as zeros."""
    across = columns.shape[1]
    for n in range(len(x)):
        for y in range(len(rows)):
            for z in range(len(columns)):
                for k in range(len(weights)):
                    row, column = rows[y, k // across], columns[z, k % across]
                    if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                        for c in range(x.shape[3]):
                            out[n, y, z, c] += x[n, row, column, c] * weights[k, c]
