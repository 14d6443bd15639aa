"""Nodes that slide a window over a map, and resizing: pools, means over whole maps, nearest upsampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwqnn.frontend import windows
from hwqnn.frontend.qonnx.registry import CHANNELS_LAST, Call, custom, standard
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Geometry


def on_channels_last(handler: Callable[[Call], Symbol]) -> Callable[[Call], Symbol]:
    """What a handler of (channels, ...) does, done to (..., channels)."""

    def run(call: Call) -> Symbol:
        x = call.x.moved(np.moveaxis(call.x.index, -1, 0))
        out = handler(replace(call, inputs=(x, *call.inputs[1:])))
        return out.moved(np.moveaxis(out.index, 0, -1))

    return run


def geometry_of(call: Call, kernel: list[int], ceil: bool = False) -> Geometry:
    """The window of a Conv or pool over the symbol, as its attributes say; a 1-D one has a height of 1.

    Args:
        kernel: one or two sizes.
        ceil: windows that reach over the end count, as if there were more padding.
    """
    sizes, rank = call.x.shape[1:], len(kernel)
    if len(sizes) != rank or rank not in (1, 2):
        raise call.fail(f"a kernel of {rank} axes on a tensor of shape {call.shape_text}; maps (N, C, H, W) and signals (N, C, L) are supported")
    strides, dilations = (call.attribute(name, None) or [1] * rank for name in ("strides", "dilations"))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    before, after = padding(call, sizes, spans, strides)
    if ceil:
        for i, (size, span, stride) in enumerate(zip(sizes, spans, strides, strict=True)):
            steps = -(-(size + before[i] + after[i] - span) // stride)
            steps -= steps * stride >= size + before[i]  # a window that starts in the padding at the end is left out
            after[i] = max(after[i], steps * stride + span - size - before[i])
    one = [1] * (2 - rank)
    none = [0] * (2 - rank)
    pads = (*none, *before, *none, *after)
    return Geometry(pair([*one, *kernel]), pair([*one, *strides]), (pads[0], pads[1], pads[2], pads[3]), pair([*one, *dilations]))


def padding(call: Call, sizes: tuple[int, ...], spans: list[int], strides: list[int]) -> tuple[list[int], list[int]]:
    """Before and after each axis: given, or what makes the output as large as the input divided by the stride."""
    rank, mode = len(sizes), call.attribute("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = call.attribute("pads", None) or [0] * 2 * rank
        if len(pads) != 2 * rank:
            call.bad(f"its pads are {pads}; it needs {2 * rank}")
        return pads[:rank], pads[rank:]
    if mode == "VALID":
        return [0] * rank, [0] * rank
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise call.fail(f"auto_pad {mode}")
    total = [max((-(-size // stride) - 1) * stride + span - size, 0) for size, span, stride in zip(sizes, spans, strides, strict=True)]
    less, more = [n // 2 for n in total], [n - n // 2 for n in total]
    return (less, more) if mode == "SAME_UPPER" else (more, less)


def pair(values: list[int]) -> tuple[int, int]:
    return values[0], values[1]


@standard("MaxPool")
def max_pool(call: Call) -> Symbol:
    if call.outputs > 1:
        raise call.fail("its indices are used")
    geometry = geometry_of(call, call.attribute("kernel_shape", []), bool(call.attribute("ceil_mode", 0)))
    return windows.max_pool(call.builder, call.node, call.node.op_name, call.x, geometry)


custom("MaxPoolNHWC")(on_channels_last(max_pool))
custom("MaxPool", domains=(CHANNELS_LAST,))(on_channels_last(max_pool))


@standard("AveragePool")
def average_pool(call: Call) -> Symbol:
    kernel = call.attribute("kernel_shape", [])
    geometry = geometry_of(call, kernel)
    if any(geometry.padding) and not call.attribute("count_include_pad", 0):
        raise call.fail("an average of fewer elements at the border than inside; use count_include_pad=1, or no padding")
    if call.attribute("ceil_mode", 0) and geometry_of(call, kernel, ceil=True) != geometry:
        raise call.fail("ceil_mode, which averages fewer elements at the border than inside")
    return sum_over(call, geometry, geometry.taps)


def sum_over(call: Call, geometry: Geometry, divisor: int) -> Symbol:
    return windows.window_sum(call.builder, call.node, call.node.op_name, call.x, geometry, divisor)


Reduction = Callable[[Call, Geometry], Symbol]
"""What becomes of the elements of one window."""


def mean(call: Call, geometry: Geometry) -> Symbol:
    return sum_over(call, geometry, geometry.taps)


def total(call: Call, geometry: Geometry) -> Symbol:
    return sum_over(call, geometry, 1)


def greatest(call: Call, geometry: Geometry) -> Symbol:
    return windows.max_pool(call.builder, call.node, call.node.op_name, call.x, geometry)


def whole_map(reduction: Reduction) -> Callable[[Call], Symbol]:
    return lambda call: reduced(call, set(range(2, len(call.shape))), True, reduction)


def given_axes(reduction: Reduction) -> Callable[[Call], Symbol]:
    def run(call: Call) -> Symbol:
        rank = len(call.shape)
        axes = {axis % rank for axis in call.integers(1, "axes") or []}
        if not axes and call.attribute("noop_with_empty_axes", 0):
            return call.x
        return reduced(call, axes or set(range(rank)), bool(call.attribute("keepdims", 1)), reduction)

    return run


def reduced(call: Call, axes: set[int], keep: bool, reduction: Reduction) -> Symbol:
    """Over rows, columns or both of a map; its channels come last when the first axis of a sample is among `axes`."""
    rank = len(call.shape)
    channels = rank - 1 if 1 in axes else 1
    if rank not in (3, 4) or axes & {0, channels}:
        raise call.fail(f"it runs over the axes {sorted(axes)} of a tensor of shape {call.shape_text}; only height and width of a map may be")
    x = call.x.moved(np.moveaxis(call.x.index, channels - 1, 0))
    kernel = [call.shape[axis] if axis in axes else 1 for axis in range(1, rank) if axis != channels]
    window = pair([*[1] * (4 - rank), *kernel])
    out = reduction(replace(call, inputs=(x, *call.inputs[1:])), Geometry(window, window))
    index = np.moveaxis(out.index, 0, channels - 1)
    return out.moved(index if keep else index.squeeze(tuple(axis - 1 for axis in axes)))


for name, reduction in (("Average", mean), ("Max", greatest)):
    standard(f"Global{name}Pool")(whole_map(reduction))
for name, reduction in (("Mean", mean), ("Sum", total), ("Max", greatest)):
    standard(f"Reduce{name}")(given_axes(reduction))


@standard("Pad")
def pad(call: Call) -> Symbol:
    """Zeros around a map; the channels come last where those rows are not to be padded."""
    rank, sides = len(call.shape), call.integers(1, "pads") or []
    value = call.number(2, "value") if call.optional(2) is not None else call.attribute("value", 0.0)
    if call.attribute("mode", "constant") != "constant" or value or call.optional(3) is not None or len(sides) != 2 * rank or min(sides) < 0:
        raise call.fail(f"padding of a tensor of shape {call.shape_text} by {sides}, or not with 0; only zeros around a map are supported")
    padded = [axis for axis in range(rank) if sides[axis] or sides[rank + axis]]
    channels = rank - 1 if 1 in padded else 1
    if rank not in (3, 4) or 0 in padded or channels in padded:
        raise call.fail(f"it pads the axes {padded} of a tensor of shape {call.shape_text}; only height and width of a map may be")
    maps = [axis for axis in range(1, rank) if axis != channels]
    top, left = pair([*[0] * (4 - rank), *(sides[axis] for axis in maps)])
    bottom, right = pair([*[0] * (4 - rank), *(sides[rank + axis] for axis in maps)])
    x = call.x.moved(np.moveaxis(call.x.index, channels - 1, 0))
    out = windows.pad(call.builder, call.node, call.node.op_name, x, (top, left, bottom, right))
    return out.moved(np.moveaxis(out.index, 0, channels - 1))


@standard("Resize", "Upsample")
def resize(call: Call) -> Symbol:
    """Nearest-neighbour upsampling by whole factors, in whatever way of rounding comes to that."""
    factors = factors_of(call)
    mode = call.attribute("mode", "nearest")
    shown = ", ".join(f"{float(f):g}" for f in factors)
    if mode != "nearest" or len(factors) not in (3, 4) or any(f.denominator != 1 or f < 1 for f in factors) or factors[:2] != [1, 1]:
        raise call.fail(f"resizing by {shown} ({mode}); only nearest neighbours and whole factors of a map's size are")
    whole = [int(f) for f in factors[2:]]
    for size, factor in zip(call.x.shape[1:], whole, strict=True):
        if sources(call, size, factor) != [i // factor for i in range(size * factor)]:
            raise call.fail("its coordinates and rounding do not repeat each element equally often; use asymmetric coordinates and floor")
    return windows.upsample(call.builder, call.node, call.node.op_name, call.x, pair([*[1] * (2 - len(whole)), *whole]))


_HALF = Fraction(1, 2)
_NEAREST: dict[str, Callable[[Fraction], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda at: math.ceil(at - _HALF),
    "round_prefer_ceil": lambda at: math.floor(at + _HALF),
}


def factors_of(call: Call) -> list[Fraction]:
    """Output size / input size along each axis, batch first; given as scales or sizes, which older opsets put elsewhere."""
    at = 1 if call.node.layer == "Upsample" or len(call.inputs) == 2 else 2
    if call.optional(at) is not None and (values := call.array(at, "scales")).size:
        return [Fraction(float(v)) for v in values.reshape(-1)]
    if call.optional(3) is not None:
        return [Fraction(int(new), old) for new, old in zip(call.array(3, "sizes").reshape(-1), call.shape, strict=True)]
    return [Fraction(float(v)) for v in call.attribute("scales", [])]


def sources(call: Call, size: int, factor: int) -> list[int]:
    """Which of `size` elements each element of a resized axis takes, as ONNX defines it."""
    upsample = call.node.layer == "Upsample"
    mode, rounding = ("asymmetric", "floor") if upsample else (
        call.attribute("coordinate_transformation_mode", "half_pixel"), call.attribute("nearest_mode", "round_prefer_floor"))  # fmt: skip
    found = []
    for i in range(size * factor):
        if mode in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "tf_half_pixel_for_nn"):
            at = (i + _HALF) / factor - (0 if mode.startswith("tf") else _HALF)
        elif mode == "asymmetric":
            at = Fraction(i, factor)
        else:
            raise call.fail(f"coordinate_transformation_mode {mode}")
        found.append(min(max(_NEAREST[rounding](at), 0), size - 1))
    return found
