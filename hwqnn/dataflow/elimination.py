"""Minimizes a sum of tables over discrete variables, exactly: bucket elimination (Dechter 1999), which on a chain is the shortest path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Factor:
    """A cost that depends on some variables: `costs[i, j, ...]` where the first of them has its value i, the second j, ...; inf forbids."""

    variables: tuple[int, ...]
    costs: np.ndarray


def minimize(sizes: Sequence[int], factors: Sequence[Factor]) -> tuple[int, ...] | None:
    """The values, one index for each variable, of the least sum of all factors; None when every sum is infinite.

    One variable after another is minimized out of the factors that speak of it, always the one whose new table is the smallest. Time and
    memory grow with the largest table, so exponentially in how interwoven the factors are, and linearly in a chain.
    """
    left = list(factors)
    choices: list[tuple[int, tuple[int, ...], np.ndarray]] = []
    waiting = set(range(len(sizes)))
    while waiting:
        scopes = {v: sorted({u for f in left if v in f.variables for u in f.variables} - {v}) for v in waiting}
        variable = min(waiting, key=lambda v: (math.prod(sizes[u] for u in scopes[v]), v))
        scope = (*scopes[variable], variable)
        total = np.zeros([sizes[u] for u in scope])
        for factor in left:
            if variable in factor.variables:
                total = total + _spread(factor, scope, sizes)
        left = [f for f in left if variable not in f.variables] + [Factor(scope[:-1], total.min(axis=-1))]
        choices.append((variable, scope[:-1], total.argmin(axis=-1)))
        waiting.remove(variable)
    if math.isinf(sum(float(f.costs) for f in left)):
        return None
    values = [0] * len(sizes)
    for variable, others, best in reversed(choices):
        values[variable] = int(best[tuple(values[u] for u in others)])
    return tuple(values)


def _spread(factor: Factor, scope: tuple[int, ...], sizes: Sequence[int]) -> np.ndarray:
    """The factor's table with an axis for each variable of `scope`, in that order; of length 1 where it does not depend on it."""
    inside = [u for u in scope if u in factor.variables]
    return factor.costs.transpose([factor.variables.index(u) for u in inside]).reshape([sizes[u] if u in inside else 1 for u in scope])
