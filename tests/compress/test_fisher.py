"""The Fisher information against gradients that autograd gives sample by sample, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from torch import Tensor, nn

from hwqnn import quant
from hwqnn.compress import Batches, fisher
from hwqnn.compress.fisher import FORMS, Block, Diagonal, Kronecker
from hwqnn.errors import InputError


def gradients(model: nn.Module, batches: Batches) -> dict[str, Tensor]:
    """Of each sample's own label, (N, out, in): what comes back to a latent weight, straight through its quantizer."""
    layers = {name: m for name, m in model.named_modules() if isinstance(m, qnn.QuantLinear | qnn.QuantConv2d)}
    found: dict[str, list[Tensor]] = {name: [] for name in layers}
    for x, y in batches():
        for n in range(len(x)):
            model.zero_grad()
            nn.functional.cross_entropy(model(x[n : n + 1]), y[n : n + 1]).backward()
            for name, layer in layers.items():
                found[name].append(layer.weight.grad.double().flatten(1).clone())
    return {name: torch.stack(each) for name, each in found.items()}


def unclipped(model: nn.Module) -> nn.Module:
    """Latent weights where their quantizer has them, so that none is clipped and every gradient passes."""
    for layer in model.modules():
        if isinstance(layer, qnn.QuantLinear | qnn.QuantConv2d):
            layer.weight.data = layer.quant_weight().value.detach() * 0.999
    return model


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_diagonal_and_blocks_are_the_covariance_of_single_gradients(name: str, request: pytest.FixtureRequest, batches: Batches) -> None:
    model = unclipped(request.getfixturevalue(name))
    single = gradients(model, batches)
    diagonal, block = (fisher(model, batches, form, empirical=True) for form in ("diagonal", "block"))
    for layer, g in single.items():
        assert g.abs().max() > 0
        np.testing.assert_allclose(diagonal[layer].diagonal, (g**2).mean(0), rtol=1e-4, atol=1e-9)
        for o in range(g.shape[1]):
            want = sum(torch.outer(row, row) for row in g[:, o]) / len(g)
            np.testing.assert_allclose(block[layer].matrices[o], want, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("places", [1, 3])
def test_a_diagonal_sums_the_squares_of_whole_gradients(places: int) -> None:
    """Of 5 samples, 2 groups of 3 inputs and 4 outputs: integers, so exactly."""
    random, sums = torch.Generator().manual_seed(places), FORMS["diagonal"]()
    inputs, back = (torch.randint(-9, 10, (5, 2, features, places), generator=random).float() for features in (3, 4))
    sums.add(inputs, back)
    gradients = back @ inputs.transpose(2, 3)
    assert torch.equal(sums.mean(1).diagonal, (gradients.double() ** 2).sum(0).flatten(0, 1))


def test_kronecker_factors_are_second_moments(mlp: nn.Module, batches: Batches) -> None:
    found = fisher(mlp, batches, "kronecker", empirical=True)["3"]
    inputs, back = [], []
    for x, y in batches():
        for n in range(len(x)):
            a = mlp[:3](x[n : n + 1]).detach()
            scores = mlp[3](a)
            inputs.append(a[0])
            back.append(scores.softmax(1)[0].detach() - nn.functional.one_hot(y[n], 3))  # d cross-entropy / d scores
    for factor, vectors in ((found.inputs, inputs), (found.outputs, back)):
        np.testing.assert_allclose(factor, sum(torch.outer(v, v) for v in vectors) / len(vectors), rtol=1e-4, atol=1e-7)


def test_two_classes_of_equal_odds() -> None:
    """Weights 0 give scores (0, 0): whatever label is drawn, the scores' gradient is (+-1/2, -+1/2). So F_oo' of an input a is +-aa'/4."""
    layer = qnn.QuantLinear(2, 2, bias=False, weight_quant=quant.SignedDigitWeight, weight_exponent=0)
    layer.weight.data.zero_()
    model, x = nn.Sequential(layer), torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    found = {form: fisher(model, lambda: iter([(x, torch.zeros(2, dtype=torch.int64))]), form)["0"] for form in ("diagonal", "block", "kronecker")}
    moments = torch.tensor([[5.0, 1.0], [1.0, 2.0]], dtype=torch.float64)  # mean of aa' of the two inputs
    assert torch.equal(found["diagonal"].diagonal, moments.diagonal().expand(2, 2) / 4)
    assert torch.equal(found["block"].matrices, moments.expand(2, 2, 2) / 4)
    assert torch.equal(found["kronecker"].inputs, moments)
    assert torch.equal(found["kronecker"].outputs, torch.tensor([[0.25, -0.25], [-0.25, 0.25]], dtype=torch.float64))


def test_drawn_labels_come_near_the_expectation_over_all_labels(mlp: nn.Module) -> None:
    x = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(3))
    chances = mlp(x).softmax(1)[0].detach()
    want = 0.0
    for label, chance in enumerate(chances):
        mlp.zero_grad()
        nn.functional.cross_entropy(mlp(x), torch.tensor([label])).backward()
        want = want + chance * mlp[3].weight.grad.double() ** 2
    got = fisher(mlp, lambda: iter([(x.expand(20000, -1, -1, -1), torch.zeros(20000, dtype=torch.int64))]), "diagonal")["3"]
    np.testing.assert_allclose(got.diagonal, want, rtol=0.05)


