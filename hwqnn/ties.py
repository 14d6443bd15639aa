"""Which labels are right beside the one that the accelerator gives: where two classes are exactly equal, float arithmetic takes either."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import ArgMax, Graph
from hwqnn.passes import lower
from hwqnn.reference import Executor


def as_good(imported: Graph, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """bool (N,): whether each label (of an image, every one of its pixels') belongs to a class that no other beats, exactly.

    Args:
        x: raw integers in the graph's layout, (N, *shape).
        labels: int64 (N,), or (N, H, W).
    """
    graph = lower(imported)
    head = graph.op(graph.output)
    assert isinstance(head, ArgMax)
    scores = Executor(graph, threads=1).trace(x)[head.inputs[0]]  # integers that order as the reals do
    chosen = np.take_along_axis(scores, labels.reshape(*scores.shape[:-1], 1), axis=-1)[..., 0]
    return (chosen == scores.max(axis=-1)).reshape(len(x), -1).all(axis=1)
