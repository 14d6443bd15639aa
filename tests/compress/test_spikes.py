"""Variational network quantization against the integral of its divergence, cases by hand, and hardware."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from torch import nn

from hwqnn import compress, quant
from hwqnn.compress.dropout import SparseVariationalDropout
from hwqnn.compress.layers import hold_zeros, integers
from hwqnn.compress.report import count
from hwqnn.compress.spikes import Spiked, VariationalQuantization, spikes_divergence
from hwqnn.compress.variational import log_uniform_divergence
from hwqnn.errors import InputError

A = 0.2


def divergence_by_quadrature(mean: float, sigma: float) -> float:
    """E log q(w) - E log(1/|w + a| + 1/|w| + 1/|w - a|) by a sum over 800,000 points of 12 deviations, none of them on a spike."""
    z = 12 * (np.arange(-400_000, 400_000) + 0.5) / 400_000
    w = mean + sigma * z
    prior = sum(1 / np.abs(w - c) for c in (-A, 0.0, A))
    entropy = math.log(sigma) + math.log(2 * math.pi * math.e) / 2
    return -entropy - float((np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * np.log(prior)).sum() * (z[1] - z[0]))


def approximation(means: np.ndarray, sigma: float) -> np.ndarray:
    mean = torch.from_numpy(means)
    return spikes_divergence(mean, torch.full_like(mean, 2 * math.log(sigma)), torch.tensor(A, dtype=torch.float64), 0.375 * A).numpy()


@pytest.mark.parametrize("sigma", [0.002, 0.005, 0.01, 0.02])
def test_the_divergence_follows_the_integral(sigma: float) -> None:
    """The approximation knows the nearest spike alone: right at the spikes, and up to 0.8 nats too much between them."""
    means = np.linspace(-0.25, 0.25, 21)
    want = np.array([divergence_by_quadrature(mean, sigma) for mean in means])
    got = approximation(means, sigma)
    want, got = want - want[10], got - got[10]
    assert np.corrcoef(want, got)[0, 1] > 0.97
    assert np.abs(got - want).max() < 0.8
    at_spikes = np.isin(np.arange(21), (2, 10, 18))
    assert np.abs((got - want)[at_spikes]).max() < 0.2
    assert np.abs(means[got.argmax()]) == pytest.approx(A / 2, abs=0.026)
    np.testing.assert_allclose(got, got[::-1], atol=1e-12)


def test_a_mean_by_hand() -> None:
    """At 3/4 of a, a quarter from the spike: W = exp(-(1/4)^2 / (2 * 0.375^2)) = 0.800737."""
    log_variance = math.log(0.01**2)
    near, far = (log_uniform_divergence(torch.tensor(log_variance - 2 * math.log(x))).item() for x in (0.05, 0.15))
    assert approximation(np.array([0.15]), 0.01)[0] == pytest.approx(0.800737 * near + 0.199263 * far, rel=1e-5)


def test_the_spike_is_drawn_to_the_weights() -> None:
    layer = qnn.QuantLinear(3, 1, **quant.weight("integer", 8))
    layer.weight.data = torch.tensor([[0.25, -0.25, 0.01]])
    spiked = Spiked(layer, -8.0, 1.0, 0.375, 2.0)
    assert spiked.spike.item() == pytest.approx(math.sqrt((2 * 0.25**2 + 0.01**2) / 3), rel=1e-6)
    optimizer = torch.optim.Adam([spiked.log_spike], lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        spiked.divergence().backward()
        optimizer.step()
    assert spiked.spike.item() == pytest.approx(0.25, abs=0.01)


def test_weights_take_the_nearest_spike_and_noise_takes_them_to_zero() -> None:
    layer = qnn.QuantLinear(6, 1, **quant.weight("integer", 8))
    layer.weight.data = torch.tensor([[0.9, -0.6, 0.4, -0.1, 2.0, 0.8]])
    spiked = Spiked(layer, -8.0, 1.0, 0.375, 2.0).eval()
    with torch.no_grad():
        spiked.log_spike.zero_()  # a = 1
        spiked.log_variance[0, 5] = 2.0  # log alpha = 2 - 2 log 0.8 = 2.4
    assert spiked.digits().tolist() == [[1.0, -1.0, 0.0, 0.0, 1.0, 0.0]]
    with torch.no_grad():
        spiked.log_spike.fill_(math.log(0.5))
    assert spiked.digits().tolist() == [[1.0, -1.0, 1.0, 0.0, 1.0, 0.0]]
    assert spiked(torch.ones(1, 6)).item() == pytest.approx(1.0)


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_ternary_weights_are_what_hardware_computes(network: str, request: pytest.FixtureRequest, batches: compress.Batches, check_lowering) -> None:
    model, method = request.getfixturevalue(network), VariationalQuantization(spike=1.2)
    prepared, term = method.prepare(model, 48)
    optimizer = torch.optim.Adam(prepared.parameters(), lr=0.01)
    term.step(prepared, 9, 10)
    torch.manual_seed(0)
    for x, y in [*batches(), *batches()]:
        optimizer.zero_grad()
        (nn.functional.cross_entropy(prepared(x), y) + term(prepared)).backward()
        optimizer.step()
    prepared.eval()
    plan = method.plan(prepared, None)
    after = method.apply(prepared, plan)
    assert set(compress.layers.layers(after)) == set(plan.layers)
    for name, each in plan.layers.items():
        values = integers(name, after.get_submodule(name)).values
        assert torch.equal(values, each.digits.long())
        assert {-1, 0, 1} == set(values.unique().tolist())
    x, _ = next(batches())
    with torch.no_grad():
        torch.testing.assert_close(after(x), prepared(x))
    assert all(layer.bits == 2 * layer.weights for layer in count(after).values())
    check_lowering(after)
    zeros = {name: each.digits == 0 for name, each in plan.layers.items()}
    optimizer = torch.optim.Adam(after.parameters(), lr=0.05)
    after.train()
    for x, y in [*batches(), *batches()]:
        optimizer.zero_grad()
        nn.functional.cross_entropy(after(x), y).backward()
        optimizer.step()
        hold_zeros(after)
    for name, each in plan.layers.items():
        values = integers(name, after.get_submodule(name)).values
        assert (values[zeros[name]] == 0).all()
        assert not torch.equal(values, each.digits.long())  # the others may change
    check_lowering(after.eval())


def test_bad_input(mlp: nn.Module) -> None:
    for options, message in (
        ({"threshold": -9.0}, "threshold = -9: log alpha lies between -8 and 8"),
        ({"spike": 0.0}, "spike = 0: the first value of the weights, over their root mean square, is greater than 0"),
        ({"width": 0.7}, "width = 0.7: a window's width over a is greater than 0, and at most 0.5"),
        ({"warm_up": -1.0}, "warm_up = -1: it is a part of the epochs"),
        ({"spikes": 1.0}, "no option 'spikes'"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make("variational-quantization", **options)
    method = VariationalQuantization()
    with pytest.raises(InputError, match="no Spiked layer: prepare the model and train it first"):
        method.plan(mlp, None)
    dropout, _ = SparseVariationalDropout().prepare(mlp, 48)
    with pytest.raises(InputError, match="no Spiked layer"):
        method.plan(dropout, None)
