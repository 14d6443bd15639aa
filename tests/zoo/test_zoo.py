"""The built-in models: what they take and give, the accuracy they promise, and that each becomes integers exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import nn

from hwqnn import data, layout, zoo
from hwqnn.disagreements import activations
from hwqnn.errors import InputError
from hwqnn.frontend import import_brevitas
from hwqnn.passes import lower
from hwqnn.reference import Executor
from hwqnn.zoo.calibrate import gather_statistics

ACCURACY = {
    "tfc-w1a1": 0.945,
    "sfc-w1a1": 0.965,
    "lfc-w1a1": 0.975,
    "lenet-300-100": 0.98,
    "lenet-5": 0.985,
    "mnist-cnn-w1a1": 0.975,
    "tiny-cnn-a1": 0.975,
    "tiny-cnn-a2": 0.98,
    "fashion-cnn-w2a2": 0.90,
    "fcn-w2a2": 0.94,
}
"""At least so much of the full test set: of its images, of fcn-w2a2 of its pixels (88 % of which are ground)."""
BATCH = 8
WEIGHTS = {
    "cnv-w1a1": 1_542_848,  # FINN (Umuroglu et al. 2017)
    "cnv-w1a2": 1_542_848,
    "cnv-w2a2": 1_542_848,
    "bnn-cifar10": 9 * (3 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512) + 8192 * 1024 + 1024 * 1024 + 1024 * 10,
    "dorefa-svhn": 25 * 3 * 48 + 9 * (48 * 64 + 64 * 64 + 64 * 128 + 2 * 128 * 128) + 25 * 128 * 512 + 5120,
    "lenet-5": 500 + 25_000 + 400_000 + 5_000,  # Han et al. (2015): 0.5 K, 25 K, 400 K, 5 K
    "lenet-300-100": 235_200 + 30_000 + 1_000,  # the same: 235 K, 30 K, 1 K
    "tiny-cnn-a1": 8 * 5 * 5 + 16 * 8 * 4 * 4 + 10 * 16 * 3 * 3,
    "tiny-cnn-a2": 8 * 5 * 5 + 16 * 8 * 4 * 4 + 10 * 16 * 3 * 3,
}
"""The weights of networks that papers or our own pages describe, without biases: what the batch norms are for."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's threads fight for cores with those of tests that run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ACCURACY)
def test_accuracy(name: str) -> None:
    """On the excerpt, less three standard deviations of what 1,000 images can differ by."""
    entry = zoo.MODELS[name]
    images = data.excerpt(entry.dataset)
    model = zoo.load(name)
    assert not model.training
    with torch.inference_mode():
        labels = model(torch.from_numpy(images.real()).reshape(-1, *entry.input_shape)).numpy().argmax(1)
    promised = ACCURACY[name]
    assert (labels == images.y).mean() >= promised - 3 * math.sqrt(promised * (1 - promised) / len(images))


@pytest.mark.parametrize("name", WEIGHTS)
def test_size_is_the_stated_one(name: str) -> None:
    model = zoo.MODELS[name].factory()
    assert sum(layer.weight.numel() for layer in model.modules() if isinstance(layer, QuantConv2d | QuantLinear)) == WEIGHTS[name]


def test_every_trained_model_promises_an_accuracy_and_is_small() -> None:
    trained = {name for name, entry in zoo.MODELS.items() if entry.weights}
    assert trained == ACCURACY.keys()
    for name in trained:
        assert zoo.MODELS[name].weights.stat().st_size < 1_000_000  # type: ignore[union-attr]


@pytest.mark.parametrize("name", zoo.MODELS)
def test_lowers_and_the_integers_are_those_of_brevitas(name: str) -> None:
    """Nearly every code of every activation is what Brevitas computes in float32, which rounds; and no layer has died."""
    entry = zoo.MODELS[name]
    assert entry.name == name
    images = data.excerpt(entry.dataset)
    model = zoo.load(name)
    real = images.real()[:BATCH].reshape(-1, *entry.input_shape)
    imported = import_brevitas(model, torch.from_numpy(real[:1]), name=name, input_scale=entry.input_scale)
    x = layout.to_hardware(images.x[:BATCH], imported.input.shape)
    counted = activations(model, imported, x, real)
    assert counted
    for found in counted:
        assert found.differing <= found.codes * 1e-3, found
    graph = lower(imported)
    found = Executor(graph, threads=1).trace(x)
    for op in graph.ops:
        if op.kind == "Threshold" and op.inputs != (graph.input.name,):
            values = found[op.name].reshape(-1, graph.edges[op.name].channels)
            assert (values.min(axis=0) < values.max(axis=0)).mean() > 0.4, f"most channels of {op.name} are constant"
    assert layout.to_user(found[graph.output]).shape == images.y[:BATCH].shape


def test_seed_makes_the_random_model_without_touching_the_global_one() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (zoo.load("mobilenet-w4a4", seed) for seed in (1, 1, 2))
    for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.fc.weight, other.fc.weight)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_gathered_statistics_are_those_of_the_batch() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4)).eval()
    x = torch.randn(50, 2, 3, 3)
    gather_statistics(model, x)
    assert not model.training
    assert model[1].momentum == 0.1
    first = model[0](x).transpose(0, 1).reshape(3, -1)
    assert torch.allclose(model[1].running_mean, first.mean(1), atol=1e-6)
    assert torch.allclose(model[1].running_var, first.var(1), rtol=1e-5)
    second = model[:4](x)  # in eval mode the first norm now uses the unbiased variance
    assert torch.allclose(model[4].running_mean, second.mean(0), atol=1e-2)
    assert torch.allclose(model[4].running_var, second.var(0), rtol=2e-2)


def test_bad_names() -> None:
    with pytest.raises(InputError, match="did you mean 'tfc-w1a1'"):
        zoo.load("tfc-w1a3")
    with pytest.raises(InputError, match="there are tfc-w1a1"):
        zoo.load("perceptron")
