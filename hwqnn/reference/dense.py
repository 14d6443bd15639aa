"""Products of integers: of int16 into int32 where source, weights and target allow, else of int64."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Conv, Edge, MatMul
from hwqnn.reference.products import joined, sums_of
from hwqnn.reference.step import Step, check_int64, step_of, storage
from hwqnn.reference.windows import Windows


@step_of(MatMul)
@step_of(Conv)
def product(op: MatMul | Conv, source: Edge, target: Edge, then: Step | None = None) -> Step:
    """Integers (N, *shape) to accumulators (N, *shape); or to what `then`, the step of a threshold, makes of them block by block."""
    check_int64(op, source)
    check_int64(op, target)
    kernels = op.weight if isinstance(op, Conv) else op.weight[:, None, None]
    weights: np.ndarray = kernels.astype(_exact(op, source, target))
    sums = sums_of(Windows.of(op, source, source.channels), weights, op.groups if isinstance(op, Conv) else 1)
    result = storage(target.type)

    def step(x: np.ndarray) -> np.ndarray:
        parts = [block.sums.astype(result, copy=False) if then is None else then(block.sums) for block in sums(x)]
        return joined(parts, (len(x), *target.shape[:-1]))

    return step


def _exact(op: MatMul | Conv, source: Edge, target: Edge) -> type:
    """What holds source and weights, where the sums fit: as they do when the target does, for they are exact modulo 2^32 or 2^64."""
    least, most = min(source.type.min, op.weight.min()), max(source.type.max, op.weight.max())
    fits = np.iinfo(np.int16).min <= least and most <= np.iinfo(np.int16).max and storage(target.type).itemsize <= 4
    return np.int16 if fits else np.int64
