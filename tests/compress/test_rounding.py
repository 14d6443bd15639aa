"""Rounding against all combinations of levels, and against GPTQ as its paper writes it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from hwqnn.compress.fisher import Block, Diagonal, Kronecker
from hwqnn.compress.rounding import Chain, round_path

LEVELS = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
FREE = torch.zeros(3, dtype=torch.float64)


def positive(n: int, random: np.random.Generator, band: int | None = None) -> np.ndarray:
    """Random, symmetric, positive definite, with `band` diagonals beside the main one."""
    root = np.tril(random.standard_normal((n, n)))
    if band is not None:
        root = np.triu(root, -band)
    return root @ root.T + 0.1 * np.eye(n)


def best(weight: np.ndarray, h: np.ndarray, levels: np.ndarray, prices: np.ndarray) -> float:
    """The least loss and price of all combinations."""
    codes = np.array(list(product(range(len(levels)), repeat=len(weight))))
    change = weight - levels[codes]
    return float((np.einsum("ni,ij,nj->n", change, h, change) / 2 + prices[codes].sum(1)).min())


def value(chosen: Tensor, weight: np.ndarray, h: np.ndarray, levels: Tensor, prices: Tensor) -> float:
    change = weight - levels[chosen].numpy()
    return float(change @ h @ change / 2 + prices[chosen].sum())


def gptq(weight: np.ndarray, h: np.ndarray, order: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Frantar et al. 2023, eq. 2 and 3, in its slow form: round one, push its error onto the rest by H^-1, drop it from H."""
    w, left, made = weight.astype(float).copy(), list(order), np.zeros(len(weight))
    while left:
        i = left[0]
        inverse = np.linalg.inv(h[np.ix_(left, left)])
        made[i] = levels[np.abs(levels - w[i]).argmin()]
        w[left] -= (w[i] - made[i]) / inverse[0, 0] * inverse[:, 0]
        left = left[1:]
    return made


def test_by_hand() -> None:
    """Both 0.4 to nearest: 0 and 0, of loss 0.304. But the second sees 0.4 + 0.9 * 0.4 = 0.76 and becomes 1, of loss 0.044."""
    h = torch.tensor([[[1.0, 0.9], [0.9, 1.0]]], dtype=torch.float64)
    weight = torch.tensor([[0.4, 0.4]], dtype=torch.float64)
    chosen = round_path(Block(h), weight, LEVELS, FREE, 1, damping=0.0)
    assert sorted(LEVELS[chosen][0].tolist()) == [0.0, 1.0]
    assert Block(h).loss(weight - LEVELS[chosen]) == pytest.approx(0.044)
    assert Block(h).loss(weight) == pytest.approx(0.304)


def test_a_price_keeps_digits_away() -> None:
    """0.6 rounds to 1 for a loss of 0.08 instead of 0.18: worth 0.1, so a price of 0.11 leaves it at 0."""
    weight, h = torch.tensor([[0.6]], dtype=torch.float64), Diagonal(torch.ones(1, 1, dtype=torch.float64))
    for price, want in ((0.09, 1.0), (0.11, 0.0)):
        chosen = round_path(h, weight, LEVELS, torch.tensor([price, 0.0, price], dtype=torch.float64), 1, damping=0.0)
        assert LEVELS[chosen].item() == want


@pytest.mark.parametrize("seed", range(5))
def test_wide_paths_are_the_optimum_of_all_combinations(seed: int) -> None:
    random = np.random.default_rng(seed)
    weight, prices = random.uniform(-1.5, 1.5, (1, 6)), torch.tensor([0.1, 0.0, 0.1], dtype=torch.float64)
    h = positive(6, random)
    chosen = round_path(Block(torch.tensor(h)[None]), torch.tensor(weight), LEVELS, prices, 3**5, damping=0.0)[0]
    assert value(chosen, weight[0], h, LEVELS, prices) == pytest.approx(best(weight[0], h, LEVELS.numpy(), prices.numpy()))


