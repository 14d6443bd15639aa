"""Rounding a layer's weights to given levels as a shortest path: decide weight after weight, each decision knowing the errors of those before it.

For a change d of the weights, H = M'DM with M unit lower triangular turns the loss into a sum over the weights in their order,

    d'Hd / 2 = sum over i of D_i / 2 * (d_i + sum over j < i of M_ij d_j)^2,

in which term i depends on the decisions up to i: an edge of a path through a layered graph whose nodes are the decisions so far. An edge may also
have a price of its own, such as the signed digits of the level that it chooses. A path's length so far is exactly the least loss that any real values
of the remaining weights could still reach, so comparing paths by it is fair.

The path of width 1 rounds each weight, corrected by the errors before it, to the nearest level: error feedback. That is GPTQ (Frantar et al. 2023),
OBQ (Frantar and Alistarh 2022) in a fixed order, and Babai's nearest plane (Chen et al. 2025). A greater width keeps the best so many paths (the
M-algorithm, Anderson and Mohan 1984). What is exact: any width for a diagonal H; where H has b diagonals beside the main one, a node is only its last
b decisions, paths that agree in them merge (Viterbi), and a width of levels^b is enough; for any H a width of levels^(weights - 1).
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import torch
from torch import Tensor

from hwqnn.compress.fisher import Block, Curvature, Diagonal, Kronecker
from hwqnn.kernel import kernel

DAMPING = 0.01
"""Of the mean of the diagonal, added to it (Frantar et al. 2023): samples are fewer than weights, so H is singular."""


@singledispatch
def round_path(
    curvature: Curvature, weight: Tensor, levels: Tensor, prices: Tensor, width: int, damping: float = DAMPING, kept: Tensor | None = None
) -> Tensor:
    """The index of each weight's level, int64 (out, in), on a path of little loss and price, by its curvature.

    Args:
        weight: float64 (out, in). levels, prices: float64 (values,), levels ascending.
        width: paths kept at a time. damping: of H, relative to the mean of its diagonal.
        kept: bool (out, in): the others were pruned, so their level is 0, which must be there; None where none was.
    """
    raise TypeError(f"no path is known for a curvature of type {type(curvature).__name__}")


@round_path.register
def _(
    curvature: Diagonal, weight: Tensor, levels: Tensor, prices: Tensor, width: int, damping: float = DAMPING, kept: Tensor | None = None
) -> Tensor:
    """No weight depends on another: exact. Damping keeps weights that no sample ever moved."""
    h, free = curvature.diagonal + damping * curvature.diagonal.mean(), _free(weight, kept)
    rows = []
    for o, target in enumerate(weight):
        costs = h[o, :, None] / 2 * (target[:, None] - levels) ** 2 + prices
        rows.append(torch.where(free[o, :, None] | (levels == 0), costs, torch.inf).argmin(1))
    return torch.stack(rows)


@round_path.register
def _(curvature: Block, weight: Tensor, levels: Tensor, prices: Tensor, width: int, damping: float = DAMPING, kept: Tensor | None = None) -> Tensor:
    """Every output on its own."""
    mean = curvature.diagonal.mean()
    rows = []
    for target, matrix, free in zip(weight, curvature.matrices, _free(weight, kept), strict=True):
        rows.append(Chain(_damped(matrix, damping * mean)).path(target, 1.0, levels, prices, width, free))
    return torch.stack(rows)


@round_path.register
def _(
    curvature: Kronecker, weight: Tensor, levels: Tensor, prices: Tensor, width: int, damping: float = DAMPING, kept: Tensor | None = None
) -> Tensor:
    """Outputs one after another, each corrected by the errors of those before it: M and D of a Kronecker product are the products of its factors'."""
    inputs, outputs = (Chain(_damped(m, damping * m.diagonal().mean())) for m in (curvature.inputs, curvature.outputs))
    chosen, changes, free = torch.zeros(weight.shape, dtype=torch.int64), torch.zeros_like(weight), _free(weight, kept)
    for at, o in enumerate(outputs.order):
        before = outputs.order[:at]
        target = weight[o] + torch.from_numpy(outputs.unit[at, :at]) @ changes[before]
        chosen[o] = inputs.path(target, float(outputs.curvature[at]), levels, prices, width, free[o])
        changes[o] = weight[o] - levels[chosen[o]]
    return chosen


