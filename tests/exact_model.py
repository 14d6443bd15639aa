"""A slow, obvious evaluator of graphs, imported or canonical, in exact arithmetic. It shares no code with any lowering or kernel.

Reals are sums of rational multiples of square roots (batch norm divides by one), so every comparison is decided, ties included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import total_ordering

from hwqnn import ir


def rational_root(x: Fraction) -> Fraction | None:
    """sqrt(x) if it is rational."""
    root = Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))
    return root if root * root == x else None


@total_ordering
class Real:
    """sum of coefficient * sqrt(radicand). No two radicands are a rational square apart, so it is zero only if it has no terms
    (square roots of different square classes are linearly independent over the rationals)."""

    def __init__(self, terms: Sequence[tuple[Fraction, Fraction]] = ()) -> None:
        self.terms: list[tuple[Fraction, Fraction]] = []
        for coefficient, radicand in terms:
            for i, (there, base) in enumerate(self.terms):
                if (root := rational_root(radicand / base)) is not None:
                    self.terms[i] = (there + coefficient * root, base)
                    break
            else:
                root = rational_root(radicand)
                self.terms.append((coefficient, radicand) if root is None else (coefficient * root, Fraction(1)))
        self.terms = [(c, r) for c, r in self.terms if c != 0]

    @staticmethod
    def of(x: int | Fraction) -> Real:
        return Real([(Fraction(x), Fraction(1))])

    def __add__(self, other: Real | int | Fraction) -> Real:
        return Real([*self.terms, *(other if isinstance(other, Real) else Real.of(other)).terms])

    def __mul__(self, factor: int | Fraction) -> Real:
        return Real([(c * factor, r) for c, r in self.terms])

    def __sub__(self, other: Real | int | Fraction) -> Real:
        return self + (other if isinstance(other, Real) else Real.of(other)) * -1

    def times_root(self, x: Fraction) -> Real:
        return Real([(c, r * x) for c, r in self.terms])

    def bounds(self, bits: int) -> tuple[Fraction, Fraction]:
        """Rationals below and above, closer with more bits."""
        lo = hi = Fraction(0)
        for c, r in self.terms:
            if r == 1:
                near, far = c, c
            else:
                root = Fraction(math.isqrt((r.numerator << 2 * bits) // r.denominator), 1 << bits)
                near, far = sorted((c * root, c * (root + Fraction(1, 1 << bits))))
            lo, hi = lo + near, hi + far
        return lo, hi

    def sign(self) -> int:
        if not self.terms:
            return 0
        bits = 64
        while True:
            lo, hi = self.bounds(bits)
            if lo > 0 or hi < 0:
                return 1 if lo > 0 else -1
            bits *= 2

    def floor(self) -> int:
        n = math.floor(self.bounds(64)[0])
        while (self - (n + 1)).sign() >= 0:
            n += 1
        return n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Real | int | Fraction) and (self - other).sign() == 0

    def __lt__(self, other: Real | int | Fraction) -> bool:
        return (self - other).sign() < 0

    def __hash__(self) -> int:
        raise TypeError("compare instead")

    def __float__(self) -> float:
        return float(self.bounds(128)[0])


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


def apply_chain(chain: Sequence[ir.Piece], integers: Sequence[int]) -> list[Real]:
    out = []
    for channel, q in enumerate(integers):
        x = Real.of(q)
        for piece in chain:
            x = apply_piece(piece, x, channel)
        out.append(x)
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


def run_op(op: ir.Op, x: list[int]) -> list[int]:
    if isinstance(op, ir.MatMul):
        return [sum(int(w) * v for w, v in zip(row, x, strict=True)) for row in op.weight.tolist()]
    if isinstance(op, ir.Requantize):
        return [quantize(op.quantizer, real) for real in apply_chain(op.chain, x)]
    if isinstance(op, ir.Threshold):
        return [run_threshold(op, channel % len(op.thresholds), v) for channel, v in enumerate(x)]
    if isinstance(op, ir.ChannelAffine):
        return [int(m) * v + int(a) for m, v, a in zip(op.mul.tolist(), x, op.add.tolist(), strict=True)]
    assert isinstance(op, ir.ArgMax), op
    return [x.index(max(x))]


def run_threshold(op: ir.Threshold, row: int, v: int) -> int:
    count = 0
    for threshold in op.thresholds[row].tolist():
        if v >= threshold:
            count += 1
    if op.descending[row]:
        count = op.levels - count
    return op.base + op.step * count


def trace(graph: ir.Graph, x: Sequence[int]) -> dict[str, list[int]]:
    """The integers on every edge, by the name of the op that makes them, for the flat input integers `x`. Checks their types."""
    values: dict[str, list[int]] = {}
    for op in graph.ops:
        values[op.name] = [int(v) for v in x] if isinstance(op, ir.Input) else run_op(op, values[op.inputs[0]])
        edge = graph.edges[op.name]
        assert len(values[op.name]) == math.prod(edge.shape), op.name
        assert all(edge.type.min <= v <= edge.type.max for v in values[op.name]), f"{op.name} leaves {edge.type}"
        assert not (isinstance(edge.type, ir.Bipolar) and 0 in values[op.name]), op.name
    return values


def evaluate(graph: ir.Graph, x: Sequence[int]) -> list[int]:
    """The output's integers."""
    return trace(graph, x)[graph.output]


def real_outputs(graph: ir.Graph, x: Sequence[int]) -> list[Real]:
    """What the output's integers mean."""
    return apply_chain(graph.meaning, evaluate(graph, x))


def label(graph: ir.Graph, x: Sequence[int]) -> int:
    """The class of an imported graph: the greatest real output, a tie goes to the lowest index."""
    reals = real_outputs(graph, x)
    best = 0
    for i, real in enumerate(reals):
        if real > reals[best]:
            best = i
    return best
