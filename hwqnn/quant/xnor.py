"""XNOR-Net (Rastegari et al. 2016): signs of weights with a scale for each output channel, signs of inputs with a scale for each place."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from hwqnn.errors import InputError
from hwqnn.quant import ste
from hwqnn.quant.base import Quantizer, Weight, mean_magnitude, sign
from hwqnn.quant.registry import weights


class Xnor(Quantizer):
    """alpha sign(W), alpha = ||W||_1 / n over each output channel (eq. 6), with the paper's gradient (section 3.1, `ste.xnor`)."""

    clip = 1.0

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        scale = mean_magnitude(weight.detach(), per_channel=True)
        return ste.xnor(weight, sign(weight) * scale, scale), scale


@weights("xnor", bits=(1,), paper="XNOR-Net, Rastegari et al. 2016, eq. 6")
class XnorWeight(Weight):
    tensor_quant = Xnor
    bit_width = 1


class InputScaled(nn.Module):
    """(sign(I) conv W) * K: XNOR-Net's input scale (section 3.2, eq. 11).

    A = mean of |I| over the channels, K = A convolved with a box of height 1/(w h), by the layer's kernel, stride and padding; for a dense
    layer K = mean |I| of the sample. K is real and moves with the data, so each output would need a product of two streams: this trains and runs
    in software, but is not lowered. `act` and `layer` alone, one after the other, are the variant without K, which is.

    Args:
        act: binarizes the input; K comes from what it gets.
        layer: a `QuantConv2d` without dilation, or a `QuantLinear`.

    Raises:
        InputError: `layer` is something else.
    """

    def __init__(self, act: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        if not isinstance(layer, QuantConv2d | QuantLinear) or (isinstance(layer, QuantConv2d) and layer.dilation != (1, 1)):
            raise InputError(f"XNOR-Net's input scale needs a QuantConv2d without dilation or a QuantLinear, not {type(layer).__name__}")
        self.act, self.layer = act, layer

    def scale(self, x: Tensor) -> Tensor:
        """K, (N, 1, H, W) as the layer's output has it, or (N, 1)."""
        mean = x.abs().mean(1, keepdim=True)
        if isinstance(self.layer, QuantLinear):
            return mean
        height, width = self.layer.kernel_size
        box = torch.full((1, 1, height, width), 1 / (height * width), dtype=x.dtype, device=x.device)
        return F.conv2d(mean, box, stride=self.layer.stride, padding=self.layer.padding)

    def forward(self, x: Tensor) -> Tensor:
        """(N, out, H', W') for x (N, C, H, W), or (N, out) for x (N, features)."""
        return self.layer(self.act(x)) * self.scale(x)
