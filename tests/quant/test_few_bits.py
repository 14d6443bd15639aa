"""Quantizers of a few bits against cases computed by hand and against searches that leave nothing out."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quant_layers import gradient, linear

from hwqnn import quant
from hwqnn.quant.balanced import cut_at_means, cut_at_medians
from hwqnn.quant.ste import quantize_gradient


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_dorefa_weights(bits):
    latent = [[0.3, -0.8, 0.05, 1.2, -0.01]]
    steps = 2**bits - 1
    greatest = math.tanh(1.2)
    codes = [2 * round(steps * (math.tanh(w) / (2 * greatest) + 0.5)) - steps for w in latent[0]]
    found = linear(latent, "dorefa", bits).quant_weight()
    assert found.scale == torch.tensor(1 / steps)
    assert torch.equal(found.value, torch.tensor([codes]).float() * torch.tensor(1 / steps))


def test_dorefa_gradients_go_through_tanh():
    w = 0.4
    found = gradient(linear([[w, 1.0, -2.0]], "dorefa", 3), torch.tensor([[1.0, 0, 0]]))
    assert found[0, 0].item() == pytest.approx((1 - math.tanh(w) ** 2) / math.tanh(2.0), rel=1e-5)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_dorefa_activations(bits):
    x = torch.tensor([-0.3, 0.0, 0.2, 0.49, 0.51, 0.9, 1.0, 1.7], requires_grad=True)
    steps = 2**bits - 1
    out = quant.act("dorefa", bits)(x)
    expected = [round(steps * min(max(v, 0), 1)) / steps for v in x.tolist()]
    assert out.tolist() == pytest.approx(expected)
    out.sum().backward()
    assert [x.grad[i].item() for i in (0, 2, 3, 5, 7)] == [0, 1, 1, 1, 0]


def test_dorefa_gradients_have_few_levels_and_the_right_mean():
    torch.manual_seed(0)
    g = torch.tensor([[0.5, -1.0, 0.1], [20.0, 3.0, -7.0]])
    draws = torch.stack([quantize_gradient(g, 2) for _ in range(4000)])
    for sample, greatest in zip((0, 1), (1.0, 20.0), strict=True):  # max0 is the greatest of each sample
        levels = draws[:, sample].unique()
        assert all(any(math.isclose(v, greatest * c / 3, rel_tol=1e-5) for c in (-3, -1, 1, 3)) for v in levels.tolist())
    inside = [(0, 0), (0, 2), (1, 1), (1, 2)]
    for at in inside:  # the greatest itself is clamped at the end of the range, half of the time to no effect
        deviation = draws[:, *at].std() / math.sqrt(4000)
        assert abs(draws[:, *at].mean() - g[at]) < 5 * deviation
    layer = quant.QuantizedGradient(2).train()
    x = torch.ones(2, 3, requires_grad=True)
    torch.manual_seed(1)
    (layer(x) * g).sum().backward()
    torch.manual_seed(1)
    assert torch.equal(x.grad, quantize_gradient(g, 2))
    assert layer.eval()(x) is x


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
@pytest.mark.parametrize("per_channel", [False, True])
def test_general_scheme_against_the_formula(bits, per_channel):
    rng = np.random.default_rng(bits)
    latent = rng.normal(size=(3, 7)).astype(np.float32)
    found = linear(latent.tolist(), "general", bits, per_channel=per_channel).quant_weight().value.detach().numpy()
    steps = 2**bits - 1
    for row in range(3):
        greatest = np.abs(latent[row] if per_channel else latent).max()
        alpha, beta = 2.0 * greatest, -greatest
        x = (latent[row].astype(float) - beta) / alpha
        assert np.allclose(found[row], alpha * np.round(steps * x) / steps + beta, rtol=1e-5, atol=1e-6)


def test_general_scheme_of_the_range_has_zero():
    found = linear([[0.0, -0.1, 0.25, 0.9]], "general", 2, scaling="minmax").quant_weight()
    # step 1/3, beta = -0.1 to the nearest multiple: 0; so -0.1 saturates at 0
    assert torch.allclose(found.value, torch.tensor([[0.0, 0.0, 1 / 3, 1.0]]) * found.scale * 3)
    assert found.scale.item() == pytest.approx(1 / 3)


def test_stochastic_rounding_has_no_bias_in_training_and_none_in_eval_mode():
    torch.manual_seed(0)
    latent = [0.1, -0.45, 0.8, -1.0]
    layer = linear([latent] * 4000, "general", 2, rounding="stochastic").train()
    drawn = layer.quant_weight().value.detach()
    assert len(drawn[:, 0].unique()) == 2
    assert torch.allclose(drawn.mean(0), torch.tensor(latent), atol=0.02)
    assert torch.equal(layer.eval().quant_weight().value, linear([latent] * 4000, "general", 2).quant_weight().value)


def cut_by_hand(values: list[Fraction], bits: int, middle: str) -> list[int]:
    """Recursive partition as the paper tells it, on exact numbers: a part is cut at its mean, or where half of its values, rounded up, lie below."""
    if bits == 0 or not values:
        return [0] * len(values)
    if middle == "mean":
        low = [v < sum(values) / len(values) for v in values]
    else:
        at = sorted(values)[min(-(-len(values) // 2), len(values) - 1)]
        low = [v < at for v in values]
    parts = [cut_by_hand([v for v, is_low in zip(values, low, strict=True) if is_low == side], bits - 1, middle) for side in (True, False)]
    lower, upper = iter(parts[0]), iter(parts[1])
    return [next(lower) if is_low else 2 ** (bits - 1) + next(upper) for is_low in low]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=40), st.integers(1, 3))
def test_means_cut_as_the_recursion_does(values, bits):
    found = cut_at_means(torch.tensor(values, dtype=torch.float64), bits).tolist()
    assert found == cut_by_hand([Fraction(v) for v in values], bits, "mean")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.randoms())
def test_medians_cut_as_the_recursion_does_and_fill_the_bins_alike(bits, full, random):
    values = random.sample(range(-1000, 1000), full * 2**bits)
    found = cut_at_medians(torch.tensor(values, dtype=torch.float64), bits).tolist()
    assert found == cut_by_hand([Fraction(v) for v in values], bits, "median")
    assert [found.count(i) for i in range(2**bits)] == [full] * 2**bits


@pytest.mark.parametrize("middle", ["median", "mean"])
def test_balanced_weights(middle):
    layer = linear([[0.1, 0.2, 0.3, 8.0, -0.1, -0.2, -0.3, -1.0]], "balanced", 2, middle=middle)
    expected = {"median": [1, 1, 3, 3, -1, -1, -3, -3], "mean": [-1, -1, -1, 3, -1, -3, -3, -3]}[middle]
    found = layer.quant_weight()
    assert torch.round(found.value / found.scale).tolist() == [expected]
    assert found.scale.item() == pytest.approx(8 / 3)
    assert gradient(layer, torch.ones(1, 8)).tolist() == [[1.0] * 8]


def test_twn_threshold():
    # E|w| = 1: the threshold is 0.7, and alpha the mean of what is above it
    layer = linear([[0.5, -0.8, 0.6, 2.1]], "ternary")
    assert torch.allclose(layer.quant_weight().value, torch.tensor([[0.0, -1.45, 0.0, 1.45]]))
    assert gradient(layer, torch.tensor([[1.0, 2, 3, 4]])).tolist() == [[1, 2, 3, 4]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-60, 60), min_size=1, max_size=6))
def test_no_ternary_weights_are_nearer(numbers):
    """Against every pattern of {-1, 0, 1}, each with its best scale."""
    w = np.array(numbers) / 8
    found = linear([w.tolist()], "optimal-ternary").quant_weight().value.detach().numpy()[0]
    best = min(
        float((w**2).sum() - max(float(w @ t), 0.0) ** 2 / max(float(t @ t), 1.0))
        for t in map(np.array, itertools.product((-1, 0, 1), repeat=len(w)))
    )
    assert ((w - found) ** 2).sum() == pytest.approx(best, abs=1e-4)


def test_ternary_by_channel_is_each_row_by_itself():
    rows = [[0.5, -0.8, 0.1, 2.0], [5.0, 4.0, -0.1, 0.2]]
    for name in ("ternary", "optimal-ternary"):
        whole = linear(rows, name, per_channel=True).quant_weight()
        assert whole.scale.shape == (2, 1)
        for row, value in zip(rows, whole.value, strict=True):
            assert torch.allclose(linear([row], name).quant_weight().value[0], value)
