"""Learned discrete weights: moments by hand, and the local reparameterization against weights that are drawn."""

from __future__ import annotations

import copy
import math

import brevitas.nn as qnn
import pytest
import torch
from quant_layers import linear

from hwqnn import quant


def set_probabilities(layer, zero, positive):
    """P(w = 0), and P(w = 1 | w != 0), of every weight."""
    quantizer = layer.weight_quant.tensor_quant
    if quantizer.zero_logit is not None:
        quantizer.zero_logit.data = torch.logit(torch.tensor(zero))
    quantizer.sign_logit.data = torch.logit(torch.tensor(positive))
    return quantizer


def test_moments_and_the_likeliest_value_by_hand():
    layer = linear([[0.0, 0.0, 0.0]], "learned-discrete", 2)
    quantizer = set_probabilities(layer, [[0.5, 0.2, 0.4]], [[0.9, 0.25, 0.6]])
    mean, variance = quantizer.moments()
    assert torch.allclose(mean, torch.tensor([[0.5 * 0.8, 0.8 * -0.5, 0.6 * 0.2]]))
    assert torch.allclose(variance, torch.tensor([[0.5 - 0.4**2, 0.8 - 0.4**2, 0.6 - 0.12**2]]))
    # 0.5 against 0.45; 0.2 against 0.6; 0.4 against 0.36
    assert layer.quant_weight().value.tolist() == [[0, -1, 0]]


def test_binary_weights_have_no_zero():
    layer = linear([[0.0, 0.0]], "learned-discrete", 1)
    set_probabilities(layer, None, [[0.6, 0.3]])
    assert layer.quant_weight().value.tolist() == [[1, -1]]
    mean, variance = layer.weight_quant.tensor_quant.moments()
    assert torch.allclose(mean, torch.tensor([[0.2, -0.4]]))
    assert torch.allclose(variance, 1 - mean**2)


def test_it_starts_from_the_layer_s_weights():
    """LR-net, section 3.3: far weights are rarely 0, and their signs are kept."""
    torch.manual_seed(0)
    layer = qnn.QuantLinear(200, 3, **quant.weight("learned-discrete", 2))
    quantizer, weight = layer.weight_quant.tensor_quant, layer.weight
    assert torch.equal(quantizer.moments()[0] > 0, weight > 0)
    order = weight.abs().flatten().argsort()
    zeros = torch.sigmoid(quantizer.zero_logit).flatten()[order]
    assert (zeros.diff() <= 1e-6).all()
    assert zeros[0] > 0.9


@pytest.mark.parametrize("bits", [1, 2])
@pytest.mark.parametrize("convolution", [False, True])
def test_the_noise_is_that_of_drawn_weights(bits, convolution):
    """Outputs in training have the mean and deviation that outputs under weights drawn from their distributions have."""
    torch.manual_seed(0)
    kwargs = quant.weight("learned-discrete", bits)
    layer = qnn.QuantConv2d(3, 2, 3, padding=1, **kwargs) if convolution else qnn.QuantLinear(12, 2, **kwargs)
    layer = copy.deepcopy(layer).train()  # a copy must make the same noise
    x = torch.rand(1, 3, 4, 4) if convolution else torch.rand(1, 12)
    quantizer = layer.weight_quant.tensor_quant
    mean = [quantizer.zero_logit, quantizer.sign_logit]
    zero = torch.zeros_like(mean[1]) if bits == 1 else torch.sigmoid(mean[0])
    positive = torch.sigmoid(mean[1])
    draws = 6000
    with torch.no_grad():
        outputs = torch.stack([layer(x) for _ in range(draws)])
        drawn = []
        for _ in range(draws):
            weight = torch.where(torch.rand_like(zero) < zero, 0.0, torch.where(torch.rand_like(zero) < positive, 1.0, -1.0))
            drawn.append(layer.inner_forward_impl(x, weight, None))
        drawn = torch.stack(drawn)
    tolerance = 6 * drawn.std(0) / math.sqrt(draws)
    assert ((outputs.mean(0) - drawn.mean(0)).abs() < math.sqrt(2) * tolerance).all()
    assert torch.allclose(outputs.std(0), drawn.std(0), rtol=0.08)


def test_no_noise_in_eval_mode():
    layer = linear([[0.4, -0.2, 1.0]], "learned-discrete", 2)
    x = torch.rand(2, 3)
    assert torch.equal(layer(x), x @ layer.quant_weight().value.T)
