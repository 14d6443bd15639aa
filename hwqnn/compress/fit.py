"""A layer's weights as integers of a given set times a power of two: the set comes from the number format, the power of two from the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hwqnn.compress.fisher import FORMS, Curvature, fisher, identity
from hwqnn.compress.layers import integers, layers
from hwqnn.compress.method import Batches
from hwqnn.compress.report import digit_counts
from hwqnn.compress.rounding import round_path
from hwqnn.errors import InputError
from hwqnn.quant.levels import nearest

ROUNDINGS = ("nearest", "path")
_STEPS = 4
"""How many steps are tried, from the one with which the greatest weight is among the levels downwards."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A layer's weights: values * 2^exponent.

    Attributes:
        values: int64 (out, in).
        loss: d'Hd / 2 of the change, in nats.
        digits: other than 0, of all values in their form with fewest.
    """

    values: Tensor
    exponent: int
    loss: float
    digits: int

    @property
    def weights(self) -> Tensor:
        """float64 (out, in), exactly."""
        return self.values * 2.0**self.exponent


@dataclass(frozen=True)
class Rounding:
    """How weights are brought to levels.

    Attributes:
        kind: "nearest", or "path" with the errors fed back (`hwqnn.compress.rounding`).
        width: paths kept; 1 is plain error feedback.
        price: nats that a signed digit other than 0 may cost; of a path.

    Raises:
        InputError: one of them is not legal.
    """

    kind: str = "path"
    width: int = 8
    price: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ROUNDINGS:
            raise InputError(f"no rounding '{self.kind}'; there are {', '.join(ROUNDINGS)}")
        if self.width < 1:
            raise InputError(f"a path of width {self.width}: at least one path must be kept")
        if self.price < 0:
            raise InputError(f"a price of {self.price:g} for a digit: it must not be negative")

    def choose(self, weight: Tensor, curvature: Curvature, whole: Tensor, step: float, kept: Tensor | None = None) -> Tensor:
        """Values out of `whole`, int64 (out, in), for a weight float64 (out, in); `kept` as of `round_path`."""
        levels = whole.double() * step
        if self.kind == "nearest":
            return whole[nearest(levels, weight)]  # what was pruned is 0, and so is its level
        return whole[round_path(curvature, weight, levels, self.price * digit_counts(whole).double(), self.width, kept=kept)]

    def fit(self, weight: Tensor, curvature: Curvature, levels: Sequence[int], kept: Tensor | None = None) -> Fit:
        """The values and the power of two of least loss and price.

        Args:
            levels: integers, ascending. kept: as of `round_path`.
        """
        whole = torch.tensor(tuple(levels))
        greatest, reach = float(weight.abs().max()), int(whole.abs().max())
        top = math.ceil(math.log2(greatest / reach)) if greatest else 0
        made = []
        for exponent in range(top, top - _STEPS, -1):
            values = self.choose(weight, curvature, whole, 2.0**exponent, kept)
            made.append(Fit(values, exponent, curvature.loss(weight - values * 2.0**exponent), int(digit_counts(values).sum())))
        return min(made, key=lambda fit: fit.loss + self.price * fit.digits)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """What each layer multiplies by, float64 (out, in)."""
    found = {name: integers(name, layer) for name, layer in layers(model).items()}
    return {name: (each.values * each.scale).flatten(1) for name, each in found.items()}


def kept_of(model: nn.Module) -> dict[str, Tensor]:
    """The weights of each layer that were not pruned (`layers.prune`), bool (out, in)."""
    everything = {name: torch.ones_like(layer.weight, dtype=torch.bool) for name, layer in layers(model).items()}
    return {name: getattr(layer, "kept", everything[name]).flatten(1) for name, layer in layers(model).items()}


def curvatures(model: nn.Module, batches: Batches | None, form: str, empirical: bool) -> dict[str, Curvature]:
    """H of each layer; the identity for the form "none".

    Raises:
        InputError: as `fisher`, or `batches` is missing.
    """
    if form == "none":
        return {name: identity(weight) for name, weight in weights_of(model).items()}
    if batches is None:
        raise InputError(f"curvature '{form}' is made of gradients: give batches of training data, or curvature 'none'")
    return fisher(model, batches, form, empirical=empirical)


def check_curvature(form: str) -> None:
    """Raises `InputError` where there is no such form."""
    if form not in ("none", *FORMS):
        raise InputError(f"no curvature '{form}'; there are none, {', '.join(FORMS)}")
