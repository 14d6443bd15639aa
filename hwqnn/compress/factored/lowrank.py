"""What all forms of a layer of low rank share: which layers, of which ranks, and the chains that come in their places.

A form (one a file) says how a weight is a product of factors. How large its ranks are is given, or follows from the error that they may make, or from
the weights that all layers together may have.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hwqnn.compress.budget import allocate
from hwqnn.compress.factored.chain import BITS, Chain, Part, Structure, put
from hwqnn.compress.factored.ranges import balanced, inputs_of
from hwqnn.compress.layers import changed, integers, layers
from hwqnn.compress.method import METHODS, Batches
from hwqnn.compress.report import NOTHING, Report, count
from hwqnn.errors import InputError

ERRORS = tuple(i / 40 for i in range(1, 40))
"""Relative errors whose ranks are tried for a budget."""


@dataclass(frozen=True, eq=False)
class Factors:
    """A layer as a chain.

    Attributes:
        factors: the weights of the chain's layers, float64.
        maxima: the greatest value of each bond's quantizer.
        error: of the product of the factors, relative: its Frobenius distance from the weight over the weight's norm.
        before: how many weights the layer had. weights: how many its chain has.
    """

    structure: Structure
    factors: tuple[Tensor, ...]
    maxima: tuple[float, ...]
    error: float
    before: int

    @property
    def weights(self) -> int:
        return sum(factor.numel() for factor in self.factors)


@dataclass(frozen=True, eq=False)
class LowRankPlan:
    """Every layer that becomes a chain, and the names of those that stay: no ranks that the method may choose have fewer weights."""

    layers: dict[str, Factors]
    stay: tuple[str, ...]

    def __str__(self) -> str:
        lines = []
        for name, each in self.layers.items():
            ranks = " x ".join(map(str, each.structure.ranks))
            lines.append(f"{name:<24} rank {ranks}, {each.before:,} > {each.weights:,} weights, error {100 * each.error:.2f} %")
        return "\n".join([*lines, *(f"{name:<24} stays as it is" for name in self.stay)])


@dataclass(frozen=True)
class LowRank(ABC):
    """A `Method`, but for the form. Just one of rank, error and budget is given.

    Attributes:
        rank: of every bond; a bond whose full rank is lower has that.
        error: the greatest relative error of a layer, in (0, 1); a layer that has no fewer weights then stays.
        budget: the weights of all these layers together; the sum of their squared relative errors is the least of those tried.
        bits: of the values between the factors, signed.
        layers: which ones, a pattern of names such as "conv.*".
    """

    rank: int | None = None
    error: float | None = None
    budget: int | None = None
    bits: int = 6
    layers: str = "*"

    kind: ClassVar[str] = "layer"
    """What the form takes, for errors."""

    def __post_init__(self) -> None:
        given = [name for name in ("rank", "error", "budget") if getattr(self, name) is not None]
        if len(given) != 1:
            raise InputError(f"give one of rank, error and budget, not {' and '.join(given) or 'none'}")
        for name in ("rank", "budget"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"{name} = {value}: it must be at least 1")
        if self.error is not None and not 0 < self.error < 1:
            raise InputError(f"error = {self.error:g}: it is relative, greater than 0 and less than 1")
        if not BITS[0] <= self.bits <= BITS[1]:
            raise InputError(f"bits = {self.bits}: the values between two factors take {BITS[0]} to {BITS[1]}")

    @staticmethod
    @abstractmethod
    def takes(layer: Any) -> bool:
        """Whether the form is one of such layers."""

    @staticmethod
    @abstractmethod
    def parts(layer: Any, ranks: Sequence[int]) -> tuple[Part, ...]:
        """The layers of the chain, one more than ranks."""

    @abstractmethod
    def full(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The rank of each bond with which any weight of this shape is a product of factors."""

    @abstractmethod
    def within(self, weight: Tensor, error: float) -> tuple[int, ...]:
        """Ranks, small ones, whose relative error is at most `error`."""

    def candidates(self, weight: Tensor) -> list[tuple[int, ...]]:
        """Ranks that are tried for a budget, the least among them."""
        return sorted({self.within(weight, error) for error in ERRORS} | {tuple(1 for _ in self.full(weight.shape))})

    @abstractmethod
    def factors(self, weight: Tensor, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """The factors of these ranks, float64, in the shapes of the parts; as near to the weight as the form's algorithm finds them."""

    @staticmethod
    @abstractmethod
    def product(factors: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """The weight, of this shape, that the chain of these factors stands for."""

    @property
    def name(self) -> str:
        """What recipes call the form."""
        return next(name for name, kind in METHODS.items() if kind is type(self))

    def plan(self, model: nn.Module, batches: Batches | None) -> LowRankPlan:
        """Raises `InputError`: no layer fits the form or the pattern; a rank is greater than the full one; the budget is too small; no data."""
        taken = self._taken(model)
        weights = {name: weight_of(name, layer) for name, layer in taken.items()}
        chosen = self._ranks(taken, weights)
        inputs = inputs_of(model, {name: taken[name] for name in chosen}, batches) if chosen else {}
        made = {}
        for name, ranks in chosen.items():
            factors = self.factors(weights[name], ranks)
            error = self._error(weights[name], factors)
            factors, maxima = balanced(self.parts(taken[name], ranks), factors, inputs[name], self.bits)
            made[name] = Factors(Structure(self.name, ranks, self.bits), factors, maxima, error, weights[name].numel())
        return LowRankPlan(made, tuple(name for name in taken if name not in made))

    def apply(self, model: nn.Module, plan: LowRankPlan) -> nn.Module:
        after = changed(model, {})
        for name, each in plan.layers.items():
            layer: Any = after.get_submodule(name)
            chain = Chain(each.structure, self.parts(layer, each.structure.ranks), layer, each.maxima)
            for factor, weight in zip(chain.factors, each.factors, strict=True):
                with torch.no_grad():
                    factor.weight.copy_(weight)
                factor.weight_quant.init_tensor_quant()  # its scale starts from these weights
                _check_quantizer(name, layer, factor, weight)
            after = put(after, name, chain)
        return after.eval()

    def report(self, before: nn.Module, after: nn.Module, plan: LowRankPlan) -> Report:
        """A chain counts under the name of its layer."""
        old, new = count(before), count(after)
        within = {name: [each for part, each in new.items() if part == name or part.startswith(f"{name}." if name else "")] for name in old}
        return Report(str(self), old, {name: sum(parts, NOTHING) for name, parts in within.items()}, (str(plan),))

    def _taken(self, model: nn.Module) -> dict[str, Any]:
        fitting = {name: layer for name, layer in layers(model).items() if self.takes(layer)}
        if not fitting:
            raise InputError(f"method '{self.name}' takes {self.kind}, and {type(model).__name__} has none")
        found = {name: layer for name, layer in fitting.items() if fnmatchcase(name, self.layers)}
        if not found:
            raise InputError(f"layers = '{self.layers}' is none of the layers that method '{self.name}' takes: {', '.join(fitting)}")
        return found

    def _ranks(self, taken: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
        """Of each layer that becomes a chain."""
        if self.rank is not None:
            return {name: self._given(name, weight, self.rank) for name, weight in weights.items()}
        if self.error is not None:
            within = {name: self.within(weight, self.error) for name, weight in weights.items()}
            return {name: ranks for name, ranks in within.items() if self._size(taken[name], ranks) < weights[name].numel()}
        assert self.budget is not None
        return self._shared_out(taken, weights, self.budget)

    def _shared_out(self, taken: dict[str, Any], weights: dict[str, Tensor], budget: int) -> dict[str, tuple[int, ...]]:
        ways = {name: self._ways(taken[name], weight) for name, weight in weights.items()}
        costs = [[(size, error**2) for size, error, _ in each] for each in ways.values()]
        if (least := sum(min(size for size, _ in each) for each in costs)) > budget:
            raise InputError(f"budget = {budget:,} weights: the smallest ranks of {', '.join(weights)} need {least:,}")
        chosen = {name: each[way][2] for (name, each), way in zip(ways.items(), allocate(costs, budget), strict=True)}
        return {name: ranks for name, ranks in chosen.items() if ranks}

    def _given(self, name: str, weight: Tensor, rank: int) -> tuple[int, ...]:
        full = self.full(weight.shape)
        if rank > max(full):
            raise InputError(f"layer '{name}', method '{self.name}': rank = {rank}, but its greatest rank is {max(full)}")
        return tuple(min(rank, each) for each in full)

    def _ways(self, layer: Any, weight: Tensor) -> list[tuple[int, float, tuple[int, ...]]]:
        """(weights, relative error, ranks) of some chains, and of the layer as it is, which has no ranks."""
        tried = [ranks for ranks in self.candidates(weight) if self._size(layer, ranks) < weight.numel()]
        made = [(self._size(layer, ranks), self._error(weight, self.factors(weight, ranks)), ranks) for ranks in tried]
        return [(weight.numel(), 0.0, ()), *made]

    def _size(self, layer: Any, ranks: Sequence[int]) -> int:
        return sum(math.prod(part.shape) for part in self.parts(layer, ranks))

    def _error(self, weight: Tensor, factors: Sequence[Tensor]) -> float:
        norm = float(weight.norm())
        return float((self.product(factors, weight.shape) - weight).norm()) / norm if norm else 0.0


def weight_of(name: str, layer: Any) -> Tensor:
    """What a layer multiplies by, float64, in the weight's shape."""
    found = integers(name, layer)
    return found.values * found.scale


def kept(values: Tensor, tail: float) -> int:
    """How many singular values stay, so that the root of the sum of the others' squares is at most `tail`."""
    left = values.square().flip(0).cumsum(0).flip(0)
    return max(1, int((left > tail**2).sum()))


def _check_quantizer(name: str, layer: Any, factor: Any, weight: Tensor) -> None:
    """Raises `InputError` where a quantizer does not follow the weights that it gets, but was made for the layer's own ones."""
    with torch.no_grad():
        quantized = factor.eval().quant_weight().value
    if quantized.shape != weight.shape or float((quantized - weight).norm()) > float(weight.norm()):
        kind = type(layer.weight_quant.tensor_quant).__name__
        raise InputError(
            f"layer '{name}': its quantizer {kind} has a scale of its own, or values, which do not fit factors of the weight; factor the layer "
            "before it gets that quantizer, or use one that follows the weights, such as integer"
        )
