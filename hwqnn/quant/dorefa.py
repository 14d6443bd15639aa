"""DoReFa-Net (Zhou et al. 2016): weights through tanh, and gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwqnn.quant import ste
from hwqnn.quant.base import Quantizer, Weight, mean_magnitude, sign
from hwqnn.quant.registry import weights

BITS = tuple(range(1, 9))


class Dorefa(Quantizer):
    """One bit: sign(w) E|W|, one scale for the layer (eq. 8); k bits: 2 quantize_k(tanh(w) / (2 max|tanh W|) + 1/2) - 1 (eq. 9).

    quantize_k(x) = round((2^k - 1) x) / (2^k - 1) (eq. 5), so the codes are the odd integers from -(2^k - 1) to 2^k - 1, the scale 1 / (2^k - 1).
    Gradients go straight through the rounding (eq. 6) and by the chain rule through tanh.
    """

    legal = BITS

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        bits = int(self.bits)
        if bits == 1:
            scale = mean_magnitude(weight.detach(), per_channel=False)
            return ste.identity(weight, sign(weight) * scale), scale
        steps = 2**bits - 1
        squashed = torch.tanh(weight)
        x = squashed / squashed.abs().max().clamp(min=torch.finfo(weight.dtype).tiny)
        codes = 2 * torch.round(steps * (x / 2 + 0.5)) - steps
        scale = weight.new_tensor(1 / steps)
        return ste.identity(x, codes * scale), scale


class QuantizedGradient(nn.Module):
    """The identity, behind a layer or before it; in training the gradient that comes back through it has `bits` (eq. 12).

    Args:
        bits: 1 to 8. A sample's gradients have 2^bits - 1 steps between plus and minus its greatest.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape (N, ...); in eval mode the very same tensor."""
        return ste.quantized_gradient(x, self.bits) if self.training else x


@weights("dorefa", bits=BITS, paper="DoReFa-Net, Zhou et al. 2016, eq. 8 (1 bit) and 9 (k bits)")
class DorefaWeight(Weight):
    tensor_quant = Dorefa
    bit_width = 1
