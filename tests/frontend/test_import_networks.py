"""Imported graphs, evaluated exactly, against what Brevitas computes in float32: every activation's codes, the label, the real outputs."""

from __future__ import annotations

from fractions import Fraction

import brevitas.nn as qnn
import exact_model
import numpy as np
import pytest
import torch
from brevitas.core.function_wrapper import CeilSte, FloorSte
from brevitas.core.quant import QuantType
from brevitas.quant import (
    Int8AccumulatorAwareWeightQuant,
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8ActPerTensorFloatMinMaxInit,
    Int8Bias,
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    ShiftedUint8ActPerTensorFloat,
    ShiftedUint8WeightPerChannelFloat,
    ShiftedUint8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryActPerTensorConst,
    SignedTernaryWeightPerTensorConst,
    Uint8ActPerTensorFloat,
)
from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint
from brevitas_examples.bnn_pynq.models.common import CommonActQuant, CommonWeightQuant
from brevitas_examples.bnn_pynq.models.FC import FC
from brevitas_examples.bnn_pynq.models.tensor_norm import TensorNorm
from torch import nn

from hwqnn import ir
from hwqnn.frontend import import_brevitas

N_IN, HIDDEN, N_OUT = 12, 6, 5


class TernaryWeight(CommonWeightQuant):
    quant_type = QuantType.TERNARY
    bit_width = 2
    threshold = 0.3


class TernaryAct(CommonActQuant):
    quant_type = QuantType.TERNARY
    bit_width = 2
    threshold = 0.3


class FloorAct(Uint8ActPerTensorFloat):
    float_to_int_impl = FloorSte


class CeilAct(Int8ActPerTensorFloat):
    float_to_int_impl = CeilSte


class FloorWeight(Int8WeightPerTensorFloat):
    float_to_int_impl = FloorSte


WEIGHTS = {
    "binary": {"weight_quant": SignedBinaryWeightPerTensorConst},
    "binary1": {"weight_quant": CommonWeightQuant, "weight_bit_width": 1},
    "ternary2": {"weight_quant": SignedTernaryWeightPerTensorConst},
    "ternary": {"weight_quant": TernaryWeight},
    "int8": {"weight_quant": Int8WeightPerTensorFloat},
    "int4 wide": {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": 4, "weight_narrow_range": False},
    "int3 channel": {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": 3},
    "fixed": {"weight_quant": Int8WeightPerTensorFixedPoint},
    "fixed channel": {"weight_quant": Int8WeightPerChannelFixedPoint, "weight_bit_width": 5},
    "shifted": {"weight_quant": ShiftedUint8WeightPerTensorFloat},
    "shifted channel": {"weight_quant": ShiftedUint8WeightPerChannelFloat, "weight_bit_width": 4},
    "floor": {"weight_quant": FloorWeight, "weight_bit_width": 4},
}


def hardtanh(bits: int, **options: object) -> nn.Module:
    return qnn.QuantHardTanh(act_quant=Int8ActPerTensorFloatMinMaxInit, min_val=-1.5, max_val=1.5, bit_width=bits, **options)


def relu(bits: int, **options: object) -> nn.Module:
    return qnn.QuantReLU(bit_width=bits, **options)


ACTIVATIONS = {
    "sign": lambda: qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst),
    "common1": lambda: qnn.QuantIdentity(act_quant=CommonActQuant, bit_width=1),
    "common2": lambda: qnn.QuantIdentity(act_quant=CommonActQuant, bit_width=2, return_quant_tensor=True),
    "ternary2": lambda: qnn.QuantIdentity(act_quant=SignedTernaryActPerTensorConst),
    "ternary": lambda: qnn.QuantIdentity(act_quant=TernaryAct),
    "relu1": lambda: relu(1),
    "relu2": lambda: relu(2, return_quant_tensor=True),
    "relu narrow3": lambda: relu(3, narrow_range=True),
    "relu5": lambda: relu(5),
    "relu8": lambda: relu(8),
    "identity3": lambda: qnn.QuantIdentity(bit_width=3),
    "identity narrow4": lambda: qnn.QuantIdentity(bit_width=4, narrow_range=True, return_quant_tensor=True),
    "identity fixed6": lambda: qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=6),
    "hardtanh2": lambda: hardtanh(2),
    "hardtanh7": lambda: hardtanh(7),
    "shifted": lambda: qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=4),
    "floor": lambda: qnn.QuantReLU(act_quant=FloorAct, bit_width=3),
    "ceil": lambda: qnn.QuantIdentity(act_quant=CeilAct, bit_width=3),
    "sign of relu": lambda: qnn.QuantReLU(act_quant=SignedBinaryActPerTensorConst, scaling_init=0.5),
    "relu then": lambda: nn.Sequential(nn.ReLU(), qnn.QuantIdentity(bit_width=3)),
    "hardtanh then": lambda: nn.Sequential(nn.Hardtanh(-0.3, 0.7, inplace=True), qnn.QuantIdentity(bit_width=4)),
}


