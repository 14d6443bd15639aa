"""Bayesian compression: whole groups of weights go by a scale that they share, and the others get as few bits as their noise allows.

Louizos, Ullrich and Welling 2017, "Bayesian compression for deep learning". A group has a random scale z, and its weights are z times normal ones.
Groups are the inputs of a dense layer and the outputs (filters) of a convolution, as in the paper's section 4. Two priors of z:

    normal-Jeffreys   p(z) ~ 1 / |z|, with the posterior N(m, alpha m^2) (section 3.1, eq. 5 to 9)
    horseshoe         z = s t with half-Cauchy s, of the layer, and t, of the group. Each squared is the product of a gamma and an inverse gamma
                      variable, and these have log-normal posteriors (section 3.2, eq. 10 to 13)
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwqnn.compress.groups import unread
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

FLOAT_BITS = 32
"""Of a weight before compression, as the paper counts."""
LEAST_BITS, MOST_BITS = 2, 8
"""Of a weight behind it: those of the quantizer "integer"."""
_LEAST = 1e-30
"""Added where a logarithm would have no value at 0."""


def normal_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(m, v) || N(0, 1)), element by element, in nats (eq. 9)."""
    return 0.5 * (log_variance.exp() + mean.square() - 1.0 - log_variance)


def gamma_divergence(mean: Tensor, log_variance: Tensor, scale: float) -> Tensor:
    """KL(LogNormal(m, v) || Gamma(1/2, scale)), element by element, in nats (appendix A)."""
    return (mean + log_variance.exp() / 2).exp() / scale - (mean + log_variance - math.log(scale) + 1.0 + math.log(2.0)) / 2


def inverse_gamma_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(LogNormal(m, v) || InverseGamma(1/2, 1)), element by element, in nats: that of 1 / x, which is log-normal with -m, from a gamma variable."""
    return gamma_divergence(-mean, log_variance, 1.0)


class Grouped(Stochastic):
    """A layer whose weights are z w: a scale for each group, and w of a normal posterior under the prior N(0, 1).

    In training, every image draws its scales, and then its outputs from their normal distributions given these (algorithm 1 and 2, the local
    reparameterization). In eval mode the weights are the posterior's means, without the groups that go.

    Args:
        layer, start: as those of `Stochastic`. w starts as the layer's weights over their root mean square, a fixed `unit` beside z: behind batch
            norm only ratios count, so the prior of z says nothing about the size of a whole layer.
        threshold: groups of more `noise` go.
    """

    def __init__(self, layer: Any, start: float, threshold: float) -> None:
        super().__init__(layer, start)
        if layer_groups(layer) > 1:
            raise InputError("Bayesian compression takes convolutions of one group")
        self.threshold = threshold
        self.by_input = isinstance(layer, nn.Linear)
        self.unit = max(float(self.mean.detach().square().mean().sqrt()), 1e-12)
        with torch.no_grad():
            self.mean.div_(self.unit)

    @property
    def groups(self) -> int:
        return self.mean.shape[1 if self.by_input else 0]

    @abstractmethod
    def draw(self, images: int) -> Tensor:
        """Scales for so many images, (images, groups)."""

    @abstractmethod
    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each scale, (groups,)."""

    @abstractmethod
    def scales_divergence(self) -> Tensor:
        """KL of all scales, a scalar in nats."""

    def noise(self) -> Tensor:
        """log of the variance of a group's weights z w over the square of their means, each summed over the group: (groups,).

        The paper looks at z alone: at its alpha, and at its mode. But a group says nothing either where z is certain and every w is noise.
        """
        others = [axis for axis in range(self.mean.ndim) if axis != (1 if self.by_input else 0)]
        signal = self.held(self.over_weights(self.unit * self.moments()[0]) * self.mean).square().sum(others)
        return (self.variance().sum(others) + _LEAST).log() - (signal + _LEAST).log()

    def kept(self) -> Tensor:
        """Which groups stay, bool (groups,)."""
        return self.noise() <= self.threshold

    def over_weights(self, of_groups: Tensor) -> Tensor:
        """A value of each group, (groups,), as it meets the weight."""
        return of_groups.view(1, -1) if self.by_input else of_groups.view(-1, *[1] * (self.mean.ndim - 1))

    def keep(self) -> Tensor:
        """Which weights stay, bool in the shape of the weight."""
        return self.held(self.over_weights(self.kept()).expand_as(self.mean)).bool()

    def certain(self) -> Tensor:
        return self.over_weights(self.unit * self.moments()[0]) * self.mean * self.keep()

    def variance(self) -> Tensor:
        """Of each weight unit z w under the posterior of both (section 3.3, eq. 14 and 17), in the shape of the weight."""
        mean, variance = (self.over_weights(moment) for moment in self.moments())
        within = self.log_variance.exp()
        return self.unit**2 * (variance * (within + self.mean.square()) + within * mean.square())

    def divergence(self) -> Tensor:
        return self.scales_divergence() + self.held(normal_divergence(self.mean, self.log_variance)).sum()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        scales = self.unit * self.draw(len(x))
        if self.by_input:
            return super().forward(x * scales)
        return super().forward(x) * scales[(..., *[None] * (self.mean.ndim - 2))]


