"""Codebooks: the best values against all sets of values, the gradient of the shared values, and the method."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from torch import nn

from hwqnn import compress, quant
from hwqnn.compress import Batches
from hwqnn.compress.codebook import Codebook
from hwqnn.compress.layers import integers
from hwqnn.errors import InputError
from hwqnn.quant.codebook import best_codebook


def error(weight: np.ndarray, importance: np.ndarray, values: np.ndarray) -> float:
    return float((importance * ((weight[:, None] - values) ** 2).min(1)).sum())


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_no_other_codebook_is_better(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    weight, importance = random.normal(0, 3, 40), random.random(40) ** 3
    got = best_codebook(weight, importance, count, 4)
    assert len(got) <= count and (np.diff(got) > 0).all()
    want = min(error(weight, importance, np.array(each)) for each in combinations(range(-7, 8), count))
    assert error(weight, importance, got) == pytest.approx(want)


def test_by_hand() -> None:
    """Two groups, 1 1 2 and 9 10: 4/3 and 9.5 are best, so of integers 1 and 9 or 10. A weight of a hundred pulls 2 to itself."""
    weight = np.array([1.0, 1.0, 2.0, 9.0, 10.0])
    assert best_codebook(weight, np.ones(5), 2, 5).tolist() in ([1, 9], [1, 10])
    assert best_codebook(weight, np.array([1.0, 1.0, 100.0, 100.0, 1.0]), 2, 5).tolist() == [2, 9]
    assert best_codebook(np.array([3.0, 3.0]), np.ones(2), 4, 5).tolist() == [3]  # fewer where fewer do


def codebook_layer(**options: object) -> qnn.QuantLinear:
    torch.manual_seed(0)
    return qnn.QuantLinear(30, 10, **quant.weight("codebook", 5, **options))


def test_shared_values_take_the_sum_of_their_weights_gradients() -> None:
    """Han et al. 2016, eq. 3."""
    layer = codebook_layer(values=4)
    with torch.no_grad():
        value = layer.quant_weight().value
    upstream = torch.randn(10, 30)
    (layer.quant_weight().value * upstream).sum().backward()
    centroids = layer.weight_quant.tensor_quant.centroids
    want = [upstream[value == v].sum().item() for v in value.unique()]
    assert len(want) == 4
    np.testing.assert_allclose(centroids.grad.numpy(), want, rtol=1e-5)
    assert torch.equal(layer.weight.grad, upstream)  # straight through


def test_a_weight_takes_the_nearest_value_until_its_cluster_is_fixed() -> None:
    layer = codebook_layer(values=3)
    quantizer = layer.weight_quant.tensor_quant
    quantizer.centroids.data = torch.tensor([-0.1, 0.0, 0.15])
    got = layer.quant_weight()
    shared = got.value.unique()
    assert torch.equal(got.value, shared[(layer.weight[..., None] - shared).abs().argmin(-1)])
    assert torch.equal(torch.round(got.value / got.scale) * got.scale, got.value)
    assert torch.round(got.value / got.scale).abs().max() == 15


def test_fine_tuning_moves_the_values_and_not_the_clusters(mlp: nn.Module, batches: Batches, check_lowering) -> None:
    done = compress.run(mlp, [Codebook(3, 5, curvature="block")], batches)
    layer = done.model[3]
    before = integers("3", layer).values
    x, y = next(batches())
    optimizer = torch.optim.SGD([p for p in done.model.parameters() if p.requires_grad], lr=0.02)
    done.model.train()
    for _ in range(10):
        optimizer.zero_grad()
        nn.functional.cross_entropy(done.model(x), y).backward()
        optimizer.step()
    done.model.eval()
    after = integers("3", layer).values
    assert not torch.equal(before, after)
    assert len({(int(a), int(b)) for a, b in zip(before.flatten(), after.flatten(), strict=True)}) == len(before.unique())
    check_lowering(done.model)


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_what_is_planned_is_what_hardware_computes(network: str, request: pytest.FixtureRequest, batches: Batches) -> None:
    model, method = request.getfixturevalue(network), Codebook(4, curvature="diagonal")
    plan = method.plan(model, batches)
    after = method.apply(model, plan)
    for name, each in plan.layers.items():
        got = integers(name, dict(after.named_modules())[name]).values
        assert torch.equal(got.flatten(1), each.weights)
        assert set(got.flatten().tolist()) <= set(each.values)
        assert len(each.values) <= 4
    request.getfixturevalue("check_lowering")(after)


def test_bad_options() -> None:
    for options, message in (
        ({"values": 0}, "a codebook of 0 values of 5 bits: 1 to 31"),
        ({"values": 8, "bits": 3}, "a codebook of 8 values of 3 bits: 1 to 7"),
        ({"bits": 9}, "codebook values of 9 bits: 2 to 8"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make("codebook", **options)