class Unit(nn.Module):
    """Pixels to [-1, 1], as every example in this file starts."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2.0 * x - torch.tensor([1.0])


def randomize(model: nn.Module, seed: int) -> nn.Module:
    """Random weights, biases and batch norms (negative and zero gammas), and activation ranges from a few training steps."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: torch.Tensor, lo: float, hi: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=generator) * (hi - lo) + lo

    for module in model.modules():
        if isinstance(module, qnn.QuantLinear):
            module.weight.data = uniform(module.weight, -1, 1)
            if module.bias is not None:
                module.bias.data = uniform(module.bias, -1, 1)
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.data = uniform(module.running_mean, -1, 1)
            module.running_var.data = uniform(module.running_var, 0.1, 3)
            if module.affine:
                module.weight.data = uniform(module.weight, -1, 1)
                module.weight.data[1] = 0.0
                module.bias.data = uniform(module.bias, -1, 1)
    model.train()
    statistics = {key: value.clone() for key, value in model.state_dict().items() if "running" in key}
    for _ in range(3):
        model(torch.rand((32, *sample_shape(model)), generator=generator))
    model.load_state_dict({**model.state_dict(), **statistics})
    return model.eval()


def sample_shape(model: nn.Module) -> tuple[int, ...]:
    return getattr(model, "sample_shape", (N_IN,))


def check(model: nn.Module, seed: int = 0, samples: int = 5, pixels: np.ndarray | None = None) -> ir.Graph:
    """Imports the model and compares it with its own float32 outputs, edge by edge; returns the graph."""
    shape = sample_shape(model)
    if pixels is None:
        pixels = np.random.default_rng(seed).integers(0, 256, (samples, *shape))
    x = torch.tensor(pixels, dtype=torch.float32) / 255
    graph = import_brevitas(model, x[:1], name="net")
    assert graph.input.type == ir.UInt(8)

    codes: dict[str, np.ndarray] = {}

    def watch(name: str, layer: nn.Module) -> None:
        def hook(module: nn.Module, args: object, out: torch.Tensor) -> None:
            value = getattr(out, "value", out)
            codes[name] = torch.round(value / layer.act_quant.scale()).reshape(len(x), -1).numpy().astype(int)

        layer.register_forward_hook(hook)

    for name, layer in model.named_modules():
        if hasattr(layer, "act_quant"):
            watch(name, layer)
    with torch.no_grad():
        out = model(x)
        out = getattr(out, "value", out).reshape(len(x), -1).numpy()
    requantized = {op.name for op in graph.ops if isinstance(op, ir.Requantize)}
    assert set(codes) & requantized, "the test must compare something"
    for i, row in enumerate(pixels.reshape(len(x), -1)):
        values = exact_model.trace(graph, row.tolist())
        for name in set(codes) & requantized:
            assert values[name] == codes[name][i].tolist(), name
        reals = [float(real) for real in exact_model.real_outputs(graph, row.tolist())]
        np.testing.assert_allclose(out[i], reals, rtol=1e-4, atol=1e-4)
        second, first = sorted(out[i].tolist())[-2:]
        if first - second > 1e-4:  # closer than this, float32 cannot tell
            assert exact_model.label(graph, row.tolist()) == int(out[i].argmax())
    return graph


GRID = [(weight, activation) for i, weight in enumerate(WEIGHTS) for j, activation in enumerate(ACTIVATIONS) if (i + j) % 3 == 0]
"""A third of all pairs keeps this short; every quantizer meets many others."""


