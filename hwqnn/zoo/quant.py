"""The quantizers that the built-in networks share, in Brevitas' terms."""

from __future__ import annotations

from typing import Any

from brevitas import nn as qnn
from brevitas.inject.enum import RestrictValueType, ScalingImplType
from brevitas.quant import (
    Int8ActPerTensorFloatMinMaxInit,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryActPerTensorConst,
    SignedTernaryWeightPerTensorConst,
    Uint8ActPerTensorFixedPointMaxInit,
    Uint8ActPerTensorFloatMaxInit,
)
from torch import nn


class LearnedWeight(Int8WeightPerChannelFloat):
    """Narrow signed weights; each output channel's scale starts at its greatest weight and is learned (Esser et al. 2020)."""

    scaling_impl_type = ScalingImplType.PARAMETER_FROM_STATS


class PixelInput(Int8ActPerTensorFloatMinMaxInit):
    """8-bit signed fixed point with 7 fractional bits, for pixels brought to [-1, 1]."""

    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    min_val = -1.0
    max_val = 1.0 - 2.0**-7


def unit_weight(bits: int) -> dict[str, Any]:
    """Arguments of a layer whose weights are narrow integers of scale 1 / (2^(bits-1) - 1), or their sign for 1 bit; no bias."""
    quantizer = SignedBinaryWeightPerTensorConst if bits == 1 else SignedTernaryWeightPerTensorConst
    width = {} if bits == 1 else {"weight_bit_width": bits}
    return {"bias": False, "weight_quant": quantizer, "weight_scaling_const": 1.0, **width}


def learned_weight(bits: int) -> dict[str, Any]:
    """Arguments of a layer with `LearnedWeight`s; no bias."""
    return {"bias": False, "weight_quant": LearnedWeight, "weight_bit_width": bits}


def fixed_point_weight(bits: int) -> dict[str, Any]:
    """Arguments of a layer whose weights share one power-of-two scale; no bias."""
    return {"bias": False, "weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": bits}


def unit_act(bits: int) -> qnn.QuantIdentity:
    """Narrow integers over [-1, 1], or the sign for 1 bit."""
    if bits == 1:
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
    return qnn.QuantIdentity(act_quant=SignedTernaryActPerTensorConst, bit_width=bits)


def pixels() -> qnn.QuantIdentity:
    return qnn.QuantIdentity(act_quant=PixelInput)


def relu(bits: int, maximum: float) -> qnn.QuantReLU:
    """A ReLU that saturates; its scale starts at maximum / (2^bits - 1) and is learned."""
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloatMaxInit, bit_width=bits, max_val=maximum)


def fixed_point_relu(bits: int, maximum: float) -> qnn.QuantReLU:
    """A ReLU that saturates, with a power-of-two scale that is learned."""
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPointMaxInit, bit_width=bits, max_val=maximum)


def signed_act(bits: int, maximum: float) -> qnn.QuantIdentity:
    """Signed integers of one learned scale: what the operands of a residual add share."""
    return qnn.QuantIdentity(act_quant=Int8ActPerTensorFloatMinMaxInit, bit_width=bits, min_val=-maximum, max_val=maximum)


def spread_weights(model: nn.Module) -> nn.Module:
    """Draws every `unit_weight` uniformly from its range [-1, 1] (Courbariaux et al. 2016), as `model` itself."""
    for layer in model.modules():
        if isinstance(layer, qnn.QuantConv2d | qnn.QuantLinear):
            nn.init.uniform_(layer.weight, -1, 1)
    return model
