"""Convolutions, and the padding that may stand before them."""

from __future__ import annotations

import math
from typing import Any

from brevitas.nn import QuantConv1d, QuantConv2d, QuantConvTranspose1d, QuantConvTranspose2d
from torch import nn

from hwqnn.errors import InputError
from hwqnn.frontend import products, windows
from hwqnn.frontend.activations import quantize
from hwqnn.frontend.layers import weighted
from hwqnn.frontend.registry import REGISTRY, Call
from hwqnn.frontend.symbolic import Symbol, shape_text
from hwqnn.ir import Geometry


def geometry(kernel: tuple[int, ...], stride: tuple[int, ...], sides: list[tuple[int, int]], dilation: tuple[int, ...]) -> Geometry:
    """Of one or two axes; `sides` are the padding before and after on each."""
    if len(kernel) == 1:
        kernel, stride, sides, dilation = (1, *kernel), (1, *stride), [(0, 0), *sides], (1, *dilation)
    (top, bottom), (left, right) = sides
    return Geometry(kernel, stride, (top, left, bottom, right), dilation)  # type: ignore[arg-type]


def sides_of(layer: Any, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """The padding before and after on each axis of a convolution; 'same' puts the odd one after."""
    sides = []
    for i, size in enumerate(sizes):
        stride, reach = layer.stride[i], layer.dilation[i] * (layer.kernel_size[i] - 1)
        if layer.is_same_padded_strided:  # Brevitas' own, where torch has none
            total = max((math.ceil(size / stride) - 1) * stride + reach + 1 - size, 0)
        elif isinstance(layer.padding, str):
            total = reach if layer.padding == "same" else 0
        else:
            total = 2 * layer.padding[i]
        sides.append((total // 2, total - total // 2))
    return sides


@REGISTRY.layer(QuantConv1d, QuantConv2d)
def convolution(call: Call) -> Symbol:
    """acc = W q on integers; the scales, the input's offset and the bias become one affine piece. Padding with 0 is exact even for bipolar q."""
    layer, name = call.module, call.place.op_name
    if call.x.index.ndim != len(layer.kernel_size) + 1:
        raise InputError(f"{call.site}: it gets shape {shape_text(call.x)}, and takes the batch for channels; give it (N, channels, ...)")
    sides = sides_of(layer, call.x.shape[1:])
    if layer.padding_mode != "zeros" and any(map(any, sides)):
        raise call.fail(f"padding mode '{layer.padding_mode}'; use 'zeros'")
    shape = geometry(layer.kernel_size, layer.stride, sides, layer.dilation)
    x, weight, scale, bias = weighted(call)
    if weight.ndim == 3:
        weight = weight[:, :, None, :]
    out = products.conv(call.builder, call.site, name, x, weight, scale, bias, shape, layer.groups)
    return quantize(call, f"{name}.output_quant", layer.output_quant, out, call.out)


@REGISTRY.layer(QuantConvTranspose1d, QuantConvTranspose2d)
def transposed(call: Call) -> Symbol:
    raise call.fail("transposed convolutions are not supported; use nearest upsampling, then a QuantConv")


@REGISTRY.layer(nn.ConstantPad1d, nn.ConstantPad2d)
def pad_layer(call: Call) -> Symbol:
    """nn.ZeroPad1d and nn.ZeroPad2d are such layers."""
    return padded(call, call.module.padding, call.module.value)


@REGISTRY.function("pad")
def pad(call: Call) -> Symbol:
    given = call.options(pad=(), mode="constant", value=None)
    if given.mode != "constant":
        raise call.fail(f"padding mode '{given.mode}'; pad with zeros")
    return padded(call, given.pad, given.value or 0.0)


def padded(call: Call, amounts: tuple[int, ...], value: float) -> Symbol:
    """`amounts` as torch has them: before and after for the last axis, then for the one before it."""
    sides = [tuple(amounts[i : i + 2]) for i in range(0, len(amounts), 2)][::-1]
    if value != 0 or min(amounts) < 0:
        raise call.fail("it pads with something else than zeros, or cuts off; use zeros")
    while len(sides) > call.x.index.ndim - 1 and not any(sides[0]):
        sides = sides[1:]
    sides = [(0, 0)] * (call.x.index.ndim - 1 - len(sides)) + sides
    if len(sides) not in (1, 2):
        raise call.fail("it pads along channels or samples; only along height, width or length")
    around = geometry((1,) * len(sides), (1,) * len(sides), sides, (1,) * len(sides)).padding  # type: ignore[arg-type]
    return windows.pad(call.builder, call.site, f"{call.place.op_name}.pad" if call.module is None else call.place.op_name, call.x, around)
