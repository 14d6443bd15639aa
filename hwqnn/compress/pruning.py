"""What the methods that set weights to 0 share: how sparsity is spread over layers, and the plan.

In a frozen layer a weight of 0 costs nothing, and a pruned weight stays 0 in whatever is done to the network later (`layers.prune`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwqnn.compress.layers import changed, prune
from hwqnn.errors import InputError

SCOPES = ("global", "layer")
"""Whether the weights of all layers compete with each other, or every layer loses the same share of its own."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What stays of a layer.

    Attributes:
        mask: bool (out, in): the weights that stay.
        weights: float64 (out, in): their new latent values, 0 elsewhere; None where they stay as they are.
        loss: what the mean loss is expected to rise by, in nats; None where nothing is known of it.
    """

    mask: Tensor
    weights: Tensor | None = None
    loss: float | None = None


@dataclass(frozen=True, eq=False)
class PruningPlan:
    """Every layer by its name."""

    layers: dict[str, Kept]

    @property
    def left(self) -> int:
        """Weights that stay."""
        return sum(int(each.mask.sum()) for each in self.layers.values())

    def __str__(self) -> str:
        lines = []
        for name, each in self.layers.items():
            left, of = int(each.mask.sum()), each.mask.numel()
            loss = "" if each.loss is None else f", loss {each.loss:.3g}"
            lines.append(f"{name:<24} {left:9,} of {of:9,} weights stay ({left / of:.2%}){loss}")
        return "\n".join(lines)

    def apply(self, model: nn.Module) -> nn.Module:
        """A copy of the model with these weights. Where their values changed, the layer's quantizer starts anew from them."""

        def change(each: Kept) -> Callable[[Any], None]:
            def alter(layer: Any) -> None:
                if each.weights is not None:
                    with torch.no_grad():
                        layer.weight.copy_(each.weights.reshape(layer.weight.shape))
                    layer.weight_quant.init_tensor_quant()
                    layer.weight_quant.train(layer.training)
                prune(layer, each.mask.reshape(layer.weight.shape))

            return alter

        return changed(model, {name: change(each) for name, each in self.layers.items()})


def check_sparsity(sparsity: float, scope: str) -> None:
    """Raises `InputError` where one of them is not legal."""
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity = {sparsity:g}: the share of the weights that become 0 is in [0, 1)")
    if scope not in SCOPES:
        raise InputError(f"no scope '{scope}' of pruning; there are {', '.join(SCOPES)}")


def masks(scores: Mapping[str, Tensor], alive: Mapping[str, Tensor], sparsity: float, scope: str) -> dict[str, Tensor]:
    """Which weights stay: those of the highest scores, of equal ones the first; never one that is not alive.

    Args:
        scores: of each layer's weights, (out, in). alive: bool (out, in), where an earlier step left something.
        sparsity: of all weights, dead ones included. scope: one of `SCOPES`.
    Returns:
        bool (out, in) for each layer.
    """
    if scope == "layer":
        return {name: _highest(score, alive[name], sparsity) for name, score in scores.items()}
    flat = torch.cat([score.flatten() for score in scores.values()])
    mask = _highest(flat, torch.cat([alive[name].flatten() for name in scores]), sparsity)
    parts = mask.split([score.numel() for score in scores.values()])
    return {name: part.reshape(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}


def _highest(scores: Tensor, alive: Tensor, sparsity: float) -> Tensor:
    count = round((1 - sparsity) * scores.numel())
    order = torch.where(alive, scores.double(), -torch.inf).flatten().argsort(descending=True, stable=True)
    mask = torch.zeros(scores.numel(), dtype=torch.bool)
    mask[order[:count]] = True
    return mask.reshape(scores.shape) & alive
