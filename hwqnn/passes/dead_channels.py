"""Channels that make no difference leave the graph: constant ones, and ones that nothing reads.

A channel is constant where its weights are 0, or no threshold of its lies in the range of what it compares. What it adds to the sums that read it
is then known: it moves their thresholds. Nothing reads a channel where the weights of all readers are 0, or the readers themselves go. Pools,
thresholds, joins and reshapes tie channels of their inputs to those of their outputs: they go together or not at all. So what is needed is marked
from the output backwards, and the rest goes at once.

A size with few divisors folds badly, 13 or 15 worse than 16. So a few dead channels, up to an eighth, stay as zeros where that gives more divisors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from math import gcd

import numpy as np

from hwqnn.ir import Add, Bipolar, ChannelAffine, Concat, Conv, Edge, Graph, MatMul, MaxPool, Op, Reshape, Threshold, Upsample
from hwqnn.passes.ranges import Range, bounds

Matrix = MatMul | Conv


def remove_dead_channels(graph: Graph) -> Graph:
    """The canonical graph without the channels that make no difference; what it computes is the same in every bit.

    The input's channels and the output's stay, and at least one channel of every edge. Where an op that has no place for the constant of its input
    reads it, such as an argmax, a `ChannelAffine` adds it.
    """
    channels = _Channels.of(graph)
    channels.mark()
    for op in reversed(graph.ops):
        if isinstance(op, Matrix) and _groups(op) == 1:
            channels.fill(op.name)
    return graph if channels.needed[channels.set_of].all() else _without(graph, channels)


# --- which channels are needed ---


@dataclass(eq=False)
class _Channels:
    """All channels of a graph's edges in sets of those that go together.

    Attributes:
        first: op -> the number of its edge's first channel. set_of: channel number -> its set's, int64 (channels,).
        ranges: of the values of each edge.
        signs: sets that are read with weights that cannot be 0, bool by the set's number.
        needed: sets that make a difference. filler: sets that stay although they make none, as zeros.
    """

    graph: Graph
    first: dict[str, int]
    set_of: np.ndarray
    ranges: dict[str, Range]
    signs: np.ndarray
    needed: np.ndarray
    filler: np.ndarray

    @classmethod
    def of(cls, graph: Graph) -> _Channels:
        """With the input's, the output's and what unknown ops touch as needed."""
        first, count = {}, 0
        for op in graph.ops:
            first[op.name], count = count, count + graph.edges[op.name].channels
        parents, fixed = list(range(count)), []
        for op in graph.ops:
            ends = [graph.edges[name].channels for name in op.inputs]
            links = _links(op, ends, graph.edges[op.name].channels)
            if links is None:
                fixed += [op.name, *op.inputs]
                continue
            for name, link in zip(op.inputs, links, strict=True):
                for a, b in link:
                    _unite(parents, first[name] + a, first[op.name] + b)
        signs, needed, filler = (np.zeros(count, dtype=bool) for _ in range(3))
        found = cls(graph, first, np.array([_root(parents, i) for i in range(count)]), _ranges(graph), signs, needed, filler)
        for name in [*fixed, graph.output]:
            needed[found.sets(name)] = True
        for op in graph.ops:
            if isinstance(op, Matrix) and isinstance(op.weight_type, Bipolar):
                signs[found.sets(op.inputs[0])] = True
        return found

    def sets(self, name: str) -> np.ndarray:
        """The set of each channel of an edge."""
        return self.set_of[self.first[name] : self.first[name] + self.graph.edges[name].channels]

    def constants(self, name: str) -> np.ndarray:
        """The value of each constant channel of an edge, 0 for the others; int64 (C,)."""
        lo, hi = self.ranges[name]
        return np.where(lo == hi, lo, 0)

    def reads(self, op: Matrix) -> np.ndarray:
        """bool (out, in): whether an output depends on an input, more than by a known constant. A constant that padding meets is not known."""
        (source,) = op.inputs
        lo, hi = self.ranges[source]
        known = (lo == hi) & ((lo == 0) | (not _padded(op, self.graph.edges[source])))
        return (_taps(op) != 0).any(axis=1) & ~known

    def mark(self) -> None:
        """Marks what the needed sets read, and what that reads."""
        matrices = [(op.name, op.inputs[0], self.reads(op)) for op in reversed(self.graph.ops) if isinstance(op, Matrix) and _groups(op) == 1]
        before = -1
        while (now := int(self.needed.sum())) != before:
            before = now
            for name, source, reads in matrices:
                self.needed[self.sets(source)[reads[self.needed[self.sets(name)]].any(axis=0)]] = True

    def fill(self, name: str) -> None:
        """Keeps some of an edge's dead sets, so that its size has more divisors, and is not 0."""
        sets, kept = self.sets(name), self.needed | self.filler
        dead = list(dict.fromkeys(sets[~kept[sets]].tolist()))
        sizes = np.cumsum([kept[sets].sum(), *((sets == each).sum() for each in dead)])
        least = max(1, int(sizes[0]))
        able = [n for n, size in enumerate(sizes) if least <= size <= least + (least + 4) // 8]
        extra = max(able, key=lambda n: (_divisors(int(sizes[n])), -n)) if able else int(sizes[0] == 0)
        for each in dead[:extra]:  # a reader whose weights cannot be 0 needs it as it is
            (self.needed if self.signs[each] else self.filler)[each] = True
        if self.signs[dead[:extra]].any():
            self.mark()


def _divisors(size: int) -> int:
    return sum(size % n == 0 for n in range(1, size + 1))


def _root(parents: list[int], i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


def _unite(parents: list[int], i: int, j: int) -> None:
    parents[_root(parents, j)] = _root(parents, i)


Links = list[tuple[int, int]]
"""Pairs of an input's channel and the output's channel that goes with it."""


@singledispatch
def _links(op: Op, inputs: list[int], outputs: int) -> list[Links] | None:
    """For each input, by their numbers of channels; None where all channels of all edges stay."""
    return None


@_links.register(MatMul)
@_links.register(Conv)
def _(op: Matrix, inputs: list[int], outputs: int) -> list[Links] | None:
    groups = _groups(op)
    if groups == 1:
        return [[]]
    wide, tall = inputs[0] // groups, outputs // groups  # a whole group goes, or none of it
    return [[(i, i // wide * tall) for i in range(inputs[0])] + [(o // tall * wide, o) for o in range(outputs)]]


@_links.register(Threshold)
@_links.register(ChannelAffine)
@_links.register(MaxPool)
@_links.register(Upsample)
@_links.register(Add)
def _(op: Op, inputs: list[int], outputs: int) -> list[Links] | None:
    return [[(c, c) for c in range(outputs)] for _ in inputs]


@_links.register
def _(op: Concat, inputs: list[int], outputs: int) -> list[Links] | None:
    return [[(c, c) for c in range(inputs[0])], [(c, inputs[0] + c) for c in range(inputs[1])]]


@_links.register
def _(op: Reshape, inputs: list[int], outputs: int) -> list[Links] | None:
    # An element at position n of the row-major order is in channel n modulo the number of channels, on both sides: equal modulo their divisor.
    common = gcd(inputs[0], outputs)
    return [[(i, i % common) for i in range(inputs[0])] + [(o % common, o) for o in range(outputs)]]


# --- the values of each channel ---


def _ranges(graph: Graph) -> dict[str, Range]:
    """Like `channel_ranges`, but tight: of a sum from the range of each channel that it reads, of a code from that of what is compared."""
    found: dict[str, Range] = {}
    for op in graph.ops:
        found[op.name] = _tight(op, graph.edges[op.name], [graph.edges[name] for name in op.inputs], [found[name] for name in op.inputs])
    return found


@singledispatch
def _tight(op: Op, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    return bounds(op, edge, sources, ranges)


@_tight.register(MatMul)
@_tight.register(Conv)
def _(op: Matrix, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    lo, hi = ranges[0]
    if _padded(op, sources[0]):
        lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
    lo, hi = _by_output(op, lo), _by_output(op, hi)
    weight = _taps(op)
    up, down = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    return (up * lo + down * hi).sum(axis=1), (up * hi + down * lo).sum(axis=1)


@_tight.register
def _(op: Threshold, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    def codes(x: np.ndarray) -> np.ndarray:
        reached = (x[:, None] >= op.thresholds).sum(axis=1)
        return op.base + op.step * np.where(op.descending, op.levels - reached, reached)

    ends = [codes(end) for end in ranges[0]]
    return np.minimum(*ends), np.maximum(*ends)


# --- the graph without the others ---


def _without(graph: Graph, channels: _Channels) -> Graph:
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
        if isinstance(op, Matrix) and _groups(op) == 1:
            (source,) = op.inputs
            gone = ~keep[source] | zero[source]
            lost = (_taps(op).sum(axis=1) @ np.where(gone, channels.constants(source), 0))[keep[op.name]]
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
    if shifts[0].any() and _padded(op, sources[0]):
        return None
    return op, (_taps(op).sum(axis=1) * _by_output(op, shifts[0])).sum(axis=1)


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


# --- matrices of both kinds alike ---


def _groups(op: Matrix) -> int:
    return op.groups if isinstance(op, Conv) else 1


def _taps(op: Matrix) -> np.ndarray:
    """The weight as (out, taps, in / groups)."""
    return op.weight.reshape(len(op.weight), -1, op.weight.shape[-1])


def _by_output(op: Matrix, values: np.ndarray) -> np.ndarray:
    """Values of the inputs' channels as each output reads them: (out, in / groups), or (1, in)."""
    groups = _groups(op)
    return values[None] if groups == 1 else values.reshape(groups, -1).repeat(len(op.weight) // groups, axis=0)


def _padded(op: Matrix, source: Edge) -> bool:
    """Whether a window of it covers a position outside the map."""
    return isinstance(op, Conv) and not all(inside.all() for inside in op.geometry.inside(*source.shape[:2]))
