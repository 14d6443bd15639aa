"""Quantizing nodes on activations: Quant and BipolarQuant of QONNX, QuantizeLinear, Clip and DequantizeLinear of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwqnn.frontend.activations import MAX_BITS
from hwqnn.frontend.qonnx.registry import Call, custom, standard
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Affine, Clamp, Quantizer, Requantize, Rounding, SignQuantizer, UniformQuantizer, exact

ROUNDINGS = {"ROUND": Rounding.HALF_EVEN, "HALF_EVEN": Rounding.HALF_EVEN, "FLOOR": Rounding.FLOOR, "CEIL": Rounding.CEIL}
ZERO = exact([0])


def rounding_of(call: Call, default: str = "ROUND") -> Rounding:
    mode = str(call.attribute("rounding_mode", default)).upper()
    if mode not in ROUNDINGS:
        raise call.fail(f"rounding mode {mode} is not supported; use ROUND, FLOOR or CEIL")
    return ROUNDINGS[mode]


def code_limits(call: Call, bits: int) -> tuple[int, int]:
    """The lowest and highest code of so many bits, as the node's attributes say."""
    signed, narrow = bool(call.attribute("signed", 1)), bool(call.attribute("narrow", 0))
    if not 1 <= bits <= 32:
        raise call.fail(f"a quantizer of {bits} bits")
    return (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1 - narrow)


def few_bits(call: Call, at: int) -> int:
    """The bit width of an activation."""
    bits = call.integer(at, "bit width")
    if not 1 <= bits <= MAX_BITS:
        raise call.fail(f"an activation of {bits} bits; 1 to {MAX_BITS} are supported")
    return bits


def scale_of(call: Call, at: int = 1) -> Fraction:
    """The one scale of an activation."""
    scale = call.array(at, "scale")
    if scale.size != 1:
        raise call.fail(f"{scale.size} scales; one is supported here")
    check_scale(call, scale)
    return Fraction(float(scale.reshape(-1)[0]))


def check_scale(call: Call, scale: np.ndarray) -> None:
    """Raises `InputError` unless all are finite and above zero."""
    if (wrong := ~(np.isfinite(scale) & (scale > 0))).any():
        call.bad(f"a scale of {scale[wrong].flat[0]:g}; it must be positive and finite")


def of_data(call: Call) -> Symbol:
    """The tensor to quantize. Raises `UnsupportedError` when not it, but a parameter, depends on the input."""
    if call.at != 0:
        raise call.fail("its parameters are computed from the input; dynamic quantizers are not supported")
    return call.x


def requantize(call: Call, quantizer: Callable[[Fraction], Quantizer]) -> Symbol:
    """Codes times scale. Where scales differ along the tensor, what is quantized is x / scale, by a scale of 1."""
    x, scale = of_data(call), call.array(1, "scale")
    check_scale(call, scale)
    if scale.size == 1:
        return call.builder.requantize(call.node.op_name, x, quantizer(Fraction(float(scale.reshape(-1)[0]))))
    x, scales = call.along(1, "scale")
    codes = call.builder.requantize(call.node.op_name, x.affine(1 / scales, ZERO), quantizer(Fraction(1)))
    return codes.affine(scales, ZERO)


@custom("Quant", "IntQuant")
def quant(call: Call) -> Symbol:
    """QONNX reads 1 signed bit as BipolarQuant."""
    zero_point, bits, rounding = call.integer(2, "zero point"), few_bits(call, 3), rounding_of(call)
    lo, hi = code_limits(call, bits)
    if bits == 1 and call.attribute("signed", 1):
        if zero_point:
            raise call.fail("a signed 1-bit quantizer with a zero point")
        return requantize(call, SignQuantizer)
    return requantize(call, lambda scale: UniformQuantizer(scale, zero_point, lo, hi, rounding))


@custom("BipolarQuant")
def bipolar(call: Call) -> Symbol:
    return requantize(call, SignQuantizer)


@standard("QuantizeLinear")
def quantize_linear(call: Call) -> Symbol:
    """round half to even(x / scale) + zero_point, saturated: ties look at the quotient, so the zero point goes into the bounds."""
    kind = call.array(2, "zero point").dtype if call.optional(2) is not None else np.dtype(np.uint8)
    if kind not in (np.int8, np.uint8):
        raise call.fail(f"quantization to {kind}; int8 and uint8 are supported")
    zero_point = call.integer(2, "zero point") if call.optional(2) is not None else 0
    info, scale = np.iinfo(kind), scale_of(call)
    codes = requantize(call, lambda one: UniformQuantizer(one, 0, int(info.min) - zero_point, int(info.max) - zero_point, Rounding.HALF_EVEN))
    return codes.affine(exact([1 / scale]), exact([zero_point]))


@standard("DequantizeLinear")
def dequantize_linear(call: Call) -> Symbol:
    zero_point = call.integer(2, "zero point") if call.optional(2) is not None else 0
    scale = scale_of(call)
    return of_data(call).affine(exact([scale]), exact([-zero_point * scale]))


@standard("Clip")
def clip(call: Call) -> Symbol:
    """Right behind QuantizeLinear it narrows the codes, as exporters write few-bit quantizers; anywhere else it is a clamp of reals."""
    lo, hi = (bound(call, at, name) for at, name in ((1, "min"), (2, "max")))
    narrowed = narrower(call, lo, hi)
    return narrowed if narrowed is not None else call.x.then(Clamp(lo, hi))


def bound(call: Call, at: int, name: str) -> Fraction | None:
    """Opset 11 and later give the bounds as inputs, earlier ones as attributes; the ends of float32 mean none."""
    value = call.number(at, name) if call.optional(at) is not None else call.attribute(name, None)
    return None if value is None or abs(value) >= np.finfo(np.float32).max else Fraction(value)


def narrower(call: Call, lo: Fraction | None, hi: Fraction | None) -> Symbol | None:
    """The symbol with a tighter quantizer; None when it is not the codes of a uniform quantizer or a bound is none of them."""
    op = next(op for op in call.builder.ops if op.name == call.x.producer)
    if not isinstance(op, Requantize) or not isinstance(q := op.quantizer, UniformQuantizer):
        return None
    mul, add = Fraction(1), Fraction(0)
    for piece in call.x.chain:
        if not isinstance(piece, Affine) or len(piece.mul) != 1 or len(piece.add) != 1:
            return None
        mul, add = mul * piece.mul[0], add * piece.mul[0] + piece.add[0]
    if mul != 1:  # real values, not codes: the quantizer may have other readers
        return None
    low, high = (limit if b is None else b - add + q.zero_point for b, limit in ((lo, q.lo), (hi, q.hi)))
    low, high = max(Fraction(low), Fraction(q.lo)), min(Fraction(high), Fraction(q.hi))
    if low.denominator != 1 or high.denominator != 1 or low > high:
        return None
    tighter = replace(op, name=call.builder.fresh(op.name), quantizer=replace(q, lo=math.ceil(low), hi=math.floor(high)))
    return replace(call.builder.add(tighter, call.x.index, call.x.last), chain=call.x.chain)
