"""Pruning by magnitude (Han, Pool, Tran and Dally 2015, "Learning both weights and connections", section 3)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from hwqnn.compress.fit import kept_of
from hwqnn.compress.layers import prunable, target
from hwqnn.compress.method import Batches, register
from hwqnn.compress.pruning import Kept, PruningPlan, check_sparsity, masks
from hwqnn.compress.report import Report, compare


@register("magnitude")
@dataclass(frozen=True)
class Magnitude:
    """The weights of least magnitude become 0. Steps one after another, fine-tuned between, prune iteratively.

    Attributes:
        sparsity: of all weights, in [0, 1). scope: "global", or "layer" for the same share of each.
    """

    sparsity: float = 0.9
    scope: str = "global"

    def __post_init__(self) -> None:
        check_sparsity(self.sparsity, self.scope)

    def plan(self, model: nn.Module, batches: Batches | None) -> PruningPlan:
        found = prunable(model)
        chosen = masks({name: target(layer).abs() for name, layer in found.items()}, kept_of(model), self.sparsity, self.scope)
        return PruningPlan({name: Kept(mask) for name, mask in chosen.items()})

    def apply(self, model: nn.Module, plan: PruningPlan) -> nn.Module:
        return plan.apply(model)

    def report(self, before: nn.Module, after: nn.Module, plan: PruningPlan) -> Report:
        return compare(str(self), before, after, str(plan))
