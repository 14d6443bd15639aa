"""A small MobileNet (Howard et al. 2017) for 32 x 32 images: depthwise separable convolutions with 4-bit weights and activations."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant

BITS = 4


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = QuantConv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, **quant.learned_weight(BITS))
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), quant.relu(BITS, 4.0))


def _separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, inputs, 3, stride, groups=inputs), _conv(inputs, outputs, 1))


class MobileNet(nn.Module):
    """A 3 x 3 convolution, then depthwise 3 x 3 and pointwise 1 x 1 in turn, 16-32-64-64-128-128 channels, a global average and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _conv(3, 16, 3), _separable(16, 32), _separable(32, 64, 2), _separable(64, 64), _separable(64, 128, 2), _separable(128, 128)
        )  # fmt: skip
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = QuantLinear(128, 10, **quant.learned_weight(BITS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 3, 32, 32)."""
        return self.fc(self.pool(self.features(x)).flatten(1))
