"""Pools, means over height and width, upsampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from brevitas.nn import QuantUpsample, QuantUpsamplingNearest2d, TruncAdaptiveAvgPool2d, TruncAvgPool2d
from brevitas.quant_tensor import IntQuantTensor
from torch import nn

from hwqnn.errors import InputError
from hwqnn.frontend import windows
from hwqnn.frontend.convolutions import geometry
from hwqnn.frontend.registry import REGISTRY, Call, plain
from hwqnn.frontend.symbolic import Symbol, shape_text
from hwqnn.frontend.truncation import truncate
from hwqnn.ir import Geometry

ONE_AXIS = (nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveMaxPool1d, nn.AdaptiveAvgPool1d)


def name_of(call: Call, function: str) -> str:
    """A layer's own path; a function's is the path of the layer around it, and what it does."""
    return call.place.op_name if call.module is not None else f"{call.place.op_name}.{function}"


def each(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each axis."""
    return tuple(int(v) for v in value) * (axes // len(value)) if isinstance(value, tuple | list) else (int(value),) * axes


def sizes_of(call: Call) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The height and width, or the length, of what goes in and what comes out."""
    axes = 1 if isinstance(call.module, ONE_AXIS) or (call.module is None and call.what.endswith("1d")) else 2
    if call.x.index.ndim != axes + 1:
        raise InputError(f"{call.site}: it gets shape {shape_text(call.x)}, and takes the batch for channels; give it (N, channels, ...)")
    return call.x.shape[1:], tuple(call.out.shape[2:])


def sliding(call: Call, options: Any) -> Geometry:
    """The window of a pool; where ceil_mode adds an output, as much padding after the map as that one covers."""
    sizes, outs = sizes_of(call)
    axes = len(sizes)
    kernel = each(options.kernel_size, axes)
    stride = each(options.stride, axes) if options.stride not in (None, [], ()) else kernel
    before, dilation = each(options.padding, axes), each(getattr(options, "dilation", 1), axes)
    sides = [
        (p, max(p, (out - 1) * s + d * (k - 1) + 1 - size - p))
        for size, out, k, s, p, d in zip(sizes, outs, kernel, stride, before, dilation, strict=True)
    ]
    return geometry(kernel, stride, sides, dilation)


def divided(call: Call) -> Geometry:
    """The window of an adaptive pool whose outputs divide its inputs."""
    sizes, outs = sizes_of(call)
    if any(size % out for size, out in zip(sizes, outs, strict=True)):
        raise call.fail(
            f"an adaptive pool of {tuple(sizes)} to {tuple(outs)}, whose windows differ in size; take an output size that divides the input's"
        )
    kernel = tuple(size // out for size, out in zip(sizes, outs, strict=True))
    return geometry(kernel, kernel, [(0, 0)] * len(kernel), (1,) * len(kernel))


@REGISTRY.layer(nn.MaxPool1d, nn.MaxPool2d)
def max_pool_layer(call: Call) -> Symbol:
    return windows.max_pool(call.builder, call.site, name_of(call, "max_pool"), call.x, sliding(call, call.module))


@REGISTRY.function("max_pool1d", "max_pool2d")
def max_pool(call: Call) -> Symbol:
    options = call.options(kernel_size=None, stride=None, padding=0, dilation=1, ceil_mode=False)
    return windows.max_pool(call.builder, call.site, name_of(call, "max_pool"), call.x, sliding(call, options))


@REGISTRY.layer(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
@REGISTRY.function("adaptive_max_pool1d", "adaptive_max_pool2d")
def adaptive_max_pool(call: Call) -> Symbol:
    return windows.max_pool(call.builder, call.site, name_of(call, "max_pool"), call.x, divided(call))


def average(call: Call, options: Any) -> Symbol:
    """Every window must divide by the same number, and zeros around the map count."""
    window = sliding(call, options)
    divisor = getattr(options, "divisor_override", None)
    symmetric = window.padding[:2] == window.padding[2:]
    if any(window.padding) and not (symmetric and (options.count_include_pad or divisor)):
        raise call.fail("its windows at the border divide by fewer elements; use padding=0 or count_include_pad=True, and no ceil_mode")
    return windows.window_sum(call.builder, call.site, name_of(call, "avg_pool"), call.x, window, divisor or window.taps)


@REGISTRY.layer(nn.AvgPool1d, nn.AvgPool2d)
def avg_pool_layer(call: Call) -> Symbol:
    return average(call, call.module)


@REGISTRY.function("avg_pool1d", "avg_pool2d")
def avg_pool(call: Call) -> Symbol:
    return average(call, call.options(kernel_size=None, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None))


@REGISTRY.layer(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
@REGISTRY.function("adaptive_avg_pool1d", "adaptive_avg_pool2d")
def adaptive_avg_pool(call: Call) -> Symbol:
    window = divided(call)
    return windows.window_sum(call.builder, call.site, name_of(call, "avg_pool"), call.x, window, window.taps)


@REGISTRY.layer(TruncAvgPool2d, TruncAdaptiveAvgPool2d)
def trunc_avg_pool(call: Call) -> Symbol:
    """The average of a quantized tensor, whose integer sum the layer's quantizer then shifts; the plain average of any other tensor."""
    layer, value = call.module, call.args[0]
    adaptive = isinstance(layer, TruncAdaptiveAvgPool2d)
    out = adaptive_avg_pool(call) if adaptive else average(call, layer)
    if not isinstance(value, IntQuantTensor):
        return out  # type: ignore[return-value]
    pooled = (nn.AdaptiveAvgPool2d if adaptive else nn.AvgPool2d).forward(layer, value)
    return truncate(call, f"{call.place.op_name}.trunc_quant", layer.trunc_quant, out, pooled)  # type: ignore[arg-type]


def reduced(call: Call) -> tuple[Symbol, Geometry]:
    """The operand as (channels, height, width) or (channels, length), and the window that covers the axes that the function reduces."""
    given = call.options(dim=None, keepdim=False)
    x = call.x
    axes = given.dim if given.dim is not None else tuple(range(1, x.index.ndim + 1))
    gone = {axis % (x.index.ndim + 1) - 1 for axis in (axes if isinstance(axes, tuple | list) else (axes,))}
    kept = [axis for axis in range(x.index.ndim) if axis not in gone]
    if x.index.ndim not in (2, 3) or -1 in gone or not kept or (0 in gone and len(kept) > 1) or given.keepdim not in (True, False):
        raise call.fail("only along height, width or length is supported; a channel axis must stay")
    channel = kept[0]
    rest = [axis for axis in range(x.index.ndim) if axis != channel]
    kernel = tuple(x.shape[axis] if axis in gone else 1 for axis in rest)
    window = geometry(kernel, kernel, [(0, 0)] * len(kernel), (1,) * len(kernel))
    return x.moved(x.index.transpose(channel, *rest)), window


@REGISTRY.function("mean")
def mean(call: Call) -> Symbol:
    x, window = reduced(call)
    return shaped(call, windows.window_sum(call.builder, call.site, name_of(call, "mean"), x, window, window.taps))


@REGISTRY.function("sum")
def total(call: Call) -> Symbol:
    x, window = reduced(call)
    return shaped(call, windows.window_sum(call.builder, call.site, name_of(call, "sum"), x, window))


@REGISTRY.function("amax")
def amax(call: Call) -> Symbol:
    x, window = reduced(call)
    return shaped(call, windows.max_pool(call.builder, call.site, name_of(call, "amax"), x, window))


def shaped(call: Call, x: Symbol) -> Symbol:
    """The channel axis was moved to the front only when it alone stays, so the order is right."""
    return x.moved(x.index.reshape(call.out.shape[1:]))


@REGISTRY.layer(nn.Upsample, nn.UpsamplingNearest2d, QuantUpsample, QuantUpsamplingNearest2d)
def upsample_layer(call: Call) -> Symbol:
    return nearest(call, call.module.mode)


@REGISTRY.function("interpolate", "upsample", "upsample_nearest")
def interpolate(call: Call) -> Symbol:
    return nearest(call, call.options(size=None, scale_factor=None, mode="nearest").mode)


def nearest(call: Call, mode: str) -> Symbol:
    """Either nearest mode of torch repeats elements when the output is a whole number of times the input."""
    sizes, outs = np.array(call.x.shape[1:]), np.array(plain(call.out).shape[2:])
    if mode not in ("nearest", "nearest-exact") or (outs % sizes).any():
        raise call.fail(f"upsampling from {tuple(sizes.tolist())} to {tuple(outs.tolist())} in mode '{mode}'; use mode 'nearest' and a whole factor")
    down, across = (outs // sizes).tolist() if len(sizes) == 2 else (1, int(outs[0] // sizes[0]))
    return windows.upsample(call.builder, call.site, name_of(call, "upsample"), call.x, (down, across))
