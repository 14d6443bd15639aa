"""The layers whose weights a method changes: reading their integers, and giving them another quantizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantLinear
from torch import Tensor, nn

from hwqnn.errors import InputError

Layer = QuantLinear | QuantConv1d | QuantConv2d
"""Layers that a method can take: their weight's axis 0 is the output channel."""


@dataclass(frozen=True, eq=False)
class Integers:
    """A weight as hardware sees it.

    Attributes:
        values: int64, in the shape of the weight.
        scale: float64, the real value of 1: of shape () or (out, 1, ...).
    """

    values: Tensor
    scale: Tensor


def layers(model: nn.Module) -> dict[str, Any]:
    """The model's layers with a quantized weight by their names, in the model's order.

    Raises:
        InputError: there is none.
    """
    found = {name: module for name, module in model.named_modules() if isinstance(module, Layer) and module.weight_quant.is_quant_enabled}
    if not found:
        raise InputError(f"{type(model).__name__} has no QuantLinear or QuantConv layer with a weight_quant: there is nothing to compress")
    return found


def integers(name: str, layer: Any) -> Integers:
    """The integers of a layer's quantized weight, in eval mode.

    Raises:
        InputError: the quantized weight is not integers times a scale.
    """
    training = layer.training
    layer.eval()
    with torch.no_grad():
        quantized = layer.quant_weight()
    layer.train(training)
    value, scale = quantized.value.double(), quantized.scale.double()
    values = torch.round(value / scale)
    if not torch.allclose(values * scale, value, rtol=1e-6, atol=0):
        raise InputError(f"layer '{name}': its weights are not integers times their scale")
    return Integers(values.long(), scale)


def target(layer: Any) -> Tensor:
    """The weight that a method rounds, float64 (out, in / groups * kernel): the layer's latent floats, one row for each output."""
    return layer.weight.detach().double().flatten(1)


def requantize(layer: Any, quantizer: Any, weight: Tensor, **options: Any) -> None:
    """Gives a layer another weight quantizer and other latent floats, in place.

    Args:
        quantizer: an injector, what `weight_quant=` takes.
        weight: float, as many values as the layer's weight.
        options: of the injector, without the prefix `weight_`.
    """
    training = layer.training
    with torch.no_grad():
        layer.weight.copy_(weight.reshape(layer.weight.shape))
    injector = quantizer.let(**options)
    layer.weight_quant = injector.proxy_class(layer, injector)
    layer.train(training)


def prune(layer: Any, keep: Tensor) -> None:
    """Sets weights to 0, and remembers which: `hold_zeros` keeps them there. In place; what was pruned before stays pruned.

    Args:
        keep: bool, in the shape of the layer's weight.
    """
    kept = getattr(layer, "kept", None)
    layer.register_buffer("kept", keep.clone() if kept is None else keep & kept, persistent=False)
    with torch.no_grad():
        layer.weight.masked_fill_(~layer.kept, 0.0)


def prunable(model: nn.Module) -> dict[str, Any]:
    """The layers of `layers`.

    Raises:
        InputError: as `layers`; or a layer's quantizer makes something else of the weight 0.
    """
    found = layers(model)
    for name, layer in found.items():
        zeros = copy.deepcopy(layer).eval()
        with torch.no_grad():
            flat = zeros.weight.view(-1)
            flat[flat.abs().argsort()[: flat.numel() // 2]] = 0.0
            if bool((zeros.quant_weight().value.view(-1)[flat == 0] != 0).any()):
                raise InputError(f"layer '{name}': its quantizer {type(layer.weight_quant.tensor_quant).__name__} has no 0; use integer, or ternary")
    return found


@torch.no_grad()
def hold_zeros(model: nn.Module) -> None:
    """After each optimizer step: what `prune` set to 0 is 0 again."""
    for layer in model.modules():
        kept = getattr(layer, "kept", None)
        if isinstance(kept, Tensor):
            layer.weight.masked_fill_(~kept, 0.0)


def changed(model: nn.Module, change: Mapping[str, Callable[[Any], None]]) -> nn.Module:
    """A copy of the model in eval mode, with each named layer changed."""
    after = copy.deepcopy(model).eval()
    named = dict(after.named_modules())
    for name, apply in change.items():
        apply(named[name])
    return after
