"""Products with constant integer weights: MatMul and Gemm along the last axis, Conv, and the pair that FINN writes for a Conv, Im2Col and MatMul."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from hwqnn.frontend import products
from hwqnn.frontend.qonnx.registry import CHANNELS_LAST, Call, Constant, Patches, custom, standard
from hwqnn.frontend.qonnx.windows import geometry_of, on_channels_last, pair
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Geometry, exact

WEIGHT_LIMIT = 2**15
"""Weights as large as this are no few-bit weights; sums of them might leave 64 bits."""


@dataclass(frozen=True, eq=False)
class Weight:
    """Integers int64 (out, in) or (out, in / groups, kernel ...), and their scale, Fractions of length 1 or out."""

    integers: np.ndarray
    scale: np.ndarray


@standard("MatMul")
def matmul(call: Call) -> Symbol:
    if call.at != 0:
        raise call.fail("the constant matrix must be its second input")
    weight = read_weight(call, transposed(call.constant(1, "weight")), 2)
    if isinstance(patches := call.inputs[0], Patches):
        return lowered_conv(call, patches, weight)
    return dense(call, weight, exact([0]))


@standard("Gemm")
def gemm(call: Call) -> Symbol:
    """alpha * x @ weight + beta * bias."""
    if call.at != 0 or call.attribute("transA", 0):
        raise call.fail("the tensor that depends on the input must be its first input, and not transposed")
    constant = call.constant(1, "weight")
    weight = read_weight(call, constant if call.attribute("transB", 0) else transposed(constant), 2)
    bias = bias_of(call) * Fraction(call.attribute("beta", 1.0))
    return dense(call, replace(weight, scale=weight.scale * Fraction(call.attribute("alpha", 1.0))), bias)


@custom("XnorPopcountMatMul")
def xnor_matmul(call: Call) -> Symbol:
    """How many bits agree, of inputs and weights that are 0 or 1: x w + (1 - x)(1 - w) = x (2 w - 1) + (1 - w), summed over the inputs."""
    weight = transposed(call.constant(1, "weight")).value
    if ((weight != 0) & (weight != 1)).any():
        call.bad("a weight that is neither 0 nor 1")
    bits = weight.astype(np.int64)
    signs = Weight(2 * bits - 1, exact([1]))
    agree = exact((1 - bits).sum(axis=1))
    if isinstance(patches := call.inputs[0], Patches):
        if any(patches.geometry.padding):
            raise call.fail("padded bits, which count as agreeing with a 0 among the weights")
        x = lowered_conv(call, patches, signs)
        return x.affine(exact([1]), agree)
    return dense(call, signs, agree)


def transposed(weight: Constant) -> Constant:
    return weight.map(np.transpose)


def dense(call: Call, weight: Weight, bias: np.ndarray) -> Symbol:
    """weight @ x + bias along the last axis."""
    outputs, inputs = weight.integers.shape
    if inputs != call.x.shape[-1]:
        call.bad(f"a weight for {inputs} inputs on a tensor of shape {call.shape_text}")
    if len(bias) not in (1, outputs):
        call.bad(f"{len(bias)} biases for {outputs} outputs")
    return products.matmul(call.builder, call.node, call.node.op_name, call.x, weight.integers, weight.scale, bias)


@standard("Conv")
def conv(call: Call) -> Symbol:
    return convolved(call, call.constant(1, "weight"))


@custom("Conv", domains=(CHANNELS_LAST,))
@on_channels_last
def conv_of_last_axis(call: Call) -> Symbol:
    """The weight has its channels last, too."""
    return convolved(call, call.constant(1, "weight").map(lambda part: np.moveaxis(part, -1, 1)))


def convolved(call: Call, constant: Constant) -> Symbol:
    weight, bias = read_weight(call, constant, call.x.index.ndim + 1), bias_of(call)
    groups, channels = call.attribute("group", 1), call.x.shape[0]
    outputs, inputs, *kernel = weight.integers.shape
    if groups < 1 or inputs * groups != channels or outputs % groups:
        call.bad(f"a weight of shape {weight.integers.shape} in {groups} groups on a tensor of shape {call.shape_text}")
    if call.attribute("kernel_shape", kernel) != kernel:
        call.bad(f"a weight of shape {weight.integers.shape} for a kernel of {call.attribute('kernel_shape', None)}")
    if len(bias) not in (1, outputs):
        call.bad(f"{len(bias)} biases for {outputs} outputs")
    return run_conv(call, call.x, weight, bias, geometry_of(call, kernel), groups)


def run_conv(call: Call, x: Symbol, weight: Weight, bias: np.ndarray, geometry: Geometry, groups: int) -> Symbol:
    integers = weight.integers.reshape(*weight.integers.shape[:2], *geometry.kernel)
    return products.conv(call.builder, call.node, call.node.op_name, x, integers, weight.scale, bias, geometry, groups)


@custom("Im2Col")
def im2col(call: Call) -> Patches:
    """Windows of a tensor whose channels come last, side by side in its last axis in the order (kernel row, kernel column, channel)."""
    if len(call.x.shape) != 3:
        raise call.fail(f"a tensor of shape {call.shape_text}; (N, height, width, channels) is needed")
    if call.attribute("pad_value", 0):
        raise call.fail(f"padding with {call.attribute('pad_value', 0)}; only 0 is supported")
    kernel, stride, dilation = (call.attribute(name, [1, 1]) for name in ("kernel_size", "stride", "dilations"))
    pads = call.attribute("pad_amount", [0] * 4)
    if [len(kernel), len(stride), len(dilation), len(pads)] != [2, 2, 2, 4]:
        call.bad("its kernel_size, stride, dilations or pad_amount has a wrong length")
    geometry = Geometry(pair(kernel), pair(stride), (pads[0], pads[1], pads[2], pads[3]), pair(dilation))
    return Patches(call.x.moved(np.moveaxis(call.x.index, -1, 0)), geometry)


def lowered_conv(call: Call, patches: Patches, weight: Weight) -> Symbol:
    """The Conv that an Im2Col and a MatMul make up; depthwise where all weights between different channels are 0."""
    x, geometry = patches.x, patches.geometry
    channels, outputs = x.shape[0], len(weight.integers)
    if weight.integers.shape[1] != channels * geometry.taps:
        call.bad(f"a weight for {weight.integers.shape[1]} inputs on windows of {geometry.taps} elements of {channels} channels")
    integers = np.moveaxis(weight.integers.reshape(outputs, *geometry.kernel, channels), -1, 1)
    groups = 1
    if channels > 1 and outputs == channels and not integers[~np.eye(channels, dtype=bool)].any():
        integers, groups = integers[np.arange(channels), np.arange(channels)][:, None], channels
    out = run_conv(call, x, replace(weight, integers=integers), exact([0]), geometry, groups)
    return out.moved(np.moveaxis(out.index, 0, -1))


def bias_of(call: Call) -> np.ndarray:
    if call.optional(2) is None:
        return exact([0])
    values = call.array(2, "bias")
    if values.size != 1 and values.shape[-1] != values.size:
        raise call.fail(f"a bias of shape {values.shape}; one value for each output is supported")
    return call.exact(values, "bias")


def read_weight(call: Call, weight: Constant, axes: int) -> Weight:
    """Outputs first. Whole numbers need no quantizer."""
    if weight.value.ndim != axes:
        raise call.fail(f"a weight of shape {weight.value.shape}; {axes} axes are supported")
    if not weight.value.size:
        call.bad(f"a weight of shape {weight.value.shape}")
    integers, scale = weight.integers, weight.scale
    if integers is None or scale is None:
        if not np.isfinite(weight.value).all():
            call.bad("a weight is NaN or infinite")
        if (np.rint(weight.value) != weight.value).any():
            raise call.fail("its weights are floats; quantize them with Quant or BipolarQuant")
        integers, scale = np.clip(weight.value, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int64), np.ones(weight.value.shape)
    if abs(integers).max() >= WEIGHT_LIMIT:
        raise call.fail(f"a weight of {abs(integers).max()} or more; weights of up to 16 bits are supported")
    rows = scale.reshape(len(scale), -1)
    if (rows != rows[:, :1]).any():
        raise call.fail("its weight scales differ along the inputs; use one scale, or one per output channel")
    return Weight(integers, call.exact(rows[:1, 0] if (rows == rows[0, 0]).all() else rows[:, 0], "weight scale"))
