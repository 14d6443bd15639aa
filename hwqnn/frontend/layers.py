"""Layers: the quantized ones of Brevitas, and the few of torch that fold into exact pieces."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantLinear
from brevitas.nn.quant_scale_bias import QuantScaleBias
from brevitas.quant_tensor import IntQuantTensor
from torch import nn

from hwqnn.errors import InputError
from hwqnn.frontend import products
from hwqnn.frontend.activations import positive_scale, quantize
from hwqnn.frontend.registry import REGISTRY, Call, plain
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import BatchNorm, Clamp, exact


def read_weight(call: Call, quantized: Any) -> tuple[np.ndarray, np.ndarray]:
    """The integers int64 (out, ...) and their scale, Fractions of length 1 or out, of a quantized weight.

    The integers are found from value = integer * scale, whatever quantizer made them (so a zero point is already subtracted),
    and only taken if that product gives every float back.
    """
    if not isinstance(quantized, IntQuantTensor):
        raise call.fail(f"its weight is not quantized to integers ({type(quantized).__name__}); use an integer, ternary or binary weight_quant")
    value, scale = quantized.value.detach(), quantized.scale.detach()
    positive_scale(call, "weight", scale, "SignedBinaryWeightPerTensorConst of brevitas.quant")
    if scale.numel() not in (1, value.shape[0]) or (scale.numel() > 1 and scale.shape[0] != value.shape[0]):
        raise call.fail(f"weight scales of shape {tuple(scale.shape)}; use one scale, or one per output channel")
    integers = torch.round(value / scale)
    if not torch.equal(integers * scale, value):
        raise call.fail("its weights are not integer multiples of their scale, so this weight quantizer cannot be imported exactly")
    return integers.to(torch.int64).cpu().numpy(), call.exact("weight scale", scale)


def weighted(call: Call) -> tuple[Symbol, np.ndarray, np.ndarray, np.ndarray]:
    """What a layer with a weight multiplies: its quantized input, its integer weight as torch shapes it, the weight's scale, the bias."""
    layer, value = call.module, call.args[0]
    x = quantize(call, f"{call.place.op_name}.input_quant", layer.input_quant, call.x, value)
    quant_input = layer.input_quant(value)
    quant_weight = layer.quant_weight(quant_input)
    weight, scale = read_weight(call, quant_weight)
    bias = exact([0])
    if layer.bias is not None:
        bias = call.exact("bias", layer.bias_quant(layer.bias, quant_input, quant_weight))
    return x, weight, scale, bias


@REGISTRY.layer(QuantLinear)
def linear(call: Call) -> Symbol:
    """acc = W q on integers, along the last axis; the scales, the input's offset and the bias become one affine piece."""
    name = call.place.op_name
    out = products.matmul(call.builder, call.site, name, *weighted(call))
    return quantize(call, f"{name}.output_quant", call.module.output_quant, out, call.out)


@REGISTRY.layer(nn.Linear, nn.Conv1d, nn.Conv2d)
def float_weights(call: Call) -> Symbol:
    raise call.fail(f"its weights are floats; use Quant{call.place.layer} of brevitas.nn with a weight_quant")


@REGISTRY.layer(QuantScaleBias)
def scale_bias(call: Call) -> Symbol:
    """weight * x + bias for each channel (also the BatchNorm1dToQuantScaleBias of Brevitas)."""
    layer, value, name = call.module, call.args[0], call.place.op_name
    x = quantize(call, f"{name}.input_quant", layer.input_quant, call.x, value)
    quant_input = layer.input_quant(value)
    quant_weight = layer.quant_weight(quant_input)
    weight = call.constant("weight", plain(quant_weight).view(layer.runtime_shape))
    bias = exact([0])
    if layer.bias is not None:
        bias = call.constant("bias", plain(layer.bias_quant(layer.bias, quant_input, quant_weight)).view(layer.runtime_shape))
    return quantize(call, f"{name}.output_quant", layer.output_quant, call.affine(x, weight, bias), call.out)


@REGISTRY.layer(nn.BatchNorm1d, nn.BatchNorm2d)
def batch_norm(call: Call) -> Symbol:
    layer = call.module
    if layer.running_mean is None or layer.running_var is None:
        raise call.fail("it normalizes with the batch at hand; use track_running_stats=True")
    variance = call.exact("running_var", layer.running_var) + Fraction(layer.eps)
    if (variance <= 0).any():
        raise InputError(f"{call.place}: running_var + eps is not positive in channel {int(np.argmax(variance <= 0))}")
    gamma = exact([1]) if layer.weight is None else call.exact("weight", layer.weight)
    beta = exact([0]) if layer.bias is None else call.exact("bias", layer.bias)
    values = [v.reshape(-1, *[1] * (call.x.index.ndim - 1)) for v in (gamma, beta, call.exact("running_mean", layer.running_mean), variance)]
    x, parameters = call.builder.along(call.x, call.site, *values)
    return x.then(BatchNorm(*parameters))


@REGISTRY.layer(nn.ReLU)
def relu(call: Call) -> Symbol:
    return call.x.then(Clamp(Fraction(0), None))


@REGISTRY.layer(nn.Hardtanh)
def hardtanh(call: Call) -> Symbol:
    return call.x.then(Clamp(call.number(call.module.min_val), call.number(call.module.max_val)))


@REGISTRY.layer(nn.Identity)
def identity(call: Call) -> Symbol:
    return call.x


@REGISTRY.layer(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
def dropout(call: Call) -> Symbol:
    if call.module.training:
        raise call.fail("it still drops in eval mode")
    return call.x
