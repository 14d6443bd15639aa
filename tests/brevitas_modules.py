"""Builds the module that a `brevitas_networks.Description` means, with numbers under which its values matter: ranges are those of real data, and
where a layer is `nice` everything is a small multiple of a power of two, so that float32 is exact and ties happen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.core.quant import QuantType
from brevitas.inject.enum import ScalingImplType
from brevitas.nn.mixin.base import QuantLayerMixin
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8ActPerTensorFloatMinMaxInit,
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    RoundTo8bit,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryActPerTensorConst,
    SignedTernaryWeightPerTensorConst,
    TruncTo8bit,
)
from brevitas_examples.bnn_pynq.models.common import CommonWeightQuant
from brevitas_layers import Across, Cat, Flat, Interpolate, Mean, Scaled, Sum, Values, View, plain
from brevitas_networks import (
    Act,
    AveragePool,
    Branches,
    Conv,
    Description,
    Flatten,
    GlobalPool,
    Layer,
    Linear,
    MaxPool,
    Norm,
    Residual,
    Scale,
    TruncPool,
    Upsample,
    Weight,
)
from torch import nn

MAX_SIDE = 12


class TernaryWeight(CommonWeightQuant):
    quant_type = QuantType.TERNARY
    bit_width = 2
    threshold = 0.3


def build(description: Description) -> nn.Module:
    """The module in eval mode. The same description gives the same one."""
    torch.manual_seed(description.seed)  # Brevitas and torch initialize what is overwritten anyway
    maker = Maker(np.random.default_rng(description.seed), description.shape)
    layers = maker.sequence(description.layers)
    if maker.flattened:
        layers += maker.linear(Linear(4, Weight("int", 3)))  # what a flattened map is for
    if not any(isinstance(layer, QuantLayerMixin) for module in layers for layer in module.modules()):
        layers += maker.act(Act())  # there must be something to compute
    model = nn.Sequential(*layers, Values()).eval()
    x = torch.from_numpy(replace(description, images=16).pixels()).float() / description.steps

    def fit(layer: nn.Module, args: tuple[Any, ...]) -> None:
        if layer in maker.fits:
            maker.fits.pop(layer)(layer, args)

    hooks = [layer.register_forward_pre_hook(fit) for layer in model.modules()]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return model


@dataclass
class Maker:
    """Makes layers one after another.

    Attributes:
        shape: of the sample that the next layer gets.
        codes: whether its values are integers times one scale.
        branch: in a branch of a join, whose layers keep height and width.
        flattened: the sample is a map of several places, in one row.
        fits: what chooses a layer's parameters when the first data reaches it.
    """

    rng: np.random.Generator
    shape: tuple[int, ...]
    codes: bool = True
    branch: bool = False
    flattened: bool = False

    def __post_init__(self) -> None:
        self.fits: dict[nn.Module, Callable[..., None]] = {}

    def sequence(self, layers: Sequence[Layer]) -> list[nn.Module]:
        return [module for layer in layers for module in MAKERS[type(layer)](self, layer)]

    def quantized(self) -> list[nn.Module]:
        """A quantizer, where one is needed."""
        return [] if self.codes else self.act(Act())

    @property
    def dimensions(self) -> int:
        return len(self.shape) - 1

    def pick(self, pair: tuple[int, int]) -> tuple[int, ...]:
        """The numbers that count here."""
        return pair[2 - self.dimensions :]

    # products

    def conv(self, c: Conv) -> list[nn.Module]:
        if not self.dimensions:
            return self.linear(Linear(c.outputs, c.weight, c.bias))
        before = self.quantized()
        channels, *sizes = self.shape
        groups = {"dense": 1, "two": 2 if channels % 2 == 0 else 1, "depthwise": channels}[c.groups]
        outputs = groups * max(1, c.outputs // groups)
        windows = [self.fitting(*v) for v in zip(sizes, *(self.pick(p) for p in (c.kernel, c.stride, c.padding, c.dilation)), strict=True)]
        kernel, stride, padding, dilation = ([w[i] for w in windows] for i in range(4))
        cls = qnn.QuantConv2d if self.dimensions == 2 else qnn.QuantConv1d
        layer = cls(
            channels, outputs, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, **self.product(c.weight, c.bias)
        )  # fmt: skip
        self.fill(layer, c.weight)
        self.shape = (outputs, *(out(n, *w) for n, w in zip(sizes, windows, strict=True)))
        self.codes = False
        return [*before, layer]

    def fitting(self, size: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int, int, int]:
        """The nearest smaller kernel that fits, stride, padding and dilation."""
        if self.branch:
            kernel -= kernel % 2 == 0
            return kernel, 1, kernel // 2, 1
        return min(kernel, (size + 2 * padding - 1) // dilation + 1), stride, padding, dilation

    def linear(self, c: Linear) -> list[nn.Module]:
        if self.branch and self.dimensions:
            return self.conv(Conv(c.outputs, c.weight, bias=c.bias))
        across = c.across and self.dimensions == 1
        before = [] if across or not self.dimensions else self.flatten(Flatten())
        before += self.quantized()
        layer = qnn.QuantLinear(self.shape[0], c.outputs, **self.product(c.weight, c.bias))
        self.fill(layer, c.weight)
        self.shape = (c.outputs, *self.shape[1:])
        self.codes = self.flattened = False
        return [*before, Across(layer) if across else layer]

    def product(self, w: Weight, bias: str) -> dict[str, Any]:
        options: dict[str, Any] = {"bias": bias != "none", "bias_quant": Int8BiasPerTensorFloatInternalScaling if bias == "int" else None}
        if w.kind == "bipolar":
            return {**options, "weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": 0.25 if w.nice else 0.1}
        if w.kind == "ternary":
            if w.narrow:
                return {**options, "weight_quant": TernaryWeight, "weight_scaling_const": 0.5 if w.nice else 0.3}
            return {**options, "weight_quant": SignedTernaryWeightPerTensorConst, "weight_scaling_const": 0.5 if w.nice else 0.3}
        quant = Int8WeightPerChannelFloat if w.per_channel else Int8WeightPerTensorFloat
        return {**options, "weight_quant": quant, "weight_bit_width": w.bits, "weight_narrow_range": w.narrow}

    def fill(self, layer: Any, w: Weight) -> None:
        """Random weights (the scale of integers is that of their greatest, which is there), and a fit for the bias."""
        weight = self.rng.uniform(-1, 1, tuple(layer.weight.shape))
        if w.kind == "int" and w.nice:
            top = 2 ** (w.bits - 1) - 1 if w.narrow else 2 ** (w.bits - 1)
            rows = self.rng.integers(-top, top - (not w.narrow), weight.shape, endpoint=True).reshape(len(weight), -1)
            rows[:, 0] = -top  # whatever its sign, it sets the scale
            scale = 2.0 ** self.rng.integers(-4, 1, (len(weight), 1) if w.per_channel else 1)
            weight = (rows * scale).reshape(weight.shape)
        layer.weight.data = torch.from_numpy(weight).float()

        def fit(module: Any, args: tuple[Any, ...]) -> None:
            module.bias.data.zero_()
            spread = float(plain(type(module).forward(module, *args)).abs().max()) or 1.0
            bias = torch.from_numpy(self.rng.uniform(-0.5, 0.5, len(module.bias)) * spread).float()
            module.bias.data = grid(bias, spread / 16) if w.nice else bias

        if layer.bias is not None:
            self.fits[layer] = fit

    # real arithmetic and quantizers

    def norm(self, n: Norm) -> list[nn.Module]:
        cls = nn.BatchNorm2d if self.dimensions == 2 else nn.BatchNorm1d
        layer = cls(self.shape[0], eps=0.0 if n.nice else 1e-5, affine=n.affine)
        count = self.shape[0]

        def fit(module: Any, args: tuple[Any, ...]) -> None:
            x = plain(args[0]).transpose(0, 1).reshape(count, -1)
            mean, deviation = x.mean(1), x.std(1).nan_to_num(0.0).clamp(min=1e-3)
            gamma = torch.from_numpy(self.rng.uniform(0.3, 2, count) * self.rng.choice([1, 1, 1, -1, -1, 0], count)).float()
            beta = torch.from_numpy(self.rng.uniform(-1, 1, count)).float()
            if n.nice:
                mean, deviation, gamma, beta = grid(mean, float(deviation.mean()) / 4), power(deviation), power(gamma), grid(beta, 0.25)
            module.running_mean, module.running_var = mean, deviation**2
            if n.affine:
                module.weight.data, module.bias.data = gamma, beta

        self.fits[layer] = fit
        self.codes = False
        return [layer]

    def act(self, a: Act) -> list[nn.Module]:
        self.codes = True
        before = {"relu then": [nn.ReLU()], "hardtanh then": [nn.Hardtanh(-0.5, 1.0)]}.get(a.function, [])
        if a.kind != "int":
            quant = SignedBinaryActPerTensorConst if a.kind == "sign" else SignedTernaryActPerTensorConst
            return [*before, self.centered(), qnn.QuantIdentity(act_quant=quant, return_quant_tensor=a.tensor)]
        options = {
            "bit_width": a.bits, "narrow_range": a.narrow and a.bits > 1, "return_quant_tensor": a.tensor,
            "scaling_impl_type": ScalingImplType.PARAMETER,
        }  # fmt: skip
        if a.function == "relu":
            layer = qnn.QuantReLU(scaling_init=1.0, **options)
        elif a.function == "hardtanh":
            layer = qnn.QuantHardTanh(act_quant=Int8ActPerTensorFloatMinMaxInit, min_val=-1.0, max_val=1.0, **options)
        else:
            layer = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, signed=a.signed, scaling_init=1.0, **options)
        factor = self.rng.choice([0.4, 1.0, 1.0, 2.0])

        def fit(module: Any, args: tuple[Any, ...]) -> None:
            x = plain(args[0])
            if a.function == "hardtanh":
                x = x.clamp(-1, 1)
            quantizer = module.act_quant.fused_activation_quant_proxy.tensor_quant
            steps = quantizer.int_scaling_impl(quantizer.msb_clamp_bit_width_impl())
            scale = (x.abs().max().clamp(min=1e-3) * factor / steps).reshape(1)
            quantizer.scaling_impl.value.data = ((power(scale) if a.nice else scale) * steps).reshape(quantizer.scaling_impl.value.shape)

        self.fits[layer] = fit
        return [*before, layer]

    def centered(self) -> nn.Module:
        """Moves values that are all of one sign, which a sign would make one value."""

        def fit(module: Any, args: tuple[Any, ...]) -> None:
            x = plain(args[0])
            if x.min() >= 0 or x.max() < 0:
                module.add = -float(grid(x.median(), float(x.abs().max()) / 16 or 1.0))

        layer = Scaled(1.0, 0.0)
        self.fits[layer] = fit
        return layer

    def scale(self, s: Scale) -> list[nn.Module]:
        self.codes = self.codes and s.add == 0
        return [Scaled(s.mul, s.add)]

    # shapes

    def max_pool(self, p: MaxPool) -> list[nn.Module]:
        if not self.dimensions:
            return []
        if self.branch:
            return self.pooled(nn.MaxPool2d if self.dimensions == 2 else nn.MaxPool1d, *([v] * self.dimensions for v in (3, 1, 1)))
        kernel = [min(k, n) for k, n in zip(self.pick(p.kernel), self.shape[1:], strict=True)]
        padding = [min(v, k // 2) for v, k in zip(self.pick(p.padding), kernel, strict=True)]
        return self.pooled(nn.MaxPool2d if self.dimensions == 2 else nn.MaxPool1d, kernel, self.pick(p.stride), padding)

    def average_pool(self, p: AveragePool) -> list[nn.Module]:
        if not self.dimensions or self.branch:
            return []
        before = self.quantized()
        kernel = [min(k, n) for k, n in zip(self.pick(p.kernel), self.shape[1:], strict=True)]
        padding = [min(int(p.padding), k // 2) for k in kernel]
        after = self.pooled(nn.AvgPool2d if self.dimensions == 2 else nn.AvgPool1d, kernel, self.pick(p.stride), padding)
        return before + after

    def pooled(self, cls: type[nn.Module], kernel: list[int], stride: Sequence[int], padding: list[int]) -> list[nn.Module]:
        windows = zip(self.shape[1:], kernel, stride, padding, strict=True)
        self.shape = (self.shape[0], *(out(n, k, s, p, 1) for n, k, s, p in windows))
        one = [tuple(v) if len(kernel) == 2 else v[0] for v in (kernel, stride, padding)]
        return [cls(one[0], stride=one[1], padding=one[2])]

    def trunc_pool(self, p: TruncPool) -> list[nn.Module]:
        if self.dimensions != 2 or self.branch:
            return self.average_pool(AveragePool())
        bits = max(p.bits, 2)
        before = self.act(Act(bits=bits, signed=p.signed, function="identity" if p.signed else "relu", tensor=True))
        quant = {"trunc_quant": TruncTo8bit if p.floor else RoundTo8bit, "bit_width": bits}
        if p.whole:
            self.shape = (self.shape[0], 1, 1)
            return [*before, qnn.TruncAdaptiveAvgPool2d(1, **quant), Values()]
        kernel = min(p.kernel, *self.shape[1:])
        self.shape = (self.shape[0], *(n // kernel for n in self.shape[1:]))
        return [*before, qnn.TruncAvgPool2d(kernel, **quant), Values()]

    def global_pool(self, p: GlobalPool) -> list[nn.Module]:
        if not self.dimensions or self.branch:
            return []
        before, dimensions = self.quantized(), self.dimensions
        if p.how == "mean":
            self.shape = self.shape[:1]
            return [*before, Mean()]
        self.shape = (self.shape[0], *[1] * dimensions)
        return [*before, nn.AdaptiveAvgPool2d(1) if dimensions == 2 else nn.AdaptiveAvgPool1d(1)]

    def upsample(self, u: Upsample) -> list[nn.Module]:
        if not self.dimensions or max(self.shape[1:]) * u.factor > MAX_SIDE or self.branch:
            return []
        self.shape = (self.shape[0], *(n * u.factor for n in self.shape[1:]))
        if u.how == "quant":
            return [*self.act(Act(tensor=True)), qnn.QuantUpsample(scale_factor=u.factor, return_quant_tensor=False)]
        return [Interpolate(u.factor) if u.how == "function" else nn.Upsample(scale_factor=u.factor, mode="nearest")]

    def flatten(self, f: Flatten) -> list[nn.Module]:
        if self.branch:
            return []
        self.flattened |= math.prod(self.shape[1:]) > 1
        self.shape = (math.prod(self.shape),)
        return [{"module": nn.Flatten, "view": View, "function": Flat}[f.how]()]

    # joins

    def residual(self, r: Residual) -> list[nn.Module]:
        body, shortcut = self.branched(r.body, r.shortcut, same=True, quantized=r.shared is None)
        return [Sum(body, shortcut, self.act(r.shared)[0] if r.shared is not None else None)]

    def branches(self, b: Branches) -> list[nn.Module]:
        left, right = self.branched(b.left, b.right, same=False, quantized=True)
        self.codes = self.rng.random() < 0.5  # scales may differ from channel to channel: sometimes the next product takes them so
        return [Cat(left, right)]

    def branched(self, first: Sequence[Layer], second: Sequence[Layer], same: bool, quantized: bool) -> tuple[nn.Module, nn.Module]:
        """Two branches that start here; they end in the same shape if `same`, else in as many channels as they like."""
        start, codes, outer = self.shape, self.codes, self.branch
        self.branch = True
        a = self.sequence(first)
        ends, a_codes = self.shape, self.codes
        self.shape, self.codes = start, codes
        b = self.sequence(second)
        if same and self.shape != ends:
            b += self.sequence([Conv(ends[0], Weight("int", 3))])
        if quantized:
            b += self.quantized()
            if not a_codes:
                a += self.act(Act())
            self.codes = True
        self.shape = ends if same else (ends[0] + self.shape[0], *ends[1:])
        self.branch = outer
        return nn.Sequential(*a), nn.Sequential(*b)


MAKERS: dict[type, Callable[[Maker, Any], list[nn.Module]]] = {
    Conv: Maker.conv, Linear: Maker.linear, Norm: Maker.norm, Act: Maker.act, MaxPool: Maker.max_pool, AveragePool: Maker.average_pool,
    TruncPool: Maker.trunc_pool, GlobalPool: Maker.global_pool, Upsample: Maker.upsample, Flatten: Maker.flatten, Scale: Maker.scale,
    Residual: Maker.residual, Branches: Maker.branches,
}  # fmt: skip


def out(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def power(x: torch.Tensor) -> torch.Tensor:
    """The power of two below each magnitude, with its sign; 0 stays."""
    return torch.where(x == 0, x, torch.sign(x) * 2.0 ** torch.floor(torch.log2(x.abs().clamp(min=1e-20))))


def grid(x: torch.Tensor, step: float) -> torch.Tensor:
    """Multiples of the power of two below `step`."""
    unit = 2.0 ** math.floor(math.log2(step))
    return torch.round(x / unit) * unit