@pytest.mark.parametrize(("weight", "activation"), GRID)
def test_grid(weight: str, activation: str) -> None:
    seed = GRID.index((weight, activation))
    torch.manual_seed(seed)
    model = nn.Sequential(
        Unit(),
        ACTIVATIONS[activation](),
        nn.Dropout(),
        qnn.QuantLinear(N_IN, HIDDEN, bias=seed % 2 == 0, **WEIGHTS[weight]),
        nn.BatchNorm1d(HIDDEN, affine=seed % 3 != 0),
        ACTIVATIONS[activation](),
        qnn.QuantLinear(HIDDEN, N_OUT, bias=seed % 2 == 1, **WEIGHTS[weight]),
    )
    graph = check(randomize(model, seed), seed)
    assert [op.kind for op in graph.ops] == ["Input", "Requantize", "MatMul", "Requantize", "MatMul"]


def sign() -> nn.Module:
    return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)


def small(*layers: nn.Module, seed: int = 0) -> nn.Module:
    """Pixels, a 3-bit activation, then `layers` that take N_IN features."""
    return randomize(nn.Sequential(Unit(), qnn.QuantIdentity(bit_width=3, return_quant_tensor=True), *layers), seed)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("signed", [False, True])
def test_every_bit_width(bits: int, signed: bool) -> None:
    if signed and bits == 1:
        layer: nn.Module = qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
    else:
        layer = qnn.QuantIdentity(bit_width=bits) if signed else qnn.QuantReLU(bit_width=bits)
    graph = check(small(qnn.QuantLinear(N_IN, HIDDEN), nn.BatchNorm1d(HIDDEN), layer, qnn.QuantLinear(HIDDEN, N_OUT)), samples=20)
    wanted = ir.Bipolar() if signed and bits == 1 else ir.Int(bits) if signed else ir.UInt(bits)
    assert graph.edges["4"].type == wanted


def test_a2q_weights() -> None:
    check(
        small(
            qnn.QuantLinear(N_IN, HIDDEN, weight_quant=Int8AccumulatorAwareWeightQuant, weight_accumulator_bit_width=12),
            nn.BatchNorm1d(HIDDEN),
            sign(),
            qnn.QuantLinear(HIDDEN, N_OUT),
        )
    )


@pytest.mark.parametrize(
    ("options", "before"), [({"bias_quant": Int8Bias}, {"return_quant_tensor": True}), ({"bias_quant": Int8BiasPerTensorFloatInternalScaling}, {})]
)
def test_quantized_bias(options: dict, before: dict) -> None:
    graph = check(
        small(
            qnn.QuantLinear(N_IN, HIDDEN),
            qnn.QuantIdentity(bit_width=4, **before),
            qnn.QuantLinear(HIDDEN, N_OUT, bias=True, **options),
        )
    )
    assert len(set(graph.meaning[0].add)) == N_OUT


def test_input_and_output_quantizers_of_a_linear_layer() -> None:
    model = randomize(
        nn.Sequential(
            Unit(),
            qnn.QuantLinear(
                N_IN, HIDDEN, input_quant=ShiftedUint8ActPerTensorFloat, input_bit_width=3, output_quant=Int8ActPerTensorFloat, output_bit_width=5
            ),
            qnn.QuantReLU(bit_width=3, input_quant=Int8ActPerTensorFloat, input_bit_width=4),
            qnn.QuantLinear(HIDDEN, N_OUT),
        ),
        1,
    )
    graph = check(model)
    assert [op.name for op in graph.ops] == ["@input", "1.input_quant", "1", "1.output_quant", "2.input_quant", "2", "3"]


def test_zero_points_are_subtracted() -> None:
    graph = check(small(qnn.QuantLinear(N_IN, HIDDEN), qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=4)))
    quantizer = graph.op("3").quantizer
    assert quantizer.zero_point not in (0, None)
    assert (quantizer.lo, quantizer.hi) == (0, 15)


def test_pixels_straight_into_a_linear_layer() -> None:
    """An 8-bit first layer without input quantizer: the chain 2x - 1 moves past the matrix, row sums and all."""
    model = randomize(nn.Sequential(Unit(), qnn.QuantLinear(N_IN, HIDDEN), nn.BatchNorm1d(HIDDEN), sign(), qnn.QuantLinear(HIDDEN, N_OUT)), 2)
    graph = check(model, samples=20)
    assert [op.kind for op in graph.ops] == ["Input", "MatMul", "Requantize", "MatMul"]


