"""Requantize to Threshold: a chain of real arithmetic and its quantizer become integer thresholds, exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn.errors import UnsupportedError
from hwqnn.ir import Graph, Op, Requantize, Rounding, SignQuantizer, Threshold, UniformQuantizer
from hwqnn.passes.backmap import Compare, backmap
from hwqnn.passes.ranges import channel_ranges
from hwqnn.passes.surd import Surd


def boundaries(quantizer: SignQuantizer | UniformQuantizer) -> list[Compare]:
    """What the quantizer's real input must satisfy to reach each code above the lowest, in rising order of codes."""
    if isinstance(quantizer, SignQuantizer):
        return [Compare(Surd(0), strict=False)]
    q = quantizer
    compares = []
    for k in range(q.lo + 1, q.hi + 1):
        shift, strict = {
            # the boundary lies at k - 1/2; a tie goes to the even code
            Rounding.HALF_EVEN: (Fraction(1, 2), k % 2 == 1),
            Rounding.HALF_UP: (Fraction(1, 2), False),
            Rounding.FLOOR: (Fraction(0), False),
            Rounding.CEIL: (Fraction(1), True),
        }[q.rounding]
        compares.append(Compare(Surd((k - shift - q.zero_point) * q.scale), strict))
    return compares


def channel_thresholds(op: Requantize, channel: int, lo: int, hi: int) -> tuple[list[int], bool]:
    """The rising thresholds of one channel and whether it is descending, for inputs in [lo, hi]; `never` is hi + 1, `always` is lo."""
    mapped = [backmap(op.chain, channel, c) for c in boundaries(op.quantizer)]
    descending = any(isinstance(m, Compare) and m.below for m in mapped)
    thresholds = []
    for m in mapped:
        if isinstance(m, Compare):
            thresholds.append(min(max(m.first_integer(), lo), hi + 1))
        else:
            thresholds.append(lo if m != descending else hi + 1)
    return sorted(thresholds), descending


def lower_requantize(graph: Graph) -> Graph:
    """Replaces every `Requantize` by the `Threshold` that computes the same for every input its producer can make.

    Raises:
        UnsupportedError: a quantizer has one code only, or values may need more than 63 bits.
    """
    ranges = channel_ranges(graph)
    changed: dict[str, list[Op]] = {}
    for op in graph.ops:
        if not isinstance(op, Requantize):
            continue
        lo, hi = ranges[op.inputs[0]]
        same = all(len(v) == 1 for piece in op.chain for v in vars(piece).values() if isinstance(v, np.ndarray))
        rows = 1 if same and (lo == lo[0]).all() and (hi == hi[0]).all() else len(lo)
        q = op.quantizer
        if isinstance(q, UniformQuantizer) and q.lo == q.hi:
            raise UnsupportedError(f"the quantizer of '{op.name}' has only the code {q.lo}, so nothing passes through it: give it more bits")
        found = [channel_thresholds(op, c, int(lo[c]), int(hi[c])) for c in range(rows)]
        base, step = (-1, 2) if isinstance(q, SignQuantizer) else (q.lo - q.zero_point, 1)
        changed[op.name] = [
            Threshold(
                name=op.name,
                inputs=op.inputs,
                thresholds=np.array([t for t, _ in found], dtype=np.int64).reshape(rows, -1),
                descending=np.array([d for _, d in found]),
                base=base,
                step=step,
                type=graph.edges[op.name].type,
            )
        ]
    return graph.replace(changed)
