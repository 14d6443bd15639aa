"""Small convolutional networks that a CPU trains in minutes: all binary for MNIST, 2-bit for Fashion-MNIST."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant


class BinaryCnn(nn.Module):
    """Two 3 x 3 convolutions of 16 and 32 channels with zero padding, each pooled, then 1568-128-10; 1-bit weights and activations.

    The pool comes before the batch norm, so a channel with a negative gamma takes minima.
    """

    def __init__(self) -> None:
        super().__init__()
        weight = quant.unit_weight(1)
        self.input = quant.unit_act(1)
        self.conv1 = nn.Sequential(QuantConv2d(1, 16, 3, padding=1, **weight), nn.MaxPool2d(2), nn.BatchNorm2d(16), quant.unit_act(1))
        self.conv2 = nn.Sequential(QuantConv2d(16, 32, 3, padding=1, **weight), nn.MaxPool2d(2), nn.BatchNorm2d(32), quant.unit_act(1))
        self.fc1 = nn.Sequential(QuantLinear(32 * 7 * 7, 128, **weight), nn.BatchNorm1d(128), quant.unit_act(1))
        self.fc2 = QuantLinear(128, 10, **weight)
        quant.spread_weights(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 1, 28, 28)."""
        x = self.conv2(self.conv1(self.input(2.0 * x - 1.0)))
        return self.fc2(self.fc1(x.flatten(1)))


class FewBitCnn(nn.Module):
    """Two 3 x 3 convolutions of 16 and 32 channels, each pooled after its activation, then 1568-64-10.

    Args:
        bits: of weights (narrow, so 2 bits are ternary) and of activations (unsigned, learned scales).
    """

    def __init__(self, bits: int = 2) -> None:
        super().__init__()
        weight = quant.unit_weight(bits)
        self.conv1 = nn.Sequential(QuantConv2d(1, 16, 3, padding=1, **weight), nn.BatchNorm2d(16), quant.relu(bits, 2.0), nn.MaxPool2d(2))
        self.conv2 = nn.Sequential(QuantConv2d(16, 32, 3, padding=1, **weight), nn.BatchNorm2d(32), quant.relu(bits, 2.0), nn.MaxPool2d(2))
        self.fc1 = nn.Sequential(QuantLinear(32 * 7 * 7, 64, **weight), nn.BatchNorm1d(64), quant.relu(bits, 2.0))
        self.fc2 = QuantLinear(64, 10, **weight)
        quant.spread_weights(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 1, 28, 28)."""
        x = self.conv2(self.conv1(x))
        return self.fc2(self.fc1(x.flatten(1)))
