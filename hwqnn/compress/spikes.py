"""Variational network quantization: a prior with spikes at -a, 0 and +a draws the weights to three values while they are learned.

Achterhold, Koehler, Schmeink and Genewein 2018, "Variational network quantization". The prior is a sum of log-uniform ones, each around a spike:
p(w) ~ sum of 1 / |w - c|. Its divergence is approximated by that from the spike in whose window the mean lies (section 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwqnn.compress.layers import prune, requantize
from hwqnn.compress.method import Batches, Term, register
from hwqnn.compress.report import Report, compare
from hwqnn.compress.variational import (
    Divergence,
    Stochastic,
    check_threshold,
    check_training,
    log_alpha,
    log_uniform_divergence,
    posteriors,
    settled,
    stochastic,
)
from hwqnn.errors import InputError
from hwqnn.quant.levels import LevelsWeight

TERNARY = (-1, 0, 1)


def spikes_divergence(mean: Tensor, log_variance: Tensor, spike: Tensor, width: Tensor | float) -> Tensor:
    """KL(N(w, sigma^2) || the prior of spikes at -a, 0, +a), element by element and up to a constant (section 3): with D the divergence from the
    log-uniform prior, whose alpha is sigma^2 / w^2,

        F(w) = W(w -+ a) D(w -+ a) + (1 - W(w -+ a)) D(w),   W(x) = exp(-x^2 / (2 width^2)).

    The paper sums over both outer spikes; here it is the one on the mean's side: even at w = 0 the other's window weighs W(a) = 3 % at most.

    Args:
        mean, log_variance: float, of one shape. spike: a, float (). width: of the windows, in the unit of the weights.
    Returns:
        nats, in the shape of the mean.
    """
    around_zero = log_uniform_divergence(log_alpha(mean, log_variance))
    distance = mean.abs() - spike
    window = torch.exp(-0.5 * (distance / width).square())
    return around_zero + window * (log_uniform_divergence(log_alpha(distance, log_variance)) - around_zero)


class Spiked(Stochastic):
    """A layer under the prior of three spikes; a is learned with it.

    Args:
        spike: the first a, over the root mean square of the layer's weights.
        width: of the windows, over a.
        threshold: weights of log alpha > threshold become 0.
    """

    def __init__(self, layer: Any, start: float, spike: float, width: float, threshold: float) -> None:
        super().__init__(layer, start)
        rms = float(layer.weight.detach().square().mean().sqrt()) or 1.0
        self.log_spike = nn.Parameter(torch.tensor(math.log(spike * rms)))
        self.width, self.threshold = width, threshold

    @property
    def spike(self) -> Tensor:
        """a: float ()."""
        return self.log_spike.exp()

    def digits(self) -> Tensor:
        """The nearest spike of each mean over a, but 0 where noise is greater than the weight: float, -1, 0 or +1, in the shape of the weight."""
        outer = (self.mean.abs() > self.spike / 2) & (self.log_alpha() <= self.threshold)
        return self.held(self.mean.sign() * outer)

    def certain(self) -> Tensor:
        return self.digits() * self.spike

    def divergence(self) -> Tensor:
        spike = self.spike
        return self.held(spikes_divergence(self.mean, self.log_variance, spike, self.width * spike.detach())).sum()


@dataclass(frozen=True, eq=False)
class LayerSpikes:
    """A layer's weights, float -1, 0 or +1 in the shape of its weight, and a, their scale."""

    digits: Tensor
    spike: float


@dataclass(frozen=True, eq=False)
class SpikesPlan:
    """Every layer by its name."""

    layers: dict[str, LayerSpikes]

    def __str__(self) -> str:
        lines = []
        for name, each in self.layers.items():
            kept, weights = int(each.digits.count_nonzero()), each.digits.numel()
            lines.append(f"{name:<24} {kept:,} of {weights:,} weights left, {kept / weights:.2%}, ±{each.spike:.4g}")
        return "\n".join(lines)


@register("variational-quantization")
@dataclass(frozen=True)
class VariationalQuantization:
    """Ternary weights, one scale a layer, from a posterior under a prior of three spikes.

    Attributes:
        threshold: a weight of greater log alpha becomes 0, wherever its mean is.
        warm_up, weight, start: as of `SparseVariationalDropout`.
        spike, width: as of `Spiked`.
    """

    threshold: float = 2.0
    warm_up: float = 0.2
    weight: float = 1.0
    start: float = -8.0
    spike: float = 1.5
    width: float = 0.375

    def __post_init__(self) -> None:
        check_training(self.warm_up, self.weight, self.start)
        check_threshold(self.threshold)
        if not 0 < self.spike < math.inf:
            raise InputError(f"spike = {self.spike:g}: the first value of the weights, over their root mean square, is greater than 0")
        if not 0 < self.width <= 0.5:
            raise InputError(f"width = {self.width:g}: a window's width over a is greater than 0, and at most 0.5, so that windows stay apart")

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        prepared = stochastic(model, lambda layer: Spiked(layer, self.start, self.spike, self.width, self.threshold))
        return prepared, Divergence(examples, self.warm_up, self.weight)

    def plan(self, model: nn.Module, batches: Batches | None) -> SpikesPlan:
        layers = posteriors(model, Spiked)
        return SpikesPlan({name: LayerSpikes(layer.digits().detach(), float(layer.spike.detach())) for name, layer in layers.items()})

    def apply(self, model: nn.Module, plan: SpikesPlan) -> nn.Module:
        """Ordinary layers of ternary weights. Zeros stay in any training behind it, the others may still change their sign, or go."""

        def change(each: LayerSpikes) -> Callable[[Any], None]:
            def alter(layer: Any) -> None:
                requantize(layer, LevelsWeight, each.digits * each.spike, levels=TERNARY, step=each.spike)
                prune(layer, each.digits != 0)

            return alter

        return settled(model, {name: change(each) for name, each in plan.layers.items()})

    def report(self, before: nn.Module, after: nn.Module, plan: SpikesPlan) -> Report:
        return compare(str(self), before, after, str(plan))