@pytest.mark.parametrize("band", [0, 1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_merging_makes_a_narrow_path_exact_for_a_band(seed: int, band: int) -> None:
    """levels^band paths, though there are 3^9 combinations."""
    random = np.random.default_rng(seed)
    weight, prices = random.uniform(-1.5, 1.5, (1, 9)), torch.tensor([0.05, 0.0, 0.05], dtype=torch.float64)
    h = positive(9, random, band)
    chosen = round_path(Block(torch.tensor(h)[None]), torch.tensor(weight), LEVELS, prices, 3**band, damping=0.0)[0]
    assert value(chosen, weight[0], h, LEVELS, prices) == pytest.approx(best(weight[0], h, LEVELS.numpy(), prices.numpy()))


def test_merging_is_what_makes_it_exact() -> None:
    """Chains of neighbours; with a corner in H that makes every decision felt to the end, as many paths lose more on some of them, and never less."""
    levels, free, lost = torch.arange(-2.0, 3.0, dtype=torch.float64), torch.zeros(5, dtype=torch.float64), []
    for seed in range(12):
        random = np.random.default_rng(seed)
        root = np.eye(8) + 2 * np.diag(random.uniform(0.5, 1, 7) * random.choice([-1, 1], 7), -1)
        h, weight = root @ root.T + 0.05 * np.eye(8), random.uniform(-2.5, 2.5, (1, 8))
        cornered = h.copy()
        cornered[0, -1] = cornered[-1, 0] = 1e-9
        chosen = [round_path(Block(torch.tensor(m)[None]), torch.tensor(weight), levels, free, 5, damping=0.0)[0] for m in (h, cornered)]
        merged, apart = (value(each, weight[0], h, levels, free) for each in chosen)
        lost.append(apart / merged - 1)
    assert min(lost) > -1e-9
    assert max(lost) > 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_a_path_of_width_one_is_gptq(seed: int) -> None:
    random = np.random.default_rng(seed)
    weight, h, levels = random.uniform(-2, 2, (1, 12)), positive(12, random), np.arange(-2.0, 3.0)
    chosen = round_path(Block(torch.tensor(h)[None]), torch.tensor(weight), torch.tensor(levels), torch.zeros(5, dtype=torch.float64), 1, damping=0.0)
    np.testing.assert_array_equal(levels[chosen[0]], gptq(weight[0], h, Chain(torch.tensor(h)).order, levels))


@pytest.mark.parametrize("seed", range(4))
def test_a_kronecker_path_of_width_one_is_gptq_over_all_outputs(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, g, levels = positive(5, random), positive(3, random), np.arange(-2.0, 3.0)
    weight = random.uniform(-2, 2, (3, 5))
    rows, columns = Chain(torch.tensor(g)).order, Chain(torch.tensor(a)).order
    order = (rows[:, None] * 5 + columns).reshape(-1)
    curvature = Kronecker(torch.tensor(a), torch.tensor(g))
    chosen = round_path(curvature, torch.tensor(weight), torch.tensor(levels), torch.zeros(5, dtype=torch.float64), 1, damping=0.0)
    np.testing.assert_array_equal(levels[chosen].reshape(-1), gptq(weight.reshape(-1), np.kron(g, a), order, levels))


def test_feedback_loses_less_than_nearest_and_wider_paths_less_still() -> None:
    random = np.random.default_rng(0)
    losses = np.zeros(3)
    for _ in range(20):
        weight, curvature = (
            torch.tensor(random.uniform(-1, 1, (4, 20))),
            Kronecker(torch.tensor(positive(20, random)), torch.tensor(positive(4, random))),
        )
        made = [torch.round(weight), *(LEVELS[round_path(curvature, weight, LEVELS, FREE, width)] for width in (1, 16))]
        losses += [curvature.loss(weight - each) for each in made]
    assert losses[1] < 0.7 * losses[0]
    assert losses[2] < 0.9 * losses[1]


def test_no_samples_round_to_nearest() -> None:
    """H = 0 says nothing, not even how to divide by it."""
    weight = torch.tensor([[0.6, -0.4], [0.2, -0.9]], dtype=torch.float64)
    for curvature in (
        Block(torch.zeros(2, 2, 2, dtype=torch.float64)),
        Kronecker(torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)),
    ):
        assert torch.equal(LEVELS[round_path(curvature, weight, LEVELS, FREE, 4)], torch.round(weight))
