"""Brevitas activation quantizers: which integers they yield, read off the live quantizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from brevitas.core.function_wrapper import CeilSte, FloorSte, Identity, InplaceTensorClampSte, RoundSte, TensorClamp, TensorClampSte
from brevitas.core.quant import BinaryQuant, ClampedBinaryQuant, IntQuant, RescalingIntQuant, TernaryQuant
from brevitas.core.quant.delay import _NoDelay
from brevitas.nn.quant_layer import QuantNonLinearActLayer
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjector

from hwqnn.errors import InputError
from hwqnn.frontend.registry import REGISTRY, Call, plain
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Clamp, Piece, Quantizer, Rounding, SignQuantizer, UniformQuantizer, exact
from hwqnn.quant.activations import StochasticBinaryQuant
from hwqnn.quant.xnor import InputScaled

MAX_BITS = 8

ROUNDINGS = {RoundSte: Rounding.HALF_EVEN, FloorSte: Rounding.FLOOR, CeilSte: Rounding.CEIL}

CLAMPS = (TensorClamp, TensorClampSte, InplaceTensorClampSte)

NONLINEARITIES: dict[type, Callable[[Call, Any], tuple[Piece, ...]]] = {
    Identity: lambda _call, _act: (),
    torch.nn.Identity: lambda _call, _act: (),
    torch.nn.ReLU: lambda _call, _act: (Clamp(Fraction(0), None),),
    torch.nn.Hardtanh: lambda call, act: (Clamp(call.number(act.min_val), call.number(act.max_val)),),
}


def rounding_of(call: Call, float_to_int: Any) -> Rounding:
    if type(float_to_int) not in ROUNDINGS:
        raise call.fail(f"rounding {type(float_to_int).__name__} is not supported; use ROUND, FLOOR or CEIL")
    return ROUNDINGS[type(float_to_int)]


@dataclass(frozen=True, eq=False)
class Reading:
    """A live quantizer in one call: its module, what is in it, and the scale, zero point and bit width that it used."""

    call: Call
    impl: Any
    scale: Fraction
    zero_point: Fraction
    bit_width: Fraction

    def integer(self, what: str, value: object) -> int:
        (number,) = self.call.exact(what, value)
        if number.denominator != 1:
            raise self.call.fail(f"its {what} is {float(number)}, not an integer")
        return int(number)

    def not_delayed(self, impl: Any) -> None:
        if type(impl.delay_wrapper.delay_impl) is not _NoDelay:
            raise self.call.fail("its quantizer starts after a delay (quant_delay_steps); set it to 0")


def read_binary(reading: Reading) -> tuple[Fraction, Quantizer]:
    reading.not_delayed(reading.impl)
    return Fraction(1), SignQuantizer(reading.scale)


def read_int(reading: Reading) -> tuple[Fraction, Quantizer]:
    """Signed or unsigned integers with scale, zero point and any supported rounding."""
    impl, fail = reading.impl.int_quant, reading.call.fail
    if reading.impl.observer_only:
        raise fail("its quantizer only observes (observer_only); finish calibration first")
    if type(impl) is not IntQuant or type(impl.tensor_clamp_impl) not in CLAMPS:
        raise fail(f"integer quantizer {type(impl).__name__} with {type(impl.tensor_clamp_impl).__name__} is not supported")
    reading.not_delayed(impl)
    width = torch.tensor(float(reading.bit_width))
    if not 1 <= width <= MAX_BITS:
        raise fail(f"a quantizer of {width.item():g} bits; 1 to {MAX_BITS} are supported")
    lo, hi = reading.integer("lowest code", impl.min_int(width)), reading.integer("highest code", impl.max_int(width))
    zero_point = reading.integer("zero point", float(reading.zero_point))
    return Fraction(1), UniformQuantizer(reading.scale, zero_point, lo, hi, rounding_of(reading.call, impl.float_to_int_impl))


def read_ternary(reading: Reading) -> tuple[Fraction, Quantizer]:
    """code = sign(x) where |x| > t, else 0. Rounding half to even is open at ±1/2, so stretching t to scale / 2 gives just this."""
    reading.not_delayed(reading.impl)
    (limit,) = reading.call.exact("ternary threshold", reading.impl.threshold * torch.tensor(float(reading.scale)))
    if limit <= 0:
        raise reading.call.fail(f"a ternary threshold of {float(limit):g}; it must be positive")
    return reading.scale / (2 * limit), UniformQuantizer(reading.scale, 0, -1, 1, Rounding.HALF_EVEN)


QUANTIZERS: dict[type, Callable[[Reading], tuple[Fraction, Quantizer]]] = {
    BinaryQuant: read_binary,
    ClampedBinaryQuant: read_binary,
    StochasticBinaryQuant: read_binary,
    RescalingIntQuant: read_int,
    TernaryQuant: read_ternary,
}
"""Each gives (stretch, quantizer): the codes of x are quantizer(stretch * x)."""


def positive_scale(call: Call, quantizer: str, scale: torch.Tensor, remedy: str) -> None:
    """Raises `InputError` unless every scale is finite and above zero."""
    if not (torch.isfinite(scale).all() and (scale > 0).all()):
        value = scale[~(torch.isfinite(scale) & (scale > 0))].flatten()[0].item()
        raise InputError(
            f"{call.place}: its {quantizer} quantizer has scale {value:g}; a scale must be positive and finite. (A narrow integer quantizer "
            f"of 1 bit has no code but 0, so its scale is infinite: for 1 bit use {remedy}, or take 2 bits.)"
        )


def quantize(call: Call, name: str, proxy: Any, symbol: Symbol, sample: Any) -> Symbol:
    """What the activation quantizer `proxy` makes of `symbol`; `name` is for the new op.

    `sample` is a tensor that depends on the model's input: a scale that moves with it shows when the model is recorded twice.

    Raises:
        UnsupportedError: the quantizer is none of those in this file.
        InputError: its scale is zero, infinite or NaN.
    """
    fused = proxy.fused_activation_quant_proxy
    if fused is None:
        return symbol
    act = fused.activation_impl
    if type(act) not in NONLINEARITIES:
        raise call.fail(f"its nonlinearity {type(act).__name__} is not supported; use ReLU, Hardtanh or none")
    symbol = symbol.then(*NONLINEARITIES[type(act)](call, act))
    if not proxy.is_quant_enabled:
        return symbol
    impl = fused.tensor_quant
    if type(proxy) is not ActQuantProxyFromInjector or type(impl) not in QUANTIZERS:
        raise call.fail(f"its activation quantizer {type(impl).__name__} (of {type(proxy).__name__}) is not supported")
    _, scale, zero_point, bit_width = impl(plain(sample).clone())
    positive_scale(call, "activation", scale, "SignedBinaryActPerTensorConst of brevitas.quant")
    offset, bits = (call.exact(what, number)[0] for what, number in (("zero point", zero_point.unique()), ("bit width", bit_width)))
    if scale.numel() == 1:
        stretch, quantizer = QUANTIZERS[type(impl)](Reading(call, impl, call.exact("scale", scale)[0], offset, bits))
        return call.builder.requantize(name, symbol.scaled(stretch), quantizer)
    if zero_point.unique().numel() != 1 or isinstance(impl, TernaryQuant):
        raise call.fail("its zero point or its ternary threshold differs by channel; use one for all (scaling_per_output_channel=False)")
    return by_channel(call, name, symbol, scale, QUANTIZERS[type(impl)](Reading(call, impl, Fraction(1), offset, bits))[1])


def by_channel(call: Call, name: str, symbol: Symbol, scale: torch.Tensor, quantizer: Quantizer) -> Symbol:
    """A quantizer of scale 1 for what is divided by a scale for each channel; its integers times those scales."""
    call.exact("scale", scale)
    scales = scale.detach().double().cpu().numpy().reshape(scale.shape[max(0, scale.ndim - symbol.index.ndim) :])
    symbol, (mul,) = call.builder.along(symbol, call.site, scales)
    zero = exact([0])
    return call.builder.requantize(name, symbol.affine(1 / mul, zero), quantizer).affine(mul, zero)


@REGISTRY.layer(QuantNonLinearActLayer)
def activation(call: Call) -> Symbol:
    """QuantIdentity, QuantReLU, QuantHardTanh: an optional input quantizer, then the nonlinearity and the quantizer."""
    layer, name = call.module, call.place.op_name
    symbol = quantize(call, f"{name}.input_quant", layer.input_quant, call.x, call.args[0])
    return quantize(call, name, layer.act_quant, symbol, call.args[0])


@REGISTRY.layer(InputScaled)
def input_scaled(call: Call) -> Symbol:
    raise call.fail(
        "XNOR-Net's input scale K multiplies each output by a real number that moves with the data, which would take a product of two streams; "
        "use the variant without it: its act and its layer, one after the other (weights 'xnor' keep their scale for each channel)"
    )
