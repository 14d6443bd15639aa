"""The kinds of networks that a recipe can ask for, of Brevitas layers with `hwqnn.quant`'s quantizers. A kind's arguments are its recipe's keys."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from brevitas import nn as qnn
from torch import nn

from hwqnn import quant
from hwqnn.errors import InputError


@dataclass(frozen=True)
class Quantizer:
    """A quantizer of `hwqnn.quant` by its name; `options` are those of its maker."""

    name: str
    bits: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def weight(self) -> dict[str, Any]:
        """Arguments of a layer. Raises `InputError` where there is no such quantizer."""
        return quant.weight(self.name, self.bits, **self.options)

    def act(self) -> nn.Module:
        """An activation layer. Raises `InputError` where there is no such quantizer."""
        return quant.act(self.name, self.bits, **self.options)


class Logits(nn.Module):
    """Scores divided by their root mean square over all classes, times a learned factor: a temperature that fits any scale of the last layer.

    One positive factor for all classes changes no label and costs no hardware.
    """

    momentum = 0.1

    def __init__(self) -> None:
        super().__init__()
        self.log_factor = nn.Parameter(torch.zeros(()))
        self.register_buffer("running_square", torch.ones(()))

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (N, classes), float, to scores of the same order."""
        square = self.running_square
        if self.training:
            square = scores.detach().square().mean() + 1e-12
            self.running_square.lerp_(square, self.momentum)
        return scores * (self.log_factor.exp() / square.sqrt())


class _Entry(nn.Module):
    """Pixels in [0, 1] as they are, or brought to [-1, 1] and quantized."""

    def __init__(self, quantizer: Quantizer | None) -> None:
        super().__init__()
        self.act = quantizer.act() if quantizer else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.act is None else self.act(2.0 * x - 1.0)


class Mlp(nn.Module):
    """Linear, batch norm and activation for each hidden layer, then a linear layer.

    Args:
        sizes: features of the input, of each hidden layer, and classes.
        weight, act: quantizers of the weights and of the activations.
        first, last: of the first and the last layer's weights, where they differ.
        input: of the pixels, brought to [-1, 1]; None for 8-bit pixels in [0, 1].
        widen: factor of the hidden sizes (WRPN: Mishra et al. 2018).
        gradient_bits: of the gradients that come back to every layer but the last (DoReFa-Net: Zhou et al. 2016); None for floats.
    Raises:
        InputError: an argument is impossible.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        weight: Quantizer,
        act: Quantizer,
        *,
        first: Quantizer | None = None,
        last: Quantizer | None = None,
        input: Quantizer | None = None,
        widen: float = 1.0,
        gradient_bits: int | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise InputError(f"sizes = {list(sizes)}: they are the features of the input, of each hidden layer, and the classes")
        _positive("sizes", sizes)
        sizes = [sizes[0], *_widened(sizes[1:-1], widen), sizes[-1]]
        weights = _by_place(len(sizes) - 1, weight, first, last)
        self.input_features = sizes[0]
        self.input = _Entry(input)
        self.hidden = nn.Sequential(*(_dense(n, m, w, act, gradient_bits) for (n, m), w in zip(pairwise(sizes[:-1]), weights, strict=False)))
        self.output = qnn.QuantLinear(sizes[-2], sizes[-1], **weights[-1].weight())
        self.logits = Logits()

    def check(self, shape: Sequence[int], classes: int) -> None:
        """Raises `InputError` unless it takes inputs of this shape (without the batch axis) and tells so many classes apart."""
        if math.prod(shape) != self.input_features:
            raise InputError(f"sizes begin with {self.input_features} features, but the data have {math.prod(shape)} ({' x '.join(map(str, shape))})")
        _enough(self.output, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, classes), float, for x in [0, 1] of shape (N, ...)."""
        return self.logits(self.output(self.hidden(self.input(x.flatten(1)))))


