"""Tucker-2: 1x1, then H x W between few channels, then 1x1 (Kim et al. 2016, eq. 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from hwqnn.compress.factored.chain import Part
from hwqnn.compress.factored.lowrank import LowRank, kept
from hwqnn.compress.factored.split import plain_convolution
from hwqnn.compress.method import register


@register("tucker")
@dataclass(frozen=True)
class Tucker(LowRank):
    """The truncated higher-order singular value decomposition over input and output channels (De Lathauwer et al. 2000).

    Its squared error is at most the sum of the squares of the singular values that both unfoldings leave out (property 10). Ranks: of the inputs,
    of the outputs.
    """

    kind: ClassVar[str] = "QuantConv2d layers of one group, padded with zeros"

    @staticmethod
    def takes(layer: Any) -> bool:
        return plain_convolution(layer)

    @staticmethod
    def parts(layer: Any, ranks: Sequence[int]) -> tuple[Part, ...]:
        (outputs, inputs, *kernel), (few_in, few_out) = layer.weight.shape, ranks
        return (
            Part(inputs, few_in, (1, 1)),
            Part(few_in, few_out, (kernel[0], kernel[1]), layer.stride, layer.padding, layer.dilation),
            Part(few_out, outputs, (1, 1)),
        )

    def full(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(min(shape[axis], math.prod(shape) // shape[axis]) for axis in (1, 0))

    def within(self, weight: Tensor, error: float) -> tuple[int, ...]:
        tail = error * float(weight.norm()) / math.sqrt(2)
        return tuple(kept(torch.linalg.svdvals(weight.transpose(0, axis).flatten(1)), tail) for axis in (1, 0))

    def factors(self, weight: Tensor, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        into, out = (
            torch.linalg.svd(weight.transpose(0, axis).flatten(1), full_matrices=False)[0][:, :rank] for axis, rank in zip((1, 0), ranks, strict=True)
        )
        core = torch.einsum("oihw,or,is->rshw", weight, out, into)
        return into.T[..., None, None], core, out[..., None, None]

    @staticmethod
    def product(factors: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        into, core, out = factors
        return torch.einsum("or,rshw,si->oihw", out[..., 0, 0], core, into[..., 0, 0])
