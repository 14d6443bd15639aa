"""What the tests of quantizers share: a layer with given latent weights, and what its quantizer makes of them."""

from __future__ import annotations

from typing import Any

import brevitas.nn as qnn
import torch
from torch import Tensor

from hwqnn import quant


def linear(latent: list[list[float]], name: str, bits: int | None = None, **options: Any) -> Any:
    """A dense layer in eval mode with these latent weights."""
    weight = torch.tensor(latent)
    layer = qnn.QuantLinear(weight.shape[1], weight.shape[0], **quant.weight(name, bits, **options))
    layer.weight.data.copy_(weight)
    return layer.eval()


def gradient(layer: Any, upstream: Tensor) -> Tensor:
    """What reaches the latent weights when the loss is sum(upstream * quantized weight)."""
    layer.train()
    (layer.quant_weight().value * upstream).sum().backward()
    return layer.weight.grad
