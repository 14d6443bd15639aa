"""Labels, at the end of a graph or in its midst: argmax over the classes' real values, computed by integers that provably order them the same way."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import gcd, lcm

import numpy as np

from hwqnn.errors import UnsupportedError
from hwqnn.ir import ArgMax, ChannelAffine, Clamp, Decide, Graph, Op, Piece
from hwqnn.passes.backmap import compose
from hwqnn.passes.ranges import channel_ranges
from hwqnn.passes.surd import Surd

Line = tuple[Surd, Surd]
"""(slope, offset) of a class."""
_MAX_FRACTION_BITS = 40
_WIDEST = 2**62


def append_argmax(graph: Graph, k: int = 1) -> Graph:
    """The graph with an `ArgMax` of the `k` best classes at its end, pixel by pixel on a map, and a `ChannelAffine` before it where the classes'
    slopes or offsets differ.

    Raises:
        UnsupportedError: as `greatest`.
        GraphError: there are fewer than k classes.
    """
    ops = greatest(graph, graph.output, graph.meaning, "argmax", "scores", k)
    return graph.replace({graph.output: [graph.op(graph.output), *ops]}, output="argmax", meaning=())


def lower_decisions(graph: Graph) -> Graph:
    """Replaces every `Decide` by an `ArgMax` in the same way.

    Raises:
        UnsupportedError: as `greatest`.
    """
    found = [op for op in graph.ops if isinstance(op, Decide)]
    return graph.replace({op.name: greatest(graph, op.inputs[0], op.chain, op.name, f"{op.name}@scores") for op in found})


def greatest(graph: Graph, source: str, chain: tuple[Piece, ...], name: str, scores: str, k: int = 1) -> list[Op]:
    """The ops that find the `k` greatest channels of chain(`source`), called `name`; the `ChannelAffine` before it is called `scores`.

    A common positive slope and a common offset change no argmax and vanish. Otherwise integer factors are searched, with as few
    fraction bits as possible, under which every two reachable values of any two classes compare as the exact reals do, ties
    (lowest index wins) included.

    Raises:
        UnsupportedError: the chain holds a clamp, or no factors of up to 40 fraction bits exist.
    """
    if any(isinstance(piece, Clamp) for piece in chain):
        raise UnsupportedError(f"the output after '{source}' ends in an unquantized clamp (ReLU, HardTanh), which can tie classes: remove it")
    lines = [compose(chain, c) for c in range(graph.edges[source].channels)]
    slope, offset = lines[0]
    common = all((a - slope).sign() == 0 and (b - offset).sign() == 0 for a, b in lines)
    if common and slope.sign() > 0:
        return [ArgMax(name=name, inputs=(source,), k=k)]
    mul, add = integer_scores(lines, *channel_ranges(graph)[source])
    return [ChannelAffine(name=scores, inputs=(source,), mul=mul, add=add), ArgMax(name=name, inputs=(scores,), k=k)]


def integer_scores(lines: list[Line], lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mul, add), int64 (C,), such that for lo[c] <= x <= hi[c] argmax over mul[c]*x + add[c] is argmax over slope[c]*x + offset[c]."""
    unit = max(abs(float(a)) for a, _ in lines) or max(abs(float(b)) for _, b in lines) or 1.0
    slopes = np.array([float(a) / unit for a, _ in lines])
    offsets = np.array([float(b) / unit for _, b in lines])
    pairs = [(i, j) for i in range(len(lines)) for j in range(i + 1, len(lines))]
    wanted = cache(lambda i, j: beaten(lines, i, j, lo, hi))
    multiples = common_multiples(lines)
    for bits in range(_MAX_FRACTION_BITS + 1):
        mul, add = (np.clip(np.rint(v * 2.0**bits), -_WIDEST, _WIDEST).astype(np.int64) for v in (slopes, offsets))
        if multiples is not None and abs(mul).max() >= abs(multiples[0]).max():
            return multiples
        integers = [(Surd(int(a)), Surd(int(b))) for a, b in zip(mul, add, strict=True)]
        if all((beaten(integers, i, j, lo, hi) == wanted(i, j)).all() for i, j in pairs):
            return mul, add
    if multiples is not None:
        return multiples
    raise UnsupportedError(f"the classes' scales need more than {_MAX_FRACTION_BITS} fraction bits to keep their exact order")


