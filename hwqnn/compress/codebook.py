"""Few shared values a layer (Han, Mao and Dally 2016): the best codebook by the curvature of the loss; fine-tuning then trains its values alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwqnn.compress.fisher import Curvature
from hwqnn.compress.fit import Rounding, check_curvature, curvatures, kept_of, weights_of
from hwqnn.compress.layers import changed, requantize
from hwqnn.compress.method import Batches, register
from hwqnn.compress.report import Report, compare
from hwqnn.compress.rounding import DAMPING
from hwqnn.errors import InputError
from hwqnn.quant.codebook import CodebookWeight, best_codebook, grid_step

_CLIPS = (1.0, 0.85, 0.7, 0.55, 0.4)
"""Greatest values tried, of the greatest weight."""


@dataclass(frozen=True, eq=False)
class LayerCodebook:
    """A layer's shared values.

    Attributes:
        values: integers, ascending; the weights are some of them times `step`.
        weights: int64 (out, in), of those values.
        loss: d'Hd / 2 of the change, in nats.
    """

    values: tuple[int, ...]
    step: float
    weights: Tensor
    loss: float


@dataclass(frozen=True, eq=False)
class CodebookPlan:
    """Every layer by its name."""

    layers: dict[str, LayerCodebook]

    def __str__(self) -> str:
        lines = [f"{name:<24} {each.step:.4g} * ({', '.join(map(str, each.values))}), loss {each.loss:.3g}" for name, each in self.layers.items()]
        return "\n".join(lines)


@register("codebook")
@dataclass(frozen=True)
class Codebook:
    """At most `values` values a layer, integers of `bits` bits, with the least sum of H_ii (w_i - w'_i)^2: exact k-means, weighted.

    Attributes:
        curvature: H: "diagonal", "block", "kronecker", or "none" for plain k-means.
        rounding: "nearest", or "path": which of the values a weight gets also takes up the errors of the others (`hwqnn.compress.rounding`).
        width, empirical: as of `SignedDigits`.
    """

    values: int = 4
    bits: int = 5
    curvature: str = "kronecker"
    rounding: str = "path"
    width: int = 8
    empirical: bool = False

    def __post_init__(self) -> None:
        check_curvature(self.curvature)
        Rounding(self.rounding, self.width)
        best_codebook(np.zeros(1), np.ones(1), self.values, self.bits)

    def plan(self, model: nn.Module, batches: Batches | None) -> CodebookPlan:
        found, kept = curvatures(model, batches, self.curvature, self.empirical), kept_of(model)
        return CodebookPlan({name: self._layer(weight, found[name], kept[name]) for name, weight in weights_of(model).items()})

    def _layer(self, weight: Tensor, curvature: Curvature, kept: Tensor) -> LayerCodebook:
        """Where weights were pruned, one of the values is 0, and the others are for the weights that stay."""
        pruned = not bool(kept.all())
        if pruned and self.values < 2:
            raise InputError("a codebook of 1 value for a pruned layer: 0 must be among the values, so 2 at least")
        some = (kept if bool(kept.any()) else ~kept).numpy()
        flat, heavy = weight.numpy()[some], curvature.diagonal.numpy()[some]
        heavy = heavy + DAMPING * heavy.mean() if heavy.any() else np.ones_like(heavy)
        how, made = Rounding(self.rounding, self.width), []
        for clip in _CLIPS:
            step = clip * grid_step(flat, self.bits)
            best = best_codebook(flat / step, heavy, self.values - pruned, self.bits)
            values = torch.from_numpy(np.union1d(best, [0]) if pruned else best)
            chosen = how.choose(weight, curvature, values, step, kept)
            made.append(LayerCodebook(tuple(values.tolist()), step, chosen, curvature.loss(weight - chosen * step)))
        return min(made, key=lambda each: each.loss)

    def apply(self, model: nn.Module, plan: CodebookPlan) -> nn.Module:
        """Each weight keeps its cluster from now on: only the shared values learn, but for the 0 of what was pruned."""

        def change(each: LayerCodebook) -> Callable[[Any], None]:
            centroids = tuple(each.step * v for v in each.values)
            boundaries = tuple((a + b) / 2 for a, b in pairwise(centroids))

            def alter(layer: Any) -> None:
                options = {"step": each.step, "centroids": centroids, "boundaries": boundaries, "hold_zero": hasattr(layer, "kept")}
                requantize(layer, CodebookWeight, each.weights * each.step, bit_width=self.bits, **options)
                layer.weight.requires_grad_(False)

            return alter

        return changed(model, {name: change(each) for name, each in plan.layers.items()})

    def report(self, before: nn.Module, after: nn.Module, plan: CodebookPlan) -> Report:
        return compare(str(self), before, after, str(plan))
