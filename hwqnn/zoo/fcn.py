"""A bit fully convolutional network for segmentation (Wen et al. 2016; the encoder-decoder form is U-Net's, Ronneberger et al. 2015)."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d
from torch import nn

from hwqnn.zoo import quant


class BitFcn(nn.Module):
    """Down by two, down by two, up by two, joined with what the first step saw, up by two; a score per class and pixel.

    Args:
        classes: what a pixel can be.
        bits: of weights (narrow) and of activations (unsigned, learned scales).
    """

    def __init__(self, classes: int, bits: int) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
            layer = QuantConv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, **quant.unit_weight(bits))
            return nn.Sequential(layer, nn.BatchNorm2d(outputs), quant.relu(bits, 2.0))

        self.down1 = conv(1, 16, stride=2)
        self.down2 = nn.Sequential(conv(16, 48, stride=2), conv(48, 48), conv(48, 48, dilation=2), conv(48, 48))  # sees most of 28 x 28 pixels
        self.up2 = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), conv(48, 16))
        self.join = quant.relu(bits, 2.0)
        self.up1 = nn.Sequential(conv(32, 16), nn.Upsample(scale_factor=2, mode="nearest"))
        self.head = QuantConv2d(16, classes, 1, **quant.unit_weight(bits))
        quant.spread_weights(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (N, classes, H, W) for x in [0, 1] of shape (N, 1, H, W), H and W whole multiples of 4."""
        fine = self.down1(x)
        coarse = self.up2(self.down2(fine))
        x = torch.cat([self.join(fine), self.join(coarse)], dim=1)
        return self.head(self.up1(x))