class Cnn(nn.Module):
    """Convolutions in the manner of VGG (Simonyan and Zisserman 2015), then dense layers, then a linear layer.

    A convolution is followed by its max pool, where it has one, batch norm and activation: the order of Courbariaux et al. (2016) and XNOR-Net.

    Args:
        input: channels, height and width of an image.
        channels: of each convolution. classes: of the output.
        kernel: of all convolutions, with stride 1.
        padding: zeros on each side of a map; None for as many as keep its size, for which the kernel must be odd.
        pool: behind which convolutions, counted from 1, a 2 x 2 max pool comes.
        dense: features of each dense layer behind them.
        weight, act, first, last, widen, gradient_bits: as those of `Mlp`; `widen` goes for channels, too. pixels: as its `input`.
    Raises:
        InputError: an argument is impossible.
    """

    def __init__(
        self,
        input: Sequence[int],
        channels: Sequence[int],
        classes: int,
        weight: Quantizer,
        act: Quantizer,
        *,
        kernel: int = 3,
        padding: int | None = None,
        pool: Sequence[int] = (),
        dense: Sequence[int] = (),
        first: Quantizer | None = None,
        last: Quantizer | None = None,
        pixels: Quantizer | None = None,
        widen: float = 1.0,
        gradient_bits: int | None = None,
    ) -> None:
        super().__init__()
        if len(input) != 3:
            raise InputError(f"input = {list(input)}: it is channels, height and width of an image")
        if not channels:
            raise InputError("channels = []: there must be at least one convolution")
        if kernel < 1 or (padding is None and kernel % 2 == 0):
            raise InputError(f"kernel = {kernel}: it must be odd, so that padding keeps the map's size; or say padding = 0")
        padding = kernel // 2 if padding is None else padding
        if not 0 <= padding < kernel:
            raise InputError(f"padding = {padding}: it must be at least 0, and less than the kernel, {kernel}")
        for name, values in (("input", input), ("channels", channels), ("dense", dense), ("classes", [classes])):
            _positive(name, values)
        if unknown := sorted(set(pool) - set(range(1, len(channels) + 1))):
            raise InputError(f"pool = {list(pool)}: there is no convolution {unknown[0]}, they are 1 to {len(channels)}")
        height, width = (_shrunk(size, len(channels), kernel - 1 - 2 * padding, pool) for size in input[1:])
        if height < 1 or width < 1:
            raise InputError(f"kernel = {kernel}, padding = {padding}, pool = {list(pool)}: they leave nothing of {input[1]} x {input[2]} pixels")
        maps, dense = [input[0], *_widened(channels, widen)], _widened(dense, widen)
        weights = _by_place(len(channels) + len(dense) + 1, weight, first, last)
        features = [maps[-1] * height * width, *dense]
        self.input_shape = tuple(input)
        self.input = _Entry(pixels)
        self.conv = nn.Sequential(
            *(
                _conv(n, m, kernel, padding, i + 1 in pool, w, act, gradient_bits)
                for i, ((n, m), w) in enumerate(zip(pairwise(maps), weights, strict=False))
            )
        )
        self.dense = nn.Sequential(
            *(_dense(n, m, w, act, gradient_bits) for (n, m), w in zip(pairwise(features), weights[len(channels) :], strict=False))
        )
        self.output = qnn.QuantLinear(features[-1], classes, **weights[-1].weight())
        self.logits = Logits()

    def check(self, shape: Sequence[int], classes: int) -> None:
        """Raises `InputError` unless it takes inputs of this shape (without the batch axis) and tells so many classes apart."""
        if tuple(shape) != self.input_shape:
            raise InputError(f"input = {list(self.input_shape)}, but the data have {list(shape)}")
        _enough(self.output, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, classes), float, for x in [0, 1] of shape (N, channels, height, width)."""
        return self.logits(self.output(self.dense(self.conv(self.input(x)).flatten(1))))


KINDS: dict[str, type[Mlp] | type[Cnn]] = {"mlp": Mlp, "cnn": Cnn}
"""Every kind of network by the name that recipes use."""


def _dense(inputs: int, outputs: int, weight: Quantizer, act: Quantizer, gradient_bits: int | None) -> nn.Sequential:
    return nn.Sequential(qnn.QuantLinear(inputs, outputs, **weight.weight()), *_gradient(gradient_bits), nn.BatchNorm1d(outputs), act.act())


def _conv(
    inputs: int, outputs: int, kernel: int, padding: int, pool: bool, weight: Quantizer, act: Quantizer, gradient_bits: int | None
) -> nn.Sequential:
    layer = qnn.QuantConv2d(inputs, outputs, kernel, padding=padding, **weight.weight())
    return nn.Sequential(layer, *_gradient(gradient_bits), *([nn.MaxPool2d(2)] if pool else []), nn.BatchNorm2d(outputs), act.act())


def _shrunk(size: int, convolutions: int, by: int, pool: Sequence[int]) -> int:
    """Height or width of the last map: each convolution takes `by` from it, each pool halves it."""
    for number in range(1, convolutions + 1):
        size = (size - by) // (2 if number in pool else 1)
    return size


def _gradient(bits: int | None) -> list[nn.Module]:
    if bits is not None and not 1 <= bits <= 8:
        raise InputError(f"gradient_bits = {bits}: gradients take 1 to 8 bits")
    return [] if bits is None else [quant.QuantizedGradient(bits)]


def _by_place(layers: int, weight: Quantizer, first: Quantizer | None, last: Quantizer | None) -> list[Quantizer]:
    weights = [weight] * layers
    weights[0] = first or weights[0]
    weights[-1] = last or weights[-1]
    return weights


def _widened(sizes: Sequence[int], factor: float) -> list[int]:
    if not 0 < factor <= 16:
        raise InputError(f"widen = {factor:g}: it must be greater than 0, and at most 16")
    return [max(1, round(size * factor)) for size in sizes]


def _positive(name: str, values: Sequence[int]) -> None:
    if wrong := [value for value in values if value < 1]:
        raise InputError(f"{name} holds {wrong[0]}: every size must be at least 1")


def _enough(output: nn.Linear, classes: int) -> None:
    if output.out_features < classes:
        raise InputError(f"the network tells {output.out_features} classes apart, but the data have {classes}")
