"""Optimal brain damage (LeCun, Denker and Solla 1990)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from hwqnn.compress.fisher import fisher
from hwqnn.compress.fit import kept_of, weights_of
from hwqnn.compress.layers import prunable
from hwqnn.compress.method import Batches, register
from hwqnn.compress.pruning import Kept, PruningPlan, check_sparsity, masks
from hwqnn.compress.report import Report, compare
from hwqnn.errors import InputError


@register("brain-damage")
@dataclass(frozen=True)
class BrainDamage:
    """The weights of least saliency h_ii w_i^2 / 2 (eq. 5) become 0: what the loss rises by, if no two weights interact.

    Attributes:
        sparsity, scope: as of `Magnitude`.
        empirical: h from gradients of the data's labels, instead of labels drawn from the model.
    """

    sparsity: float = 0.9
    scope: str = "global"
    empirical: bool = False

    def __post_init__(self) -> None:
        check_sparsity(self.sparsity, self.scope)

    def plan(self, model: nn.Module, batches: Batches | None) -> PruningPlan:
        prunable(model)
        if batches is None:
            raise InputError("brain-damage weighs weights by gradients: give batches of training data")
        found = fisher(model, batches, "diagonal", empirical=self.empirical)
        saliency = {name: found[name].diagonal * weight**2 / 2 for name, weight in weights_of(model).items()}
        chosen = masks(saliency, kept_of(model), self.sparsity, self.scope)
        return PruningPlan({name: Kept(mask, loss=float(saliency[name][~mask].sum())) for name, mask in chosen.items()})

    def apply(self, model: nn.Module, plan: PruningPlan) -> nn.Module:
        return plan.apply(model)

    def report(self, before: nn.Module, after: nn.Module, plan: PruningPlan) -> Report:
        return compare(str(self), before, after, str(plan))