class Normalize(nn.Module):
    """The usual data normalization, here with a mean for every pixel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - torch.linspace(0, 1, N_IN)) / 0.3081


def test_normalized_pixels_straight_into_a_linear_layer() -> None:
    graph = check(randomize(nn.Sequential(Normalize(), qnn.QuantLinear(N_IN, HIDDEN), nn.BatchNorm1d(HIDDEN), sign()), 3), samples=20)
    assert [op.kind for op in graph.ops] == ["Input", "MatMul", "Requantize"]


class Glue(nn.Module):
    """Every arithmetic form, and constants that differ by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.inp, self.act = qnn.QuantReLU(bit_width=8), qnn.QuantIdentity(bit_width=5)
        self.first, self.fc = qnn.QuantLinear(N_IN, HIDDEN), qnn.QuantLinear(HIDDEN, N_OUT)
        self.mean = nn.Parameter(torch.linspace(0.1, 0.6, N_IN))
        self.factor = nn.Parameter(torch.linspace(-2, 2, HIDDEN).reshape(1, HIDDEN))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - self.mean.reshape(1, 3, 4)) * 0.1
        x = nn.functional.relu(x.flatten(1) + 0.02)
        x = torch.sub(self.inp(x), torch.tensor(0.01), alpha=3)
        x = self.first(x.contiguous()) * self.factor
        x = torch.clamp(1 - x, min=-0.8) / 3
        x = torch.tensor([0.1]) - (0.2 - x)
        x = nn.functional.hardtanh(x, -0.2, 0.4)
        x += 0.05
        x = -x
        x.mul_(1.5)
        return self.fc(2 * self.act(nn.functional.dropout(x, 0.5, self.training)) - 1).clone().unsqueeze(1)

    sample_shape = (1, 3, 4)


def test_glue() -> None:
    graph = check(randomize(Glue(), 3), samples=30)
    assert [op.name for op in graph.ops] == ["@input", "@input@12", "inp", "first", "act", "fc"]
    assert graph.edges["@input"].shape == (3, 4, 1)


@pytest.mark.parametrize("factor", [0.1, torch.tensor(0.1), torch.tensor(0.1, dtype=torch.float64), 3, torch.tensor(3)])
def test_constants_are_what_torch_multiplies_by(factor: object) -> None:
    """A number, or a tensor without axes, takes the dtype of the float32 tensor beside it."""

    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * factor

    graph = import_brevitas(Net(), torch.rand(1, 2), name="n", input_scale=Fraction(1))
    (piece,) = graph.meaning
    assert piece.mul.tolist() == [Fraction((torch.ones(1) * factor).item())]


def test_arithmetic_on_quant_tensors() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act, self.fc = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True), qnn.QuantLinear(N_IN, N_OUT, return_quant_tensor=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.fc(torch.flatten(self.act(x), 1)).view(-1, N_OUT) + 0.5) * 3.0 - 0.125

    check(randomize(Net(), 4))


def test_tensor_norm_and_image_input() -> None:
    class Net(nn.Module):
        sample_shape = (1, 3, 4)

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                [nn.Flatten(), Unit(), sign(), qnn.QuantLinear(N_IN, N_OUT, weight_quant=CommonWeightQuant, weight_bit_width=1)]
            )
            self.norm = TensorNorm()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = layer(x)
            return self.norm(x)

    model = randomize(Net(), 5)
    model.norm.running_mean.fill_(0.7)
    model.norm.running_var.fill_(2.3)
    model.norm.weight.data.fill_(1.7)
    graph = check(model)
    assert graph.edges["@input"].shape == (3, 4, 1)
    assert isinstance(graph.op("layers.3").weight_type, ir.Bipolar)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_brevitas_example_network(bits: int) -> None:
    model = FC(N_OUT, bits, bits, 8, 1, [16, 16], in_features=(3, 4))
    model.sample_shape = (1, 3, 4)
    graph = check(randomize(model, bits), samples=20)
    assert [op.name for op in graph.ops] == [
        "@input", "features.0", "features.0@12", "features.2", "features.4", "features.6", "features.8", "features.10",
    ]  # fmt: skip


def test_scale_bias_of_brevitas() -> None:
    scale_bias = qnn.QuantScaleBias(HIDDEN, bias=True, runtime_shape=(1, -1), weight_bit_width=4)
    scale_bias.weight.data = torch.linspace(-1, 1, HIDDEN)
    scale_bias.bias.data = torch.linspace(-0.3, 1, HIDDEN)
    check(small(qnn.QuantLinear(N_IN, HIDDEN), scale_bias, qnn.QuantReLU(bit_width=3)), samples=20)


