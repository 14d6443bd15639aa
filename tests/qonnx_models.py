"""Small convolutional networks of Brevitas, with parameters as if trained, and among them what users mix."""

from __future__ import annotations

from collections.abc import Callable

import brevitas.nn as qnn
import torch
from brevitas.inject.enum import FloatToIntImplType
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    RoundTo8bit,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryActPerTensorConst,
    SignedTernaryWeightPerTensorConst,
    TruncTo8bit,
    Uint8ActPerTensorFixedPoint,
)
from torch import nn

BINARY = {"weight_quant": SignedBinaryWeightPerTensorConst}
TERNARY = {"weight_quant": SignedTernaryWeightPerTensorConst}
SHAPE = (2, 6, 7)


def bits(n: int, channels: bool = False, fixed: bool = False) -> dict[str, object]:
    quant = Int8WeightPerTensorFixedPoint if fixed else Int8WeightPerChannelFloat if channels else Int8WeightPerTensorFloat
    return {"weight_quant": quant, "weight_bit_width": n}


def conv(inputs: int, outputs: int, kernel: int = 3, weights: dict[str, object] | None = None, **options: object) -> nn.Module:
    return qnn.QuantConv2d(inputs, outputs, kernel, **({"bias": False} | (weights or bits(4)) | options))


def relu(n: int, **options: object) -> nn.Module:
    return qnn.QuantReLU(bit_width=n, return_quant_tensor=True, **options)


def identity(n: int, **options: object) -> nn.Module:
    return qnn.QuantIdentity(bit_width=n, return_quant_tensor=True, **options)


def sign() -> nn.Module:
    return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)


