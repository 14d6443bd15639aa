"""The general scheme sc^-1(Q(sc(w))): scale to [0, 1], quantize uniformly, scale back."""

from __future__ import annotations

import torch
from torch import Tensor

from hwqnn.quant import ste
from hwqnn.quant.base import LEAST_SCALE, Quantizer, Weight
from hwqnn.quant.registry import weights

BITS = tuple(range(1, 9))


class General(Quantizer):
    """Q(w) = sc^-1(Q^(sc(w))), linear sc(w) = (w - beta) / alpha (Polino et al. 2018, eq. 1 to 3; Guo 2018, section 3).

    Q^(x) = floor(s x) / s + xi / s with s = 2^k - 1; xi rounds s x to the nearest (deterministic), or up with the probability of what floor cut
    off (stochastic, unbiased, in training only). Gradients go straight to the latent weights.

    Args:
        scaling: "absmax" has beta = -max|w| and alpha = 2 max|w|, so that the codes are odd integers; "minmax" takes the range of the weights
            and 0, with beta at the nearest multiple of the step alpha / s, so that 0 has a code (Jacob et al. 2018, section 3).
        rounding: "deterministic" or "stochastic".
        per_channel: beta and alpha for each output channel, or for the layer.
    """

    legal = BITS

    def __init__(self, bit_width: int, scaling: str, rounding: str, per_channel: bool) -> None:
        super().__init__(bit_width)
        self.scaling, self.rounding, self.per_channel = scaling, rounding, per_channel

    def rounded(self, x: Tensor) -> Tensor:
        if self.rounding == "stochastic" and self.training:
            return torch.floor(x + torch.rand_like(x))
        return torch.round(x)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        steps = 2 ** int(self.bits) - 1
        w = weight.detach()
        axes = tuple(range(1 if self.per_channel else 0, w.ndim))
        if self.scaling == "absmax":
            greatest = w.abs().amax(axes, keepdim=self.per_channel).clamp(min=LEAST_SCALE)
            scale = greatest / steps
            codes = 2 * self.rounded((w / scale + steps) / 2).clamp(0, steps) - steps
        else:
            low, high = w.amin(axes, keepdim=self.per_channel).clamp(max=0), w.amax(axes, keepdim=self.per_channel).clamp(min=0)
            scale = ((high - low) / steps).clamp(min=LEAST_SCALE)
            zero = torch.round(-low / scale)
            codes = self.rounded(w / scale + zero).clamp(0, steps) - zero
        return ste.identity(weight, codes * scale), scale


@weights(
    "general", bits=BITS, paper="Polino et al. 2018, eq. 1 to 3",
    scaling=("absmax", "minmax"), rounding=("deterministic", "stochastic"), per_channel=bool,
)  # fmt: skip
class GeneralWeight(Weight):
    tensor_quant = General
    bit_width = 8
    scaling = "absmax"
    rounding = "deterministic"
    per_channel = False
