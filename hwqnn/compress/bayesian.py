"""Bayesian compression: whole groups of weights go by a scale that they share, and the others get as few bits as their noise allows.

Louizos, Ullrich and Welling 2017, "Bayesian compression for deep learning": groups and their priors are in `hwqnn.compress.grouped`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hwqnn.compress.grouped import Grouped, Horseshoe, NormalJeffreys
from hwqnn.compress.groups import unread
from hwqnn.compress.layers import prune, requantize
from hwqnn.compress.method import Batches, Term, register
from hwqnn.compress.report import Report, compare
from hwqnn.compress.variational import Divergence, check_threshold, check_training, posteriors, settled, stochastic
from hwqnn.errors import InputError

FLOAT_BITS = 32
"""Of a weight before compression, as the paper counts."""
LEAST_BITS, MOST_BITS = 2, 8
"""Of a weight behind it: those of the quantizer "integer"."""


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
            lines.append(f"{name:<24} {left}, {each.bits} bits are enough")
        pruned, with_bits = self.rates
        return "\n".join([*lines, f"{pruned:.1f} times smaller by pruning, {with_bits:.1f} with no more bits than that"])


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
        singles: whether single weights go in the same way, beside whole groups.
        bits: whether every layer gets as few bits as its posterior allows, or keeps its own.
    """

    warm_up: float = 0.2
    weight: float = 1.0
    start: float = -4.0
    threshold: float = 3.0
    singles: bool = True
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
        prepared = stochastic(model, lambda layer: NormalJeffreys(layer, self.start, self.threshold, self.singles))
        return prepared, Divergence(examples, self.warm_up, self.weight)


@register("bayesian-ghs")
@dataclass(frozen=True)
class GroupHorseshoe(_Bayesian):
    """Group horseshoe: half-Cauchy priors of the scales of layers and groups."""

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        prepared = stochastic(model, lambda layer: Horseshoe(layer, self.start, self.threshold, self.singles))
        return prepared, Divergence(examples, self.warm_up, self.weight)