class NormalJeffreys(Grouped):
    """Scales of the posterior N(m, alpha m^2) under the prior 1 / |z|."""

    def __init__(self, layer: Any, start: float, threshold: float) -> None:
        super().__init__(layer, start, threshold)
        self.scale_mean = nn.Parameter(torch.ones(self.groups))
        self.scale_log_variance = nn.Parameter(torch.full((self.groups,), start))

    def draw(self, images: int) -> Tensor:
        return self.scale_mean + (self.scale_log_variance / 2).exp() * torch.randn(images, self.groups)

    def moments(self) -> tuple[Tensor, Tensor]:
        return self.scale_mean, self.scale_log_variance.exp()

    def scales_divergence(self) -> Tensor:
        return log_uniform_divergence(log_alpha(self.scale_mean, self.scale_log_variance)).sum()


class Horseshoe(Grouped):
    """Scales z = s t; the parts of s^2 and t^2 are log-normal. The width of s (tau_0) is 1: behind batch norm only ratios of weights count."""

    def __init__(self, layer: Any, start: float, threshold: float) -> None:
        super().__init__(layer, start, threshold)
        # rows: the gamma part, the inverse gamma part of a square
        self.shared_mean, self.local_mean = nn.Parameter(torch.zeros(2, 1)), nn.Parameter(torch.zeros(2, self.groups))
        self.shared_log_variance = nn.Parameter(torch.full((2, 1), start))
        self.local_log_variance = nn.Parameter(torch.full((2, self.groups), start))

    def log_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of log z, (groups,): half the sum of the logarithms of four independent parts."""
        mean = (self.shared_mean + self.local_mean).sum(0) / 2
        return mean, (self.shared_log_variance.exp() + self.local_log_variance.exp()).sum(0) / 4

    def draw(self, images: int) -> Tensor:
        mean, _ = self.log_moments()
        shared, local = ((each.exp().sum(0).sqrt() / 2) for each in (self.shared_log_variance, self.local_log_variance))
        return (mean + shared * torch.randn(images, 1) + local * torch.randn(images, self.groups)).exp()

    def moments(self) -> tuple[Tensor, Tensor]:
        mean, variance = self.log_moments()
        first = (mean + variance / 2).exp()
        return first, variance.expm1() * first.square()

    def scales_divergence(self) -> Tensor:
        parts = [(self.shared_mean, self.shared_log_variance), (self.local_mean, self.local_log_variance)]
        return torch.stack(
            [gamma_divergence(mean[0], log[0], 1.0).sum() + inverse_gamma_divergence(mean[1], log[1]).sum() for mean, log in parts]
        ).sum()


def layer_groups(layer: Any) -> int:
    return getattr(layer, "groups", 1)


def bits_for(weight: Tensor, variance: Tensor) -> int:
    """Bits of an integer weight whose unit round-off, half a step, is at most the posterior's deviation (section 3.3): 2 to 8.

    Args:
        weight: the greatest magnitude becomes the greatest code, 2^(bits - 1) - 1.
        variance: of the same weights; the deviation is the root of their mean.
    """
    if not weight.numel():
        return LEAST_BITS
    levels = float(weight.abs().max()) / (2.0 * math.sqrt(float(variance.mean())))
    return min(MOST_BITS, max(LEAST_BITS, math.ceil(math.log2(levels + 1.0)) + 1))


@dataclass(frozen=True, eq=False)
class Shrunk:
    """A layer's weights, float32, which of them stay, bool, both in the shape of its weight; of how many groups; and the bits of a weight."""

    weight: Tensor
    keep: Tensor
    groups: tuple[int, int]
    bits: int


