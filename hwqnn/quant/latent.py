"""The latent weights behind the quantizers, and bit widths that change: what a training loop does beside the optimizer's steps."""

from __future__ import annotations

import torch
from torch import nn

from hwqnn.errors import InputError
from hwqnn.quant.base import Quantizer


def quantizer_of(layer: nn.Module) -> Quantizer | None:
    """The layer's weight quantizer, if it is one of this package."""
    found = getattr(getattr(layer, "weight_quant", None), "tensor_quant", None)
    return found if isinstance(found, Quantizer) else None


@torch.no_grad()
def clip_latent_weights(model: nn.Module) -> None:
    """After each optimizer step: latent weights back to [-clip, clip] where the quantizer asks (BinaryConnect, Courbariaux et al. 2015, 2.4)."""
    for layer in model.modules():
        quantizer = quantizer_of(layer)
        if quantizer is not None and quantizer.clip is not None:
            layer.weight.clamp_(-quantizer.clip, quantizer.clip)


def set_bit_width(layer: nn.Module, bits: int) -> None:
    """Changes the bit width of a layer's weight quantizer, in place; the latent weights stay.

    Raises:
        InputError: its quantizer has one bit width only, or not this one.
    """
    quantizer = quantizer_of(layer)
    if quantizer is None or bits not in quantizer.legal:
        legal = quantizer.legal if quantizer is not None else ()
        widths = f"it takes {', '.join(map(str, legal))}" if legal else "its bit width is fixed; use dorefa, balanced or general"
        raise InputError(f"weight quantizer {type(quantizer or layer.weight_quant).__name__} cannot change to {bits} bits: {widths}")
    quantizer.bits.fill_(bits)
