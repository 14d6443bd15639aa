"""Every family, in networks: it trains, its weights in eval mode are integers times a scale, and the lowered network gives torch's labels."""

from __future__ import annotations

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from hwqnn import quant
from hwqnn.errors import UnsupportedError
from hwqnn.frontend import import_brevitas
from hwqnn.passes import Head, lower
from hwqnn.reference import Executor
from hwqnn.zoo.quant import spread_weights

WEIGHTS = [(family.name, bits) for family in quant.WEIGHTS.values() for bits in sorted({family.bits[0], family.bits[len(family.bits) // 2]})]
ACTS = [(family.name, bits) for family in quant.ACTS.values() for bits in sorted({family.bits[0], min(family.bits[-1], 4)})]
VARIANTS = [
    ("sign", 1, {"ste": "identity"}),
    ("optimal-binary", 1, {"per_channel": True}),
    ("ternary", 2, {"per_channel": True}),
    ("optimal-ternary", 2, {"per_channel": True}),
    ("general", 3, {"scaling": "minmax", "per_channel": True}),
    ("general", 4, {"scaling": "minmax", "rounding": "stochastic"}),
    ("balanced", 3, {"middle": "mean"}),
    ("integer", 3, {"per_channel": False}),
]
CASES = [(name, bits, {}) for name, bits in WEIGHTS] + VARIANTS


def quantized(name, bits, options):
    """Arguments of a layer; a codebook of few bits cannot hold its usual four values."""
    return quant.weight(name, bits, **({"values": 3} if name == "codebook" else {}), **options)


def network(weight, act, convolutional, seed):
    torch.manual_seed(seed)
    if convolutional:
        return nn.Sequential(
            qnn.QuantConv2d(2, 4, 3, padding=1, **weight), nn.MaxPool2d(2), nn.BatchNorm2d(4), act, nn.Flatten(), qnn.QuantLinear(16, 3, **weight)
        )  # fmt: skip
    return nn.Sequential(nn.Flatten(), qnn.QuantLinear(32, 8, **weight), nn.BatchNorm1d(8), act, qnn.QuantLinear(8, 3, **weight))


def problem(images, seed):
    """uint8 (N, 2, 4, 4), and the label that a random linear map gives each."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (images, 2, 4, 4), dtype=np.uint8)
    return x, (x.reshape(images, -1) - 127.5) @ rng.normal(size=(32, 3))


def real(x):
    return torch.from_numpy(x.astype(np.float32) / 255)


def trained(model, seed, steps=60):
    """`model` after some steps of Adam; the loss of the first three steps and of the last three."""
    x, scores = problem(256, seed)
    inputs, labels = real(x), torch.from_numpy(scores.argmax(1))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(steps):
        out = model.train()(inputs)
        loss = functional.cross_entropy(out / out.detach().std().clamp(min=1e-3), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        quant.clip_latent_weights(model)
        losses.append(loss.item())
    quant.settle_norms(model, [inputs])
    return sum(losses[:3]), sum(losses[-3:])


def in_float64(model, x):
    """Scores by plain torch layers of the float32 weights, in float64: what the model means."""
    out = x.double()
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, qnn.QuantConv2d):
                out = functional.conv2d(out, layer.quant_weight().value.double(), stride=layer.stride, padding=layer.padding)
            elif isinstance(layer, qnn.QuantLinear):
                out = out @ layer.quant_weight().value.double().T
            else:
                out = layer.double()(out)
                layer.float()
    return out.numpy()


def check(model, seed):
    model.eval()
    for layer in model.modules():
        if isinstance(layer, qnn.QuantConv2d | qnn.QuantLinear):
            weight = layer.quant_weight()
            integers = torch.round(weight.value / weight.scale)
            assert torch.equal(integers * weight.scale, weight.value)
            assert weight.value.abs().sum() > 0
    graph = lower(import_brevitas(model, torch.zeros(1, 2, 4, 4), name="quantized"), Head.LABEL)
    x, _ = problem(400, seed + 1)
    labels = Executor(graph).run(np.moveaxis(x, 1, -1) if len(graph.input.shape) == 3 else x.reshape(400, -1)).reshape(-1)
    scores = in_float64(model, real(x))
    greatest = scores >= scores.max(1, keepdims=True) - 1e-6 * np.abs(scores).max()  # of equal scores, which float64 rounds apart, the first wins
    assert np.array_equal(labels, greatest.argmax(1))
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize("convolutional", [False, True])
@pytest.mark.parametrize(("name", "bits", "options"), CASES)
def test_weights(name, bits, options, convolutional):
    seed = 10 * bits + convolutional
    act = quant.act("sign") if name == "stochastic-sign" else quant.act("dorefa", 2)  # of drawn signs and codes >= 0, one class gets the most
    model = network(quantized(name, bits, options), act, convolutional, seed)
    if name == "stochastic-sign":
        spread_weights(model)  # BinaryConnect's start: the smaller the latent weights, the more of a coin toss each drawn one is
    before, after = trained(model, seed)
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model[-1].parameters())
    if not (convolutional and name == "stochastic-sign"):  # 72 coins in front of a max pool: noise that 60 steps do not train through
        assert after < 0.95 * before
    check(model, seed)


@pytest.mark.parametrize("convolutional", [False, True])
@pytest.mark.parametrize(("name", "bits"), ACTS)
def test_activations(name, bits, convolutional):
    seed = 10 * bits + convolutional
    model = network(quant.weight("dorefa", 2), quant.act(name, bits), convolutional, seed)
    before, after = trained(model, seed)
    assert after < 0.95 * before
    check(model, seed)


def test_quantized_gradients_train_and_are_nothing_in_hardware():
    torch.manual_seed(0)
    layers = network(quant.weight("dorefa", 2), quant.act("dorefa", 2), False, 0)
    model = nn.Sequential(*(module for layer in layers for module in (layer, quant.QuantizedGradient(4))))
    before, after = trained(model, 0)
    assert after < 0.95 * before
    check(model, 0)


def test_the_input_scale_trains_but_is_refused_with_the_variant_to_take():
    torch.manual_seed(0)
    xnor = quant.weight("xnor")
    scaled = quant.InputScaled(quant.act("sign"), qnn.QuantLinear(8, 3, **xnor))
    model = nn.Sequential(nn.Flatten(), qnn.QuantLinear(32, 8, **xnor), nn.BatchNorm1d(8), scaled)
    before, after = trained(model, 0)
    assert after < 0.95 * before
    with pytest.raises(UnsupportedError, match=r"layer '3' \(InputScaled\): XNOR-Net's input scale K .* use the variant without it"):
        import_brevitas(model.eval(), torch.zeros(1, 2, 4, 4), name="scaled")
    check(nn.Sequential(*model[:3], scaled.act, scaled.layer), 0)