@dataclass(frozen=True, eq=False)
class BayesianPlan:
    """Every layer by its name."""

    layers: dict[str, Shrunk]

    @property
    def rates(self) -> tuple[float, float]:
        """Bits of all weights in 32-bit floats over bits of those left: as such floats, and with the layers' bits."""
        weights, left, bits = (
            sum(of(each) for each in self.layers.values())
            for of in (lambda e: e.keep.numel(), lambda e: int(e.keep.sum()), lambda e: int(e.keep.sum()) * e.bits)
        )
        return weights / max(left, 1), FLOAT_BITS * weights / max(bits, 1)

    def __str__(self) -> str:
        lines = []
        for name, each in self.layers.items():
            left = f"{each.groups[0]:,} of {each.groups[1]:,} groups, {int(each.keep.sum()):,} of {each.keep.numel():,} weights left"
            lines.append(f"{name:<24} {left}, {each.bits} bits")
        pruned, with_bits = self.rates
        return "\n".join([*lines, f"{pruned:.1f} times smaller by pruning, {with_bits:.1f} with these bits"])


def shrunk(model: nn.Module, images: Tensor) -> BayesianPlan:
    """What the posteriors of a learned model leave. Rows of weights go, too, whose output nothing reads any more."""
    layers = posteriors(model, Grouped)  # type: ignore[type-abstract]
    without = settled(model, {name: _putting(layer.certain().detach(), layer.keep()) for name, layer in layers.items()})
    idle = unread(without, images)
    found = {}
    for name, layer in layers.items():
        keep = layer.keep() & ~idle[name].view(-1, *[1] * (layer.mean.ndim - 1))
        weight, variance = layer.certain().detach(), layer.variance().detach()
        kept = int(layer.kept().sum()), layer.groups
        found[name] = Shrunk(weight * keep, keep, kept, bits_for(weight[keep], variance[keep]))
    return BayesianPlan(found)


def _putting(weight: Tensor, keep: Tensor, **options: Any) -> Callable[[Any], None]:
    """Gives a layer these weights and its own quantizer anew."""

    def change(layer: Any) -> None:
        requantize(layer, layer.weight_quant.quant_injector, weight * keep, **options)
        prune(layer, keep)

    return change


@dataclass(frozen=True)
class _Bayesian:
    """What both priors share.

    Attributes:
        warm_up: the part of the epochs in which the divergence's weight grows from 0.
        weight: of the divergence behind it, 1 for the evidence lower bound; more leaves fewer groups.
        start: the first logarithm of every variance, in units of the weights' mean square.
        threshold: a group goes of which log(variance / mean^2), summed over its weights, is greater.
        bits: whether every layer gets as few bits as its posterior allows, or keeps its own.
    """

    warm_up: float = 0.2
    weight: float = 1.0
    start: float = -4.0
    threshold: float = 3.0
    bits: bool = True

    def __post_init__(self) -> None:
        check_training(self.warm_up, self.weight, self.start)
        check_threshold(self.threshold)

    def plan(self, model: nn.Module, batches: Batches | None) -> BayesianPlan:
        if batches is None:
            raise InputError(f"{type(self).__name__} needs data, to see the shape of the network's inputs")
        images, _ = next(batches())
        return shrunk(model, images)

    def apply(self, model: nn.Module, plan: BayesianPlan) -> nn.Module:
        """Ordinary layers of the posterior's means. What went stays 0 in any training behind it."""
        options = {name: {"bit_width": each.bits} if self.bits else {} for name, each in plan.layers.items()}
        return settled(model, {name: _putting(each.weight, each.keep, **options[name]) for name, each in plan.layers.items()})

    def report(self, before: nn.Module, after: nn.Module, plan: BayesianPlan) -> Report:
        return compare(str(self), before, after, str(plan))


@register("bayesian-gnj")
@dataclass(frozen=True)
class GroupNormalJeffreys(_Bayesian):
    """Group normal-Jeffreys: the log-uniform prior of each group's scale, and its noise."""

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        return stochastic(model, lambda layer: NormalJeffreys(layer, self.start, self.threshold)), Divergence(examples, self.warm_up, self.weight)


@register("bayesian-ghs")
@dataclass(frozen=True)
class GroupHorseshoe(_Bayesian):
    """Group horseshoe: half-Cauchy priors of the scales of layers and groups."""

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        return stochastic(model, lambda layer: Horseshoe(layer, self.start, self.threshold)), Divergence(examples, self.warm_up, self.weight)
