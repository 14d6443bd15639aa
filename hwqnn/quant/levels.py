"""Weights that take the nearest of some given values, integers times one step: what signed digits and number formats have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from hwqnn.ir import smallest
from hwqnn.quant import ste
from hwqnn.quant.base import Quantizer, Weight


def nearest(levels: Tensor, x: Tensor) -> Tensor:
    """The index of the level nearest to each of `x`, int64 in its shape.

    A tie goes to the level that is an even number of levels away from the least magnitude: for fixed point, half to even.

    Args:
        levels: (values,), ascending, of the dtype of x.
    """
    middles = (levels[1:] + levels[:-1]) / 2
    lower, upper = torch.bucketize(x, middles), torch.bucketize(x, middles, right=True)
    return torch.where((lower - levels.abs().argmin()) % 2 == 0, lower, upper)


class Levels(Quantizer):
    """x to the nearest of levels * step; gradients go straight through.

    Args:
        levels: integers, ascending.
        step: the real value of 1, > 0.
    """

    def __init__(self, levels: tuple[int, ...], step: float) -> None:
        super().__init__(max(2, smallest(min(-1, levels[0]), levels[-1]).bits))
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32))
        self.register_buffer("step", torch.tensor(step, dtype=torch.float32))

    def step_of(self, _weight: Tensor) -> Tensor:
        return self.step

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        step = self.step_of(weight.detach())
        return ste.identity(weight, self.levels[nearest(self.levels, weight.detach() / step)] * step), step


class LevelsWeight(Weight):
    """Weights from `levels` (integers, ascending) times `step`."""

    tensor_quant = Levels
