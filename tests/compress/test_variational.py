"""Sparse variational dropout against quadrature, sampled weights, and cases by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from frozen_luts import frozen_luts
from torch import Tensor, nn

from hwqnn import compress, quant
from hwqnn.compress.dropout import SparseDropout, SparseVariationalDropout
from hwqnn.compress.layers import integers
from hwqnn.compress.spikes import VariationalQuantization
from hwqnn.compress.variational import Divergence, Stochastic, log_uniform_divergence
from hwqnn.data import Dataset
from hwqnn.errors import InputError
from hwqnn.train import Settings, fit


def mean_log_magnitude(alpha: float) -> float:
    """E log|1 + sqrt(alpha) z| of a normal z: trapezoids between points that crowd, as t^5 does, around the singularity at z = -1 / sqrt(alpha)."""
    centre = 1 / np.sqrt(alpha)
    t = np.linspace(-1, 1, 200_002)  # an even number of points: none is 0
    distance = (12 + centre) * np.sign(t) * np.abs(t) ** 5
    z = distance - centre
    return float(np.trapezoid(np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * np.log(np.abs(distance) * np.sqrt(alpha)), z))


def divergence_by_quadrature(log_alpha: float) -> float:
    """Molchanov et al. 2017, eq. 13: -log(alpha) / 2 + E log|epsilon| + C, epsilon ~ N(1, alpha); C makes it 0 at infinity: -E log|N(0, 1)|."""
    return -log_alpha / 2 + mean_log_magnitude(np.exp(log_alpha)) + (np.euler_gamma + np.log(2)) / 2


def test_the_divergence_is_that_of_the_integral() -> None:
    grid = np.linspace(-6, 8, 57)
    want = np.array([divergence_by_quadrature(x) for x in grid])
    got = log_uniform_divergence(torch.from_numpy(grid)).numpy()
    assert np.abs(want[0] - 3.0 - 0.635) < 2e-3  # a sharp weight: -log(alpha) / 2 + C
    assert np.abs(got - want).max() < 0.011
    assert got[-1] < 1e-3
    assert (np.diff(got) < 0).all()


@pytest.fixture
def convolution() -> qnn.QuantConv2d:
    """4 channels to 6 in two groups, strides and padding: few weights, every one with a part in some output."""
    torch.manual_seed(3)
    return qnn.QuantConv2d(4, 6, 3, stride=2, padding=1, groups=2, **quant.weight("integer", 8))


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_outputs_have_the_moments_of_sampled_weights(kind: str, convolution: qnn.QuantConv2d) -> None:
    torch.manual_seed(0)
    layer = qnn.QuantLinear(7, 3, bias=True, weight_quant=quant.weight("integer", 8)["weight_quant"]) if kind == "dense" else convolution
    x = torch.rand(2, 7) if kind == "dense" else torch.rand(2, 4, 5, 5)
    noisy = SparseDropout(layer, 0.0, 3.0)
    with torch.no_grad():
        noisy.log_variance.uniform_(-4, -1)
        drawn = torch.stack([noisy(x) for _ in range(4000)])
        weights = noisy.mean + (noisy.log_variance / 2).exp() * torch.randn(4000, *noisy.mean.shape)
        sampled = torch.stack([layer.inner_forward_impl(x, weight, layer.bias) for weight in weights])
    deviation = sampled.std(0)
    assert (drawn.mean(0) - sampled.mean(0)).abs().div(deviation).max() < 6 * (2 / 4000) ** 0.5
    assert (drawn.std(0) / deviation - 1).abs().max() < 6 / 4000**0.5


def test_in_eval_mode_the_weights_are_certain() -> None:
    layer = qnn.QuantLinear(4, 1, **quant.weight("integer", 8))
    layer.weight.data = torch.tensor([[0.5, -0.5, 0.01, 2.0]])
    noisy = SparseDropout(layer, -2.0, 3.0).eval()  # sigma^2 = e^-2; log alpha: -0.61, -0.61, 7.2, -3.4
    assert noisy.kept().tolist() == [[True, True, False, True]]
    x = torch.tensor([[1.0, 2.0, 100.0, 0.5]])
    assert noisy(x).item() == 0.5 - 1.0 + 1.0
    assert torch.equal(noisy(x), noisy(x))
    assert not torch.equal(noisy.train()(x), noisy(x))


def test_the_term_is_warmed_up_and_divided_by_the_images(mlp: nn.Module) -> None:
    model, term = SparseVariationalDropout(warm_up=0.5, weight=2.0).prepare(mlp, 50)
    assert model.training and not mlp.training
    total = sum(layer.divergence().item() for layer in model.modules() if isinstance(layer, Stochastic))
    for epoch, weight in ((0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0), (7, 2.0)):
        term.step(model, epoch, 8)
        assert term(model).item() == pytest.approx(weight * total / 50, rel=1e-5)
    at_once = Divergence(50, 0.0, 1.0)
    at_once.step(model, 0, 8)
    assert at_once(model).item() == pytest.approx(total / 50, rel=1e-5)


def data_of(inputs: int, useful: int) -> Dataset:
    """Images of random bytes in a row; which of three classes, only the first `useful` of them say."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (6000, inputs), dtype=np.uint8)
    y = ((x[:, :useful] > 127).astype(np.float64) @ random.normal(size=(useful, 3))).argmax(1)
    return Dataset("first bytes", x, y.astype(np.int64), Fraction(1, 255))


