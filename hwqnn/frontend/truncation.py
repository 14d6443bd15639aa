"""Brevitas' truncation: an integer, shifted right and rounded to fewer bits, with the scale that it had."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from brevitas.core.quant import TruncIntQuant
from brevitas.quant_tensor import IntQuantTensor

from hwqnn.frontend.activations import CLAMPS, MAX_BITS, Reading, rounding_of
from hwqnn.frontend.maps import whole
from hwqnn.frontend.registry import Call
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Affine, UniformQuantizer, exact


def truncate(call: Call, name: str, proxy: Any, x: Symbol, quantized: Any) -> Symbol:
    """code = clamp(round(integer / shift)), where integer = quantized.value / scale + zero point, which Brevitas first cleans of float error.

    Args:
        x: the symbol of `quantized`.

    Raises:
        UnsupportedError: `x` is no such integer, or the quantizer is none of those known.
    """
    if not proxy.is_quant_enabled:
        return x
    impl = proxy.tensor_quant
    if not isinstance(quantized, IntQuantTensor) or type(impl) is not TruncIntQuant or type(impl.tensor_clamp_impl) not in CLAMPS:
        raise call.fail(
            f"it truncates a {type(quantized).__name__} with {type(impl).__name__}; only quantized tensors and TruncIntQuant are supported"
        )
    _, scale, zero_point, bits = impl(quantized.value, quantized.scale, quantized.zero_point, quantized.bit_width, quantized.signed)
    integers = quantized.value / quantized.scale + quantized.zero_point
    shift = impl.trunc_scaling_impl(integers.round(), quantized.bit_width, bits, quantized.signed)
    if max(t.numel() for t in (scale, zero_point, bits, shift, quantized.scale)) != 1 or not 1 <= bits <= MAX_BITS:
        raise call.fail(f"it truncates to {bits.max().item():g} bits, by channel or not; 1 to {MAX_BITS} bits and one scale for all are supported")
    step, old_scale, new_scale, old_zero, new_zero = (
        call.exact("truncation", t)[0] for t in (shift, quantized.scale, scale, quantized.zero_point, zero_point)
    )
    reading = Reading(call, impl, new_scale, new_zero, call.exact("bit width", bits)[0])
    reading.not_delayed(impl)
    mul, add = whole(x, old_scale, old_zero, call.place)
    lo, hi = (reading.integer(what, bound(bits, quantized.signed)) for what, bound in (("lowest code", impl.min_int), ("highest code", impl.max_int)))
    codes = Symbol(x.producer, x.edge, x.index, (Affine(mul / step, add / step),), x.last)
    out = call.builder.requantize(name, codes, UniformQuantizer(Fraction(1), 0, lo, hi, rounding_of(call, impl.float_to_int_impl)))
    return out.affine(exact([new_scale]), exact([-new_zero * new_scale]))
