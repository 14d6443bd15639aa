"""How many signed digits each layer gets of a given number for all: a shortest path over the layers.

Each layer has some ways to be rounded, by positions k and price of a digit, with a loss and a number of digits each. To choose one way for every
layer with the least sum of losses, of ways that need no more digits than there are, is a multiple-choice knapsack problem. Layer after layer, dynamic
programming keeps what no other choice beats in both sums (Nemhauser and Ullmann 1969): exact. Prices are the Lagrangian relaxation of the same
problem inside a layer (Everett 1963): every rounding found with a price has the least loss of all with as few digits, if the path is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from hwqnn.compress.digits import DigitsPlan, LayerDigits
from hwqnn.compress.fit import Rounding, check_curvature, curvatures, kept_of, weights_of
from hwqnn.compress.method import Batches, register
from hwqnn.compress.report import Report, compare
from hwqnn.errors import InputError
from hwqnn.quant.digits import MAX_DIGITS, representable

PRICES = (0.0, *(4.0**power for power in range(-8, 0)))
"""Of a digit, relative to half of what the curvature makes of an average weight's square."""


def allocate(ways: Sequence[Sequence[tuple[int, float]]], budget: int) -> tuple[int, ...]:
    """Which way each layer takes, so that the digits are at most `budget` and the loss is least: exact.

    Args:
        ways: (digits, loss) of each way of each layer.
    Raises:
        InputError: even the fewest digits are too many.
    """
    front: list[tuple[int, float, tuple[int, ...]]] = [(0, 0.0, ())]
    for choices in ways:
        grown = sorted((used + digits, loss + more, (*path, way)) for used, loss, path in front for way, (digits, more) in enumerate(choices))
        front = []
        for each in grown:
            if each[0] <= budget and (not front or each[1] < front[-1][1]):
                front.append(each)
    if not front:
        least = sum(min(digits for digits, _ in choices) for choices in ways)
        raise InputError(f"a budget of {budget:,} digits: the layers need at least {least:,}")
    return front[-1][2]


@register("digit-budget")
@dataclass(frozen=True)
class DigitBudget:
    """Signed digits for a budget: k, p and the price of a digit for each layer by its loss.

    Attributes:
        per_weight: digits other than 0, a weight in the mean over all layers.
        fewest, most: the positions k that are tried.
        curvature, width, empirical: as of `SignedDigits`.
    """

    per_weight: float = 1.0
    fewest: int = 2
    most: int = 5
    curvature: str = "kronecker"
    width: int = 4
    empirical: bool = False

    def __post_init__(self) -> None:
        check_curvature(self.curvature)
        Rounding(width=self.width)
        if not 1 <= self.fewest <= self.most <= MAX_DIGITS:
            raise InputError(f"weights of {self.fewest} to {self.most} digits: 1 to {MAX_DIGITS} are possible")
        if self.per_weight <= 0:
            raise InputError(f"a budget of {self.per_weight:g} digits a weight: it must be above 0")

    def plan(self, model: nn.Module, batches: Batches | None) -> DigitsPlan:
        weights, kept, found = weights_of(model), kept_of(model), curvatures(model, batches, self.curvature, self.empirical)
        count = sum(weight.numel() for weight in weights.values())
        unit = sum(float((found[name].diagonal * weight**2).sum()) for name, weight in weights.items()) / (2 * count)
        made: dict[str, list[LayerDigits]] = {}
        for name, weight in weights.items():
            roundings = [(k, Rounding("path", self.width, price * unit)) for k in range(self.fewest, self.most + 1) for price in PRICES]
            made[name] = [LayerDigits(k, None, how.fit(weight, found[name], representable(k), kept[name])) for k, how in roundings]
        chosen = allocate([[(each.fit.digits, each.fit.loss) for each in choices] for choices in made.values()], int(self.per_weight * count))
        return DigitsPlan({name: choices[way] for (name, choices), way in zip(made.items(), chosen, strict=True)})

    def apply(self, model: nn.Module, plan: DigitsPlan) -> nn.Module:
        return plan.apply(model)

    def report(self, before: nn.Module, after: nn.Module, plan: DigitsPlan) -> Report:
        return compare(str(self), before, after, str(plan))
