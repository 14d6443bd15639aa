"""The indices of the greatest channels."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import ArgMax, Edge
from hwqnn.reference.step import Step, step_of


@step_of(ArgMax)
def argmax(op: ArgMax, source: Edge, target: Edge) -> Step:
    """Integers (N, ..., C) to indices, int32 (N, ..., k), the greatest value's first; a tie goes to the lowest index."""
    if op.k == 1:
        return lambda x: np.argmax(x, axis=-1, keepdims=True).astype(np.int32)

    def step(x: np.ndarray) -> np.ndarray:
        # Sorted stably from the last channel on, equal values rise by falling index; read backwards, both turn round.
        order = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
        return (source.channels - 1 - order[..., : op.k]).astype(np.int32)

    return step
