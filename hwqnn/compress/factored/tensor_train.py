"""Dense layers as tensor trains, and as sums of Kronecker products, which are trains of two cores.

A weight (i1 ... id, j1 ... jd) of outputs i and inputs j is G1[i1, j1] G2[i2, j2] ... Gd[id, jd], a product of small matrices (Oseledets 2011, eq.
1.3; Novikov et al. 2015, eq. 3). Applied core by core, each one sums over its j for all others at once: a convolution whose kernel is a whole column
of a map. A core leaves its i innermost, so the next core's j is outermost again, and no element has to move:

    (j_k; j_k+1 ... j_d, i_1 ... i_k-1; r_k-1)  ->  (j_k+1; ... j_d, i_1 ... i_k; r_k)        (rows; columns; channels)

Elements are counted in the hardware's order: a dense layer right behind a flattened map of many channels reads them in torch's, and its train is
refused when it is lowered.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from brevitas.nn import QuantLinear
from torch import Tensor

from hwqnn.compress.factored.chain import Part
from hwqnn.compress.factored.lowrank import LowRank, kept
from hwqnn.compress.method import register
from hwqnn.errors import InputError

CORES = (2, 6)


def modes(size: int, count: int) -> tuple[int, ...]:
    """`count` factors of `size` with the least sum, ascending: how features become an index of `count` digits."""
    if count == 1:
        return (size,)
    divisors = [d for d in range(1, size + 1) if size % d == 0]
    ways = [tuple(sorted((d, *modes(size // d, count - 1)))) for d in divisors if d**count <= size]
    return min(ways, key=lambda way: (sum(way), way))


@dataclass(frozen=True)
class Train(LowRank):
    """A train of `count` cores by successive singular value decompositions, TT-SVD (Oseledets 2011, algorithm 1).

    Its error is at most the root of the sum of the squares of its cuts' errors, and at most sqrt(count - 1) times that of the best train of its ranks
    (theorem 2.2 and corollary 2.4). Outputs and inputs are cut into as many factors, as near to each other as they can be (`modes`).
    """

    kind: ClassVar[str] = "QuantLinear layers without a bias"

    @property
    @abstractmethod
    def count(self) -> int:
        """Cores."""

    @staticmethod
    def takes(layer: Any) -> bool:
        return isinstance(layer, QuantLinear) and layer.bias is None

    @staticmethod
    def parts(layer: Any, ranks: Sequence[int]) -> tuple[Part, ...]:
        bonds = (1, *ranks, 1)
        outs, ins = (modes(size, len(ranks) + 1) for size in layer.weight.shape)
        return tuple(Part(r, m * s, (n, 1), rows=n) for m, n, (r, s) in zip(outs, ins, pairwise(bonds), strict=True))

    def full(self, shape: Sequence[int]) -> tuple[int, ...]:
        sizes = [m * n for m, n in zip(*(modes(size, self.count) for size in shape), strict=True)]
        return tuple(min(math.prod(sizes[:k]), math.prod(sizes[k:])) for k in range(1, self.count))

    def within(self, weight: Tensor, error: float) -> tuple[int, ...]:
        tail = error * float(weight.norm()) / math.sqrt(self.count - 1)
        return tuple(core.shape[-1] for core in _cut(weight, self.count, lambda _, values: kept(values, tail))[:-1])

    def factors(self, weight: Tensor, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        cores = _cut(weight, self.count, lambda k, _: ranks[k])
        return tuple(core.permute(2, 3, 0, 1).flatten(0, 1)[..., None] for core in cores)  # (i s, r, j, 1)

    @staticmethod
    def product(factors: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        whole = torch.ones(1, 1, 1, dtype=factors[0].dtype)  # (outputs, inputs, bond)
        for number, factor in enumerate(factors):
            bond = factors[number + 1].shape[1] if number + 1 < len(factors) else 1
            core = factor[..., 0].unflatten(0, (-1, bond))  # (i, s, r, j)
            whole = torch.einsum("abr,isrj->aibjs", whole, core).flatten(0, 1).flatten(1, 2)
        return whole[..., 0].reshape(shape)


@register("tensor-train")
@dataclass(frozen=True)
class TensorTrain(Train):
    """A tensor train.

    Attributes:
        cores: how many, 2 to 6.
    """

    cores: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not CORES[0] <= self.cores <= CORES[1]:
            raise InputError(f"cores = {self.cores}: a train has {CORES[0]} to {CORES[1]}")

    @property
    def count(self) -> int:
        return self.cores


@register("kronecker")
@dataclass(frozen=True)
class Kronecker(Train):
    """The best sum of `rank` Kronecker products, A1 x B1 + A2 x B2 + ... (Van Loan and Pitsianis 1993, theorem 2.1): a train of two cores."""

    @property
    def count(self) -> int:
        return 2


def _cut(weight: Tensor, count: int, rank: Any) -> list[Tensor]:
    """The cores (r, j, i, s) of a weight; `rank(k, singular values)` is the rank of cut k."""
    outs, ins = (modes(size, count) for size in weight.shape)
    axes = [axis for k in range(count) for axis in (count + k, k)]
    left = weight.reshape(*outs, *ins).permute(axes).reshape(1, -1)
    cores = []
    for k in range(count - 1):
        u, s, v = torch.linalg.svd(left.reshape(left.shape[0] * ins[k] * outs[k], -1), full_matrices=False)
        keep = min(rank(k, s), len(s))
        cores.append(u[:, :keep].reshape(left.shape[0], ins[k], outs[k], keep))
        left = s[:keep, None] * v[:keep]
    return [*cores, left.reshape(left.shape[0], ins[-1], outs[-1], 1)]
