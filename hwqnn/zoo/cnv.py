"""CNV, FINN's convolutional network for CIFAR-10 (Umuroglu et al. 2017), at the bit widths of Brevitas' BNN-PYNQ models."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn.zoo import quant


class Cnv(nn.Module):
    """3 x 3 convolutions without padding, 64-64-pool-128-128-pool-256-256, then 512-512-10; each but the last with batch norm and quantizer.

    Args:
        weight_bits: 1, or narrow integers.
        act_bits: the same for activations.
    """

    def __init__(self, weight_bits: int, act_bits: int) -> None:
        super().__init__()
        weight = quant.unit_weight(weight_bits)

        def conv(inputs: int, outputs: int, *pool: nn.Module) -> nn.Sequential:
            norm = nn.BatchNorm2d(outputs, eps=1e-4)
            return nn.Sequential(QuantConv2d(inputs, outputs, 3, **weight), norm, quant.unit_act(act_bits), *pool)

        def dense(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(QuantLinear(inputs, outputs, **weight), nn.BatchNorm1d(outputs, eps=1e-4), quant.unit_act(act_bits))

        self.input = quant.pixels()
        self.conv = nn.Sequential(
            conv(3, 64), conv(64, 64, nn.MaxPool2d(2)), conv(64, 128), conv(128, 128, nn.MaxPool2d(2)), conv(128, 256), conv(256, 256)
        )  # fmt: skip
        self.dense = nn.Sequential(dense(256, 512), dense(512, 512), QuantLinear(512, 10, **weight))
        quant.spread_weights(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, 10) for x in [0, 1] of shape (N, 3, 32, 32)."""
        x = self.conv(self.input(2.0 * x - 1.0))
        return self.dense(x.flatten(1))