def network() -> nn.Module:
    """24 one-bit inputs, 6 sums of 6-bit weights, 3 classes."""
    torch.manual_seed(0)
    weight = quant.weight("integer", 6, per_channel=False)
    model = nn.Sequential(quant.act("dorefa", 1), qnn.QuantLinear(24, 6, **weight), nn.BatchNorm1d(6), quant.act("relu", 2))
    return model.append(qnn.QuantLinear(6, 3, **weight)).eval()


LEARN = Settings(epochs=15, batch=100, lr=1e-2, schedule="linear")


def learning(data: Dataset, settings: Settings = LEARN) -> compress.Learning:
    return compress.Learning(lambda model, term: fit(model, data, data, settings, terms=[term]).model, len(data.x))


def test_what_says_nothing_goes_and_takes_its_luts_along() -> None:
    data = data_of(24, 5)
    before = fit(network(), data, data, Settings(epochs=4, batch=100, lr=1e-2)).model
    done = compress.run(before, [SparseVariationalDropout(start=-6.0)], None, None, learning(data))
    kept = integers("1", done.model[1]).values != 0
    assert kept[:, 5:].sum() < 0.1 * kept[:, 5:].numel()
    assert kept[:, :5].sum() > kept[:, 5:].sum()
    old, new = frozen_luts(before, 24), frozen_luts(done.model, 24)
    assert new < 0.7 * old, f"{old} LUTs before, {new} after"
    print(f"{old} > {new} LUTs\n{done.reports[0]}")


def test_ternary_weights_take_fewer_luts() -> None:
    data = data_of(24, 5)
    before = fit(network(), data, data, Settings(epochs=4, batch=100, lr=1e-2)).model
    done = compress.run(before, [VariationalQuantization()], None, None, learning(data, replace(LEARN, epochs=6)))
    old, new = frozen_luts(before, 24), frozen_luts(done.model, 24)
    assert set(integers("1", done.model[1]).values.unique().tolist()) == {-1, 0, 1}
    assert new < 0.7 * old, f"{old} LUTs before, {new} after"
    print(f"{old} > {new} LUTs\n{done.reports[0]}")


def test_zeros_are_held_in_training_behind_it_and_of_pruning_before_it(mlp: nn.Module, check_lowering, batches: compress.Batches) -> None:
    first = mlp[2][0]
    compress.layers.prune(first, torch.rand_like(first.weight, generator=torch.Generator().manual_seed(0)) < 0.5)
    method = SparseVariationalDropout(threshold=0.0, start=-5.0)
    prepared, _ = method.prepare(mlp, 48)
    assert (prepared[2][0].certain()[~first.kept] == 0).all()
    x, y = next(batches())
    with torch.no_grad():
        prepared[2][0].mean[~first.kept] = 9.0  # a pruned weight may drift as it likes: it is not read
        prepared.eval()(x)
        assert (prepared[2][0].certain()[~first.kept] == 0).all()
    plan = method.plan(prepared, None)
    after = method.apply(prepared, plan)
    assert not any(isinstance(layer, Stochastic) for layer in after.modules())
    keep = plan.layers["2.0"].keep
    assert (keep & ~first.kept).sum() == 0 < keep.sum() < first.kept.sum()
    optimizer = torch.optim.Adam(after.parameters(), lr=0.05)
    after.train()
    for _ in range(10):
        optimizer.zero_grad()
        nn.functional.cross_entropy(after(x), y).backward()
        optimizer.step()
        compress.layers.hold_zeros(after)
    values = integers("2.0", after.eval()[2][0]).values
    assert (values[~keep] == 0).all()
    assert not torch.equal(after[2][0].weight, plan.layers["2.0"].weight * keep)
    check_lowering(after)


