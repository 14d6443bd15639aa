"""Layers whose weights have random scales in common, one for each group, and are normal beside them: the posteriors of Bayesian compression.

Louizos, Ullrich and Welling 2017, "Bayesian compression for deep learning". A group has a random scale z, and its weights are z times normal ones.
Groups are the inputs of a dense layer and the outputs (filters) of a convolution, as in the paper's section 4. Two priors of z:

    normal-Jeffreys   p(z) ~ 1 / |z|, with the posterior N(m, alpha m^2) (section 3.1, eq. 5 to 9)
    horseshoe         z = s t with half-Cauchy s, of the layer, and t, of the group. Each squared is the product of a gamma and an inverse gamma
                      variable, and these have log-normal posteriors (section 3.2, eq. 10 to 13)
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from hwqnn.compress.variational import Stochastic, log_alpha, log_uniform_divergence
from hwqnn.errors import InputError

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
        singles: whether so do single weights of the groups that stay.
    """

    def __init__(self, layer: Any, start: float, threshold: float, singles: bool = False) -> None:
        super().__init__(layer, start)
        if getattr(layer, "groups", 1) > 1:
            raise InputError("Bayesian compression takes convolutions of one group")
        self.threshold, self.singles = threshold, singles
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
        return (self.variance().sum(others) + _LEAST).log() - (self.expected().square().sum(others) + _LEAST).log()

    def kept(self) -> Tensor:
        """Which groups stay, bool (groups,)."""
        return self.noise() <= self.threshold

    def over_weights(self, of_groups: Tensor) -> Tensor:
        """A value of each group, (groups,), as it meets the weight."""
        return of_groups.view(1, -1) if self.by_input else of_groups.view(-1, *[1] * (self.mean.ndim - 1))

    def expected(self) -> Tensor:
        """Mean of each weight unit z w, in the shape of the weight."""
        return self.held(self.over_weights(self.unit * self.moments()[0]) * self.mean)

    def keep(self) -> Tensor:
        """Which weights stay, bool in the shape of the weight."""
        stay = self.over_weights(self.kept()).expand_as(self.mean)
        if self.singles:
            stay = stay & (self.variance().log() - (self.expected().square() + _LEAST).log() <= self.threshold)
        return self.held(stay).bool()

    def certain(self) -> Tensor:
        return self.expected() * self.keep()

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

    def __init__(self, layer: Any, start: float, threshold: float, singles: bool = False) -> None:
        super().__init__(layer, start, threshold, singles)
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

    def __init__(self, layer: Any, start: float, threshold: float, singles: bool = False) -> None:
        super().__init__(layer, start, threshold, singles)
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
