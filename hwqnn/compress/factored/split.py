"""Forms with one bond: a weight, its axes shared out between two layers, is a matrix, and its truncated singular value decomposition is best.

By Eckart and Young (1936) no matrix of rank r is nearer than the r greatest singular values' part; its squared error is the sum of the squares of the
others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import Tensor

from hwqnn.compress.factored.chain import Part
from hwqnn.compress.factored.lowrank import LowRank, kept
from hwqnn.compress.method import register

AXES = "oihw"
"""Of a convolution's weight, as torch has it: out, in, height, width. A dense weight has the first two."""


def plain_convolution(layer: Any) -> bool:
    """Whether it is a convolution that forms of low rank take: two-dimensional, of one group, padded with zeros, as many on both sides."""
    numeric = isinstance(layer, QuantConv2d) and not isinstance(layer.padding, str) and not layer.is_same_padded_strided
    return numeric and layer.groups == 1 and layer.padding_mode == "zeros"


@dataclass(frozen=True)
class Split(LowRank):
    """Two layers, the first with the axes `first` of the weight, the second with the axes `second`; each of the axes `each` has its own product."""

    each: ClassVar[str] = ""
    first: ClassVar[str] = ""
    second: ClassVar[str] = ""
    kind: ClassVar[str] = "QuantConv2d layers of one group, padded with zeros"

    @staticmethod
    def takes(layer: Any) -> bool:
        return plain_convolution(layer)

    @classmethod
    def parts(cls, layer: Any, ranks: Sequence[int]) -> tuple[Part, ...]:
        outputs, inputs, *_ = layer.weight.shape
        bond = ranks[0] * (inputs if cls.each else 1)
        return (
            Part(inputs, bond, **_window(layer, cls.first), groups=inputs if cls.each else 1),
            Part(bond, outputs, **_window(layer, cls.second)),
        )

    def full(self, shape: Sequence[int]) -> tuple[int, ...]:
        sizes = dict(zip(AXES, shape, strict=False))
        return (min(math.prod(sizes[axis] for axis in side if axis in sizes) for side in (self.first, self.second)),)

    def within(self, weight: Tensor, error: float) -> tuple[int, ...]:
        values = torch.linalg.svdvals(self._matrices(weight))
        return (kept(values.square().sum(0).sqrt(), error * float(weight.norm())),)

    def factors(self, weight: Tensor, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        (rank,) = ranks
        sizes = dict(zip(AXES, (*weight.shape, 1, 1), strict=False))
        u, s, v = torch.linalg.svd(self._matrices(weight), full_matrices=False)
        root = s[:, :rank].sqrt()
        before, behind = (u[..., :rank] * root[:, None, :]).transpose(1, 2).flatten(0, 1), (root[..., None] * v[:, :rank, :]).flatten(0, 1)
        first = before.reshape(-1, *(sizes[axis] if axis in self.first else 1 for axis in "ihw"))
        second = behind.reshape(-1, *(sizes[axis] if axis in self.second else 1 for axis in "ohw")).transpose(0, 1)
        return (first, second) if weight.ndim == 4 else (first[..., 0, 0], second[..., 0, 0])

    @classmethod
    def product(cls, factors: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        first, second = (factor if factor.ndim == 4 else factor[..., None, None] for factor in factors)
        bond = (shape[1] if cls.each else 1, -1)
        return torch.einsum("crihw,ocrkl->ocihkwl", first.unflatten(0, bond), second.unflatten(1, bond)).reshape(shape)

    def _matrices(self, weight: Tensor) -> Tensor:
        """(products, first, second)."""
        order = [AXES.index(axis) for axis in self.each + self.first + self.second if AXES.index(axis) < weight.ndim]
        sizes = dict(zip(AXES, weight.shape, strict=False))
        rows = math.prod(sizes[axis] for axis in self.first if axis in sizes)
        return weight.permute(order).reshape(math.prod(sizes[axis] for axis in self.each), rows, -1)


@register("svd")
@dataclass(frozen=True)
class Svd(Split):
    """A dense layer as two, in -> rank -> out (Denil et al. 2013; Xue et al. 2013)."""

    first: ClassVar[str] = "i"
    second: ClassVar[str] = "o"
    kind: ClassVar[str] = "QuantLinear layers"

    @staticmethod
    def takes(layer: Any) -> bool:
        return isinstance(layer, QuantLinear)


@register("hxw-1x1")
@dataclass(frozen=True)
class ThenPointwise(Split):
    """A convolution of H x W to few channels, then one of 1 x 1 (Denton et al. 2014; Zhang et al. 2016, eq. 3)."""

    first: ClassVar[str] = "ihw"
    second: ClassVar[str] = "o"


@register("1x1-hxw")
@dataclass(frozen=True)
class PointwiseThen(Split):
    """A convolution of 1 x 1 to few channels, then one of H x W."""

    first: ClassVar[str] = "i"
    second: ClassVar[str] = "ohw"


@register("horizontal-vertical")
@dataclass(frozen=True)
class HorizontalVertical(Split):
    """A convolution of H x 1, then one of 1 x W (Jaderberg et al. 2014, scheme 2)."""

    first: ClassVar[str] = "ih"
    second: ClassVar[str] = "ow"


@register("separable")
@dataclass(frozen=True)
class Separable(Split):
    """A depthwise convolution with `rank` outputs a channel, then one of 1 x 1: the best one, channel by channel (Guo et al. 2018, theorem 1)."""

    each: ClassVar[str] = "i"
    first: ClassVar[str] = "hw"
    second: ClassVar[str] = "o"


def _window(layer: Any, axes: str) -> dict[str, Any]:
    """Kernel, stride, padding and dilation of a part with some axes of the layer's window; nothing for a dense layer."""
    if layer.weight.ndim == 2:
        return {}
    there = ["h" in axes, "w" in axes]

    def of(values: Sequence[int], other: int) -> tuple[int, ...]:
        return tuple(value if here else other for value, here in zip(values, there, strict=True))

    return {"kernel": of(layer.kernel_size, 1), "stride": of(layer.stride, 1), "padding": of(layer.padding, 0), "dilation": of(layer.dilation, 1)}
