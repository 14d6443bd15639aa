"""Models small enough to build in a blink, written as a user writes them: the tests name them as `tests/small_models.py:FACTORY`."""

from __future__ import annotations

import brevitas.nn as qnn
import torch
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)
from torch import nn

from hwqnn.zoo.mlp import BinaryMlp


def trained_looking(model: nn.Module) -> nn.Module:
    """Batch norms as training leaves them: thresholds all over the range, some directions turned around."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -2, 2)
            nn.init.uniform_(layer.weight, 0.5, 1)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            layer.weight.data[::3] *= -1
    return model


def binary() -> nn.Module:
    """16-8-8-4, 1 bit throughout."""
    torch.manual_seed(3)
    return trained_looking(BinaryMlp(16, 8, 8, 4))


class Mixed(nn.Module):
    """16-6-3: 1-bit inputs and weights, then 2-bit activations and 4-bit weights whose scales differ by class."""

    def __init__(self) -> None:
        super().__init__()
        self.sign = qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
        self.first = qnn.QuantLinear(16, 6, bias=False, weight_quant=SignedBinaryWeightPerTensorConst, weight_scaling_const=1.0)
        self.norm = nn.BatchNorm1d(6)
        self.relu = qnn.QuantReLU(bit_width=2)
        self.last = qnn.QuantLinear(6, 3, bias=True, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.relu(self.norm(self.first(self.sign(2 * x.flatten(1) - 1)))))


def mixed() -> nn.Module:
    torch.manual_seed(4)
    return trained_looking(Mixed())


class Residual(nn.Module):
    """A 4x4 image through 1-bit and 2-bit convolutions around which a sum and a concatenation lead; then a pool and 3 classes."""

    def __init__(self) -> None:
        super().__init__()
        wide = {"act_quant": Int8ActPerTensorFixedPoint, "bit_width": 3}
        self.quant = qnn.QuantIdentity(**wide)
        self.first = qnn.QuantConv2d(1, 4, 3, padding=1, bias=False, weight_quant=SignedBinaryWeightPerTensorConst, weight_scaling_const=1.0)
        self.again = qnn.QuantConv2d(4, 4, 3, padding=1, bias=False, weight_quant=Int8WeightPerTensorFixedPoint, weight_bit_width=2)
        self.inner = qnn.QuantIdentity(**wide)
        self.last = qnn.QuantLinear(8, 3, bias=False, weight_quant=Int8WeightPerTensorFixedPoint, weight_bit_width=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inner(self.first(self.quant(x - 0.5)))
        y = self.inner(self.again(x))
        x = torch.cat([self.inner(x + y), y], 1)
        return self.last(nn.functional.max_pool2d(x, 4).flatten(1))


def residual() -> nn.Module:
    torch.manual_seed(2)
    return Residual()
