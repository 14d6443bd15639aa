"""Thresholds of any number of levels on plain integers."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Edge, Threshold
from hwqnn.kernel import kernel
from hwqnn.reference.line import line
from hwqnn.reference.step import Step, check_int64, step_of, storage


@step_of(Threshold)
def threshold(op: Threshold, source: Edge, target: Edge, within: tuple[np.ndarray, np.ndarray] | None = None) -> Step:
    """Integers (N, ..., C) to integers of the same shape. `within`: the least and the greatest value that come in each channel, where known, (C,)."""
    check_int64(op, source)
    check_int64(op, target)
    result = storage(target.type)
    levels = np.ascontiguousarray(np.broadcast_to(limited(op.thresholds, source), (source.channels, op.levels)).T)
    # base + step * (levels - n) = (base + step * levels) - step * n, so a descending channel differs in its constants alone.
    down = np.broadcast_to(op.descending, source.channels)
    base = np.where(down, op.base + op.step * op.levels, op.base).astype(result)
    step_ = np.where(down, -op.step, op.step).astype(result)
    least, most = within or (np.full(source.channels, source.type.min), np.full(source.channels, source.type.max))
    if (found := line(levels, least, most)) is not None:
        return found.step(base, step_)
    compare = storage(source.type)
    levels = levels.astype(compare)

    def count(x: np.ndarray) -> np.ndarray:
        out = np.empty(x.shape, result)
        _count(np.ascontiguousarray(x, compare).reshape(-1, source.channels), levels, base, step_, out.reshape(-1, source.channels))
        return out

    return count


def limited(thresholds: np.ndarray, source: Edge) -> np.ndarray:
    """The thresholds brought to within [min, max + 1] of what they compare with, which changes no comparison."""
    return np.clip(thresholds, source.type.min, source.type.max + 1)


@kernel
def _count(x, levels, base, step, out):  # type: ignore[no-untyped-def]
    """Level by level over all channels, without branches: `levels` is (levels, C), `x` and `out` (N, C), contiguous."""
    count = np.empty(x.shape[1], x.dtype)
    for n in range(len(x)):
        count[:] = 0
        for j in range(len(levels)):
            for c in range(len(count)):
                count[c] += x[n, c] >= levels[j, c]
        for c in range(len(count)):
            out[n, c] = base[c] + step[c] * count[c]
