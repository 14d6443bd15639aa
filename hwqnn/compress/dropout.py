"""Sparse variational dropout: every weight learns how much noise it stands, and goes where that is more than the weight itself.

Molchanov, Ashukha and Vetrov 2017, "Variational dropout sparsifies deep neural networks". The prior is log-uniform, so a weight that the data do not
need drifts to alpha = sigma^2 / w^2 = infinity: its outputs are noise, and it can be 0 as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hwqnn.compress.method import Batches, Term, register
from hwqnn.compress.report import Report, compare
from hwqnn.compress.variational import (
    Divergence,
    Stochastic,
    check_threshold,
    check_training,
    log_uniform_divergence,
    posteriors,
    put,
    settled,
    stochastic,
)


class SparseDropout(Stochastic):
    """A layer under the log-uniform prior; the weights of log alpha > `threshold` are 0 without noise (section 4.2)."""

    def __init__(self, layer: Any, start: float, threshold: float) -> None:
        super().__init__(layer, start)
        self.threshold = threshold

    def kept(self) -> Tensor:
        """Which weights stay, bool in the shape of the weight."""
        return self.held(self.log_alpha() <= self.threshold)

    def certain(self) -> Tensor:
        return self.mean * self.kept()

    def divergence(self) -> Tensor:
        return self.held(log_uniform_divergence(self.log_alpha())).sum()


@dataclass(frozen=True, eq=False)
class Kept:
    """A layer's weights, float32, and which of them stay, bool; both in the shape of its weight."""

    weight: Tensor
    keep: Tensor


@dataclass(frozen=True, eq=False)
class DropoutPlan:
    """Every layer by its name."""

    layers: dict[str, Kept]

    def __str__(self) -> str:
        lines = []
        for name, each in self.layers.items():
            kept, weights = int(each.keep.sum()), each.keep.numel()
            lines.append(f"{name:<24} {kept:,} of {weights:,} weights left, {kept / weights:.2%}")
        return "\n".join(lines)


@register("sparse-variational-dropout")
@dataclass(frozen=True)
class SparseVariationalDropout:
    """Learned noise of every weight, under the log-uniform prior.

    Attributes:
        threshold: a weight goes where log alpha is greater; 3 is a dropout rate of 95 % (section 4.2).
        warm_up: the part of the epochs in which the divergence's weight grows from 0.
        weight: of the divergence behind it, 1 for the evidence lower bound; more gives fewer weights.
        start: the first log sigma^2.
    """

    threshold: float = 3.0
    warm_up: float = 0.2
    weight: float = 1.0
    start: float = -10.0

    def __post_init__(self) -> None:
        check_training(self.warm_up, self.weight, self.start)
        check_threshold(self.threshold)

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        prepared = stochastic(model, lambda layer: SparseDropout(layer, self.start, self.threshold))
        return prepared, Divergence(examples, self.warm_up, self.weight)

    def plan(self, model: nn.Module, batches: Batches | None) -> DropoutPlan:
        layers = posteriors(model, SparseDropout)
        return DropoutPlan({name: Kept(layer.mean.detach().clone(), layer.kept()) for name, layer in layers.items()})

    def apply(self, model: nn.Module, plan: DropoutPlan) -> nn.Module:
        """Ordinary layers of the means. What went stays 0 in any training behind it."""

        def change(each: Kept) -> Callable[[Any], None]:
            return lambda layer: put(layer, each.weight, each.keep)

        return settled(model, {name: change(each) for name, each in plan.layers.items()})

    def report(self, before: nn.Module, after: nn.Module, plan: DropoutPlan) -> Report:
        return compare(str(self), before, after, str(plan))
