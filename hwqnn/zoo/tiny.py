"""Classifiers of MNIST that are as few LUTs as we could make them: two strided convolutions and a dense layer, weights of one or two bits."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant


class TinyCnn(nn.Module):
    """1-bit pixels, a binary 5 x 5 convolution of stride 2, a ternary 4 x 4 one, maxima of 3 x 3, and a ternary dense layer.

    Sizes follow what costs LUTs in a folded design. 64 bits of weights are a LUT, so that the layers' control and line buffers outweigh them:
    there are few layers, the first one's stride leaves lines of 12 pixels, and pooling leaves the dense layer 9 pixels.

    Args:
        first, second: channels of the convolutions.
        bits: of the first one's activations: 1, signs; or more, unsigned with a learned scale.
    """

    def __init__(self, first: int, second: int, bits: int) -> None:
        super().__init__()
        self.input = quant.unit_act(1)
        hidden = quant.unit_act(1) if bits == 1 else quant.relu(bits, 2.0)
        self.conv1 = nn.Sequential(QuantConv2d(1, first, 5, stride=2, **quant.unit_weight(1)), nn.BatchNorm2d(first), hidden)
        self.conv2 = nn.Sequential(QuantConv2d(first, second, 4, **quant.unit_weight(2)), nn.BatchNorm2d(second), nn.MaxPool2d(3), quant.relu(2, 2.0))
        self.fc = QuantLinear(second * 9, 10, **quant.unit_weight(2))
        quant.spread_weights(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 1, 28, 28)."""
        x = self.conv2(self.conv1(self.input(2.0 * x - 1.0)))
        return self.fc(x.flatten(1))
