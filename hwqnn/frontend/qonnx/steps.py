"""Nodes that state thresholds themselves: FINN's MultiThreshold, and Sign. They become a `Threshold` on the integers behind the symbol."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn.frontend.qonnx.datatypes import datatype
from hwqnn.frontend.qonnx.quantizers import of_data
from hwqnn.frontend.qonnx.registry import Call, custom, standard
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Bipolar, Ternary, Threshold, Type, exact, smallest
from hwqnn.passes.backmap import Compare, backmap
from hwqnn.passes.surd import Surd

_BY_RANK = {2: "NC", 3: "NWC", 4: "NCHW"}
"""The layout of a tensor whose node states none, as qonnx guesses it."""


@custom("MultiThreshold")
def multi_threshold(call: Call) -> Symbol:
    """out_scale * #{j : x >= thresholds[c, j]} + out_bias; `thresholds` is (C or 1, levels), in any order."""
    of_data(call)
    table = call.array(1, "table of thresholds")
    layout = call.attribute("data_layout", "") or _BY_RANK.get(len(call.shape), "NC")
    axis = layout.find("C") if "C" in layout else 1
    if table.ndim != 2 or not table.shape[1] or axis >= len(call.shape) or table.shape[0] not in (1, call.shape[axis]):
        raise call.fail(
            f"thresholds of shape {table.shape} for a tensor of shape {call.shape_text} ({layout}); give one row, or one for each channel"
        )
    if np.isnan(table).any():
        call.bad("a threshold is NaN")
    scale, bias = (Fraction(call.attribute(name, default)) for name, default in (("out_scale", 1.0), ("out_bias", 0.0)))
    if scale == 0:
        raise call.fail("an out_scale of 0, so that nothing passes through it")
    rows = [[bool(t < 0) if np.isinf(t) else Compare(Surd(Fraction(t)), strict=False) for t in row] for row in table.tolist()]
    levels = table.shape[1]
    check_annotation(call, str(call.attribute("out_dtype", "")), scale, bias, levels)
    if levels == 1 and 2 * bias == -scale:  # two codes around zero: bipolar
        return steps(call, rows, axis, -1, 2, Bipolar()).scaled(scale / 2)
    base = bias / scale
    if base.denominator == 1:
        return steps(call, rows, axis, int(base), 1, smallest(int(base), int(base) + levels)).scaled(scale)
    return steps(call, rows, axis, 0, 1, smallest(0, levels)).affine(exact([scale]), exact([bias]))


def check_annotation(call: Call, name: str, scale: Fraction, bias: Fraction, levels: int) -> None:
    """Raises `InputError` when the node yields values that its own out_dtype does not have."""
    if (kind := datatype(name)) is None:
        return
    for value in (bias, bias + scale, bias + levels * scale):
        if not kind.holds(value):
            call.bad(f"it yields {float(value):g}, which is no value of its out_dtype {name}")


@standard("Sign")
def sign(call: Call) -> Symbol:
    """-1, 0 or +1: ONNX' sign of 0 is 0."""
    return steps(call, [[Compare(Surd(0), strict=False), Compare(Surd(0), strict=True)]], 1, -1, 1, Ternary())


def steps(call: Call, rows: list[list[Compare | bool]], axis: int, base: int, step: int, kind: Type) -> Symbol:
    """base + step * (how many comparisons of a row the symbol's real value fulfils); one row for all channels, or one each along `axis`."""
    x, row_of = call.x, exact([0])
    if len(rows) > 1:
        x, (row_of,) = call.meeting("channel", np.arange(len(rows)).reshape([-1 if i == axis else 1 for i in range(1, len(call.shape))]))
    lo, hi = call.reach(x)
    parameters = [row_of, lo, hi, *(v for piece in x.chain for v in vars(piece).values() if isinstance(v, np.ndarray))]
    uniform = all((v == v[0]).all() for v in parameters)
    found = [
        integer_steps(x, c, rows[int(row_of[c % len(row_of)])], int(lo[c]), int(hi[c])) for c in range(1 if uniform else x.edge.channels)
    ]  # fmt: skip
    op = Threshold(
        name=call.builder.fresh(call.node.op_name),
        inputs=(x.producer,),
        thresholds=np.array([row for row, _ in found], dtype=np.int64),
        descending=np.array([descending for _, descending in found]),
        base=base,
        step=step,
        type=kind,
    )
    return call.builder.add(op, x.index)


def integer_steps(x: Symbol, channel: int, row: list[Compare | bool], lo: int, hi: int) -> tuple[list[int], bool]:
    """One channel's rising thresholds on integers in [lo, hi], and whether it is descending; `hi + 1` is never reached, `lo` always."""
    mapped = [c if isinstance(c, bool) else backmap(x.chain, channel, c) for c in row]
    descending = any(isinstance(m, Compare) and m.below for m in mapped)
    thresholds = [
        min(max(m.first_integer(), lo), hi + 1) if isinstance(m, Compare) else lo if m != descending else hi + 1 for m in mapped
    ]  # fmt: skip
    return sorted(thresholds), descending