def test_a_convolution_lowers_behind_it(cnn: nn.Module, check_lowering) -> None:
    method = SparseVariationalDropout(threshold=0.0, start=-5.0)
    cnn[4] = qnn.QuantLinear(54, 3, **quant.weight("integer", 8, per_channel=False))
    prepared, _ = method.prepare(cnn, 48)
    after = method.apply(prepared, method.plan(prepared, None))
    report = method.report(cnn, after, method.plan(prepared, None))
    old, new = report.total
    assert 0 < new.nonzero < 0.9 * old.nonzero
    assert after[2][0].kept.shape == cnn[2][0].weight.shape
    check_lowering(after)


def test_a_row_without_weights_has_a_scale_all_the_same(mlp: nn.Module, check_lowering) -> None:
    method = SparseVariationalDropout()
    prepared, _ = method.prepare(mlp, 48)
    with torch.no_grad():
        prepared[2][0].mean[0] = 0.0
    after = method.apply(prepared, method.plan(prepared, None))
    assert (integers("2.0", after[2][0]).values[0] == 0).all()
    check_lowering(after)


class StoppedError(Exception):
    """As if the power had gone."""


def test_a_learning_that_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    data, settings = data_of(24, 5), Settings(epochs=4, batch=500, lr=1e-2)
    method = SparseVariationalDropout(warm_up=0.75)

    def stop(epoch: object, left: float) -> None:
        if (tmp_path / "stopped.pt").exists() and len(seen) == 1:
            raise StoppedError
        seen.append(epoch)

    def learned(**how: object) -> dict[str, Tensor]:
        model, term = method.prepare(network(), 6000)
        return fit(model, data, data, settings, terms=[term], **how).model.state_dict()  # type: ignore[arg-type]

    seen: list[object] = []
    whole = learned()
    with pytest.raises(StoppedError):
        learned(checkpoint=tmp_path / "stopped.pt", progress=stop)
    again = learned(checkpoint=tmp_path / "stopped.pt")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_bad_input(mlp: nn.Module) -> None:
    for options, message in (
        ({"threshold": 8.0}, "threshold = 8: log alpha lies between -8 and 8"),
        ({"warm_up": 1.5}, "warm_up = 1.5: it is a part of the epochs, from 0 to 1"),
        ({"weight": 0.0}, "weight = 0: the divergence needs a weight greater than 0"),
        ({"start": 1.0}, "start = 1: the first log variance must be from -20 to 0"),
        ({"treshold": 3.0}, "no option 'treshold'"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make("sparse-variational-dropout", **options)
    method = SparseVariationalDropout()
    with pytest.raises(InputError, match="no SparseDropout layer: prepare the model and train it first"):
        method.plan(mlp, None)
    with pytest.raises(InputError, match="layer '0': its quantizer Sign has no 0"):
        method.prepare(nn.Sequential(qnn.QuantLinear(4, 2, **quant.weight("sign"))), 10)
    with pytest.raises(InputError, match="is learned in a training"):
        compress.run(mlp, [method])


def test_a_model_that_is_one_layer() -> None:
    torch.manual_seed(0)
    layer = qnn.QuantLinear(4, 2, **quant.weight("integer", 8))
    method = SparseVariationalDropout()
    prepared, _ = method.prepare(layer, 10)
    assert isinstance(prepared, SparseDropout)
    after = method.apply(prepared, method.plan(prepared, None))
    assert torch.equal(after.weight, layer.weight)
