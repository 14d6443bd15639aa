"""Ternary weights (TWN, Li and Liu 2016): one scale, and zero where |w| is at most a threshold."""

from __future__ import annotations

import torch
from torch import Tensor

from hwqnn.quant import ste
from hwqnn.quant.base import LEAST_SCALE, Quantizer, Weight
from hwqnn.quant.registry import weights

MEAN_TO_THRESHOLD = 0.7
"""TWN's threshold over E|W|: between what is best for uniform weights (2/3) and for normal ones (3/4)."""


class Ternary(Quantizer):
    """alpha T that is near W, T in {-1, 0, +1}^n: T = sign(w) where |w| > Delta, alpha* = the mean of |w| there (TWN, eq. 4 and 5).

    Gradients go straight to the latent weights.

    Args:
        per_channel: Delta and alpha for each output channel, or for the layer.
    """

    def __init__(self, bit_width: int, per_channel: bool) -> None:
        super().__init__(bit_width)
        self.per_channel = per_channel

    def kept(self, magnitude: Tensor) -> Tensor:
        """Which of |W| (rows, n) are not zero, bool (rows, n): |w| > Delta = 0.7 E|W| (TWN, eq. 6)."""
        return magnitude > MEAN_TO_THRESHOLD * magnitude.mean(1, keepdim=True)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        rows = weight.detach().reshape(len(weight) if self.per_channel else 1, -1)
        magnitude = rows.abs()
        kept = self.kept(magnitude)
        alpha = ((magnitude * kept).sum(1) / kept.sum(1).clamp(min=1)).clamp(min=LEAST_SCALE)
        scale = alpha.reshape(-1, *[1] * (weight.ndim - 1)) if self.per_channel else alpha.reshape(())
        return ste.identity(weight, (rows.sign() * kept).reshape(weight.shape) * scale), scale


class OptimalTernary(Ternary):
    """The same with the threshold that minimizes ||W - alpha T||^2: it maximizes (sum of |w| that is kept)^2 / how many (TWN, eq. 5).

    Exact: the best set of each size holds the greatest |w|, so prefixes of the sorted |W| are all there is to try.
    """

    def kept(self, magnitude: Tensor) -> Tensor:
        ordered = magnitude.sort(1, descending=True).values
        size = torch.arange(1, ordered.shape[1] + 1, device=ordered.device)
        best = (ordered.double().cumsum(1) ** 2 / size).argmax(1, keepdim=True)
        return (magnitude >= ordered.gather(1, best)) & (magnitude > 0)


@weights("ternary", bits=(2,), paper="TWN, Li and Liu 2016, eq. 4 to 6", per_channel=bool)
class TernaryWeight(Weight):
    tensor_quant = Ternary
    bit_width = 2
    per_channel = False


@weights("optimal-ternary", bits=(2,), paper="TWN, Li and Liu 2016, eq. 5, solved exactly", per_channel=bool)
class OptimalTernaryWeight(Weight):
    tensor_quant = OptimalTernary
    bit_width = 2
    per_channel = False
