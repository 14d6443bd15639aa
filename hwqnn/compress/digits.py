"""Weights of a trained network as few signed digits, chosen by what they cost the loss (the formats: `hwqnn.quant.digits`).

For each layer: minimize (w - w')' H (w - w') / 2 + price * digits(w') over the exponent p and the weights w' of k positions below 2^p, H from the
Fisher information. The price is what a digit other than 0 may cost in nats: a Lagrange multiplier of the digits, which are what a frozen layer pays
for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from hwqnn.compress.fit import Fit, Rounding, check_curvature, curvatures, kept_of, weights_of
from hwqnn.compress.layers import changed, requantize
from hwqnn.compress.method import Batches, register
from hwqnn.compress.report import Report, compare
from hwqnn.quant.digits import SignedDigitWeight, representable


@dataclass(frozen=True, eq=False)
class LayerDigits:
    """A layer's weights as signed digits: k positions, at most `terms` digits of a weight other than 0 (None: any number)."""

    digits: int
    terms: int | None
    fit: Fit

    @property
    def exponent(self) -> int:
        """p."""
        return self.fit.exponent + self.digits - 1


@dataclass(frozen=True, eq=False)
class DigitsPlan:
    """Every layer by its name."""

    layers: dict[str, LayerDigits]

    @property
    def loss(self) -> float:
        """How much the mean loss is expected to rise, in nats; of the layers' squared errors where no curvature was asked for."""
        return sum(layer.fit.loss for layer in self.layers.values())

    @property
    def used(self) -> int:
        """Digits other than 0."""
        return sum(layer.fit.digits for layer in self.layers.values())

    def __str__(self) -> str:
        lines = []
        for name, each in self.layers.items():
            digits = f"{each.fit.digits:8,} digits, {each.fit.digits / each.fit.values.numel():5.2f} a weight"
            lines.append(f"{name:<24} k = {each.digits}, p = {each.exponent:3}, {digits}, loss {each.fit.loss:.3g}")
        return "\n".join(lines)

    def apply(self, model: nn.Module) -> nn.Module:
        """A copy of the model with these weights, which further training keeps at so many digits."""

        def change(each: LayerDigits) -> Callable[[Any], None]:
            options = {"bit_width": each.digits, "terms": each.terms, "exponent": each.exponent}
            return lambda layer: requantize(layer, SignedDigitWeight, each.fit.weights, **options)

        return changed(model, {name: change(each) for name, each in self.layers.items()})


@register("signed-digit")
@dataclass(frozen=True)
class SignedDigits:
    """k positions for every layer, p for each layer by its loss.

    Attributes:
        digits: k, 1 to 8. terms: the most digits other than 0 of a weight, 1 for powers of two; None for any number.
        curvature: H: "diagonal", "block", "kronecker", or "none" for the squared error of the weights.
        rounding, width, price: of `fit.Rounding`.
        empirical: gradients of the data's labels instead of labels drawn from the model.
    """

    digits: int = 4
    terms: int | None = None
    curvature: str = "kronecker"
    rounding: str = "path"
    width: int = 8
    price: float = 0.0
    empirical: bool = False

    def __post_init__(self) -> None:
        representable(self.digits, self.terms)
        check_curvature(self.curvature)
        Rounding(self.rounding, self.width, self.price)

    def plan(self, model: nn.Module, batches: Batches | None) -> DigitsPlan:
        found, kept = curvatures(model, batches, self.curvature, self.empirical), kept_of(model)
        how, levels = Rounding(self.rounding, self.width, self.price), representable(self.digits, self.terms)
        fits = {name: how.fit(weight, found[name], levels, kept[name]) for name, weight in weights_of(model).items()}
        return DigitsPlan({name: LayerDigits(self.digits, self.terms, fit) for name, fit in fits.items()})

    def apply(self, model: nn.Module, plan: DigitsPlan) -> nn.Module:
        return plan.apply(model)

    def report(self, before: nn.Module, after: nn.Module, plan: DigitsPlan) -> Report:
        return compare(str(self), before, after, str(plan))
