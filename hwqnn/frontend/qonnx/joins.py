"""Where tensors that depend on the input meet: sums, differences, concatenations."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np

from hwqnn.frontend import joins
from hwqnn.frontend.qonnx.registry import Call, standard
from hwqnn.frontend.symbolic import Symbol


def sum_of(call: Call, sign: Fraction) -> Symbol:
    """The first operand plus `sign` times the second."""
    a, b = (call.symbol(at) for at in (0, 1))
    shape = np.broadcast_shapes(a.shape, b.shape)
    if a.shape != shape or b.shape != shape:
        raise call.fail(f"it joins tensors of shapes {a.shape} and {b.shape}; only equal shapes are supported")
    return joins.add(call.builder, call.node, call.node.op_name, a, b.scaled(sign))


@standard("Concat")
def concat(call: Call) -> Symbol:
    """Along the channels, which are the first axis of a sample, or the last where the joined tensors' channels come last."""
    symbols = [call.symbol(at) for at in range(len(call.inputs))]
    axis = call.attribute("axis", 1) % (len(symbols[0].shape) + 1) - 1
    if axis < 0:
        raise call.fail("it joins along the batch")
    first = [x.moved(np.moveaxis(x.index, axis, 0)) for x in symbols]
    out = reduce(lambda a, b: joins.concat(call.builder, call.node, call.node.op_name, a, b), first)
    return out.moved(np.moveaxis(out.index, 0, axis))
