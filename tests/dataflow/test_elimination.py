"""Bucket elimination against trying everything."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from hwqnn.dataflow.elimination import Factor, minimize


@pytest.mark.parametrize("seed", range(60))
def test_least_sum(seed: int) -> None:
    """Random tables over random sets of one to three variables; a third of the entries forbidden."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, rng.integers(1, 7)).tolist()
    factors = []
    for _ in range(rng.integers(1, 9)):
        variables = tuple(int(v) for v in rng.permutation(len(sizes))[: rng.integers(1, 4)])
        costs = rng.integers(0, 50, [sizes[v] for v in variables]).astype(float)
        factors.append(Factor(variables, np.where(rng.random(costs.shape) < 0.3, np.inf, costs)))

    def total(values: tuple[int, ...]) -> float:
        return sum(float(f.costs[tuple(values[v] for v in f.variables)]) for f in factors)

    least = min(total(values) for values in product(*map(range, sizes)))
    found = minimize(sizes, factors)
    assert (found is None) == (least == np.inf)
    assert found is None or total(found) == least


def test_a_long_chain_is_no_effort() -> None:
    """Two hundred variables of ten values: only neighbours meet, and each step forward costs one."""
    step = np.where(np.subtract.outer(np.arange(10), np.arange(10)) == -1, 1.0, 7.0)
    chain = [Factor((i, i + 1), step) for i in range(199)]
    found = minimize([10] * 200, chain)
    assert found is not None
    # nine steps cost one each, then one has to fall back for seven, twenty times over
    assert sum(step[a, b] for a, b in pairwise(found)) == 199 + 6 * 19
