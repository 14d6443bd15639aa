"""Which labels are right beside the one that the accelerator gives: where two classes are exactly equal, float arithmetic takes either."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Graph
from hwqnn.passes import Head, lower
from hwqnn.passes.backmap import compose
from hwqnn.passes.surd import Surd
from hwqnn.reference import Executor


def as_good(imported: Graph, x: np.ndarray, labels: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """bool (N,): whether the class of each label (of an image, of every one of its pixels) scores exactly what the winner does.

    Args:
        x: raw integers in the graph's layout, (N, *shape).
        labels, winners: int64 (N,), or (N, H, W).
    """
    graph = lower(imported, Head.SCORES)
    scores = Executor(graph, threads=1).run(x)
    scores = scores.reshape(len(x), -1, scores.shape[-1])
    lines = {c: compose(graph.meaning, c) for c in range(scores.shape[-1])}

    def score(values: np.ndarray, c: int) -> Surd:
        slope, offset = lines[c]
        return slope * Surd(int(values[c])) + offset

    def equal(image: int) -> bool:
        pairs = zip(labels[image].reshape(-1), winners[image].reshape(-1), scores[image], strict=True)
        return all(a == b or (score(values, int(a)) - score(values, int(b))).sign() == 0 for a, b, values in pairs)

    return np.array([equal(image) for image in range(len(x))], dtype=bool)
