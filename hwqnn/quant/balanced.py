"""Balanced quantization (Zhou, Wang, Wen, He and Zou 2017): every code is used equally often."""

from __future__ import annotations

import torch
from torch import Tensor

from hwqnn.quant import ste
from hwqnn.quant.base import LEAST_SCALE, Quantizer, Weight
from hwqnn.quant.registry import weights

BITS = tuple(range(1, 9))


class Balanced(Quantizer):
    """The weights are cut in two at their middle, each part again, k times; the bins become the uniform codes (Zhou et al. 2017, Algorithm 1 and 2).

    Histogram equalization and then uniform quantization: bin i of 2^k stands for (2 i - (2^k - 1)) / (2^k - 1) of the greatest |w|, so the
    codes are odd integers of one scale. Gradients go straight to the latent weights.

    Args:
        middle: "median" cuts at percentiles, so that bins are equally full; "mean" is the paper's cheap approximation of it.
    """

    legal = BITS

    def __init__(self, bit_width: int, middle: str) -> None:
        super().__init__(bit_width)
        self.middle = middle

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        bits = int(self.bits)
        w = weight.detach()
        scale = (w.abs().max() / (2**bits - 1)).clamp(min=LEAST_SCALE)
        bins = CUTS[self.middle](w.flatten(), bits).reshape(w.shape)
        return ste.identity(weight, (2 * bins - (2**bits - 1)).to(w.dtype) * scale), scale


def cut_at_medians(values: Tensor, bits: int) -> Tensor:
    """The bin of each of `values` (n,), int64 in [0, 2^bits): bin i begins at the value of rank ceil(i n / 2^bits); equal values share a bin."""
    n = len(values)
    ranks = [-(-i * n >> bits) for i in range(1, 2**bits)]
    return torch.bucketize(values, values.sort().values[[min(rank, n - 1) for rank in ranks]], right=True)


def cut_at_means(values: Tensor, bits: int) -> Tensor:
    """The same where every part is cut at its mean: what is at least that goes to the upper part."""
    bins = torch.zeros(len(values), dtype=torch.int64, device=values.device)
    for level in range(bits):
        total = torch.zeros(2**level, dtype=values.dtype, device=values.device).index_add_(0, bins, values)
        means = total / torch.bincount(bins, minlength=2**level).clamp(min=1)
        bins = 2 * bins + (values >= means[bins])
    return bins


CUTS = {"median": cut_at_medians, "mean": cut_at_means}


@weights("balanced", bits=BITS, paper="Zhou et al. 2017 (balanced quantization), Algorithm 1 and 2", middle=("median", "mean"))
class BalancedWeight(Weight):
    tensor_quant = Balanced
    bit_width = 2
    middle = "median"
