"""A slow, obvious evaluator of graphs, imported or canonical, in exact arithmetic. It shares no code with any lowering or kernel.

Reals are sums of rational multiples of square roots (batch norm divides by one), so every comparison is decided, ties included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exact_reals import Real

from hwqnn import ir


def apply_piece(piece: ir.Piece, x: Real, channel: int) -> Real:
    def of(values):
        return values[channel if len(values) > 1 else 0]

    if isinstance(piece, ir.Affine):
        return x * of(piece.mul) + of(piece.add)
    if isinstance(piece, ir.BatchNorm):
        variance = of(piece.variance)
        return (x - of(piece.mean)).times_root(variance) * (of(piece.gamma) / variance) + of(piece.beta)
    assert isinstance(piece, ir.Clamp)
    if piece.lo is not None and x < piece.lo:
        x = Real.of(piece.lo)
    if piece.hi is not None and x > piece.hi:
        x = Real.of(piece.hi)
    return x


def apply_chain(chain: Sequence[ir.Piece], integers: Sequence[int], channels: int | None = None) -> list[Real]:
    """The reals behind flat integers, channels last; without `channels`, each integer is a channel of its own."""
    channels = channels or len(integers)
    known: dict[tuple[int, int], Real] = {}
    out = []
    for i, q in enumerate(integers):
        channel = i % channels
        if (channel, q) not in known:
            x = Real.of(q)
            for piece in chain:
                x = apply_piece(piece, x, channel)
            known[channel, q] = x
        out.append(known[channel, q])
    return out


def round_real(x: Real, rounding: ir.Rounding) -> int:
    below = x.floor()
    part = x - below
    if part == 0 or rounding is ir.Rounding.FLOOR:
        return below
    if rounding is ir.Rounding.CEIL:
        return below + 1
    half = Fraction(1, 2)
    if part == half:
        return below + 1 if rounding is ir.Rounding.HALF_UP else below + below % 2
    return below + 1 if part > half else below


def quantize(quantizer: ir.Quantizer, x: Real) -> int:
    if isinstance(quantizer, ir.SignQuantizer):
        return 1 if x >= 0 else -1
    code = round_real(x * (1 / quantizer.scale) + quantizer.zero_point, quantizer.rounding)
    return min(max(code, quantizer.lo), quantizer.hi) - quantizer.zero_point


Values = list[int]
"""The integers of one edge, flat in row-major order."""


@dataclass(frozen=True)
class Map:
    """The values of one edge as a map, channels last."""

    height: int
    width: int
    channels: int
    values: Values

    def at(self, y: int, x: int, channel: int) -> int | None:
        """None outside."""
        if not (0 <= y < self.height and 0 <= x < self.width):
            return None
        return self.values[(y * self.width + x) * self.channels + channel]


def corners(geometry: ir.Geometry, height: int, width: int) -> list[tuple[int, int]]:
    """Where the window's first tap lies, window by window: all places, one stride apart, at which the last tap is still in the padded map."""
    top, left, bottom, right = geometry.padding
    rows, columns = [], []
    y = -top
    while y + (geometry.kernel[0] - 1) * geometry.dilation[0] < height + bottom:
        rows.append(y)
        y += geometry.stride[0]
    x = -left
    while x + (geometry.kernel[1] - 1) * geometry.dilation[1] < width + right:
        columns.append(x)
        x += geometry.stride[1]
    return [(y, x) for y in rows for x in columns]