class Chain:
    """H = M'DM in an order of the weights: the most curved first, so that its error finds many to take it up; as they come where H is a narrow band.

    Attributes:
        order: int64 (n,).
        unit, curvature: M float64 (n, n) and D (n,), in that order.
        memory: how many decisions back an error is felt.
    """

    def __init__(self, matrix: Tensor) -> None:
        h = matrix.numpy()
        rows, columns = np.nonzero(h)
        self.memory = int(abs(rows - columns).max(initial=0))
        self.order = np.arange(len(h))
        if self.memory > len(h) // 2:
            self.memory, self.order = len(h) - 1, np.argsort(-h.diagonal(), kind="stable")
        flipped = np.linalg.cholesky(h[np.ix_(self.order, self.order)][::-1, ::-1])
        root = flipped[::-1, ::-1].T
        self.unit, self.curvature = np.ascontiguousarray(root / root.diagonal()[:, None]), root.diagonal() ** 2

    def path(self, target: Tensor, factor: float, levels: Tensor, prices: Tensor, width: int, free: Tensor) -> Tensor:
        """Indices of levels, int64 (n,), for factor * H; 0 where a weight is not free."""
        wanted, any_level = target.numpy()[self.order], free.numpy()[self.order]
        found = _path(wanted, any_level, self.unit, factor * self.curvature, levels.numpy(), prices.numpy(), width, self.memory)
        chosen = np.empty_like(found)
        chosen[self.order] = found
        return torch.from_numpy(chosen)


def _free(weight: Tensor, kept: Tensor | None) -> Tensor:
    """Which weights may have any level, bool (out, in)."""
    return torch.ones_like(weight, dtype=torch.bool) if kept is None else kept


def _damped(matrix: Tensor, amount: Tensor | float) -> Tensor:
    """Positive definite, also where no sample had a gradient at all."""
    return matrix + torch.eye(len(matrix), dtype=matrix.dtype) * max(float(amount), 1e-12)


@kernel
def _path(
    target: np.ndarray,
    free: np.ndarray,
    unit: np.ndarray,
    curvature: np.ndarray,
    levels: np.ndarray,
    prices: np.ndarray,
    width: int,
    memory: int,
) -> np.ndarray:  # pragma: no cover - compiled
    weights, values = len(target), len(levels)
    cost, errors = np.zeros(1), np.zeros((1, weights))  # of each path: its length, and the errors that reach each weight so far
    parents, choices = np.zeros((weights, width), dtype=np.int64), np.zeros((weights, width), dtype=np.int64)
    for i in range(weights):
        paths = len(cost)
        lengths = np.empty(paths * values)
        for p in range(paths):
            for v in range(values):
                gap = target[i] + errors[p, i] - levels[v]
                lengths[p * values + v] = cost[p] + curvature[i] / 2 * gap * gap + prices[v] if free[i] or levels[v] == 0 else np.inf
        kept = np.empty(width, dtype=np.int64)
        count = 0
        for candidate in np.argsort(lengths):
            if lengths[candidate] == np.inf:
                break
            # the errors that are still felt tell nodes apart: two paths with the same are one, and the shorter stays
            known = False
            for k in range(count if memory < weights - 1 else 0):
                same = memory == 0 or kept[k] % values == candidate % values
                j, a, b = i - 1, kept[k] // values, candidate // values
                while same and j >= 0 and j > i - memory:
                    same = choices[j, a] == choices[j, b]
                    a, b, j = parents[j, a], parents[j, b], j - 1
                known = known or same
            if not known:
                kept[count] = candidate
                count += 1
                if count == width:
                    break
        next_cost, next_errors = np.empty(count), np.empty((count, weights))
        for k in range(count):
            p, v = kept[k] // values, kept[k] % values
            parents[i, k], choices[i, k] = p, v
            next_cost[k] = lengths[kept[k]]
            error = target[i] - levels[v]
            for j in range(i + 1, weights):
                next_errors[k, j] = errors[p, j] + unit[j, i] * error
        cost, errors = next_cost, next_errors
    found = np.empty(weights, dtype=np.int64)
    k = 0  # candidates came in ascending order: the first is the shortest
    for i in range(weights - 1, -1, -1):
        found[i] = choices[i, k]
        k = parents[i, k]
    return found
