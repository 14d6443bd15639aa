"""Weights that share few values (Han, Mao and Dally 2016, "Deep compression", section 3), which are integers of given bits.

k-means in one dimension has an exact solution: its clusters are intervals, so the best codebook is a shortest path (Wang and Song 2011). Here the
values also have to lie on a grid, and the path goes from one grid point to the next. The shared values are then fine-tuned with the gradient of
eq. 3: dL/dC_k = sum of dL/dW_ij over the weights of cluster k. In hardware all inputs that meet the same value are added first and multiplied once.
"""

from __future__ import annotations

import numpy as np
import torch
from brevitas.inject import this, value
from torch import Tensor, nn

from hwqnn.errors import InputError
from hwqnn.quant import ste
from hwqnn.quant.base import LEAST_SCALE, Quantizer, Weight
from hwqnn.quant.registry import weights

MAX_BITS = 8
"""Of the integers behind a codebook."""


def best_codebook(weight: np.ndarray, importance: np.ndarray, values: int, bits: int) -> np.ndarray:
    """At most `values` integers of `bits` bits with the least sum of importance * (weight - nearest of them)^2: exact.

    Dynamic programming over the narrow signed grid: after[c][b] is the least cost of the weights up to grid point b when b is the c-th value. Between
    two neighbouring values a < b each weight takes the nearer one, which three prefix sums tell for all pairs: O(4^bits * values).

    Args:
        weight: float64 (n,), in steps of the grid.
        importance: float64 (n,), at least 0.
    Returns:
        int64, ascending.
    Raises:
        InputError: values or bits are out of range.
    """
    limit = (1 << bits - 1) - 1
    if not 2 <= bits <= MAX_BITS:
        raise InputError(f"codebook values of {bits} bits: 2 to {MAX_BITS} are possible")
    if not 1 <= values <= 2 * limit + 1:
        raise InputError(f"a codebook of {values} values of {bits} bits: 1 to {2 * limit + 1} are possible")
    grid = np.arange(-limit, limit + 1)
    # moments of the weights below every multiple of a half: where two values meet
    order = np.argsort(weight, kind="stable")
    ordered, weights = weight[order], importance[order]
    halves = np.searchsorted(ordered, np.arange(-2 * limit, 2 * limit + 1) / 2)
    zero, one, two = (np.concatenate([[0.0], np.cumsum(weights * ordered**power)]) for power in (0, 1, 2))

    def cost(center: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Of the sorted weights first .. last - 1 as `center`."""
        return (two[last] - two[first]) - 2 * center * (one[last] - one[first]) + center**2 * (zero[last] - zero[first])

    a, b = np.meshgrid(grid, grid, indexing="ij")
    middle, at = halves[a + b + 2 * limit], halves[2 * grid + 2 * limit]
    between = np.where(a < b, cost(a, at[a + limit], middle) + cost(b, middle, at[b + limit]), np.inf)
    after = cost(grid, np.zeros(len(grid), dtype=np.int64), at)
    tail = cost(grid, at, np.full(len(grid), len(ordered)))
    came, totals = [], [after + tail]
    for _ in range(values - 1):
        paths = after[:, None] + between
        came.append(paths.argmin(axis=0))
        after = paths.min(axis=0)
        totals.append(after + tail)
    used = int(np.argmin([total.min() for total in totals]))
    chosen = [int(totals[used].argmin())]
    for step in came[:used][::-1]:
        chosen.append(int(step[chosen[-1]]))
    return np.sort(grid[chosen])


class Codebook(Quantizer):
    """x to one of few shared values, which are learned; each is an integer of `bits` bits times a step that all of them share. A weight takes the
    value whose interval it lies in: the intervals meet half-way between values, or at fixed `boundaries`, so that fine-tuning keeps each weight in
    its cluster (Han et al.). Gradients go to the values as in eq. 3, and straight through to the latent weights.

    Args:
        centroids: float, ascending: where the values start.
        bits: of the integers.
        boundaries: where the intervals meet, one less than the values; None: half-way.
        step: None: that with which the greatest value is the greatest integer.
        hold_zero: a value that starts at 0 stays there.
    """

    def __init__(self, centroids: tuple[float, ...], bits: int, boundaries: tuple[float, ...] | None, step: float | None, hold_zero: bool) -> None:
        super().__init__(bits)
        self.limit = (1 << bits - 1) - 1
        self.centroids = nn.Parameter(torch.tensor(centroids, dtype=torch.float32))
        self.register_buffer("boundaries", None if boundaries is None else torch.tensor(boundaries, dtype=torch.float32))
        self.register_buffer("step", None if step is None else torch.tensor(step, dtype=torch.float32))
        self.register_buffer("held", self.centroids.detach() == 0 if hold_zero else torch.zeros_like(self.centroids, dtype=torch.bool), False)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        centroids = self.centroids.detach()
        step = self.step if self.step is not None else (centroids.abs().max() / self.limit).clamp(min=LEAST_SCALE)
        shared = ste.identity(self.centroids.masked_fill(self.held, 0.0), torch.round(centroids / step).clamp(-self.limit, self.limit) * step)
        if self.boundaries is not None:
            cluster = torch.bucketize(weight.detach(), self.boundaries)
        else:
            ascending, order = centroids.sort()
            cluster = order[torch.bucketize(weight.detach(), (ascending[1:] + ascending[:-1]) / 2)]
        value = shared[cluster]  # whose gradient is summed over each cluster: eq. 3
        return (value + (weight - weight.detach()) if weight.requires_grad else value), step


def grid_step(weight: np.ndarray, bits: int) -> float:
    """The step with which the greatest weight is the greatest integer of `bits` bits; 1 where all weights are 0."""
    return float(np.abs(weight).max()) / ((1 << bits - 1) - 1) or 1.0


@weights("codebook", bits=range(2, MAX_BITS + 1), paper="Deep compression, Han, Mao and Dally 2016, section 3 and eq. 3", values=int)
class CodebookWeight(Weight):
    """`values` shared values, integers of `bits` bits. They start as the best for the weights that the layer has when it is made."""

    tensor_quant = Codebook
    bits = this.bit_width
    bit_width = 5
    values = 4
    boundaries = None
    step = None
    hold_zero = False

    @value
    def centroids(tracked_parameter_list: list[Tensor], values: int, bits: int) -> tuple[float, ...]:  # noqa: N805 - injected by these names
        weight = tracked_parameter_list[0].detach().double().flatten().numpy()
        step = grid_step(weight, bits)
        return tuple(float(v) for v in best_codebook(weight / step, np.ones_like(weight), values, bits) * step)
