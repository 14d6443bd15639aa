"""Learned discrete weights (LR-net, Shayer, Levi and Fetaya 2018): a distribution over {-1, 0, +1} for each weight, trained by its moments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hwqnn.quant.base import LEAST_SCALE, Quantizer, Weight
from hwqnn.quant.registry import weights

LEAST, MOST = 0.05, 0.95
"""Probabilities at the start lie between these (LR-net, section 3.3)."""


class LearnedDiscrete(Quantizer):
    """Each weight is random: 0 with probability sigma(a), else +1 with probability sigma(b), else -1 (LR-net, section 3.2); a and b are learned.

    In training a layer's output is drawn from the normal distribution that its central limit is, N(sum mu x, sum sigma^2 x^2): local
    reparameterization (eq. 3 to 7), a mean by the weights mu and a noise that a hook of the layer adds. In eval mode each weight is its likeliest
    value, with scale 1. One bit means {-1, +1}: there is no a.

    The layer's own weight is only what a and b start from (section 3.3).

    Args:
        module: the layer.
    """

    def __init__(self, bit_width: int, module: nn.Module) -> None:
        super().__init__(bit_width)
        start = module.weight.detach()
        w = (start / start.std(unbiased=False).clamp(min=LEAST_SCALE)).clamp(-1, 1)
        zero = MOST - (MOST - LEAST) * w.abs() if bit_width == 2 else torch.zeros_like(w)
        positive = ((1 + w / (1 - zero)) / 2).clamp(LEAST, MOST)
        self.zero_logit = nn.Parameter(torch.logit(zero)) if bit_width == 2 else None
        self.sign_logit = nn.Parameter(torch.logit(positive))
        if add_noise not in module._forward_hooks.values():
            module.register_forward_hook(add_noise)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each weight, as the layer's weight is shaped."""
        sign = 2 * torch.sigmoid(self.sign_logit) - 1
        nonzero = torch.ones_like(sign) if self.zero_logit is None else torch.sigmoid(-self.zero_logit)
        mean = nonzero * sign
        return mean, nonzero - mean**2

    def likeliest(self) -> Tensor:
        """The value of greatest probability, -1, 0 or +1; of equal ones the sign, and +1, win."""
        positive = torch.sigmoid(self.sign_logit)
        sign = torch.where(positive >= 0.5, 1.0, -1.0).to(positive.dtype)
        if self.zero_logit is None:
            return sign
        zero = torch.sigmoid(self.zero_logit)
        return torch.where(zero > (1 - zero) * torch.maximum(positive, 1 - positive), torch.zeros_like(sign), sign)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return self.moments()[0] if self.training else self.likeliest(), weight.new_ones(())


def add_noise(layer: Any, args: tuple[Tensor, ...], out: Tensor) -> Tensor | None:
    """A forward hook: in training, out + sqrt(sum sigma^2 x^2) * normal noise. A plain function, so that copies of the layer keep it."""
    quantizer = layer.weight_quant.tensor_quant
    if not layer.training or not isinstance(quantizer, LearnedDiscrete):
        return None
    variance = layer.inner_forward_impl(args[0] ** 2, quantizer.moments()[1], None)
    return out + variance.clamp(min=LEAST_SCALE).sqrt() * torch.randn_like(out)


@weights("learned-discrete", bits=(1, 2), paper="LR-net, Shayer et al. 2018, section 3")
class LearnedDiscreteWeight(Weight):
    tensor_quant = LearnedDiscrete
    bit_width = 2
