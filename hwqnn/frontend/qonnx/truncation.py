"""Nodes that drop low bits of integers: Trunc of QONNX in both of its versions, and FINN's QuantAvgPool2d."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwqnn.frontend.maps import whole
from hwqnn.frontend.qonnx.quantizers import code_limits, few_bits, of_data, rounding_of, scale_of
from hwqnn.frontend.qonnx.registry import Call, custom
from hwqnn.frontend.qonnx.windows import on_channels_last, total
from hwqnn.frontend.symbolic import Symbol, as_line
from hwqnn.ir import Geometry, Rounding, UniformQuantizer


@custom("Trunc")
def trunc(call: Call) -> Symbol:
    """round(y / 2**n) by the node's own rounding mode, where y = round(x / scale) only undoes the errors of float32.

    Version 1 has five inputs: n is the difference of the two bit widths, and the integers keep the scale that they had. Version 2 has six: 2**n is
    output scale / scale, and the integers saturate.
    """
    scale, rounding = scale_of(call), rounding_of(call, "FLOOR")
    if call.integer(2, "zero point"):
        raise call.fail(f"a zero point of {call.integer(2, 'zero point')}; only 0 is supported")
    x = integers_of(call, scale)
    if len(call.inputs) > 5:
        out_scale = scale_of(call, 4)
        step = Fraction(2) ** round(math.log2(out_scale / scale))
        return dropped(call, x, step, rounding, code_limits(call, few_bits(call, 5)), out_scale)
    step = Fraction(2) ** (call.integer(3, "bit width") - call.integer(4, "output bit width"))
    return dropped(call, x, step, rounding, reach(call, x, step), scale)


def integers_of(call: Call, scale: Fraction) -> Symbol:
    """The integers round(x / scale)."""
    x = of_data(call)
    return replace(x, chain=()).affine(*whole(x, scale, Fraction(0), call.node))


def reach(call: Call, x: Symbol, step: Fraction) -> tuple[int, int]:
    """The integers between which x / step lies."""
    mul, add = as_line(x, call.node)
    ends = [mul * end + add for end in call.reach(x)]
    lo, hi = math.floor(np.min(ends) / step), math.ceil(np.max(ends) / step)
    if hi - lo >= 256:
        raise call.fail(f"it yields integers from {lo} to {hi}; at most 8 bits are supported")
    return lo, hi


def dropped(call: Call, x: Symbol, step: Fraction, rounding: Rounding, limits: tuple[int, int], out_scale: Fraction) -> Symbol:
    """clamp(round(x / step)) * out_scale."""
    codes = UniformQuantizer(Fraction(1), 0, *limits, rounding)
    return call.builder.requantize(call.node.op_name, x.scaled(1 / step), codes).scaled(out_scale)


@custom("QuantAvgPool2d")
def quant_average_pool(call: Call) -> Symbol:
    return (on_channels_last(shifted_sum) if call.attribute("data_layout", "NCHW") == "NHWC" else shifted_sum)(call)


def shifted_sum(call: Call) -> Symbol:
    """The sum over each window, shifted right by as many bits as it may have more than obits."""
    kernel, stride = call.attribute("kernel", 1), call.attribute("stride", 1)
    shift = max(((2 ** call.attribute("ibits", 1) - 1) * kernel**2).bit_length() - call.attribute("obits", 1), 0)
    x = total(call, Geometry((kernel, kernel), (stride, stride)))
    x = integers_of(replace(call, inputs=(x,)), Fraction(1))
    return x if not shift else dropped(call, x, Fraction(2**shift), Rounding.FLOOR, reach(call, x, Fraction(2**shift)), Fraction(1))
