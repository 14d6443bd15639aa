"""Bayesian compression: its divergences against integrals, its samples against moments, what it removes and how many bits it leaves."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from brevitas import nn as qnn
from torch import Tensor, nn

import hwqnn
from hwqnn import compress, quant
from hwqnn.compress import Batches, Learning
from hwqnn.compress.bayesian import bits_for
from hwqnn.compress.grouped import Horseshoe, NormalJeffreys, gamma_divergence, inverse_gamma_divergence, normal_divergence
from hwqnn.compress.groups import unread
from hwqnn.compress.layers import hold_zeros, layers
from hwqnn.compress.report import count
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.fold import Pin, Pins
from hwqnn.errors import InputError

LINE = torch.linspace(-60.0, 60.0, 1_200_001, dtype=torch.float64)
"""Of the logarithm of a variable, or of the variable itself."""


def integral(log_q: Tensor, log_p: Tensor) -> float:
    """KL(q || p) by the trapezoid rule on `LINE`."""
    return float(torch.trapezoid(log_q.exp() * (log_q - log_p), LINE))


def normal(mean: float, variance: float) -> Tensor:
    return -((LINE - mean) ** 2) / (2 * variance) - 0.5 * math.log(2 * math.pi * variance)


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (1.5, 0.01), (-2.0, 0.6), (0.3, 3.0)])
def test_divergences_are_integrals(mean: float, variance: float) -> None:
    """With u = log x, a log-normal x is normal in u, and a density p(x) is p(e^u) e^u."""
    m, log = torch.tensor(mean, dtype=torch.float64), torch.tensor(variance, dtype=torch.float64).log()
    q = normal(mean, variance)
    assert float(normal_divergence(m, log)) == pytest.approx(integral(q, normal(0.0, 1.0)), abs=1e-6)
    for scale in (1.0, 0.2):
        gamma = -LINE / 2 - LINE.exp() / scale - 0.5 * math.log(scale) - math.lgamma(0.5) + LINE
        assert float(gamma_divergence(m, log, scale)) == pytest.approx(integral(q, gamma), rel=1e-5, abs=1e-6)
    inverse = -1.5 * LINE - (-LINE).exp() - math.lgamma(0.5) + LINE
    assert float(inverse_gamma_divergence(m, log)) == pytest.approx(integral(q, inverse), rel=1e-5, abs=1e-6)


def test_gamma_times_inverse_gamma_is_a_squared_half_cauchy() -> None:
    """The decomposition behind the horseshoe: P(sqrt(a b) < x) = 2 / pi * atan(x / r) for a of Gamma(1/2, r^2) and b of InverseGamma(1/2, 1)."""
    torch.manual_seed(0)
    r, draw = 0.7, torch.distributions.Gamma(0.5, 1.0).sample
    z = (r**2 * draw((400_000,)) / draw((400_000,))).sqrt()
    for x in (0.1, 0.7, 3.0):
        assert float((z < x).double().mean()) == pytest.approx(2 / math.pi * math.atan(x / r), abs=4e-3)


def dense(inputs: int = 5, outputs: int = 3) -> qnn.QuantLinear:
    return qnn.QuantLinear(inputs, outputs, **quant.weight("integer", 8, per_channel=False))


def convolution() -> qnn.QuantConv2d:
    return qnn.QuantConv2d(2, 4, 3, **quant.weight("integer", 8, per_channel=False))


KINDS = {"gnj": NormalJeffreys, "ghs": Horseshoe}


def posterior(kind: str, layer: nn.Module) -> NormalJeffreys | Horseshoe:
    """With parameters all different."""
    made = KINDS[kind](layer, -2.0, 3.0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [dense, convolution])
def test_moments_are_those_of_draws(kind: str, make: Callable[[], nn.Module]) -> None:
    """Weights are z w with z of each group and w of each weight; outputs of one image have the moments of a layer of such weights."""
    torch.manual_seed(1)
    made = posterior(kind, make())
    draws = 60_000
    z = made.draw(draws).double()
    mean, variance = made.moments()
    assert torch.allclose(z.mean(0), mean.double(), rtol=0.03) and torch.allclose(z.var(0), variance.double(), rtol=0.15)
    shape = (draws, 1, -1) if made.by_input else (draws, -1, *[1] * (made.mean.ndim - 1))
    w = made.mean + (made.log_variance / 2).exp() * torch.randn(draws, *made.mean.shape)
    weights = (made.unit * z.float().view(shape) * w).detach()
    assert torch.allclose(weights.mean(0), made.certain() + made.over_weights(made.unit * mean) * made.mean * ~made.keep(), atol=0.03)
    assert torch.allclose(weights.var(0), made.variance(), rtol=0.2, atol=0.01)
    x = torch.rand(1, 5) if made.by_input else torch.rand(1, 2, 3, 3)
    made.train()
    with torch.no_grad():
        outputs = made(x.expand(draws, *x.shape[1:])).flatten(1)
        want = weights.reshape(draws, len(outputs[0]), -1) @ x.flatten()
    assert torch.allclose(outputs.mean(0), want.mean(0), atol=0.05)
    assert torch.allclose(outputs.var(0), want.var(0), rtol=0.1)


def test_the_divergence_of_a_layer_adds_up() -> None:
    torch.manual_seed(2)
    made = posterior("ghs", dense())
    shared, local = made.shared_log_variance, made.local_log_variance
    want = normal_divergence(made.mean, made.log_variance).sum()
    want = want + gamma_divergence(made.shared_mean[0, 0], shared[0, 0], 1.0) + inverse_gamma_divergence(made.shared_mean[1, 0], shared[1, 0])
    for group in range(5):
        want = want + gamma_divergence(made.local_mean[0, group], local[0, group], 1.0)
        want = want + inverse_gamma_divergence(made.local_mean[1, group], local[1, group])
    assert made.divergence().item() == pytest.approx(want.item(), rel=1e-5)


def test_groups_that_stay() -> None:
    """The noise of a group is alpha where w is certain, 1 / signal where z is; a log-normal z has alpha = exp(variance) - 1."""
    jeffreys, horseshoe = NormalJeffreys(dense(), -4.0, 3.0), Horseshoe(convolution(), -60.0, 2.0)
    with torch.no_grad():
        jeffreys.mean.copy_(torch.tensor([1.0, 1.0, -2.0, 1.0, 0.1]))
        jeffreys.log_variance.copy_(torch.tensor([-60.0, -60.0, -60.0, -60.0, 0.0]))
        jeffreys.scale_mean.copy_(torch.tensor([1.0, 0.1, 1.0, 0.01, 2.0]))
        jeffreys.scale_log_variance.copy_(torch.tensor([-4.0, -1.0, 2.9, 0.0, -60.0]))
        horseshoe.mean.copy_(torch.tensor([1.0, 0.3, 1.0, -1.0]).view(4, 1, 1, 1))
        horseshoe.log_variance.copy_(torch.tensor([-60.0, 0.0, -60.0, -60.0]).view(4, 1, 1, 1))
        horseshoe.local_log_variance.copy_(torch.tensor([[-60.0, -60.0, 4.0, 9.0], [-60.0, -60.0, 4.1, 0.0]]).clamp(min=1e-9).log())
    assert torch.allclose(jeffreys.noise(), torch.tensor([-4.0, 3.605, 2.9, 9.21, 4.605]), atol=1e-3)
    assert jeffreys.kept().tolist() == [True, False, True, False, False]
    # log(exp(8.1 / 4) - 1) = 1.883 and log(exp(9 / 4) - 1) = 2.139; 1 / 0.09 = exp(2.408)
    assert torch.allclose(horseshoe.noise()[1:], torch.tensor([2.408, 1.883, 2.139]), atol=1e-3)
    assert horseshoe.kept().tolist() == [True, False, True, False]
    assert jeffreys.keep().any(0).tolist() == jeffreys.kept().tolist() and horseshoe.keep().flatten(1).any(1).tolist() == horseshoe.kept().tolist()
    assert jeffreys.eval()(torch.eye(5)).any(1).tolist() == jeffreys.kept().tolist()


@pytest.mark.parametrize(
    ("greatest", "deviation", "bits"), [(1.0, 0.5, 2), (1.0, 0.49, 3), (3.0, 0.5, 3), (3.1, 0.5, 4), (1.0, 1e-4, 8), (0.01, 9.0, 2)]
)
def test_bits_by_hand(greatest: float, deviation: float, bits: int) -> None:
    """Half a step, greatest / (2^(bits - 1) - 1) / 2, is at most the deviation: 3 steps of 1 for 3 and 0.5."""
    weight = torch.tensor([greatest, -greatest / 3])
    assert bits_for(weight, torch.tensor([0.5, 1.5]) * deviation**2) == bits


def test_bits_of_nothing() -> None:
    assert bits_for(torch.zeros(0), torch.zeros(0)) == 2


def test_unread_outputs(cnn: nn.Module) -> None:
    """Two filters that no weight reads, one of them only because its reader is not read."""
    images = torch.rand(4, 1, 6, 6)
    assert not any(each.any() for each in unread(cnn, images).values())
    names = list(layers(cnn))
    second, last = cnn.get_submodule(names[1]), cnn.get_submodule(names[2])
    with torch.no_grad():
        last.weight.view(3, 6, 9)[:, 4] = 0  # filter 4 of the second convolution, of its second group
        second.weight[[3, 5], 1] = 0  # filter 3 of the first is read by filter 4 alone
    found = unread(cnn, images)
    assert {name: each.nonzero().flatten().tolist() for name, each in found.items()} == {names[0]: [3], names[1]: [4], names[2]: []}


def learned(model: nn.Module, method: compress.Learned, batches: Batches, epochs: int = 60, lr: float = 0.05) -> compress.Compressed:
    """Labels that two pixels decide."""

    def train(prepared: nn.Module, term: compress.Term) -> nn.Module:
        torch.manual_seed(0)
        optimizer = torch.optim.Adam(prepared.parameters(), lr=lr)
        for epoch in range(epochs):
            term.step(prepared, epoch, epochs)
            for x, _ in batches():
                labels = (x[:, 0, 2, 2] > 0.5).long() + (x[:, 0, 4, 1] > 0.5).long()
                loss = nn.functional.cross_entropy(prepared(x), labels) + term(prepared)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return prepared

    return compress.run(model, [method], batches, None, Learning(train, 48))


@pytest.mark.parametrize("name", ["bayesian-gnj", "bayesian-ghs"])
def test_learned(name: str, mlp: nn.Module, batches: Batches, check_lowering: Callable[[nn.Module], None]) -> None:
    """Most inputs go, those that decide stay; what is left lowers exactly, and further training revives nothing."""
    done = learned(mlp, compress.make(name, weight=0.3), batches)
    first, second = layers(done.model).values()
    pixels = (first.weight != 0).any(0)
    assert pixels[2 * 6 + 2] and pixels[4 * 6 + 1] and pixels.sum() < 30
    old, new = done.reports[0].total
    assert new.nonzero < 0.8 * old.nonzero and new.bits < old.bits
    assert "times smaller by pruning" in str(done.reports[0])
    check_lowering(done.model)
    zeros = {id(layer): layer.weight == 0 for layer in (first, second)}
    optimizer = torch.optim.SGD(done.model.train().parameters(), lr=0.1)
    for x, y in batches():
        nn.functional.cross_entropy(done.model(x), y).backward()
        optimizer.step()
        hold_zeros(done.model)
    assert all((layer.weight[zeros[id(layer)]] == 0).all() for layer in (first, second))


def test_without_bits_the_quantizer_keeps_its_own(mlp: nn.Module, batches: Batches) -> None:
    done = learned(mlp, compress.make("bayesian-gnj", bits=False), batches, epochs=2)
    assert {layer.weight_quant.bit_width().item() for layer in layers(done.model).values()} == {8.0}
    assert count(mlp) == done.reports[0].before


def test_bad_input(mlp: nn.Module, cnn: nn.Module, batches: Batches) -> None:
    for name, options, message in (
        ("bayesian-gnj", {"threshold": 9.0}, "threshold = 9"),
        ("bayesian-ghs", {"threshold": -8.0}, "threshold = -8"),
        ("bayesian-gnj", {"warm_up": 1.5}, "warm_up = 1.5"),
        ("bayesian-ghs", {"weight": 0.0}, "weight = 0"),
        ("bayesian-gnj", {"start": 1.0}, "start = 1"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make(name, **options)
    method = compress.make("bayesian-gnj")
    with pytest.raises(InputError, match="one group"):
        method.prepare(cnn, 10)
    with pytest.raises(InputError, match="prepare the model"):
        method.plan(mlp, batches)
    with pytest.raises(InputError, match="needs data"):
        method.plan(method.prepare(mlp, 10)[0], None)
    signs = nn.Sequential(qnn.QuantLinear(4, 2, **quant.weight("sign", 1)))
    with pytest.raises(InputError, match="has no 0"):
        method.prepare(signs, 10)


def test_fewer_luts() -> None:
    """Two of three inputs say nothing, and the weights of the others are sure to a third of the greatest: a frozen layer loses most of its LUTs."""
    torch.manual_seed(0)
    layer = qnn.QuantLinear(12, 6, **quant.weight("integer", 6, per_channel=False))
    nn.init.normal_(layer.weight, std=0.3)
    model = nn.Sequential(quant.act("dorefa", 1), layer).eval()
    method = compress.make("bayesian-gnj")
    prepared, _ = method.prepare(model, 100)
    with torch.no_grad():
        prepared[1].scale_log_variance[torch.arange(12) % 3 != 0] = 4.0
        prepared[1].log_variance.fill_(math.log(0.3))
    images = torch.rand(2, 12)
    plan = method.plan(prepared, lambda: iter([(images, torch.zeros(2))]))
    assert plan.layers["1"].groups == (4, 12) and plan.layers["1"].bits in (3, 4)

    def luts(of: nn.Module) -> int:
        pins = Pins({"1": Pin(store=Store.FROZEN)})
        made = hwqnn.compile(of, torch.zeros(1, 12), fps=1e5, head="scores", pins=pins, threads=1)
        return sum(cells.lut for cells in made.synthesize(jobs=1).values())

    before, after = luts(model), luts(method.apply(prepared, plan))
    print(f"{before} > {after} LUTs")
    assert after < 0.6 * before