def test_losses_are_half_the_quadratic_form() -> None:
    random = torch.Generator().manual_seed(0)
    change = torch.randn(2, 3, generator=random, dtype=torch.float64)
    a, g = (m @ m.T for m in (torch.randn(n, n, generator=random, dtype=torch.float64) for n in (3, 2)))
    blocks = torch.stack([a, 2 * a])
    flat = change.flatten()
    for curvature, h in (
        (Diagonal(torch.outer(g.diagonal(), a.diagonal())), torch.diag(torch.kron(g.diagonal(), a.diagonal()))),
        (Block(blocks), torch.block_diag(a, 2 * a)),
        (Kronecker(a, g), torch.kron(g, a)),
    ):
        assert curvature.loss(change) == pytest.approx(float(flat @ h @ flat / 2))
        np.testing.assert_allclose(curvature.diagonal.flatten(), h.diagonal())


def test_the_loss_foretells_what_a_small_change_costs(mlp: nn.Module) -> None:
    """Of the cross-entropy to the model's own answer, whose gradient is 0 and whose Hessian is the Fisher information."""
    random = torch.Generator().manual_seed(5)
    x = torch.rand(4000, 1, 6, 6, generator=random)
    kept = mlp(x).detach().log_softmax(1)
    curvature = fisher(mlp, lambda: iter([(x, torch.zeros(len(x), dtype=torch.int64))]), "block")["3"]
    layer = mlp[3]
    step = layer.quant_weight().scale.detach().double()
    change = torch.randint(-1, 2, (3, 8), generator=random) * step
    changed = (layer.quant_weight().value.detach().double() + change).float()
    after = nn.functional.linear(mlp[:3](x), changed).detach().log_softmax(1)
    rise = float((kept.exp() * (kept - after)).sum(1).mean())
    assert curvature.loss(change) == pytest.approx(rise, rel=0.15)  # blocks leave out what outputs have in common


def test_what_cannot_be(mlp: nn.Module, cnn: nn.Module, batches: Batches) -> None:
    with pytest.raises(InputError, match="no form 'diagnal'"):
        fisher(mlp, batches, "diagnal")
    with pytest.raises(InputError, match="no batches"):
        fisher(mlp, lambda: iter(()), "diagonal")
    with pytest.raises(InputError, match="2 groups has no Kronecker form"):
        fisher(cnn, batches, "kronecker")
    with pytest.raises(InputError, match=r"class scores \(N, classes\), not \(24, 4, 6, 6\)"):
        fisher(cnn[:2], batches, "diagonal")
    with pytest.raises(InputError, match="nothing to compress"):
        fisher(nn.Sequential(nn.Linear(2, 2)), batches, "diagonal")
