"""Nodes that state thresholds themselves: FINN's MultiThreshold, and Sign. They become a `Threshold` on the integers behind the symbol."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwqnn.frontend.qonnx.quantizers import of_data
from hwqnn.frontend.qonnx.registry import Call, custom, standard
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Bipolar, Ternary, Threshold, Type, exact, smallest
from hwqnn.passes.backmap import Compare, backmap
from hwqnn.passes.surd import Surd


@custom("MultiThreshold")
def multi_threshold(call: Call) -> Symbol:
    """out_scale * #{j : x >= thresholds[c, j]} + out_bias; `thresholds` is (C or 1, levels), in any order."""
    x, table = of_data(call), call.array(1, "table of thresholds")
    if table.ndim != 2 or table.shape[0] not in (1, x.size) or not table.shape[1] or (table.shape[0] > 1 and len(x.shape) > 1):
        raise call.fail(f"thresholds of shape {table.shape} for a tensor of shape {call.shape_text}; give one row for each of C in (N, C), or one")
    if np.isnan(table).any():
        call.bad("a threshold is NaN")
    scale, bias = (Fraction(call.attribute(name, default)) for name, default in (("out_scale", 1.0), ("out_bias", 0.0)))
    if scale == 0:
        raise call.fail("an out_scale of 0, so that nothing passes through it")
    rows = [[bool(t < 0) if np.isinf(t) else Compare(Surd(Fraction(t)), strict=False) for t in row] for row in table.tolist()]
    levels = table.shape[1]
    if levels == 1 and 2 * bias == -scale:  # two codes around zero: bipolar
        return steps(call, rows, -1, 2, Bipolar()).scaled(scale / 2)
    base = bias / scale
    if base.denominator == 1:
        return steps(call, rows, int(base), 1, smallest(int(base), int(base) + levels)).scaled(scale)
    return steps(call, rows, 0, 1, smallest(0, levels)).affine(exact([scale]), exact([bias]))


@standard("Sign")
def sign(call: Call) -> Symbol:
    """-1, 0 or +1: ONNX' sign of 0 is 0."""
    return steps(call, [[Compare(Surd(0), strict=False), Compare(Surd(0), strict=True)]], -1, 1, Ternary())


def steps(call: Call, rows: list[list[Compare | bool]], base: int, step: int, kind: Type) -> Symbol:
    """base + step * (how many comparisons of a row the symbol's real value fulfils); one row for all channels, or one each."""
    x = call.x
    edge = call.builder.graph("", x).edges[x.producer]
    lo, hi = edge.type.min, edge.type.max
    uniform = len(rows) == 1 and all(len(v) == 1 for piece in x.chain for v in vars(piece).values() if isinstance(v, np.ndarray))
    found = [integer_steps(x, c, rows[c if len(rows) > 1 else 0], lo, hi) for c in range(1 if uniform else x.size)]
    op = Threshold(
        name=call.builder.fresh(call.node.op_name),
        inputs=(x.producer,),
        thresholds=np.array([row for row, _ in found], dtype=np.int64),
        descending=np.array([descending for _, descending in found]),
        base=base,
        step=step,
        type=kind,
    )
    return replace(x, producer=call.builder.add(op, x.size), chain=())


def integer_steps(x: Symbol, channel: int, row: list[Compare | bool], lo: int, hi: int) -> tuple[list[int], bool]:
    """One channel's rising thresholds on integers in [lo, hi], and whether it is descending; `hi + 1` is never reached, `lo` always."""
    mapped = [c if isinstance(c, bool) else backmap(x.chain, channel, c) for c in row]
    descending = any(isinstance(m, Compare) and m.below for m in mapped)
    thresholds = [
        min(max(m.first_integer(), lo), hi + 1) if isinstance(m, Compare) else lo if m != descending else hi + 1 for m in mapped
    ]  # fmt: skip
    return sorted(thresholds), descending
