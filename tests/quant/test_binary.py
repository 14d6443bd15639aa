"""One-bit weights and activations against cases computed by hand."""

from __future__ import annotations

import itertools

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from quant_layers import gradient, linear
from torch import nn

from hwqnn import quant
from hwqnn.errors import InputError

LATENT = [[0.5, -0.25, 0.0], [-1.5, 1.0, 0.25]]
SIGNS = [[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]]


@pytest.mark.parametrize("name", ["sign", "stochastic-sign"])
def test_sign_of_zero_is_plus_one(name):
    assert linear(LATENT, name).quant_weight().value.tolist() == SIGNS


@pytest.mark.parametrize(("ste", "expected"), [("clipped", [[1, 2, 3], [0, 5, 6]]), ("identity", [[1, 2, 3], [4, 5, 6]])])
@pytest.mark.parametrize("name", ["sign", "stochastic-sign"])
def test_gradients_pass_within_one_or_everywhere(name, ste, expected):
    assert gradient(linear(LATENT, name, ste=ste), torch.tensor([[1.0, 2, 3], [4, 5, 6]])).tolist() == expected


def test_stochastic_signs_have_the_hard_sigmoid_s_probability():
    torch.manual_seed(0)
    layer = linear([[-2.0, -0.5, 0.0, 0.5, 2.0]] * 4000, "stochastic-sign").train()
    ones = (layer.quant_weight().value > 0).double().mean(0)
    assert ones[0] == 0
    assert ones[4] == 1
    assert torch.allclose(ones[1:4], torch.tensor([0.25, 0.5, 0.75]).double(), atol=0.03)  # four standard deviations


def test_xnor_scales_by_the_mean_magnitude_of_each_output_channel():
    layer = linear(LATENT, "xnor")
    found = layer.quant_weight()
    alpha = torch.tensor([[0.25], [2.75 / 3]])
    assert torch.equal(found.value, torch.tensor(SIGNS) * alpha)
    # g (1/n + alpha 1[|w| <= 1]): the weight -1.5 gets 1/n alone
    expected = torch.tensor([[1 / 3 + 0.25] * 3, [1 / 3, 1 / 3 + 2.75 / 3, 1 / 3 + 2.75 / 3]])
    assert torch.allclose(gradient(layer, torch.ones(2, 3)), expected)


@pytest.mark.parametrize("name", ["optimal-binary", "dorefa"])
def test_one_scale_for_the_layer(name):
    layer = linear([[1.0, -2.0], [3.0, -4.0]], name, 1)
    assert layer.quant_weight().value.tolist() == [[2.5, -2.5], [2.5, -2.5]]
    assert gradient(layer, torch.tensor([[1.0, 2], [3, 4]])).tolist() == [[1, 2], [3, 4]]


def test_no_scaled_signs_are_nearer():
    """Against every sign pattern, each with the alpha that a least-squares fit gives it."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        w = rng.normal(size=6).astype(np.float32)
        found = linear([w.tolist()], "optimal-binary").quant_weight().value.detach().numpy()[0]
        patterns = np.array(list(itertools.product((-1, 1), repeat=6)))
        fits = [np.linalg.lstsq(p[:, None].astype(float), w.astype(float), rcond=None)[1][0] for p in patterns]
        assert ((w - found) ** 2).sum() <= min(fits) + 1e-6


def test_the_activations_sign():
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
    for ste, passed in (("clipped", [0, 1, 1, 1, 0]), ("identity", [1, 1, 1, 1, 1])):
        y = x.clone().requires_grad_()
        out = quant.act("sign", ste=ste)(y)
        out.sum().backward()
        assert out.tolist() == [-1, -1, 1, 1, 1]
        assert y.grad.tolist() == passed


def test_the_stochastic_activation_draws_in_training_and_has_the_sign_in_eval_mode():
    torch.manual_seed(0)
    act = quant.act("stochastic-sign")
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0]).repeat(4000, 1).requires_grad_()
    out = act.train()(x)
    out.sum().backward()
    assert torch.allclose((out > 0).double().mean(0), torch.tensor([0, 0.25, 0.75, 1]).double(), atol=0.03)
    assert x.grad[0].tolist() == [0, 1, 1, 0]
    assert act.eval()(x)[7].tolist() == [-1, -1, 1, 1]


def by_hand(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """XNOR-Net's (sign(I) conv W) * K with zero padding of 1 and a 3 x 3 kernel, place by place."""
    _, height, width = x.shape
    signs, magnitude = np.where(x >= 0, 1.0, -1.0), np.abs(x).mean(0)
    out = np.zeros((len(weight), height, width))
    for row, column in itertools.product(range(height), range(width)):
        taps = [(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2) if 0 <= r < height and 0 <= c < width]
        k = sum(magnitude[r, c] for r, c in taps) / 9
        for o in range(len(weight)):
            out[o, row, column] = k * sum(signs[:, r, c] @ weight[o, :, r - row + 1, c - column + 1] for r, c in taps)
    return out


def test_the_input_scale_of_a_convolution():
    torch.manual_seed(0)
    layer = qnn.QuantConv2d(2, 3, 3, padding=1, **quant.weight("xnor"))
    scaled = quant.InputScaled(quant.act("sign"), layer)
    x = torch.randn(2, 2, 4, 5, requires_grad=True)
    out = scaled(x)
    weight = layer.quant_weight().value.detach().double().numpy()
    for image, of in zip(x.detach().double().numpy(), out.detach().numpy(), strict=True):
        assert np.allclose(of, by_hand(image, weight), atol=1e-5)
    out.square().sum().backward()
    assert layer.weight.grad.abs().sum() > 0
    assert x.grad.abs().sum() > 0


def test_the_input_scale_of_a_dense_layer_is_the_mean_magnitude():
    layer = linear([[1.0, -1.0]], "sign")
    assert quant.InputScaled(quant.act("sign"), layer)(torch.tensor([[3.0, -1.0]])).tolist() == [[4.0]]


def test_the_input_scale_needs_a_layer_that_it_can_follow():
    with pytest.raises(InputError, match="needs a QuantConv2d without dilation or a QuantLinear, not Conv2d"):
        quant.InputScaled(quant.act("sign"), nn.Conv2d(1, 1, 3))
