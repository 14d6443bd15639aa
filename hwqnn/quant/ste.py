"""Gradients of what has none: straight-through estimators (Bengio et al. 2013) as autograd functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class _Identity(Function):
    @staticmethod
    def forward(_ctx: Any, _latent: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _Clipped(Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(latent)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (latent,) = ctx.saved_tensors
        return gradient * (latent.abs() <= 1), None


class _Xnor(Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, value: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(latent, scale)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        latent, scale = ctx.saved_tensors
        n = latent[0].numel()
        return gradient * (1 / n + scale * (latent.abs() <= 1)), None, None


class _QuantizedGradient(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int) -> Tensor:
        ctx.bits = bits
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return quantize_gradient(gradient, ctx.bits), None


def identity(latent: Tensor, value: Tensor) -> Tensor:
    """`value`, whose gradient goes to `latent` as it is: d value / d latent = 1."""
    return _Identity.apply(latent, value.detach())


def clipped(latent: Tensor, value: Tensor) -> Tensor:
    """`value`, whose gradient goes to `latent` where |latent| <= 1 (Courbariaux et al. 2016, eq. 4)."""
    return _Clipped.apply(latent, value.detach())


def xnor(latent: Tensor, value: Tensor, scale: Tensor) -> Tensor:
    """`value` = scale * sign(latent) with the gradient of XNOR-Net: g (1/n + scale 1[|w| <= 1]) (Rastegari et al. 2016, section 3.1).

    n is the number of weights of an output channel; `scale` is (out, 1, ...).
    """
    return _Xnor.apply(latent, value.detach(), scale.detach())


def quantized_gradient(x: Tensor, bits: int) -> Tensor:
    """x, whose gradient is quantized to `bits` on its way back (`quantize_gradient`)."""
    return _QuantizedGradient.apply(x, bits)


def quantize_gradient(gradient: Tensor, bits: int) -> Tensor:
    """f(dr) = 2 max0|dr| [quantize_k(dr / (2 max0|dr|) + 1/2 + N) - 1/2], N uniform in +-1/2 of a step (Zhou et al. 2016, eq. 12).

    max0 is the greatest of each sample: over all axes but the first. Unbiased: its expectation is `gradient`.
    """
    steps = 2**bits - 1
    greatest = gradient.abs().amax(tuple(range(1, gradient.ndim)), keepdim=True) if gradient.ndim > 1 else gradient.abs()
    greatest = greatest.clamp(min=torch.finfo(gradient.dtype).tiny)
    noise = torch.rand_like(gradient) - 0.5
    codes = torch.round((gradient / (2 * greatest) + 0.5) * steps + noise).clamp(0, steps)
    return 2 * greatest * (codes / steps - 0.5)


ESTIMATORS = {"identity": identity, "clipped": clipped}
"""By the name that the option `ste` of a quantizer takes."""
