"""What the tests of compression share: small networks of 8-bit weights, data for them, and whether hardware computes what torch does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from torch import Tensor, nn

from hwqnn import quant
from hwqnn.accelerator import PIXEL, PIXEL_SCALE
from hwqnn.compress import Batches
from hwqnn.frontend import import_brevitas
from hwqnn.passes import Head, lower
from hwqnn.reference import Executor

SHAPE = (1, 6, 6)


def settled(model: nn.Module) -> nn.Module:
    """Batch norm statistics of random images."""
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(torch.rand(64, *SHAPE))
    return model.eval()


@pytest.fixture
def mlp() -> nn.Module:
    """36-8-3, few-bit inputs and activations."""
    torch.manual_seed(1)
    weight = quant.weight("integer", 8, per_channel=False)
    hidden = nn.Sequential(qnn.QuantLinear(36, 8, **weight), nn.BatchNorm1d(8), quant.act("relu", 2))
    return settled(nn.Sequential(nn.Flatten(), quant.act("dorefa", 2), hidden, qnn.QuantLinear(8, 3, **weight)))


@pytest.fixture
def cnn() -> nn.Module:
    """Two convolutions, the second of two groups with strides, padding and dilation, and a dense layer; scales differ by channel."""
    torch.manual_seed(2)
    weight = quant.weight("integer", 8)
    first = nn.Sequential(qnn.QuantConv2d(1, 4, 3, padding=1, **weight), nn.BatchNorm2d(4), quant.act("relu", 2))
    second = nn.Sequential(qnn.QuantConv2d(4, 6, 2, stride=2, padding=1, dilation=2, groups=2, **weight), nn.BatchNorm2d(6), quant.act("relu", 2))
    return settled(nn.Sequential(quant.act("dorefa", 2), first, second, nn.Flatten(), qnn.QuantLinear(54, 3, **weight)))


@pytest.fixture
def batches() -> Batches:
    """Two batches of 24 random images with random labels."""
    random = torch.Generator().manual_seed(0)
    x, y = torch.rand(48, *SHAPE, generator=random), torch.randint(3, (48,), generator=random)

    def passes() -> Iterator[tuple[Tensor, Tensor]]:
        yield x[:24], y[:24]
        yield x[24:], y[24:]

    return passes


@pytest.fixture
def check_lowering() -> Callable[[nn.Module], None]:
    """Asserts that the reference's integer scores are torch's in float64, up to the one scale of all scores."""

    def check(model: nn.Module) -> None:
        images = np.random.default_rng(0).integers(0, 256, (50, *SHAPE), dtype=np.uint8)
        graph = lower(import_brevitas(model, torch.zeros(1, *SHAPE), name="small", input_type=PIXEL, input_scale=PIXEL_SCALE), Head.SCORES)
        got = Executor(graph, threads=1).run(images.transpose(0, 2, 3, 1)).reshape(len(images), -1).astype(np.float64)
        with torch.no_grad():
            want = copy.deepcopy(model).double()(torch.from_numpy(images.astype(np.float64) / 255)).numpy()
        scale = (got * want).sum() / (got * got).sum()
        assert got.any()
        np.testing.assert_allclose(got * scale, want, rtol=1e-6, atol=1e-6 * np.abs(want).max())

    return check
