"""A convolution as a sum of rank-one terms: 1x1, a depthwise H x W, 1x1 (canonical polyadic; Lebedev et al. 2015, with the kernel as one mode)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat, takewhile
from typing import Any, ClassVar

import torch
from torch import Tensor

from hwqnn.compress.factored.chain import Part
from hwqnn.compress.factored.lowrank import LowRank
from hwqnn.compress.factored.split import plain_convolution
from hwqnn.compress.method import register

ROUNDS = 200
"""Of alternating least squares, at most."""
_STILL = 1e-7
"""A round that lowers the relative error by less is the last."""


@register("cp")
@dataclass(frozen=True)
class CanonicalPolyadic(LowRank):
    """Output, input and kernel as vectors for each of `rank` terms, by alternating least squares (Kolda and Bader 2009, figure 3.3).

    They start from the leading singular vectors of each unfolding, and from random ones of a fixed seed where there are no more. The least error of a
    rank is not always attained, and ALS may end in a local minimum.
    """

    kind: ClassVar[str] = "QuantConv2d layers of one group, padded with zeros"

    @staticmethod
    def takes(layer: Any) -> bool:
        return plain_convolution(layer)

    @staticmethod
    def parts(layer: Any, ranks: Sequence[int]) -> tuple[Part, ...]:
        (outputs, inputs, *_), (rank,) = layer.weight.shape, ranks
        return (
            Part(inputs, rank, (1, 1)),
            Part(rank, rank, layer.kernel_size, layer.stride, layer.padding, layer.dilation, groups=rank),
            Part(rank, outputs, (1, 1)),
        )

    def full(self, shape: Sequence[int]) -> tuple[int, ...]:
        outputs, inputs, *kernel = shape
        return (min(outputs * inputs, outputs * math.prod(kernel), inputs * math.prod(kernel)),)

    def candidates(self, weight: Tensor) -> list[tuple[int, ...]]:
        """The ranks 1, 2, 3, 4, 5, 7, 9, 12 ... and the full one."""
        (full,) = self.full(weight.shape)
        steps = accumulate(repeat(0), lambda rank, _: max(rank + 1, round(rank * 4 / 3)), initial=1)
        return [*((rank,) for rank in takewhile(lambda rank: rank < full, steps)), (full,)]

    def within(self, weight: Tensor, error: float) -> tuple[int, ...]:
        """The first of the candidates that is near enough, or the last."""
        candidates = self.candidates(weight)
        return next((ranks for ranks in candidates[:-1] if self._error(weight, self.factors(weight, ranks)) <= error), candidates[-1])

    def factors(self, weight: Tensor, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        out, into, kernel = terms(weight.flatten(2), ranks[0])
        return into.T[..., None, None], kernel.T.reshape(-1, 1, *weight.shape[2:]), out[..., None, None]

    @staticmethod
    def product(factors: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        into, kernel, out = factors
        return torch.einsum("or,ri,rhw->oihw", out[..., 0, 0], into[..., 0, 0], kernel[:, 0])


def terms(tensor: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """a, b, c, each (size of its mode, rank), with tensor about sum_r a_r o b_r o c_r; a tensor of three modes, float64."""
    unfolded = [tensor.movedim(mode, 0).flatten(1) for mode in range(3)]
    random = torch.Generator().manual_seed(0)
    factors = []
    for matrix in unfolded:
        leading = torch.linalg.svd(matrix, full_matrices=False)[0][:, :rank]
        more = torch.randn(len(matrix), rank - leading.shape[1], generator=random, dtype=tensor.dtype)
        factors.append(torch.cat([leading, more], 1))
    norm, before = tensor.square().sum(), torch.tensor(math.inf)
    for _ in range(ROUNDS):
        for mode in range(3):
            a, b = (factors[other] for other in range(3) if other != mode)
            gram = (a.T @ a) * (b.T @ b)
            right = unfolded[mode] @ torch.einsum("ir,jr->ijr", a, b).flatten(0, 1)
            factors[mode] = torch.linalg.lstsq(gram, right.T, driver="gelsd").solution.T
            size = factors[mode].norm(dim=0)
            if mode < 2:
                factors[mode] = factors[mode] / torch.where(size > 0, size, 1.0)
        error = (torch.einsum("ir,jr,kr->ijk", *factors) - tensor).square().sum() / norm
        if before - error < _STILL:
            break
        before = error
    return factors[0], factors[1], factors[2]
