"""The binarized network for CIFAR-10 of Courbariaux et al. (2016)."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant


class BnnCifar10(nn.Module):
    """3 x 3 convolutions with zero padding, 128-128-pool-256-256-pool-512-512-pool, then 1024-1024-10; 1-bit weights and activations.

    The pool comes before batch norm and hard tanh, as in the paper, and the first layer reads 8-bit pixels. The batch norm behind the last
    layer is left out: it would give every class its own irrational scale.
    """

    def __init__(self) -> None:
        super().__init__()
        weight = quant.unit_weight(1)

        def conv(inputs: int, outputs: int, *pool: nn.Module) -> nn.Sequential:
            layer = QuantConv2d(inputs, outputs, 3, padding=1, **weight)
            return nn.Sequential(layer, *pool, nn.BatchNorm2d(outputs), nn.Hardtanh(), quant.unit_act(1))

        def dense(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(QuantLinear(inputs, outputs, **weight), nn.BatchNorm1d(outputs), nn.Hardtanh(), quant.unit_act(1))

        self.input = quant.pixels()
        self.conv = nn.Sequential(
            conv(3, 128), conv(128, 128, nn.MaxPool2d(2)), conv(128, 256), conv(256, 256, nn.MaxPool2d(2)),
            conv(256, 512), conv(512, 512, nn.MaxPool2d(2)),
        )  # fmt: skip
        self.dense = nn.Sequential(dense(512 * 4 * 4, 1024), dense(1024, 1024), QuantLinear(1024, 10, **weight))
        quant.spread_weights(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 3, 32, 32)."""
        x = self.conv(self.input(2.0 * x - 1.0))
        return self.dense(x.flatten(1))
