"""Channels that make no difference leave the graph: constant ones, and ones that nothing reads.

A channel is constant where its weights are 0, or no threshold of its lies in the range of what it compares. What it adds to the sums that read it
is then known: it moves their thresholds. Nothing reads a channel where the weights of all readers are 0, or the readers themselves go. Pools,
thresholds, joins and reshapes tie channels of their inputs to those of their outputs: they go together or not at all. So what is needed is marked
from the output backwards, and the rest goes at once.

A size with few divisors folds badly, 13 or 15 worse than 16. So a few dead channels, up to an eighth, stay as zeros where that gives more divisors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch
from math import gcd

import numpy as np

from hwqnn.ir import Add, Bipolar, ChannelAffine, Concat, Conv, Edge, Graph, MatMul, MaxPool, Op, Reshape, Threshold, Upsample
from hwqnn.passes.channel_sets import Channels, Matrix, by_output, groups, padded, taps


def remove_dead_channels(graph: Graph) -> Graph:
    """The canonical graph without the channels that make no difference; what it computes is the same in every bit.

    The input's channels and the output's stay, and at least one channel of every edge. Where an op that has no place for the constant of its input
    reads it, such as an argmax, a `ChannelAffine` adds it.
    """
    channels = Channels.of(graph)
    channels.mark()
    for op in reversed(graph.ops):
        if isinstance(op, Matrix) and groups(op) == 1:
            channels.fill(op.name)
    return graph if channels.needed[channels.set_of].all() else _without(graph, channels)


def _without(graph: Graph, channels: Channels) -> Graph:
    keep = {op.name: (channels.needed | channels.filler)[channels.sets(op.name)] for op in graph.ops}
    zero = {op.name: (channels.filler & ~channels.needed)[channels.sets(op.name)] for op in graph.ops}
    shift: dict[str, np.ndarray] = {}  # what is missing from the values of an edge's kept channels, int64 (kept,)
    ops: list[Op] = []
    edges: dict[str, Edge] = {}

    def add(op: Op, missing: np.ndarray) -> None:
        ops.append(op)
        edges[op.name], shift[op.name] = op.infer(tuple(edges[name] for name in op.inputs)), missing

    def restored(name: str) -> str:
        """The edge with nothing missing."""
        if not shift[name].any():
            return name
        whole = f"{name}@constants"
        if whole not in shift:
            add(ChannelAffine(name=whole, inputs=(name,), mul=np.ones_like(shift[name]), add=shift[name]), np.zeros_like(shift[name]))
        return whole

    for op in graph.ops:
        lost = np.zeros(int(keep[op.name].sum()), dtype=np.int64)
        if isinstance(op, Matrix) and groups(op) == 1:
            (source,) = op.inputs
            gone = ~keep[source] | zero[source]
            lost = (taps(op).sum(axis=1) @ np.where(gone, channels.constants(source), 0))[keep[op.name]]
            lost[zero[op.name][keep[op.name]]] = 0
            op = _zeroed(op, zero[op.name], gone)
        kept = _kept(op, [keep[name] for name in op.inputs], keep[op.name])
        moved = _moved(kept, [edges[name] for name in op.inputs], [shift[name] for name in op.inputs])
        if moved is None:
            moved = replace(kept, inputs=tuple(restored(name) for name in op.inputs)), np.zeros_like(lost)
        add(moved[0], moved[1] + lost)
    output = restored(graph.output)
    return Graph(graph.name, tuple(ops), output, graph.meaning)


def _zeroed(op: Matrix, outputs: np.ndarray, inputs: np.ndarray) -> Matrix:
    """Without the weights of fillers, where the type has a 0; where it has none, nothing that is needed reads them."""
    if isinstance(op.weight_type, Bipolar):
        return op
    weight = op.weight.copy()
    weight[outputs] = 0
    weight[..., inputs] = 0
    return replace(op, weight=weight)


@singledispatch
def _kept(op: Op, inputs: list[np.ndarray], outputs: np.ndarray) -> Op:
    """The op on the channels that are kept, given as bool (C,)."""
    return op


@_kept.register
def _(op: MatMul, inputs: list[np.ndarray], outputs: np.ndarray) -> Op:
    return replace(op, weight=op.weight[outputs][:, inputs[0]])


@_kept.register
def _(op: Conv, inputs: list[np.ndarray], outputs: np.ndarray) -> Op:
    if op.groups == 1:
        return replace(op, weight=op.weight[outputs][..., inputs[0]])
    return replace(op, weight=op.weight[outputs], groups=int(inputs[0].sum()) // op.weight.shape[3])


@_kept.register
def _(op: Threshold, inputs: list[np.ndarray], outputs: np.ndarray) -> Op:
    return op if len(op.thresholds) == 1 else replace(op, thresholds=op.thresholds[outputs], descending=op.descending[outputs])


@_kept.register
def _(op: ChannelAffine, inputs: list[np.ndarray], outputs: np.ndarray) -> Op:
    return replace(op, mul=op.mul[outputs], add=op.add[outputs])


@_kept.register
def _(op: MaxPool, inputs: list[np.ndarray], outputs: np.ndarray) -> Op:
    return op if len(op.minimum) == 1 else replace(op, minimum=op.minimum[outputs])


@_kept.register
def _(op: Reshape, inputs: list[np.ndarray], outputs: np.ndarray) -> Op:
    return replace(op, shape=(*op.shape[:-1], int(outputs.sum())))


# --- what a constant in front of an op becomes ---

Moved = tuple[Op, np.ndarray]
"""The op on its inputs without their constants, and the constant that is then missing from its output, int64 (C,)."""


@singledispatch
def _moved(op: Op, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    """None where the op wants its inputs as they were. `sources` are its input's edges."""
    return None


@_moved.register(MatMul)
@_moved.register(Conv)
def _(op: Matrix, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    if shifts[0].any() and padded(op, sources[0]):
        return None
    return op, (taps(op).sum(axis=1) * by_output(op, shifts[0])).sum(axis=1)


@_moved.register
def _(op: Threshold, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    (source,), (shift,) = sources, shifts
    if shift.any():
        op = replace(op, thresholds=op.thresholds - shift[:, None], descending=np.broadcast_to(op.descending, shift.shape))
    return replace(op, thresholds=op.thresholds.clip(source.type.min, source.type.max + 1)), np.zeros_like(shift)


@_moved.register
def _(op: ChannelAffine, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    return replace(op, add=op.add + op.mul * shifts[0]), np.zeros_like(shifts[0])


@_moved.register(MaxPool)
@_moved.register(Upsample)
def _(op: Op, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    return op, shifts[0]


@_moved.register
def _(op: Reshape, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    rows = shifts[0].reshape(-1, gcd(len(shifts[0]), op.shape[-1]))
    if (rows != rows[0]).any():
        return None
    return op, np.tile(rows[0], op.shape[-1] // rows.shape[1])


@_moved.register
def _(op: Add, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    return op, shifts[0] + shifts[1]


@_moved.register
def _(op: Concat, sources: Sequence[Edge], shifts: list[np.ndarray]) -> Moved | None:
    return op, np.concatenate(shifts)
