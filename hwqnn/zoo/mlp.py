"""Multilayer perceptrons with 1-bit weights and 1-bit activations (Courbariaux et al. 2016), as Brevitas layers."""

from __future__ import annotations

from itertools import pairwise

import torch
from brevitas.nn import QuantIdentity, QuantLinear
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn


def _sign() -> QuantIdentity:
    return QuantIdentity(act_quant=SignedBinaryActPerTensorConst)


class BinaryMlp(nn.Module):
    """Sign, then (binary linear, batch norm, sign) for each hidden layer, then a binary linear layer.

    Args:
        sizes: features of the input, of each hidden layer, and classes.
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.input = _sign()
        self.hidden = nn.ModuleList(nn.Sequential(_linear(n, m), nn.BatchNorm1d(m), _sign()) for n, m in pairwise(sizes[:-1]))
        self.output = _linear(sizes[-2], sizes[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores, float (N, classes), for x in [0, 1] of shape (N, ...) with as many features an item as the first layer has."""
        x = self.input(2.0 * x.flatten(1) - 1.0)
        for layer in self.hidden:
            x = layer(x)
        return self.output(x)


def _linear(inputs: int, outputs: int) -> QuantLinear:
    """A linear layer whose weight is sign(w). Scale 1 also clips w to [-1, 1], outside of which training would have no gradient to come back."""
    layer = QuantLinear(inputs, outputs, bias=False, weight_quant=SignedBinaryWeightPerTensorConst, weight_scaling_const=1.0)
    nn.init.uniform_(layer.weight, -1, 1)
    return layer
