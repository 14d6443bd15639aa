"""Two step functions in a row are one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqnn.ir import Edge, Graph, Threshold


def merge_thresholds(graph: Graph) -> Graph:
    """Rewrites Threshold(Threshold(x)) as one, where nothing else reads the first and the second has no more levels than it."""
    for op in graph.ops:
        first = graph.op(op.inputs[0]) if isinstance(op, Threshold) else None
        if not isinstance(op, Threshold) or not isinstance(first, Threshold) or op.levels > first.levels:
            continue
        if len(graph.consumers(first.name)) == 1 and graph.output != first.name:
            return merge_thresholds(graph.replace({first.name: [], op.name: [_composed(first, op, graph.edges[first.inputs[0]])]}))
    return graph


def _composed(first: Threshold, second: Threshold, source: Edge) -> Threshold:
    """second(first(x)) for x on the edge `source`."""
    rows = max(len(first.thresholds), len(second.thresholds))
    never = source.type.max + 1
    inner = np.broadcast_to(first.thresholds.clip(source.type.min, never), (rows, first.levels))
    outer = np.broadcast_to(second.thresholds, (rows, second.levels))
    # The second's count behind each count of the first's thresholds, (rows, first.levels + 1): it rises or falls from left to right.
    reached = np.arange(first.levels + 1)
    codes = first.base + first.step * np.where(first.descending[:, None], first.levels - reached, reached)
    counts = (codes[:, :, None] >= outer[:, None, :]).sum(axis=2)
    falls = counts[:, -1] < counts[:, 0]
    rising = np.where(falls[:, None], second.levels - counts, counts)
    # The j-th new threshold lies where that count first comes to j: always, at one of the first's thresholds, or never.
    first_at = (rising[:, None, :] < np.arange(1, second.levels + 1)[None, :, None]).sum(axis=2)
    steps = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (source.type.min, never)))
    descending = falls ^ second.descending
    return replace(second, inputs=first.inputs, thresholds=np.take_along_axis(steps, first_at, axis=1), descending=descending)
