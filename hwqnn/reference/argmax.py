"""The index of the greatest channel."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import ArgMax, Edge
from hwqnn.reference.step import Step, step_of


@step_of(ArgMax)
def argmax(op: ArgMax, source: Edge, target: Edge) -> Step:
    """Integers (N, C) to labels, int32 (N, 1). NumPy, too, gives a tie to the lowest index."""
    return lambda x: np.argmax(x, axis=1, keepdims=True).astype(np.int32)
