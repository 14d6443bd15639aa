"""Ends a graph in the label: argmax over the classes' real values, computed by integers that provably order them the same way."""

from __future__ import annotations

from math import lcm

import numpy as np

from hwqnn.errors import UnsupportedError
from hwqnn.ir import ArgMax, ChannelAffine, Clamp, Graph, MatMul
from hwqnn.passes.backmap import compose
from hwqnn.passes.surd import Surd

_MAX_FRACTION_BITS = 40


def append_argmax(graph: Graph) -> Graph:
    """The graph with an `ArgMax` (and a `ChannelAffine` where the classes' slopes or offsets differ) at its end.

    A common positive slope and a common offset change no argmax and vanish. Otherwise integer factors are searched, with as few
    fraction bits as possible, under which every two reachable values of any two classes compare as the exact reals do, ties
    (lowest index wins) included.

    Raises:
        UnsupportedError: the output ends in a clamp, has no axis of classes, or no factors of up to 40 fraction bits exist.
    """
    if any(isinstance(piece, Clamp) for piece in graph.meaning):
        raise UnsupportedError(f"the output after '{graph.output}' ends in an unquantized clamp (ReLU, HardTanh), which can tie classes: remove it")
    edge, producer = graph.edges[graph.output], graph.op(graph.output)
    if len(edge.shape) != 1:
        raise UnsupportedError(f"the output '{graph.output}' has shape {edge.shape}; a label needs one axis of classes")
    lines = [compose(graph.meaning, c) for c in range(edge.channels)]
    slope, offset = lines[0]
    common = all((a - slope).sign() == 0 and (b - offset).sign() == 0 for a, b in lines)
    if common and slope.sign() > 0:
        return graph.replace({graph.output: [producer, ArgMax(name="argmax", inputs=(graph.output,))]}, output="argmax", meaning=())
    if isinstance(producer, MatMul):
        lo, hi = producer.channel_range(graph.edges[producer.inputs[0]].type)
    else:
        lo, hi = np.full(edge.channels, edge.type.min), np.full(edge.channels, edge.type.max)
    mul, add = integer_scores(lines, lo, hi)
    scores = ChannelAffine(name="scores", inputs=(graph.output,), mul=mul, add=add)
    return graph.replace({graph.output: [producer, scores, ArgMax(name="argmax", inputs=("scores",))]}, output="argmax", meaning=())


def integer_scores(lines: list[tuple[Surd, Surd]], lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mul, add), int64 (C,), such that for lo[c] <= x <= hi[c] argmax over mul[c]*x + add[c] is argmax over slope[c]*x + offset[c]."""
    unit = max(abs(float(a)) for a, _ in lines) or 1.0
    slopes = np.array([float(a) / unit for a, _ in lines])
    offsets = np.array([float(b) / unit for _, b in lines])
    pairs = [(i, j) for i in range(len(lines)) for j in range(i + 1, len(lines))]
    for bits in range(_MAX_FRACTION_BITS + 1):
        mul, add = np.rint(slopes * 2.0**bits).astype(np.int64), np.rint(offsets * 2.0**bits).astype(np.int64)
        integers = [(Surd(int(a)), Surd(int(b))) for a, b in zip(mul, add, strict=True)]
        if all((beaten(integers, i, j, lo, hi) == beaten(lines, i, j, lo, hi)).all() for i, j in pairs):
            return mul, add
    raise UnsupportedError(f"the classes' scales need more than {_MAX_FRACTION_BITS} fraction bits to keep their exact order")


def beaten(lines: list[tuple[Surd, Surd]], i: int, j: int, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """For each x in [lo[i], hi[i]]: how many y in [lo[j], hi[j]] class i at x beats or ties, slope[i]*x + offset[i] >= slope[j]*y + offset[j].

    Those y form a half line, so two sets of lines with equal counts order every pair of values alike.
    """
    x = np.arange(lo[i], hi[i] + 1)
    (a, b), (c, d) = lines[i], lines[j]
    direction = c.sign()
    if direction == 0:
        wins = [(a * Surd(int(v)) + b - d).sign() >= 0 for v in x]
        return np.where(wins, hi[j] - lo[j] + 1, 0)
    # y <= bound for a rising class j; for a falling one -y <= bound
    last = _floors(a, b - d, c if direction > 0 else -c, x)
    first, count = (lo[j], hi[j] - lo[j] + 1) if direction > 0 else (-hi[j], hi[j] - lo[j] + 1)
    return np.clip(last - first + 1, 0, count)


def _floors(a: Surd, b: Surd, c: Surd, x: np.ndarray) -> np.ndarray:
    """floor((a*x + b) / c) for c > 0, exactly, as int64."""
    if all(set(s.terms) <= {1} for s in (a, b, c)):
        p, q, r = (s.terms.get(1, 0) for s in (a, b, c))
        scale = lcm(*(v.denominator for v in (p, q, r)))
        p, q, r = (int(v * scale) for v in (p, q, r))
        big = max(abs(p), abs(q), r) * (int(abs(x).max()) + 1) >= 2**62
        return ((p * (x.astype(object) if big else x) + q) // r).astype(np.int64)
    fa, fb, fc = float(a), float(b), float(c)
    quotient = (fa * x + fb) / fc
    floors = np.floor(quotient).astype(np.int64)
    # where rounding in floating point could cross an integer, decide by exact signs
    error = 1e-14 * (np.abs(fa * x) + abs(fb)) / fc + 1e-300
    for k in np.flatnonzero(np.abs(quotient - np.rint(quotient)) <= error):
        y = int(np.rint(quotient[k]))
        floors[k] = y if (a * Surd(int(x[k])) + b - c * Surd(y)).sign() >= 0 else y - 1
    return floors
