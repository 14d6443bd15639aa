"""ResNet-8, the small residual network for CIFAR-10 (He et al. 2016; the size of MLPerf Tiny), with 4-bit weights and activations."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant

BITS = 4


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    layer = QuantConv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, **quant.learned_weight(BITS))
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which is a 1 x 1 convolution where the shape changes.

    One quantizer serves both sides of the add, so that their integers have the same scale.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(_conv(inputs, outputs, 3, stride), quant.relu(BITS, 4.0))
        self.conv2 = _conv(outputs, outputs, 3)
        self.shortcut = nn.Identity() if inputs == outputs and stride == 1 else _conv(inputs, outputs, 1, stride)
        self.shared = quant.signed_act(BITS, 3.0)
        self.relu = quant.relu(BITS, 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.shared(self.conv2(self.conv1(x))) + self.shared(self.shortcut(x)))


class ResNet8(nn.Module):
    """A 3 x 3 convolution, three residual blocks of 16, 32 and 64 channels, a global average and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(3, 16, 3), quant.relu(BITS, 4.0))
        self.block1, self.block2, self.block3 = Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = QuantLinear(64, 10, **quant.learned_weight(BITS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 3, 32, 32)."""
        x = self.block3(self.block2(self.block1(self.conv(x))))
        return self.fc(self.pool(x).flatten(1))
