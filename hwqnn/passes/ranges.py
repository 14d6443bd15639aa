"""The least and greatest value that each channel of each edge can have."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from hwqnn.errors import UnsupportedError
from hwqnn.ir import Add, ChannelAffine, Concat, Conv, Edge, Graph, MatMul, MaxPool, Op, Reshape, Upsample

Range = tuple[np.ndarray, np.ndarray]
"""Least and greatest, int64 (C,)."""


def channel_ranges(graph: Graph) -> dict[str, Range]:
    """Bounds of every edge by its op's name: from the weights after a product, and carried on by the ops that follow it; else the edge's type.

    Raises:
        UnsupportedError: an edge's values may need more than 63 bits.
    """
    found: dict[str, Range] = {}
    for op in graph.ops:
        edge = graph.edges[op.name]
        if edge.type.bits > 63:
            raise UnsupportedError(
                f"the values of '{op.name}' may need {edge.type.bits} bits, and at most 63 are supported: scales nearer to each other need fewer"
            )
        found[op.name] = bounds(op, edge, [graph.edges[name] for name in op.inputs], [found[name] for name in op.inputs])
    return found


@singledispatch
def bounds(op: Op, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    """The range of an op's output; an op that says nothing better can have every value of its type."""
    return np.full(edge.channels, edge.type.min), np.full(edge.channels, edge.type.max)


@bounds.register(MatMul)
@bounds.register(Conv)
def _(op: MatMul | Conv, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    return op.channel_range(sources[0].type)


@bounds.register(MaxPool)
@bounds.register(Upsample)
def _(op: Op, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    return ranges[0]


@bounds.register
def _(op: Reshape, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    lo, hi = ranges[0]
    if edge.channels % len(lo) == 0:  # a flattened map: its channels follow each other, pixel after pixel
        repeats = edge.channels // len(lo)
        return np.tile(lo, repeats), np.tile(hi, repeats)
    return np.full(edge.channels, lo.min()), np.full(edge.channels, hi.max())


@bounds.register
def _(op: ChannelAffine, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    ends = [op.mul * end + op.add for end in ranges[0]]
    return np.minimum(*ends), np.maximum(*ends)


@bounds.register
def _(op: Add, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    (a, b), (c, d) = ranges
    return a + c, b + d


@bounds.register
def _(op: Concat, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    (a, b), (c, d) = ranges
    return np.concatenate((a, c)), np.concatenate((b, d))