class Unit(nn.Module):
    """Pixels to [-1, 1]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2.0 * x - 1.0


def head(features: int, weights: dict[str, object] | None = None, **options: object) -> list[nn.Module]:
    return [nn.Flatten(), qnn.QuantLinear(features, 5, **({"bias": False} | (weights or bits(4)) | options))]


class Residual(nn.Module):
    """Two paths that share a quantizer, and two that do not but have power-of-two scales."""

    def __init__(self) -> None:
        super().__init__()
        fixed = {"act_quant": Int8ActPerTensorFixedPoint}
        self.first = nn.Sequential(identity(4), conv(2, 4, padding=1), nn.BatchNorm2d(4), relu(4))
        self.body = nn.Sequential(conv(4, 4, padding=1, weights=bits(3)), nn.BatchNorm2d(4))
        self.shared = identity(4)
        self.middle = relu(4)
        self.short = nn.Sequential(conv(4, 4, 1), nn.BatchNorm2d(4), identity(5, **fixed))
        self.long = nn.Sequential(conv(4, 4, padding=1), nn.BatchNorm2d(4), identity(4, **fixed))
        self.last = nn.Sequential(relu(3), *head(4 * 6 * 7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = self.middle(self.shared(x) + self.shared(self.body(x)))
        return self.last(self.short(x) + self.long(x))


class Inception(nn.Module):
    """Channels of three branches, each with its own scale."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = relu(4)
        self.a = nn.Sequential(conv(2, 3, 1), relu(3))
        self.b = nn.Sequential(conv(2, 4, padding=1), nn.BatchNorm2d(4), relu(2))
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.out = nn.Sequential(identity(4), conv(9, 4, stride=2), relu(3), *head(4 * 2 * 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.quant(x)
        return self.out(torch.cat([tensor.value if hasattr(tensor, "value") else tensor for tensor in (self.a(x), self.b(x), self.pool(x))], dim=1))


class Quantized(nn.Module):
    """Its output is a QuantTensor, which an exporter writes as several outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(relu(3), conv(2, 3, 2, weights=bits(2)), identity(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Shuffle(nn.Module):
    """Grouped convolutions with the channels shuffled between them, and a mean over the map."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(relu(3), conv(2, 6, groups=2, weights=bits(3, channels=True)), qnn.QuantReLU(bit_width=3))
        self.second = nn.Sequential(conv(6, 6, groups=3, bias=True), nn.BatchNorm2d(6), qnn.QuantReLU(bit_width=2))
        self.scores = conv(6, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = x.view(x.shape[0], 2, 3, *x.shape[2:]).transpose(1, 2).reshape(x.shape)
        return self.scores(self.second(x)).mean((2, 3))


class Signal(nn.Module):
    """One-dimensional."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            relu(4), qnn.QuantConv1d(2, 4, 3, padding=1, bias=False, **bits(3)), nn.BatchNorm1d(4), relu(3), nn.MaxPool1d(2),
            qnn.QuantConv1d(4, 4, 5, stride=2, bias=True, **bits(2)), relu(2), *head(4 * 9),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.flatten(2))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "8-bit": lambda: nn.Sequential(identity(8), conv(2, 4, weights=bits(8)), nn.BatchNorm2d(4), relu(8), conv(4, 3, stride=2, weights=bits(8, True)),
                                   nn.BatchNorm2d(3), identity(8), *head(6, bits(8))),
    "fixed point": lambda: nn.Sequential(identity(6, act_quant=Int8ActPerTensorFixedPoint), conv(2, 4, weights=bits(5, fixed=True), bias=True),
                                         relu(5, act_quant=Uint8ActPerTensorFixedPoint), *head(80, bits(6, fixed=True))),
    "binary, padded": lambda: nn.Sequential(Unit(), sign(), conv(2, 8, padding=1, weights=BINARY), nn.BatchNorm2d(8), sign(), nn.MaxPool2d(2),
                                            conv(8, 8, weights=BINARY), nn.BatchNorm2d(8), sign(), *head(8, BINARY)),
    "binary, pooled first": lambda: nn.Sequential(Unit(), sign(), conv(2, 8, padding=(1, 2), weights=BINARY), nn.MaxPool2d(2, ceil_mode=True),
                                                  nn.BatchNorm2d(8), sign(), conv(8, 8, 2, weights=BINARY), nn.BatchNorm2d(8), sign(), *head(64)),
    "ternary": lambda: nn.Sequential(Unit(), qnn.QuantIdentity(act_quant=SignedTernaryActPerTensorConst),
                                     conv(2, 4, padding=2, dilation=2, weights=TERNARY),
                                     nn.BatchNorm2d(4), relu(2), conv(4, 4, (1, 3), stride=(2, 1), weights=bits(2)), relu(3), *head(60, TERNARY)),
    "depthwise": lambda: nn.Sequential(relu(4), conv(2, 4, 1), nn.BatchNorm2d(4), relu(4), conv(4, 4, groups=4, padding=1, weights=bits(4, True)),
                                       nn.BatchNorm2d(4), relu(4), conv(4, 6, 1), relu(4), nn.AdaptiveAvgPool2d(1), *head(6)),
    "residual": Residual,
    "concatenation": Inception,
    "quantized output": Quantized,
    "shuffled groups": Shuffle,
    "signal": Signal,
    "average": lambda: nn.Sequential(relu(4), conv(2, 4), nn.AvgPool2d(2), nn.BatchNorm2d(4), identity(5), conv(4, 4, (2, 1), bias=True),
                                     relu(3), *head(8)),
    "truncated": lambda: nn.Sequential(
        relu(4), conv(2, 4), relu(4),
        qnn.TruncAvgPool2d(2, trunc_quant=TruncTo8bit, bit_width=3, float_to_int_impl_type=FloatToIntImplType.FLOOR, return_quant_tensor=False),
        *head(16)),
    "rounded by thirds": lambda: nn.Sequential(
        identity(4), conv(2, 4), identity(5), qnn.TruncAvgPool2d(3, stride=1, trunc_quant=RoundTo8bit, bit_width=4, return_quant_tensor=False),
        *head(24)),
    "truncated whole": lambda: nn.Sequential(relu(4), conv(2, 4), relu(5), qnn.TruncAdaptiveAvgPool2d(1, return_quant_tensor=False), *head(4)),
    "upsampled": lambda: nn.Sequential(relu(4), conv(2, 4, stride=2), relu(3), nn.Upsample(scale_factor=2), conv(4, 3, padding=1), relu(2),
                                       nn.UpsamplingNearest2d(scale_factor=(3, 1)), conv(3, 2, 1, bias=True)),
}  # fmt: skip


def trained(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The model with trained-looking parameters, some of its batch norms' factors negative or zero; and an example input."""
    torch.manual_seed(7)
    model, example = MODELS[name](), torch.rand(1, *SHAPE)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = 0.5
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            nn.init.uniform_(layer.weight, -1, 1)
            with torch.no_grad():
                layer.weight[0] = 0
    with torch.no_grad():
        for _ in range(6):
            model(torch.rand(50, *SHAPE))
    return model.eval(), example
