"""What users write between quantized layers, as modules: reshapes, constants, joins."""

from __future__ import annotations

from typing import Any

import torch
from brevitas.quant_tensor import QuantTensor
from torch import nn


def plain(x: Any) -> torch.Tensor:
    """A tensor, out of Brevitas' QuantTensor if need be."""
    return x.value if isinstance(x, QuantTensor) else x


class Values(nn.Module):
    """A QuantTensor's floats."""

    def forward(self, x: Any) -> torch.Tensor:
        return plain(x)


class Across(nn.Module):
    """A linear layer over the channels of a signal (N, C, L)."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Any) -> torch.Tensor:
        return self.linear(plain(x).transpose(1, 2)).transpose(1, 2)


class Scaled(nn.Module):
    """mul * x + add."""

    def __init__(self, mul: float, add: float) -> None:
        super().__init__()
        self.mul, self.add = mul, add

    def forward(self, x: Any) -> torch.Tensor:
        return self.mul * plain(x) + self.add


class Mean(nn.Module):
    """Over all places of a map."""

    def forward(self, x: Any) -> torch.Tensor:
        return plain(x).mean(tuple(range(2, plain(x).ndim)))


class Interpolate(nn.Module):
    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Any) -> torch.Tensor:
        return torch.nn.functional.interpolate(plain(x), scale_factor=self.factor)


class View(nn.Module):
    def forward(self, x: Any) -> torch.Tensor:
        return plain(x).reshape(plain(x).shape[0], -1)


class Flat(nn.Module):
    def forward(self, x: Any) -> torch.Tensor:
        return torch.flatten(plain(x), 1)


class Sum(nn.Module):
    """body(x) + shortcut(x); with a quantizer, one for both, of their QuantTensors."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, quantizer: nn.Module | None) -> None:
        super().__init__()
        self.body, self.shortcut, self.quantizer = body, shortcut, quantizer

    def forward(self, x: Any) -> Any:
        a, b = plain(self.body(x)), plain(self.shortcut(x))
        return a + b if self.quantizer is None else self.quantizer(a) + self.quantizer(b)


class Cat(nn.Module):
    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x: Any) -> torch.Tensor:
        return torch.cat([plain(self.left(x)), plain(self.right(x))], 1)
