"""Which channels of a graph make a difference, and which values they can have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from math import gcd

import numpy as np

from hwqnn.ir import Add, Bipolar, ChannelAffine, Concat, Conv, Edge, Graph, MatMul, MaxPool, Op, Reshape, Threshold, Upsample
from hwqnn.passes.ranges import Range, bounds

Matrix = MatMul | Conv


@dataclass(eq=False)
class Channels:
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
    def of(cls, graph: Graph) -> Channels:
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
        known = (lo == hi) & ((lo == 0) | (not padded(op, self.graph.edges[source])))
        return (taps(op) != 0).any(axis=1) & ~known

    def mark(self) -> None:
        """Marks what the needed sets read, and what that reads."""
        matrices = [(op.name, op.inputs[0], self.reads(op)) for op in reversed(self.graph.ops) if isinstance(op, Matrix) and groups(op) == 1]
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
    count = groups(op)
    if count == 1:
        return [[]]
    wide, tall = inputs[0] // count, outputs // count  # a whole group goes, or none of it
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
    if padded(op, sources[0]):
        lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
    lo, hi = by_output(op, lo), by_output(op, hi)
    weight = taps(op)
    up, down = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    return (up * lo + down * hi).sum(axis=1), (up * hi + down * lo).sum(axis=1)


@_tight.register
def _(op: Threshold, edge: Edge, sources: list[Edge], ranges: list[Range]) -> Range:
    def codes(x: np.ndarray) -> np.ndarray:
        reached = (x[:, None] >= op.thresholds).sum(axis=1)
        return op.base + op.step * np.where(op.descending, op.levels - reached, reached)

    ends = [codes(end) for end in ranges[0]]
    return np.minimum(*ends), np.maximum(*ends)


def groups(op: Matrix) -> int:
    """1 for a dense product."""
    return op.groups if isinstance(op, Conv) else 1


def taps(op: Matrix) -> np.ndarray:
    """The weight as (out, taps, in / groups)."""
    return op.weight.reshape(len(op.weight), -1, op.weight.shape[-1])


def by_output(op: Matrix, values: np.ndarray) -> np.ndarray:
    """Values of the inputs' channels as each output reads them: (out, in / groups), or (1, in)."""
    count = groups(op)
    return values[None] if count == 1 else values.reshape(count, -1).repeat(len(op.weight) // count, axis=0)


def padded(op: Matrix, source: Edge) -> bool:
    """Whether a window of it covers a position outside the map."""
    return isinstance(op, Conv) and not all(inside.all() for inside in op.geometry.inside(*source.shape[:2]))
