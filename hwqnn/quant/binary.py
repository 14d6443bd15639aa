"""Weights of one bit: the sign, drawn or not, bare or scaled."""

from __future__ import annotations

import torch
from torch import Tensor

from hwqnn.quant import ste
from hwqnn.quant.base import Quantizer, Weight, mean_magnitude, sign
from hwqnn.quant.registry import weights

STE = ("clipped", "identity")


class Sign(Quantizer):
    """W_b = sign(W), sign(0) = +1 (Courbariaux et al. 2015, BinaryConnect, eq. 1; Courbariaux, Hubara et al. 2016, BNN, eq. 1 and 4).

    The latent weights stay in [-1, 1]. BinaryConnect is this with activations of more bits or none, BNN is this with the activation `sign`.

    Args:
        ste: "clipped" lets gradients through where |w| <= 1, "identity" everywhere.
    """

    clip = 1.0

    def __init__(self, bit_width: int, ste: str) -> None:
        super().__init__(bit_width)
        self.ste = ste

    def signs(self, weight: Tensor) -> Tensor:
        return sign(weight)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return ste.ESTIMATORS[self.ste](weight, self.signs(weight)), weight.new_ones(())


class StochasticSign(Sign):
    """W_b = +1 with probability sigma(w) = clip((w + 1) / 2, 0, 1), else -1 (BinaryConnect, eq. 2 and 3; BNN, eq. 2 and 3).

    Drawn anew in every training step; in eval mode it is the deterministic sign (BinaryConnect, section 2.6, method 1).
    """

    def signs(self, weight: Tensor) -> Tensor:
        return draw_signs(weight) if self.training else sign(weight)


class OptimalBinary(Quantizer):
    """alpha B that minimizes ||W - alpha B||^2 over B in {-1, +1}^n: B = sign(W), alpha* = ||W||_1 / n (Rastegari et al. 2016, eq. 5 and 6).

    Args:
        per_channel: an alpha for each output channel, or one for all.
    """

    def __init__(self, bit_width: int, per_channel: bool) -> None:
        super().__init__(bit_width)
        self.per_channel = per_channel

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        scale = mean_magnitude(weight.detach(), self.per_channel)
        return ste.identity(weight, sign(weight) * scale), scale


@weights("sign", bits=(1,), paper="BNN, Courbariaux et al. 2016, eq. 1 and 4; BinaryConnect, Courbariaux et al. 2015, eq. 1", ste=STE)
class SignWeight(Weight):
    tensor_quant = Sign
    bit_width = 1
    ste = "clipped"


@weights("stochastic-sign", bits=(1,), paper="BinaryConnect, Courbariaux et al. 2015, eq. 2 and 3", ste=STE)
class StochasticSignWeight(Weight):
    tensor_quant = StochasticSign
    bit_width = 1
    ste = "clipped"


@weights("optimal-binary", bits=(1,), paper="Rastegari et al. 2016, eq. 5 and 6", per_channel=bool)
class OptimalBinaryWeight(Weight):
    tensor_quant = OptimalBinary
    bit_width = 1
    per_channel = False


def draw_signs(x: Tensor) -> Tensor:
    """+1 with the probability of the hard sigmoid, clip((x + 1) / 2, 0, 1)."""
    probability = ((x + 1) / 2).clamp(0, 1)
    return torch.where(torch.rand_like(x) < probability, 1.0, -1.0).to(x.dtype)
