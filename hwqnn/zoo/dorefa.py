"""DoReFa-Net's network for house numbers (Zhou et al. 2016, the published SVHN model): 1-bit weights, 2-bit activations."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant


class DorefaSvhn(nn.Module):
    """Seven convolutions, 48-pool-64-64-pool-128-128-128-512, and a dense layer.

    The paper enlarges its images to 40 x 40 and leaves the first and the last layer's weights in floating point. Here the first
    convolution pads 32 x 32 pixels to 40 x 40, and those two layers have 8-bit weights. Activations are clipped to [0, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        weight = quant.unit_weight(1)

        def block(inputs: int, outputs: int, kernel: int, padding: int, *pool: nn.Module) -> nn.Sequential:
            layer = QuantConv2d(inputs, outputs, kernel, padding=padding, **weight)
            return nn.Sequential(layer, nn.BatchNorm2d(outputs), *pool, quant.relu(2, 1.0))

        self.conv0 = nn.Sequential(QuantConv2d(3, 48, 5, padding=4, **quant.learned_weight(8)), nn.MaxPool2d(2), quant.relu(2, 1.0))  # 18 x 18
        self.conv1 = block(48, 64, 3, 1)
        self.conv2 = block(64, 64, 3, 1, nn.MaxPool2d(2))  # 9 x 9
        self.conv3 = block(64, 128, 3, 0)
        self.conv4 = block(128, 128, 3, 1)
        self.conv5 = block(128, 128, 3, 0)  # 5 x 5
        self.conv6 = block(128, 512, 5, 0)
        self.fc1 = QuantLinear(512, 10, **quant.learned_weight(8))
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5, self.conv6):
            quant.spread_weights(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 3, 32, 32)."""
        x = self.conv2(self.conv1(self.conv0(x)))
        x = self.conv6(self.conv5(self.conv4(self.conv3(x))))
        return self.fc1(x.flatten(1))
