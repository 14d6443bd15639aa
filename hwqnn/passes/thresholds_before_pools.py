"""Moves thresholds ahead of what merely picks elements: few-bit codes are pooled, upsampled and reshaped, and the threshold meets its product.

max(f(a), f(b)) = f(max(a, b)) for rising f, and f(min(a, b)) for falling f: so a pool takes the minimum instead where the threshold falls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch

from hwqnn.ir import Graph, MaxPool, Op, Reshape, Threshold, Upsample


def thresholds_before_pools(graph: Graph) -> Graph:
    """Threshold(Pool(x)) becomes Pool(Threshold(x)) wherever nothing else reads the pool, until there is none left; so for Upsample and Reshape.

    Both ops keep their names; what read the threshold reads the other now. A Reshape stays where it gives a pixel's channels different thresholds.
    """
    while (swap := next(_swaps(graph), None)) is not None:
        threshold, pool = swap
        changed: dict[str, list[Op]] = {
            reader.name: [replace(reader, inputs=tuple(pool.name if name == threshold.name else name for name in reader.inputs))]
            for reader in graph.consumers(threshold.name)
        }
        changed |= {pool.name: [replace(threshold, inputs=pool.inputs), replace(pool, inputs=(threshold.name,))], threshold.name: []}
        graph = graph.replace(changed, output=pool.name if graph.output == threshold.name else None)
    return graph


def _swaps(graph: Graph) -> Iterator[tuple[Threshold, Op]]:
    """Each threshold that can move, and what it passes, as that has to be afterwards."""
    for op in graph.ops:
        if isinstance(op, Threshold):
            before = graph.op(op.inputs[0])
            alone = len(graph.consumers(before.name)) == 1 and graph.output != before.name
            if alone and (after := _passed(before, op, graph)) is not None:
                yield op, after


@singledispatch
def _passed(op: Op, threshold: Threshold, graph: Graph) -> Op | None:
    """What does to the threshold's codes as `op` does to the values ahead of it; None when nothing does."""
    return None


@_passed.register
def _(op: MaxPool, threshold: Threshold, graph: Graph) -> Op:
    return replace(op, minimum=op.minimum ^ threshold.descending ^ (threshold.step < 0))


@_passed.register
def _(op: Upsample, threshold: Threshold, graph: Graph) -> Op:
    return op


@_passed.register
def _(op: Reshape, threshold: Threshold, graph: Graph) -> Op | None:
    same = len(threshold.thresholds) == 1 or graph.edges[op.name].channels == graph.edges[op.inputs[0]].channels
    return op if same else None
