"""Layers and functions that join tensors: concatenation, and Brevitas' layer around a sum."""

from __future__ import annotations

from functools import reduce

import numpy as np
from brevitas.nn import QuantEltwiseAdd

from hwqnn.frontend import joins
from hwqnn.frontend.activations import quantize
from hwqnn.frontend.registry import REGISTRY, Call
from hwqnn.frontend.symbolic import Symbol


@REGISTRY.layer(QuantEltwiseAdd)
@REGISTRY.joining
def eltwise_add(call: Call) -> Symbol:
    layer, name = call.module, call.place.op_name
    if len(call.operands) != 2:
        raise call.fail("one of its operands does not come from the input; add a constant with +")
    a, b = (quantize(call, f"{name}.input_quant", layer.input_quant, x, value) for x, value in zip(call.operands, call.args, strict=True))
    return quantize(call, f"{name}.output_quant", layer.output_quant, joins.add(call.builder, call.site, name, a, b), call.out)


@REGISTRY.function("cat", "concat", "concatenate")
@REGISTRY.joining
def cat(call: Call) -> Symbol:
    tensors = call.kwargs.get("tensors", call.args[0] if call.args else ())
    if len(call.operands) != len(tensors):
        raise call.fail(f"{len(tensors) - len(call.operands)} of the {len(tensors)} tensors that it joins do not come from the input")
    axis = call.kwargs.get("dim", call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else 0))
    return concatenated(call, f"{call.place.op_name}.cat", call.operands, axis)


def concatenated(call: Call, name: str, parts: list[Symbol], axis: int) -> Symbol:
    """Along any axis of the samples, as long as it is where the channels of their edges are."""
    axis %= call.out.ndim
    if axis == 0:
        raise call.fail("it joins along the batch axis; join along channels (dim=1)")
    first = [part.moved(np.moveaxis(part.index, axis - 1, 0)) for part in parts]
    rest = first[0].shape[1:]
    lines = [part.moved(part.index.reshape(part.shape[0], 1, -1)) if rest else part for part in first] if len(rest) != 2 else first
    out = reduce(lambda a, b: joins.concat(call.builder, call.site, name, a, b), lines)
    return out.moved(np.moveaxis(out.index.reshape(-1, *rest), 0, axis - 1))
