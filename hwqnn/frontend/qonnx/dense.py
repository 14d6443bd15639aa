"""Matrix products with constant integer weights: MatMul and Gemm."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn.frontend.layers import weight_type
from hwqnn.frontend.qonnx.registry import Call, Constant, standard
from hwqnn.frontend.symbolic import Symbol, as_line, dot_rows
from hwqnn.ir import MatMul, exact

WEIGHT_LIMIT = 2**15
"""Weights as large as this are no few-bit weights; sums of them might leave 64 bits."""


@standard("MatMul")
def matmul(call: Call) -> Symbol:
    if call.at != 0:
        raise call.fail("the constant matrix must be its second input")
    return dense(call, transposed(call.constant(1, "weight")), exact([0]), Fraction(1))


@standard("Gemm")
def gemm(call: Call) -> Symbol:
    """alpha * x @ weight + beta * bias."""
    if call.at != 0 or call.attribute("transA", 0):
        raise call.fail("the tensor that depends on the input must be its first input, and not transposed")
    weight = call.constant(1, "weight")
    bias = exact([0]) if call.optional(2) is None else bias_of(call, 2) * Fraction(call.attribute("beta", 1.0))
    return dense(call, weight if call.attribute("transB", 0) else transposed(weight), bias, Fraction(call.attribute("alpha", 1.0)))


def transposed(weight: Constant) -> Constant:
    return Constant(*(None if part is None else part.T for part in (weight.value, weight.integers, weight.scale)))  # type: ignore[arg-type]


def bias_of(call: Call, at: int) -> np.ndarray:
    values = call.array(at, "bias")
    if values.size != 1 and values.shape[-1] != values.size:
        raise call.fail(f"a bias of shape {values.shape}; one value for each output is supported")
    return call.exact(values, "bias")


def read_weight(call: Call, weight: Constant) -> tuple[np.ndarray, np.ndarray]:
    """The integers int64 (out, in) and their scale, Fractions of length 1 or out. Whole numbers need no quantizer."""
    if weight.value.ndim != 2:
        raise call.fail(f"a weight of shape {weight.value.shape}; two axes are supported")
    integers, scale = weight.integers, weight.scale
    if integers is None or scale is None:
        if not np.isfinite(weight.value).all():
            call.bad("a weight is NaN or infinite")
        if (np.rint(weight.value) != weight.value).any():
            raise call.fail("its weights are floats; quantize them with Quant or BipolarQuant")
        integers, scale = np.clip(weight.value, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int64), np.ones(weight.value.shape)
    if abs(integers).max() >= WEIGHT_LIMIT:
        raise call.fail(f"a weight of {abs(integers).max()} or more; weights of up to 16 bits are supported")
    if (scale != scale[:, :1]).any():
        raise call.fail("its weight scales differ along the inputs; use one scale, or one per output channel")
    return integers, call.exact(scale[:1, 0] if (scale == scale.flat[0]).all() else scale[:, 0], "weight scale")


def dense(call: Call, weight: Constant, bias: np.ndarray, alpha: Fraction) -> Symbol:
    """alpha * weight @ x + bias, `weight` (out, in): the integers are the op, all else one affine piece."""
    x = call.x
    integers, scale = read_weight(call, weight)
    if len(x.shape) != 1:
        raise call.fail(f"it runs along the last axis of a tensor of shape {call.shape_text}; flatten to (N, features) first")
    outputs, inputs = integers.shape
    if inputs != x.size:
        call.bad(f"a weight for {inputs} inputs on a tensor of shape {call.shape_text}")
    if len(bias) not in (1, outputs):
        call.bad(f"{len(bias)} biases for {outputs} outputs")
    step, delta = as_line(x, call.node)
    op = MatMul(name=call.builder.fresh(call.node.op_name), inputs=(x.producer,), weight=integers, weight_type=weight_type(integers))
    factor = scale * alpha
    offset = dot_rows(integers, delta) * factor + bias if (delta != 0).any() else bias
    return Symbol(call.builder.add(op, outputs), (outputs,), (), str(call.node)).affine(factor * step, offset)
