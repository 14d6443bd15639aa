"""The two classics of network compression, LeNet-300-100 and LeNet-5 (LeCun et al. 1998; sizes of Han et al. 2015), with few-bit weights."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant


class LeNet300(nn.Module):
    """Three dense layers, 300-100-10, 4-bit weights and activations, every scale a power of two."""

    def __init__(self) -> None:
        super().__init__()
        weight = quant.fixed_point_weight(4)
        self.fc1 = nn.Sequential(QuantLinear(784, 300, **weight), nn.BatchNorm1d(300), quant.fixed_point_relu(4, 4.0))
        self.fc2 = nn.Sequential(QuantLinear(300, 100, **weight), nn.BatchNorm1d(100), quant.fixed_point_relu(4, 4.0))
        self.fc3 = QuantLinear(100, 10, **weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, ...) with 784 features an item."""
        return self.fc3(self.fc2(self.fc1(x.flatten(1))))


class LeNet5(nn.Module):
    """Two 5 x 5 convolutions of 20 and 50 channels, each pooled, then 800-500-10; 4 bits, a learned scale for each output channel."""

    def __init__(self) -> None:
        super().__init__()
        weight = quant.learned_weight(4)
        self.conv1 = nn.Sequential(QuantConv2d(1, 20, 5, **weight), nn.MaxPool2d(2), nn.BatchNorm2d(20), quant.relu(4, 4.0))
        self.conv2 = nn.Sequential(QuantConv2d(20, 50, 5, **weight), nn.MaxPool2d(2), nn.BatchNorm2d(50), quant.relu(4, 4.0))
        self.fc1 = nn.Sequential(QuantLinear(800, 500, **weight), nn.BatchNorm1d(500), quant.relu(4, 4.0))
        self.fc2 = QuantLinear(500, 10, **weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 1, 28, 28)."""
        x = self.conv2(self.conv1(x))
        return self.fc2(self.fc1(x.flatten(1)))