def common_multiples(lines: list[Line]) -> tuple[np.ndarray, np.ndarray] | None:
    """The least integers in the same proportion as all slopes and offsets, which order everything as those do; None if there are none in 63 bits."""
    found = rationals([s for line in lines for s in line])
    if found is None:
        return None
    scale = lcm(*(v.denominator for v in found))
    integers = [int(v * scale) for v in found]
    common = gcd(*integers) or 1
    if max(map(abs, integers)) // common >= _WIDEST:
        return None
    least = np.array([v // common for v in integers], dtype=np.int64)
    return least[::2], least[1::2]


def rationals(numbers: list[Surd]) -> list[Fraction] | None:
    """The same numbers divided by one positive real, if there is one that makes all of them rational."""
    radicand = next((r for s in numbers for r in s.terms), 1)
    divided = [s * Surd(terms={radicand: Fraction(1)}) for s in numbers]
    return [s.terms.get(1, Fraction(0)) for s in divided] if all(s.terms.keys() <= {1} for s in divided) else None


def beaten(lines: list[Line], i: int, j: int, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """For each x in [lo[i], hi[i]]: how many y in [lo[j], hi[j]] class i at x beats or ties, slope[i]*x + offset[i] >= slope[j]*y + offset[j].

    Those y form a half line, so two sets of lines with equal counts order every pair of values alike.
    """
    x = np.arange(lo[i], hi[i] + 1)
    (a, b), (c, d) = lines[i], lines[j]
    count = hi[j] - lo[j] + 1
    if c.sign() > 0:  # y <= floor((a*x + b - d) / c)
        return np.clip(_floors(a, b - d, c, x) - lo[j] + 1, 0, count)
    if c.sign() < 0:  # -y <= floor((a*x + b - d) / -c)
        return np.clip(_floors(a, b - d, -c, x) + hi[j] + 1, 0, count)
    if a.sign() == 0:
        wins = np.full(len(x), (b - d).sign() >= 0)
    else:  # all y or none: x against (d - b) / a
        bound = (d - b) * a.reciprocal()
        wins = x >= min(bound.ceil(), _WIDEST) if a.sign() > 0 else x <= max(bound.floor(), -_WIDEST)
    return np.where(wins, count, 0)


def _floors(a: Surd, b: Surd, c: Surd, x: np.ndarray) -> np.ndarray:
    """floor((a*x + b) / c) for c > 0, exactly wherever it is less than 2**52 in magnitude; int64."""
    if (found := rationals([a, b, c])) is not None:
        scale = lcm(*(v.denominator for v in found))
        p, q, r = (int(v * scale) for v in found)
        if max(abs(p), abs(q), r) * (int(abs(x).max()) + 1) < _WIDEST:
            return (p * x + q) // r
        return np.clip((p * x.astype(object) + q) // r, -_WIDEST, _WIDEST).astype(np.int64)
    fa, fb, fc = float(a), float(b), float(c)
    quotient = np.clip((fa * x + fb) / fc, -(2.0**53), 2.0**53)
    floors = np.floor(quotient).astype(np.int64)
    # where rounding in floating point could cross an integer, decide by exact signs
    error = 1e-14 * (np.abs(fa * x) + abs(fb)) / fc + 1e-300
    for k in np.flatnonzero((np.abs(quotient - np.rint(quotient)) <= error) & (abs(quotient) < 2.0**52)):
        y = int(np.rint(quotient[k]))
        floors[k] = y if (a * Surd(int(x[k])) + b - c * Surd(y)).sign() >= 0 else y - 1
    return floors
