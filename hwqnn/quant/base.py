"""What all weight quantizers here share: integers times a scale, for Brevitas' layers."""

from __future__ import annotations

import torch
from brevitas.inject import ExtendedInjector
from brevitas.proxy import WeightQuantProxyFromInjector
from torch import Tensor, nn

LEAST_SCALE = 1e-10
"""Scales are no less, so that weights that are all zero have one too."""


class Quantizer(nn.Module):
    """A latent weight (out, ...) float to (value, scale, zero point 0, bit width), as Brevitas wants it.

    In eval mode value is integers * scale, bit for bit: the product of two floats, rounded once. Scales are () or (out, 1, ...).

    Attributes:
        clip: after an optimizer's step the latent weights are brought back to [-clip, clip] (`clip_latent_weights`); None: they are free.
        bits: the bit width, a buffer, so that it may decay during training (`set_bit_width`) and is in the checkpoint.
        legal: the bit widths to which it may change.
    """

    clip: float | None = None
    legal: tuple[int, ...] = ()

    def __init__(self, bit_width: int) -> None:
        super().__init__()
        self.register_buffer("bits", torch.tensor(float(bit_width)))
        self.register_buffer("zero_point", torch.tensor(0.0), persistent=False)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(value, scale); gradients flow from value to the latent weight."""
        raise NotImplementedError

    def forward(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        value, scale = self.quantize(weight)
        return value, scale, self.zero_point, self.bits


class Weight(ExtendedInjector):
    """The injector behind `weight_quant=`: `tensor_quant` is a `Quantizer`, whose options are the injector's other attributes."""

    proxy_class = WeightQuantProxyFromInjector
    signed = True
    narrow_range = True


def sign(x: Tensor) -> Tensor:
    """+1 where x >= 0, else -1 (torch.sign gives 0 for 0)."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


def mean_magnitude(weight: Tensor, per_channel: bool) -> Tensor:
    """mean |w| (), or (out, 1, ...) by output channel."""
    magnitude = weight.abs()
    mean = magnitude.mean(tuple(range(1, weight.ndim)), keepdim=True) if per_channel else magnitude.mean()
    return mean.clamp(min=LEAST_SCALE)