def test_batch_norm_is_kept_exactly() -> None:
    model = small(qnn.QuantLinear(N_IN, HIDDEN), nn.BatchNorm1d(HIDDEN, eps=1e-3), sign())
    (piece,) = [piece for piece in import_brevitas(model, torch.rand(1, N_IN), name="n").op("4").chain if isinstance(piece, ir.BatchNorm)]
    for value, variance in zip(model[3].running_var.tolist(), piece.variance, strict=True):
        assert variance == Fraction(value) + Fraction(1e-3)


def test_two_batch_norms_in_a_row() -> None:
    check(small(qnn.QuantLinear(N_IN, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.BatchNorm1d(HIDDEN), qnn.QuantIdentity(bit_width=4)), samples=10)


def test_float64_model() -> None:
    model = small(qnn.QuantLinear(N_IN, HIDDEN), nn.BatchNorm1d(HIDDEN), sign(), qnn.QuantLinear(HIDDEN, N_OUT))
    single = import_brevitas(model, torch.rand(1, N_IN), name="n")
    double = import_brevitas(model.double(), torch.rand(1, N_IN).double(), name="n")
    assert str(single) == str(double)


def test_ties_follow_brevitas() -> None:
    """Power-of-two scales and integer weights: float32 is exact here, so codes on ties must agree too (half to even)."""
    model = nn.Sequential(
        qnn.QuantIdentity(act_quant=CommonActQuant, bit_width=2, min_val=-0.5, max_val=0.5, narrow_range=False),
        qnn.QuantLinear(N_IN, HIDDEN, bias=False, weight_quant=SignedTernaryWeightPerTensorConst, weight_scaling_const=1.0),
        qnn.QuantIdentity(act_quant=CommonActQuant, bit_width=4, min_val=-8.0, max_val=8.0, narrow_range=False),
    )
    model[1].weight.data = torch.randint(-1, 2, (HIDDEN, N_IN), generator=torch.Generator().manual_seed(0)).float()
    rows = np.random.default_rng(0).integers(0, 2, (60, N_IN)) * 255
    graph = check(model.eval(), pixels=rows)
    op = graph.op("2")
    assert op.quantizer.scale == 1
    reals = [real for row in rows for real in exact_model.apply_chain(op.chain, exact_model.trace(graph, row.tolist())["1"])]
    assert sum(real - real.floor() == Fraction(1, 2) for real in reals) > 50


def test_shared_layer_gets_two_names() -> None:
    act, fc = sign(), qnn.QuantLinear(N_IN, N_IN, weight_quant=SignedBinaryWeightPerTensorConst)
    model = randomize(nn.Sequential(Unit(), act, fc, act, fc, act), 6)
    graph = import_brevitas(model, torch.rand(1, N_IN), name="n")
    assert [op.name for op in graph.ops] == ["@input", "1", "2", "1@2", "2@2", "1@3"]


def test_what_the_output_does_not_need_is_left_out() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act, self.side, self.fc = sign(), qnn.QuantLinear(N_IN, 3), qnn.QuantLinear(N_IN, N_OUT)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.side(self.act(x))
            return self.fc(self.act(x))

    graph = import_brevitas(Net(), torch.rand(2, N_IN), name="n")
    assert [op.name for op in graph.ops] == ["@input", "act@2", "fc"]


def test_model_is_left_as_it_was() -> None:
    model = small(qnn.QuantLinear(N_IN, HIDDEN), nn.Dropout(), nn.BatchNorm1d(HIDDEN), sign()).train()
    model[3].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.rand(1, N_IN)
    kept = x.clone()
    import_brevitas(model, x, name="n")
    assert torch.equal(x, kept)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.training
    assert not model[3].training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_input_type_and_scale() -> None:
    model = small(qnn.QuantLinear(N_IN, N_OUT))
    graph = import_brevitas(model, torch.rand(1, N_IN), name="n", input_type=ir.Int(4), input_scale=Fraction(1, 8))
    q = list(range(-6, 6))
    with torch.no_grad():
        wanted = model(torch.tensor([q]) / 8)[0].tolist()
    np.testing.assert_allclose([float(real) for real in exact_model.real_outputs(graph, q)], wanted, rtol=1e-5, atol=1e-6)
