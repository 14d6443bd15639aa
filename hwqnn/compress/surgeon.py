"""Optimal brain surgeon (Hassibi and Stork 1993): which weights stay, and what the others leave to them, as a quadratic program,

    minimize (w - v)' H (w - v) / 2 over v with at most k entries other than 0,

with H of the Fisher information (`hwqnn.compress.fisher`), in which two outputs of a layer do not interact. It is solved greedily: of a row, the
weight with the least w_p^2 / (2 [H^-1]_pp) goes, and the rest takes up its error (their eq. 5); one step of Gaussian elimination takes it out of
H^-1, too (Frantar and Alistarh 2022, eq. 4 and lemma 1). A row's losses in the order of elimination are its trace; the traces of all rows of all
layers are merged (their section 4.3). For the weights that stay, v is then the exact solution, by linear equations.

H is only true near the weights that it was measured at: in rounds, each takes a part of the weights and measures H again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hwqnn.compress.fisher import Block, Curvature, Kronecker, fisher
from hwqnn.compress.fit import kept_of, weights_of
from hwqnn.compress.layers import prunable
from hwqnn.compress.method import Batches, register
from hwqnn.compress.pruning import Kept, PruningPlan, check_sparsity, masks
from hwqnn.compress.report import Report, compare
from hwqnn.compress.rounding import DAMPING
from hwqnn.errors import InputError
from hwqnn.kernel import kernel

FORMS = ("kronecker", "block")
"""Forms of H in which the weights of an output interact."""


@register("brain-surgeon")
@dataclass(frozen=True)
class BrainSurgeon:
    """Optimal brain surgeon on the rows of each layer's weight.

    Attributes:
        sparsity, scope: as of `Magnitude`; losses are in nats, so those of different layers compare.
        curvature: "kronecker": all rows of a layer share the second moments of its inputs; "block": every row has its own H.
        rounds: how often H is measured; the share of the weights that stay falls by the same factor in each.
        damping: of H, relative to the mean of its diagonal.
        empirical: H from gradients of the data's labels, instead of labels drawn from the model.
    """

    sparsity: float = 0.9
    scope: str = "global"
    curvature: str = "kronecker"
    rounds: int = 1
    damping: float = DAMPING
    empirical: bool = False

    def __post_init__(self) -> None:
        check_sparsity(self.sparsity, self.scope)
        if self.curvature not in FORMS:
            raise InputError(f"no curvature '{self.curvature}' for brain-surgeon; there are {', '.join(FORMS)}")
        if self.rounds < 1:
            raise InputError(f"rounds = {self.rounds}: H must be measured at least once")
        if not self.damping > 0:
            raise InputError(f"damping = {self.damping:g}: it must be above 0, so that H has an inverse")

    def plan(self, model: nn.Module, batches: Batches | None) -> PruningPlan:
        alive = kept_of(model)
        prunable(model)
        if batches is None:
            raise InputError("brain-surgeon weighs weights by gradients: give batches of training data")
        share = sum(int(kept.sum()) for kept in alive.values()) / sum(kept.numel() for kept in alive.values())
        losses = dict.fromkeys(alive, 0.0)
        for done in range(1, self.rounds + 1):
            left = share * ((1 - self.sparsity) / share) ** (done / self.rounds)
            plan = self._round(model, batches, min(self.sparsity, 1 - left) if done < self.rounds else self.sparsity)
            model = plan.apply(model)
            losses = {name: losses[name] + (each.loss or 0.0) for name, each in plan.layers.items()}
        return PruningPlan({name: Kept(each.mask, each.weights, losses[name]) for name, each in plan.layers.items()})

    def _round(self, model: nn.Module, batches: Batches, sparsity: float) -> PruningPlan:
        alive, weights = kept_of(model), weights_of(model)
        found = fisher(model, batches, self.curvature, empirical=self.empirical)
        rows = {name: Rows.of(found[name], self.damping) for name in weights}
        traces = {name: rows[name].trace(weight, alive[name]) for name, weight in weights.items()}
        made = {}
        for name, mask in masks(traces, alive, sparsity, self.scope).items():
            values = rows[name].solve(weights[name], mask, alive[name])
            made[name] = Kept(mask, values, rows[name].loss(weights[name] - values))
        return PruningPlan(made)

    def apply(self, model: nn.Module, plan: PruningPlan) -> nn.Module:
        return plan.apply(model)

    def report(self, before: nn.Module, after: nn.Module, plan: PruningPlan) -> Report:
        return compare(str(self), before, after, str(plan))


@dataclass(frozen=True, eq=False)
class Rows:
    """H of every row of a weight: factors[o] * matrices[o], or the only matrix, where all rows share it.

    Attributes:
        matrices: float64 (out or 1, in, in), positive definite.
        factors: float64 (out,).
    """

    matrices: Tensor
    factors: Tensor

    @classmethod
    def of(cls, curvature: Curvature, damping: float) -> Rows:
        """Of a Fisher information, damped by so much of the mean of its diagonal."""
        if isinstance(curvature, Kronecker):
            return cls(_damped(curvature.inputs[None], damping), curvature.outputs.diagonal())
        assert isinstance(curvature, Block)
        return cls(_damped(curvature.matrices, damping), torch.ones(len(curvature.matrices), dtype=torch.float64))

    def matrix(self, row: int) -> Tensor:
        """Of a row, without its factor."""
        return self.matrices[row % len(self.matrices)]

    def loss(self, change: Tensor) -> float:
        """Of a change float64 (out, in), in nats."""
        return sum(float(self.factors[o] * (d @ self.matrix(o) @ d) / 2) for o, d in enumerate(change))

    def trace(self, weight: Tensor, alive: Tensor) -> Tensor:
        """What taking each weight out costs, by greedy elimination of its row: the running maximum of the row's trace, so that no threshold takes a
        weight without those that went before it. That is how a heap would merge the rows.

        Args:
            weight: float64 (out, in). alive: bool (out, in), of the weights that are not 0 already.
        Returns:
            nats, float64 (out, in); 0 where not alive.
        """
        costs, whole = torch.zeros_like(weight), None
        for o, live in enumerate(alive):
            at = live.nonzero()[:, 0]
            if not len(at):
                continue
            if len(self.matrices) == 1 and len(at) == len(live):
                whole = torch.linalg.inv(self.matrices[0]) if whole is None else whole
                inverse = whole
            else:
                inverse = torch.linalg.inv(self.matrix(o)[at][:, at])
            order, loss = _eliminate(inverse.numpy().copy(order="C"), weight[o, at].numpy().copy())  # rows side by side: torch's inverse has columns
            costs[o, at[torch.from_numpy(order)]] = torch.from_numpy(np.maximum.accumulate(loss)) * self.factors[o]
        return costs

    def solve(self, weight: Tensor, mask: Tensor, alive: Tensor) -> Tensor:
        """The values of least loss of the weights that stay, float64 (out, in): H_SS v_S = H_S. w, and 0 elsewhere."""
        made = torch.zeros_like(weight)
        for o, (stay, live) in enumerate(zip(mask, alive, strict=True)):
            matrix, s, a = self.matrix(o), stay.nonzero()[:, 0], live.nonzero()[:, 0]
            if len(s) == len(a):
                made[o, s] = weight[o, s]
            elif len(s):
                made[o, s] = torch.linalg.solve(matrix[s][:, s], matrix[s][:, a] @ weight[o, a])
        return made


def _damped(matrices: Tensor, damping: float) -> Tensor:
    """Positive definite, also where no sample had a gradient at all."""
    mean = matrices.diagonal(dim1=1, dim2=2).mean()
    return matrices + torch.eye(matrices.shape[1], dtype=matrices.dtype) * max(float(damping * mean), 1e-12)


@kernel
def _eliminate(inverse: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    """The order in which the weights of a row go, and what each adds to the loss. Overwrites both arguments. Only the lower triangle of the inverse
    is used, and the part in use shrinks with every step."""
    n = len(weight)
    column = np.empty(n)
    order, loss, names = np.empty(n, dtype=np.int64), np.empty(n), np.arange(n)
    for step in range(n):
        m = n - step
        p = 0
        for i in range(1, m):
            if weight[i] * weight[i] * inverse[p, p] < weight[p] * weight[p] * inverse[i, i]:
                p = i
        pivot = inverse[p, p]
        order[step], loss[step] = names[p], weight[p] * weight[p] / pivot / 2
        column[:p], column[p:m] = inverse[p, :p], inverse[p:m, p]
        share = weight[p] / pivot
        for i in range(m):
            weight[i] -= share * column[i]
            factor = column[i] / pivot
            for j in range(i + 1):
                inverse[i, j] -= factor * column[j]
        # the last one takes the place that became free
        last = m - 1
        inverse[p, :p], inverse[p:last, p] = inverse[last, :p], inverse[last, p:last]
        inverse[p, p], weight[p], names[p] = inverse[last, last], weight[last], names[last]
    return order, loss
