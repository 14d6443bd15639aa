"""Nodes that compute constants from constants: as ONNX does, in the tensors' own types; quantized weights keep their integers and scale."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from hwqnn.errors import InputError
from hwqnn.frontend.qonnx.file import first_line
from hwqnn.frontend.qonnx.quantizers import code_limits, rounding_of
from hwqnn.frontend.qonnx.registry import STANDARD_DOMAINS, Call, Constant, fold
from hwqnn.ir import Rounding

MOVES = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Slice", "Split", "Concat", "Gather")
"""Standard ops that only move elements."""
_ROUND: dict[Rounding, Callable[[np.ndarray], np.ndarray]] = {Rounding.HALF_EVEN: np.round, Rounding.FLOOR: np.floor, Rounding.CEIL: np.ceil}


def evaluate(call: Call, proto: onnx.NodeProto, opsets: dict[str, int]) -> tuple[Constant, ...]:
    """All outputs of a standard node whose inputs are constants.

    Raises:
        InputError: ONNX' reference evaluator cannot compute it.
    """
    arrays = [value.value if isinstance(value, Constant) else None for value in call.inputs]
    values = run(call, proto, opsets, arrays)
    if proto.op_type in MOVES and (weight := quantized_operand(call, 0)) is not None:
        integers, scale = (run(call, proto, opsets, [part, *arrays[1:]])[0] for part in (weight.integers, weight.scale))
        return (Constant(values[0], integers, scale),)
    if proto.op_type in ("Mul", "Div") and (scaled := rescaled(call, proto.op_type, values[0])) is not None:
        return (scaled,)
    return tuple(Constant(value) for value in values)


def quantized_operand(call: Call, at: int) -> Constant | None:
    value = call.optional(at)
    return value if isinstance(value, Constant) and value.integers is not None else None


def rescaled(call: Call, op: str, value: np.ndarray) -> Constant | None:
    """A quantized tensor times or over a plain one that is positive: the same integers with another scale."""
    at = 0 if quantized_operand(call, 0) is not None else 1
    weight, factor = quantized_operand(call, at), call.optional(1 - at)
    if weight is None or not isinstance(factor, Constant) or factor.integers is not None or (op == "Div" and at == 1):
        return None
    if value.shape != weight.value.shape or not (factor.value > 0).all():
        return None
    assert weight.integers is not None and weight.scale is not None
    scale = weight.scale * factor.value if op == "Mul" else weight.scale / factor.value
    return Constant(value, weight.integers, np.broadcast_to(scale, value.shape))


def run(call: Call, proto: onnx.NodeProto, opsets: dict[str, int], arrays: list[np.ndarray | None]) -> list[np.ndarray]:
    feeds = {name: array for name, array in zip(proto.input, arrays, strict=True) if array is not None}
    entries = [helper.make_empty_tensor_value_info(name) for name in feeds]
    results = [helper.make_empty_tensor_value_info(name) for name in proto.output if name]
    alone = helper.make_model(
        helper.make_graph([proto], "constant", entries, results), opset_imports=[helper.make_opsetid(*entry) for entry in opsets.items()]
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a division by zero shows as infinity, which is refused where it is used
            return [np.asarray(v) for v in ReferenceEvaluator(alone).run(None, feeds)]
    except Exception as error:  # the evaluator raises whatever numpy does
        raise InputError(f"{call.node}: its constants cannot be computed: {first_line(error)}") from None


def quantized(call: Call, integers: np.ndarray, scale: np.ndarray) -> Constant:
    """integers * scale, where the scale has any shape that broadcasts."""
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        call.bad(f"a scale of {scale[~(np.isfinite(scale) & (scale > 0))].flat[0]}; it must be positive and finite")
    try:
        spread = np.broadcast_to(scale, integers.shape)
    except ValueError:
        call.bad(f"a scale of shape {scale.shape} does not fit a tensor of shape {integers.shape}")
    return Constant(integers.astype(scale.dtype) * spread, integers.astype(np.int64), spread)


def finite(call: Call) -> np.ndarray:
    """The tensor to quantize."""
    x = call.array(0, "tensor")
    if not np.isfinite(x).all():
        call.bad("the tensor to quantize holds NaN or infinity")
    return x


@fold("Quant", "IntQuant")
def quant(call: Call) -> Constant:
    """clamp(round(x / scale + zero_point)) - zero_point, in the tensor's own float type as every executor computes it."""
    x, scale, zero_point = finite(call), call.array(1, "scale"), call.array(2, "zero point")
    (lo, hi), rounding = code_limits(call, call.integer(3, "bit width")), rounding_of(call)
    if (np.rint(zero_point) != zero_point).any():
        raise call.fail("a zero point that is not an integer")
    if call.integer(3, "bit width") == 1 and call.attribute("signed", 1):
        return bipolar(call)
    with np.errstate(all="ignore"):
        codes = np.clip(_ROUND[rounding](x / scale + zero_point), lo, hi)
    return quantized(call, np.nan_to_num(codes).astype(np.int64) - zero_point.astype(np.int64), scale)


@fold("BipolarQuant")
def bipolar(call: Call) -> Constant:
    return quantized(call, np.where(finite(call) >= 0, 1, -1), call.array(1, "scale"))


@fold("DequantizeLinear", domains=STANDARD_DOMAINS)
def dequantize(call: Call) -> Constant:
    """(x - zero_point) * scale, one scale or one along an axis."""
    x, scale = call.array(0, "tensor"), call.array(1, "scale")
    zero_point = call.array(2, "zero point") if call.optional(2) is not None else np.zeros((), x.dtype)
    if scale.ndim > 1 or call.attribute("block_size", 0):
        raise call.fail("scales in blocks; use one scale, or one per channel")
    if x.dtype.kind not in "iu":
        raise call.fail(f"a tensor of {x.dtype}; only integers are supported")
    if scale.size > 1:
        axes = [-1 if i == call.attribute("axis", 1) % x.ndim else 1 for i in range(x.ndim)]
        scale, zero_point = scale.reshape(axes), zero_point.reshape(axes if zero_point.size > 1 else ())
    return quantized(call, x.astype(np.int64) - zero_point.astype(np.int64), scale)