def taps(geometry: ir.Geometry, corner: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """(kernel row, kernel column, row, column) of each tap of the window at this corner."""
    return [
        (ky, kx, corner[0] + ky * geometry.dilation[0], corner[1] + kx * geometry.dilation[1])
        for ky in range(geometry.kernel[0])
        for kx in range(geometry.kernel[1])
    ]


def run_matmul(op: ir.MatMul, x: Values, _edge: ir.Edge) -> Values:
    return [sum(int(w) * v for w, v in zip(row, x, strict=True)) for row in op.weight.tolist()]


def run_conv(op: ir.Conv, values: Values, edge: ir.Edge) -> Values:
    """Padding adds nothing."""
    x = Map(*edge.shape, values)
    weight = op.weight.tolist()
    outputs, inputs = len(weight), len(weight[0][0][0])
    out = []
    for corner in corners(op.geometry, x.height, x.width):
        for o in range(outputs):
            group = o // (outputs // op.groups)
            total = 0
            for ky, kx, row, column in taps(op.geometry, corner):
                for i in range(inputs):
                    total += weight[o][ky][kx][i] * (x.at(row, column, group * inputs + i) or 0)
            out.append(total)
    return out


def run_pool(op: ir.MaxPool, values: Values, edge: ir.Edge) -> Values:
    """Padding does not count."""
    x = Map(*edge.shape, values)
    out = []
    for corner in corners(op.geometry, x.height, x.width):
        for channel in range(x.channels):
            seen = [x.at(row, column, channel) for _, _, row, column in taps(op.geometry, corner)]
            inside = [v for v in seen if v is not None]
            out.append(min(inside) if op.minimum[channel % len(op.minimum)] else max(inside))
    return out


def run_upsample(op: ir.Upsample, values: Values, edge: ir.Edge) -> Values:
    x = Map(*edge.shape, values)
    down, across = op.factor
    out = []
    for row in range(x.height * down):
        for column in range(x.width * across):
            for channel in range(x.channels):
                v = x.at(row // down, column // across, channel)
                assert v is not None
                out.append(v)
    return out


def run_concat(_op: ir.Concat, a: Values, b: Values, edge_a: ir.Edge, edge_b: ir.Edge) -> Values:
    na, nb = edge_a.shape[-1], edge_b.shape[-1]
    assert len(a) // na == len(b) // nb
    return [v for i in range(len(a) // na) for v in a[i * na : (i + 1) * na] + b[i * nb : (i + 1) * nb]]


def run_add(_op: ir.Add, a: Values, b: Values, edge_a: ir.Edge, edge_b: ir.Edge) -> Values:
    assert edge_a.shape == edge_b.shape
    return [p + q for p, q in zip(a, b, strict=True)]


def run_reshape(_op: ir.Reshape, x: Values, _edge: ir.Edge) -> Values:
    return x


def run_requantize(op: ir.Requantize, x: Values, edge: ir.Edge) -> Values:
    codes: dict[int, int] = {}  # by identity: `apply_chain` gives the same object for the same integer and channel
    reals = apply_chain(op.chain, x, edge.shape[-1])
    for real in reals:
        if id(real) not in codes:
            codes[id(real)] = quantize(op.quantizer, real)
    return [codes[id(real)] for real in reals]


def run_thresholds(op: ir.Threshold, x: Values, edge: ir.Edge) -> Values:
    return [run_threshold(op, i % edge.shape[-1] % len(op.thresholds), v) for i, v in enumerate(x)]


def run_threshold(op: ir.Threshold, row: int, v: int) -> int:
    count = 0
    for threshold in op.thresholds[row].tolist():
        if v >= threshold:
            count += 1
    if op.descending[row]:
        count = op.levels - count
    return op.base + op.step * count


def run_affine(op: ir.ChannelAffine, x: Values, edge: ir.Edge) -> Values:
    mul, add = op.mul.tolist(), op.add.tolist()
    assert len(mul) == len(add) == edge.shape[-1]
    return [mul[i % len(mul)] * v + add[i % len(mul)] for i, v in enumerate(x)]


def run_argmax(op: ir.ArgMax, x: Values, edge: ir.Edge) -> Values:
    return greatest(x, edge.shape[-1], op.k)


def greatest(values: Sequence[Any], channels: int, k: int) -> Values:
    """The indices of the k greatest of each `channels` values, the greatest first; a tie goes to the lowest index."""
    out = []
    for first in range(0, len(values), channels):
        left = list(range(channels))
        for _ in range(k):
            best = left[0]
            for i in left:
                if values[first + i] > values[first + best]:
                    best = i
            left.remove(best)
            out.append(best)
    return out


def run_decide(op: ir.Decide, x: Values, edge: ir.Edge) -> Values:
    channels = edge.shape[-1]
    return greatest(apply_chain(op.chain, x, channels), channels, 1)


def run_vote(op: ir.Vote, x: Values, edge: ir.Edge) -> Values:
    members, out = edge.shape[-1], []
    for first in range(0, len(x), members):
        out += [sum(int(op.weight[m]) for m in range(members) if x[first + m] == label) for label in range(op.classes)]
    return out


RUN: dict[type[ir.Op], Callable[..., Values]] = {
    ir.Add: run_add,
    ir.ArgMax: run_argmax,
    ir.ChannelAffine: run_affine,
    ir.Concat: run_concat,
    ir.Conv: run_conv,
    ir.Decide: run_decide,
    ir.MatMul: run_matmul,
    ir.MaxPool: run_pool,
    ir.Requantize: run_requantize,
    ir.Reshape: run_reshape,
    ir.Threshold: run_thresholds,
    ir.Upsample: run_upsample,
    ir.Vote: run_vote,
}
"""What each op does: (op, the values of each input, the edge of each input) -> values."""


def trace(graph: ir.Graph, x: Sequence[int]) -> dict[str, Values]:
    """The integers on every edge, by the name of the op that makes them, for the flat input integers `x`. Checks their types and numbers."""
    values: dict[str, Values] = {}
    for op in graph.ops:
        if isinstance(op, ir.Input):
            values[op.name] = [int(v) for v in x]
        else:
            values[op.name] = RUN[type(op)](op, *(values[name] for name in op.inputs), *(graph.edges[name] for name in op.inputs))
        edge = graph.edges[op.name]
        assert len(values[op.name]) == math.prod(edge.shape), op.name
        assert all(edge.type.min <= v <= edge.type.max for v in values[op.name]), f"{op.name} leaves {edge.type}"
        assert not (isinstance(edge.type, ir.Bipolar) and 0 in values[op.name]), op.name
    return values


def evaluate(graph: ir.Graph, x: Sequence[int]) -> Values:
    """The output's integers."""
    return trace(graph, x)[graph.output]


def real_outputs(graph: ir.Graph, x: Sequence[int]) -> list[Real]:
    """What the output's integers mean."""
    return apply_chain(graph.meaning, evaluate(graph, x), graph.edges[graph.output].shape[-1])


def labels(graph: ir.Graph, x: Sequence[int], k: int = 1) -> Values:
    """The classes of an imported graph: at each position, the indices of the k greatest real outputs, a tie goes to the lowest index."""
    return greatest(real_outputs(graph, x), graph.edges[graph.output].shape[-1], k)


def label(graph: ir.Graph, x: Sequence[int]) -> int:
    """The class of an imported graph with a flat output."""
    (best,) = labels(graph, x)
    return best
