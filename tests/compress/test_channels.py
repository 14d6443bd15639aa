"""Channels that go: the group lasso against its closed form, LASSO against conditions of optimality, what is rebuilt, and the LUTs that are saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from torch import Tensor, nn

import hwqnn
from hwqnn import compress, quant
from hwqnn.compress import Batches, Learning
from hwqnn.compress.channels import GroupPenalty, Moments, lasso, rebuilt, select
from hwqnn.compress.groups import ChannelPlan, Narrowed, by_channel, channels_read, narrowed
from hwqnn.compress.layers import layers
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.fold import Pin, Pins
from hwqnn.errors import InputError

WEIGHT = quant.weight("integer", 8, per_channel=False)


def plain_cnn() -> nn.Module:
    """Convolutions of 5 and 4 channels, a pool, and two dense layers, the first of which reads 4 channels of 4 places."""
    torch.manual_seed(3)

    def act() -> nn.Module:
        return quant.act("relu", 3)

    first = nn.Sequential(qnn.QuantConv2d(1, 5, 3, padding=1, **WEIGHT), nn.BatchNorm2d(5), act())
    second = nn.Sequential(qnn.QuantConv2d(5, 4, 3, **WEIGHT), nn.MaxPool2d(2), nn.BatchNorm2d(4), act(), nn.Flatten())
    third = nn.Sequential(qnn.QuantLinear(16, 6, **WEIGHT), nn.BatchNorm1d(6), act())
    model = nn.Sequential(quant.act("dorefa", 2), first, second, third, qnn.QuantLinear(6, 3, **WEIGHT))
    for _ in range(100):
        model(torch.rand(32, 1, 6, 6))
    return model.eval()


def test_channels_that_are_read() -> None:
    model = plain_cnn()
    assert channels_read(model) == dict(zip(list(layers(model))[1:], [5, 4, 6], strict=True))
    weight = torch.arange(32.0).reshape(2, 16)
    assert by_channel(weight, 4)[1, 2].tolist() == [24, 25, 26, 27]
    maps = torch.arange(2 * 3 * 4.0).reshape(2, 3, 2, 2)
    assert by_channel(maps, 3)[1, 0].tolist() == [12, 13, 14, 15]


def test_penalty_by_hand() -> None:
    layer = qnn.QuantLinear(4, 2, **WEIGHT)
    layer.weight.data = torch.tensor([[3.0, 0.0, 1.0, 0.0], [4.0, 0.0, 0.0, 2.0]])
    # pairs of inputs: norms 5 and sqrt(5) of four weights each
    assert float(GroupPenalty(0.1, {"0": 2})(nn.Sequential(layer)).detach()) == pytest.approx(0.1 * 2 * (5 + 5**0.5), rel=1e-6)
    assert float(GroupPenalty(0.1, {"0": 4})(nn.Sequential(layer)).detach()) == pytest.approx(0.1 * 2**0.5 * (5 + 1 + 2), rel=1e-5)


def test_penalty_gives_the_group_soft_threshold() -> None:
    """min |w - a|^2 / 2 + lambda sqrt(m) |w| has w = (1 - lambda sqrt(m) / |a|)+ a (Yuan and Lin 2006, section 2)."""
    torch.manual_seed(0)
    a = torch.randn(3, 6) * torch.tensor([2.0, 0.05, 1.0, 0.3, 1.5, 0.1])
    layer = qnn.QuantLinear(6, 3, **WEIGHT)
    model, term = nn.Sequential(layer), GroupPenalty(0.2, {"0": 6})
    optimizer = torch.optim.SGD([layer.weight], lr=0.05)
    for step in range(3000):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 3000)
        loss = (layer.weight - a).square().sum() / 2 + term(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    want = a * (1 - 0.2 * 3**0.5 / a.norm(dim=0)).clamp(min=0)
    assert int((want == 0).all(0).sum()) in range(2, 5)
    assert torch.allclose(layer.weight.detach(), want, atol=2e-3)


def problem(samples: int = 40, channels: int = 6, size: int = 2, outputs: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (samples, channels, size), weight (outputs, channels, size), y (samples, outputs)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, channels, size)) + rng.normal(size=(samples, 1, 1))
    weight = rng.normal(size=(outputs, channels, size)) * np.array([2.0, 0.1, 1.0, 0.5, 0.05, 1.5])[:channels, None]
    return x, weight, np.einsum("ncs,ocs->no", x, weight) + 0.1 * rng.normal(size=(samples, outputs))


def moments(x: np.ndarray, y: np.ndarray) -> Moments:
    flat = x.reshape(len(x), -1)
    return Moments(torch.from_numpy(flat.T @ flat), torch.from_numpy(flat.T @ y), float((y * y).sum()))


@pytest.mark.parametrize("strength", [0.0, 1.0, 30.0, 200.0, 1e4])
def test_lasso_is_optimal(strength: float) -> None:
    """The subgradient of the whole problem, written out sample by sample, holds 0; and a slow proximal descent comes to the same."""
    x, weight, y = problem()
    parts = np.einsum("ncs,ocs->cno", x, weight).reshape(6, -1)  # each channel's part of all outputs
    gram, right = parts @ parts.T, parts @ y.reshape(-1)
    b = lasso(gram, right, strength, 5000)
    slope = -parts @ (y.reshape(-1) - b @ parts)
    tolerance = 1e-3 * max(1.0, abs(right).max() * 1e-2)
    assert all(abs(s + strength * np.sign(v)) < tolerance if v else abs(s) <= strength + tolerance for s, v in zip(slope, b, strict=True))
    slow, step = np.zeros(6), 1 / np.linalg.eigvalsh(gram).max()
    for _ in range(50_000):
        slow = slow - step * (gram @ slow - right)
        slow = np.sign(slow) * np.maximum(abs(slow) - step * strength, 0)
    np.testing.assert_allclose(b, slow, atol=2e-4)
    if strength == 1e4:
        assert not b.any()


def test_selection_and_rebuilding() -> None:
    """Channel 4 is a copy of channel 0 and 5 is 0: both go without any loss, for what is left is rebuilt by least squares."""
    x, weight, _ = problem(200)
    x[:, 4], x[:, 5] = x[:, 0], 0
    y = np.einsum("ncs,ocs->no", x, weight)
    found = moments(x, y)
    b = select(found, torch.from_numpy(weight), 4)
    assert (int((b != 0).sum()) == 4 and b[5] == 0 and (b[0] == 0) != (b[4] == 0)) or b[1] == 0
    kept = torch.tensor([True, True, True, True, False, False])
    new = rebuilt(found, kept).numpy()
    assert not new[:, 4:].any()
    np.testing.assert_allclose(np.einsum("ncs,ocs->no", x, new), y, atol=1e-3)
    want, *_ = np.linalg.lstsq(x[:, :2].reshape(200, -1), y, rcond=None)
    fewer = rebuilt(found, torch.arange(6) < 2).numpy()[:, :2].reshape(3, -1)
    np.testing.assert_allclose(fewer.T, want, atol=1e-4)


@pytest.mark.parametrize("count", range(1, 7))
def test_no_more_than_asked_for(count: int) -> None:
    x, weight, y = problem(100, seed=count)
    assert int((select(moments(x, y), torch.from_numpy(weight), count) != 0).sum()) == count


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.8])
def test_lasso_channels(sparsity: float, batches: Batches, check_lowering: Callable[[nn.Module], None]) -> None:
    """Counts of channels by hand; the layers before lose what is no longer read; at sparsity 0 nothing is lost."""
    model = plain_cnn()
    done = compress.run(model, [compress.make("lasso-channels", sparsity=sparsity, places=16)], batches)
    left = {0.0: [5, 4, 6], 0.5: [2, 2, 3], 0.8: [1, 1, 1]}[sparsity]
    found = list(layers(done.model).values())
    for before, layer, channels, count in zip(found[:-1], found[1:], channels_read(model).values(), left, strict=True):
        read = by_channel(layer.weight.detach(), channels).abs().sum((0, 2)) != 0
        assert int(read.sum()) == count
        assert (before.weight.detach().flatten(1).abs().sum(1) != 0).tolist() == read.tolist()
    images = next(batches())[0]
    error = float((done.model(images) - model(images)).square().mean() / model(images).square().mean())
    assert error < (0.02 if sparsity == 0 else 1.5)
    check_lowering(done.model)


def test_rebuilding_helps(batches: Batches) -> None:
    """Scores are nearer to the old ones than with the same channels and the old weights."""
    model = plain_cnn()
    method = compress.make("lasso-channels", sparsity=0.4, places=16)
    plan = method.plan(model, batches)
    images = next(batches())[0]
    old = ChannelPlan({name: Narrowed(layers(model)[name].weight.detach(), each.channels, each.outputs) for name, each in plan.layers.items()})

    def error(after: nn.Module) -> float:
        return (after(images) - model(images)).square().mean().item()

    assert error(plan.apply(model)) < 0.8 * error(old.apply(model))


def test_group_lasso(mlp: nn.Module, batches: Batches, check_lowering: Callable[[nn.Module], None]) -> None:
    """Labels that a single neuron could tell: most neurons go, rows of the layer before with them, and it still tells most."""

    def labelled() -> Iterator[tuple[Tensor, Tensor]]:
        for x, _ in batches():
            yield x, (x[:, 0, 2].mean(1) > 0.5).long() * 2

    def train(prepared: nn.Module, term: compress.Term) -> nn.Module:
        optimizer = torch.optim.Adam(prepared.parameters(), lr=0.02)
        for epoch in range(150):
            term.step(prepared, epoch, 150)
            for x, y in labelled():
                loss = nn.functional.cross_entropy(prepared(x), y) + term(prepared)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return prepared

    done = compress.run(mlp, [compress.make("group-lasso", strength=0.03, threshold=0.1)], labelled, None, Learning(train, 48))
    first, second = layers(done.model).values()
    read = (second.weight != 0).any(0)
    assert 1 <= int(read.sum()) <= 5
    assert (first.weight != 0).any(1).tolist() == read.tolist()
    right = [int((done.model(x).argmax(1) == y).sum()) for x, y in labelled()]
    assert sum(right) >= 40
    assert "channels read" in str(done.reports[0])
    check_lowering(done.model)


@pytest.mark.parametrize("store", [Store.FROZEN, Store.LUT])
def test_fewer_luts(store: Store) -> None:
    """Half of the hidden neurons go: the layer that loses them and the one that reads them are smaller, frozen or folded."""
    torch.manual_seed(0)
    weight = quant.weight("integer", 4, per_channel=False)
    hidden = nn.Sequential(qnn.QuantLinear(12, 8, **weight), nn.BatchNorm1d(8), quant.act("relu", 2))
    model = nn.Sequential(quant.act("dorefa", 1), hidden, qnn.QuantLinear(8, 4, **weight))
    for _ in range(50):
        model(torch.rand(64, 12))
    half = {name: torch.arange(channels) % 2 == 0 for name, channels in channels_read(model).items()}
    after = narrowed(model, half, {}, torch.rand(2, 12)).apply(model)

    def luts(of: nn.Module) -> int:
        pins = Pins({name: Pin(store=store) for name in layers(of)})
        made = hwqnn.compile(of.eval(), torch.zeros(1, 12), fps=1e7, head="scores", pins=pins, threads=1)
        return sum(cells.lut for cells in made.synthesize(jobs=1).values())

    before, less = luts(model), luts(after)
    print(f"{store}: {before} > {less} LUTs")
    assert less < 0.8 * before


def test_bad_input(cnn: nn.Module, batches: Batches) -> None:
    for name, options, message in (
        ("lasso-channels", {"sparsity": 1.0}, "sparsity = 1: .* at least 0 and less than 1"),
        ("lasso-channels", {"sparsity": -0.1}, "sparsity = -0.1"),
        ("lasso-channels", {"places": 0}, "places = 0"),
        ("group-lasso", {"strength": 0.0}, "strength = 0"),
        ("group-lasso", {"threshold": 1.0}, "threshold = 1"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make(name, **options)
    method = compress.make("lasso-channels")
    with pytest.raises(InputError, match="has 2 groups"):
        method.plan(cnn, batches)
    with pytest.raises(InputError, match="needs data"):
        method.plan(plain_cnn(), None)
    with pytest.raises(InputError, match="one layer"):
        method.plan(nn.Sequential(qnn.QuantLinear(4, 2, **WEIGHT)), batches)
    signs = nn.Sequential(qnn.QuantLinear(4, 4, **quant.weight("sign", 1)), qnn.QuantLinear(4, 2, **WEIGHT))
    with pytest.raises(InputError, match="has no 0"):
        compress.make("group-lasso").prepare(signs, 10)
