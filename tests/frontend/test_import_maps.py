"""Imported networks over maps, evaluated exactly, against Brevitas (in float64): every quantizer's codes bit for bit, and the real outputs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import brevitas.nn as qnn
import exact_model
import numpy as np
import pytest
import torch
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8Bias,
    Int8WeightPerChannelFloat,
    ShiftedUint8ActPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryWeightPerTensorConst,
    TruncTo8bit,
    Uint8ActPerTensorFixedPoint,
)
from brevitas.quant_tensor import IntQuantTensor
from torch import nn
from torch.nn import functional

from hwqnn import ir
from hwqnn.errors import UnsupportedError
from hwqnn.frontend import import_brevitas

BINARY = {"weight_quant": SignedBinaryWeightPerTensorConst}
TERNARY = {"weight_quant": SignedTernaryWeightPerTensorConst}


def conv(inputs: int, outputs: int, kernel: int = 3, bits: int = 4, **options: object) -> nn.Module:
    if "weight_quant" not in options:
        options |= {"weight_bit_width": bits}
    return qnn.QuantConv2d(inputs, outputs, kernel, **{"bias": False, **options})


def sign() -> nn.Module:
    return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)


def relu(bits: int = 3, **options: object) -> nn.Module:
    return qnn.QuantReLU(bit_width=bits, **options)


def identity(bits: int = 4, **options: object) -> nn.Module:
    return qnn.QuantIdentity(bit_width=bits, **options)


def prepared(model: nn.Module, shape: tuple[int, ...], seed: int = 0) -> nn.Module:
    """Batch norms with negative and zero gammas, activation ranges from a few training steps; then float64, in eval mode."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: torch.Tensor, lo: float, hi: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=generator) * (hi - lo) + lo

    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data = uniform(parameter, -1, 1) / (parameter[0].numel() ** 0.5) * 2
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.data = uniform(module.running_mean, -0.3, 0.3)
            module.running_var.data = uniform(module.running_var, 0.3, 2)
            module.weight.data = uniform(module.weight, -1.5, 1.5)
            module.weight.data[0] = 0.0
            module.bias.data = uniform(module.bias, -0.5, 0.5)
    statistics = {key: value.clone() for key, value in model.state_dict().items() if "running" in key}
    model.train()
    for _ in range(2):
        model(torch.rand((4, *shape), generator=generator))
    model.load_state_dict({**model.state_dict(), **statistics})
    return model.double().eval()


def channels_last(values: np.ndarray) -> list[float]:
    """One sample, flat, as a map's edge has it."""
    return (np.moveaxis(values, 0, -1) if values.ndim in (2, 3) else values).reshape(-1).tolist()


def check(
    model: nn.Module,
    shape: tuple[int, ...],
    *,
    samples: int = 2,
    pixels: np.ndarray | None = None,
    flattened: dict[str, tuple[int, ...]] | None = None,
) -> ir.Graph:
    """Imports the model and compares it with its own codes and outputs, quantizer by quantizer; returns the graph.

    `flattened` says of which shape a quantizer's flat features were before.
    """
    if pixels is None:
        pixels = np.random.default_rng(1).integers(0, 256, (samples, *shape))
    kind = next(model.parameters()).dtype
    x, tolerance = torch.tensor(pixels, dtype=kind) / 255, 1e-9 if kind == torch.float64 else 1e-4
    graph = import_brevitas(model, x[:1], name="net", input_scale=Fraction(1 / 255))
    codes: dict[str, np.ndarray] = {}

    def watch(name: str, scale: Callable[[], torch.Tensor]) -> Callable:
        def hook(module: nn.Module, args: object, out: torch.Tensor) -> None:
            key, count = name, 1
            while key in codes:
                count += 1
                key = f"{name}@{count}"
            exact = getattr(out, "value", out) / (out.scale if isinstance(out, IntQuantTensor) else scale())
            codes[key] = exact.round().numpy().astype(int)
            np.testing.assert_allclose(exact.numpy(), codes[key], atol=1e4 * tolerance / 255)

        return hook

    handles = []
    for name, layer in model.named_modules():
        if hasattr(layer, "act_quant"):
            handles.append(layer.register_forward_hook(watch(name, layer.act_quant.scale)))
        elif isinstance(layer, qnn.QuantEltwiseAdd):
            handles.append(layer.register_forward_hook(watch(f"{name}.output_quant", layer.output_quant.scale)))
        elif hasattr(layer, "trunc_quant"):
            handles.append(layer.register_forward_hook(watch(f"{name}.trunc_quant", lambda: torch.ones(()))))
    with torch.no_grad():
        out = model(x)
        out = getattr(out, "value", out).numpy()
    for handle in handles:
        handle.remove()
    requantized = {op.name for op in graph.ops if isinstance(op, ir.Requantize)}
    assert {name for name in requantized if ".input_quant" not in name} == set(codes)
    for i, sample in enumerate(pixels):
        values = exact_model.trace(graph, channels_last(sample))
        for name, code in codes.items():
            mine = code[i].reshape((flattened or {}).get(name, code[i].shape))
            assert values[name] == channels_last(mine), name
        reals = [float(real) for real in exact_model.real_outputs(graph, channels_last(sample))]
        np.testing.assert_allclose(channels_last(out[i]), reals, rtol=tolerance, atol=tolerance)
    return graph


def kinds(graph: ir.Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def test_cnv() -> None:
    """The shape of the BNN-PYNQ network: 1-bit weights and activations, no padding, pools behind the sign."""
    model = nn.Sequential(
        identity(8, act_quant=Int8ActPerTensorFixedPoint),
        conv(3, 6, **BINARY), nn.BatchNorm2d(6), sign(), conv(6, 6, **BINARY), nn.BatchNorm2d(6), sign(), nn.MaxPool2d(2),
        conv(6, 8, **BINARY), nn.BatchNorm2d(8), sign(), nn.Flatten(),
        qnn.QuantLinear(32, 10, bias=False, **BINARY), nn.BatchNorm1d(10), sign(), qnn.QuantLinear(10, 5, bias=False, **BINARY),
    )  # fmt: skip
    graph = check(prepared(model, (3, 12, 12)), (3, 12, 12))
    assert graph.edges["@input"].shape == (12, 12, 3)
    assert isinstance(graph.op("4").weight_type, ir.Bipolar)
    assert kinds(graph)[-4:] == ["Reshape", "MatMul", "Requantize", "MatMul"]


class LeNet5(nn.Module):
    """As a user writes it: functional pools, view with the batch size."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(1, 6, 5, bits, padding=2, bias=True), conv(6, 16, 5, bits, bias=True)
        self.fc1, self.fc2, self.fc3 = (qnn.QuantLinear(i, o, bias=True, weight_bit_width=bits) for i, o in ((16, 12), (12, 8), (8, 10)))
        self.inp, self.act1, self.act2, self.act3, self.act4 = identity(8), *(relu(bits) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.act1(self.conv1(self.inp(x))), 2)
        x = functional.max_pool2d(self.act2(self.conv2(x)), (2, 2), stride=2)
        x = self.act3(self.fc1(x.view(x.size(0), -1)))
        return self.fc3(functional.dropout(self.act4(self.fc2(x)), 0.5, self.training))


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_lenet5(bits: int) -> None:
    graph = check(prepared(LeNet5(bits), (1, 14, 14)), (1, 14, 14), samples=1)
    assert graph.op("conv1").geometry == ir.Geometry((5, 5), padding=(2, 2, 2, 2))


class Block(nn.Module):
    """A residual block whose branches meet in one shared quantizer, so that their scales are one."""

    def __init__(self, inputs: int, outputs: int, stride: int, shared: nn.Module) -> None:
        super().__init__()
        self.conv1, self.bn1, self.act1 = conv(inputs, outputs, stride=stride, padding=1), nn.BatchNorm2d(outputs), relu(4)
        self.conv2, self.bn2 = conv(outputs, outputs, padding=1), nn.BatchNorm2d(outputs)
        self.shared, self.act2 = shared, relu(4, return_quant_tensor=True)
        self.short = nn.Sequential(conv(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs)) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.shared(self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x))))))
        out += self.shared(self.short(x))
        return self.act2(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        shared = identity(4, return_quant_tensor=True)
        self.stem, self.bn, self.act = conv(3, 4, padding=1), nn.BatchNorm2d(4), relu(4)
        self.inp = identity(8)
        self.blocks = nn.Sequential(Block(4, 4, 1, shared), Block(4, 6, 2, shared))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), qnn.QuantLinear(6, 5, bias=True, weight_bit_width=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.act(self.bn(self.stem(self.inp(x)))))
        return self.fc(torch.flatten(self.pool(x), 1))


def test_residual_network() -> None:
    graph = check(prepared(ResNet(), (3, 6, 6)), (3, 6, 6))
    assert kinds(graph).count("Add") == 2
    assert "ChannelAffine" not in kinds(graph)


@pytest.mark.parametrize("trunc", [TruncTo8bit, None], ids=["floor", "round"])
@pytest.mark.parametrize("bits", [4, 8])
def test_truncating_average_pools(bits: int, trunc: object) -> None:
    options = {} if trunc is None else {"trunc_quant": trunc}

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act1, self.conv, self.act2 = identity(bits, return_quant_tensor=True), conv(3, 4), relu(bits, return_quant_tensor=True)
            self.pool = qnn.TruncAvgPool2d(3, 2, **options)
            self.last = qnn.TruncAdaptiveAvgPool2d((1, 1), bit_width=5, **options)
            self.fc = qnn.QuantLinear(4, 3, bias=False, weight_bit_width=3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.last(self.pool(self.act2(self.conv(self.act1(x))))).flatten(1))

    graph = check(prepared(Net(), (3, 9, 9)), (3, 9, 9), samples=4)
    rounding = {op.name: op.quantizer.rounding for op in graph.ops if isinstance(op, ir.Requantize)}
    assert rounding["pool.trunc_quant"] is (ir.Rounding.HALF_EVEN if trunc is None else ir.Rounding.FLOOR)


def test_depthwise_separable() -> None:
    model = nn.Sequential(
        identity(8),
        conv(3, 8, stride=2, padding=1), nn.BatchNorm2d(8), relu(4),
        conv(8, 8, groups=8, padding=1, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=4), nn.BatchNorm2d(8), relu(4),
        conv(8, 6, 1, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=3), nn.BatchNorm2d(6), relu(4),
        conv(6, 12, 3, groups=6, stride=(2, 1), padding=(0, 1)), nn.ReLU6(), relu(4),
        conv(12, 4, 1, groups=2),
    )  # fmt: skip
    graph = check(prepared(model, (3, 9, 9)), (3, 9, 9))
    assert (graph.op("4").groups, graph.op("4").weight.shape) == (8, (8, 3, 3, 1))


class Segmentation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inp, self.down, self.deep = identity(8), nn.Sequential(conv(3, 6, padding=1), relu(4)), nn.Sequential(conv(6, 6, padding=1), relu(4))
        self.up, self.head = nn.Upsample(scale_factor=2), conv(12, 4, 1, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        high = self.down(self.inp(x))
        low = self.up(self.deep(functional.max_pool2d(high, 2)))
        return functional.interpolate(self.head(torch.cat([high, low], dim=1)), scale_factor=2.0, mode="nearest")


class SharedSegmentation(Segmentation):
    """The skip connection through one quantizer: no scales differ."""

    def __init__(self) -> None:
        super().__init__()
        self.down[1] = self.deep[1] = relu(4)


def test_segmentation() -> None:
    graph = check(prepared(SharedSegmentation(), (3, 6, 6)), (3, 6, 6))
    assert kinds(graph).count("Upsample") == 2
    assert "ChannelAffine" not in kinds(graph)
    assert graph.edges[graph.output].shape == (12, 12, 4)


def test_dorefa_like() -> None:
    """8-bit first layer, then 1-bit weights and 2-bit activations; ReLU clipped to one."""
    model = nn.Sequential(
        conv(3, 8, 5, bits=8, stride=2), nn.MaxPool2d(2), nn.BatchNorm2d(8), nn.Hardtanh(0, 1), relu(2, max_val=1.0),
        conv(8, 8, padding=1, **BINARY), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Hardtanh(0, 1), relu(2, max_val=1.0),
        nn.Flatten(), qnn.QuantLinear(32, 6, bias=False, **BINARY),
    )  # fmt: skip
    graph = check(prepared(model, (3, 19, 19)), (3, 19, 19), samples=1)
    assert [op.minimum.any() for op in graph.ops if isinstance(op, ir.MaxPool)] == [False, True]


def test_conv1d() -> None:
    """A keyword spotter: signals, pools along time, features averaged over time."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inp, self.act1, self.act2 = identity(8), relu(4), relu(4)
            self.conv1 = qnn.QuantConv1d(4, 6, 5, stride=2, padding=2, weight_bit_width=4, bias=True)
            self.conv2 = qnn.QuantConv1d(6, 6, 3, dilation=2, padding="same", groups=3, weight_bit_width=3, bias=False)
            self.norm, self.pool, self.fc = nn.BatchNorm1d(6), nn.MaxPool1d(2), qnn.QuantLinear(6, 3, bias=True, weight_bit_width=4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.pool(self.act1(self.norm(self.conv1(self.inp(x)))))
            return self.fc(self.act2(self.conv2(x)).mean(dim=-1))

    graph = check(prepared(Net(), (4, 20)), (4, 20))
    assert graph.edges["@input"].shape == (1, 20, 4)
    assert graph.op("conv2").geometry == ir.Geometry((1, 3), padding=(0, 2, 0, 2), dilation=(1, 2))


def test_densenet_like() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inp, self.stem = identity(8), conv(3, 4, padding=1)
            self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(7), nn.BatchNorm2d(10)])
            self.acts = nn.ModuleList([relu(4), relu(4), relu(4)])
            self.convs = nn.ModuleList([conv(4, 3, padding=1), conv(7, 3, padding=1)])
            self.fc = qnn.QuantLinear(10, 4, bias=True, weight_bit_width=4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = [self.stem(self.inp(x))]
            for norm, act, layer in zip(self.norms, self.acts, self.convs, strict=False):
                features.append(layer(act(norm(torch.cat(features, 1)))))
            x = self.acts[2](self.norms[2](torch.cat(features, 1)))
            return self.fc(functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))

    graph = check(prepared(Net(), (3, 5, 5)), (3, 5, 5))
    assert kinds(graph).count("Concat") == 3


@pytest.mark.parametrize("layers", ["pool norm act", "norm pool act", "norm act pool"])
def test_pool_before_or_after_the_activation(layers: str) -> None:
    """Negative and zero gammas: on the integers the pool is a minimum there."""
    parts = {"pool": nn.MaxPool2d(3, 2, padding=1), "norm": nn.BatchNorm2d(6), "act": relu(3)}
    model = nn.Sequential(identity(8), conv(2, 6), *(parts[name] for name in layers.split()), conv(6, 3, 2))
    graph = check(prepared(model, (2, 9, 9)), (2, 9, 9), samples=3)
    (pool,) = [op for op in graph.ops if isinstance(op, ir.MaxPool)]
    falls = (dict(model.named_children())["3" if layers.startswith("pool") else "2"].weight < 0).tolist()
    assert pool.minimum.tolist() == (falls if layers == "norm pool act" else [False])
    assert any(falls)


def test_padding_of_a_bipolar_map() -> None:
    """A kernel of ones on ones: corners give 4, edges 6, the rest 9 (docs/exactness, point 9)."""
    model = nn.Sequential(sign(), conv(1, 1, padding=1, **BINARY, weight_scaling_const=1.0)).double().eval()
    model[1].weight.data.fill_(0.5)
    graph = check(model, (1, 4, 4), pixels=np.full((1, 1, 4, 4), 255))
    values = exact_model.evaluate(graph, [255] * 16)
    assert values == [4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4]


PADS: dict[str, Callable[[], list[nn.Module]]] = {
    "same": lambda: [conv(3, 4, 4, padding="same")],
    "same strided": lambda: [conv(3, 4, 4, padding="same", stride=2)],
    "valid": lambda: [conv(3, 4, 3, padding="valid", dilation=(2, 1))],
    "rectangle": lambda: [conv(3, 4, (1, 3), padding=(0, 2), stride=(1, 2))],
    "asymmetric": lambda: [nn.ZeroPad2d((0, 1, 2, 0)), conv(3, 4, 3, padding=1)],
    "twice": lambda: [nn.ZeroPad2d(1), nn.ConstantPad2d((1, 0, 0, 0), 0.0), conv(3, 4, 2)],
    "before an average": lambda: [nn.ZeroPad2d((0, 1, 0, 1)), nn.AvgPool2d(2)],
    "before a pool": lambda: [nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2)],
    "bipolar": lambda: [sign(), nn.ZeroPad2d((1, 0, 0, 1)), conv(3, 4, 3, **BINARY)],
    "before a sign": lambda: [nn.ZeroPad2d(1), sign(), conv(3, 4, 3, **BINARY)],
}


@pytest.mark.parametrize("name", PADS)
def test_padding(name: str) -> None:
    model = nn.Sequential(identity(4), *PADS[name](), identity(5))
    graph = check(prepared(model, (3, 7, 7)), (3, 7, 7))
    assert sum(isinstance(op, ir.Conv) for op in graph.ops) == (2 if name == "before a sign" else 1), "padding goes into the window behind it"


AVERAGES: dict[str, Callable[[], nn.Module]] = {
    "counts padding": lambda: nn.AvgPool2d(3, 2, padding=1),
    "overlapping": lambda: nn.AvgPool2d((3, 2), 1),
    "divisor": lambda: nn.AvgPool2d(2, divisor_override=3),
    "no padding to count": lambda: nn.AvgPool2d(2, count_include_pad=False),
    "adaptive": lambda: nn.AdaptiveAvgPool2d((3, 2)),
    "ceil without effect": lambda: nn.AvgPool2d(2, ceil_mode=True),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_average_pools(name: str) -> None:
    check(prepared(nn.Sequential(identity(4), conv(3, 4, padding=1), relu(4), AVERAGES[name](), identity(6)), (3, 6, 6)), (3, 6, 6), samples=3)


@pytest.mark.parametrize("name", [name for name in AVERAGES if name != "counts padding"])
def test_average_pools_of_normalized_reals(name: str) -> None:
    """An average without padding and a batch norm commute."""
    model = nn.Sequential(identity(4), conv(3, 4, padding=1), nn.BatchNorm2d(4), AVERAGES[name](), identity(6))
    check(prepared(model, (3, 6, 6)), (3, 6, 6), samples=3)


MOVES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean of two axes": lambda x: x.mean((2, 3)),
    "mean, axis by axis": lambda x: x.mean(-1).mean(-1),
    "mean kept": lambda x: torch.mean(x, dim=[-2, -1], keepdim=True),
    "mean of rows": lambda x: x.mean(2),
    "mean channels last": lambda x: x.permute(0, 2, 3, 1).mean((1, 2)),
    "sum": lambda x: x.sum((2, 3)),
    "maximum": lambda x: torch.amax(x, (2, 3)),
    "ceil mode": lambda x: functional.max_pool2d(x, 2, ceil_mode=True),
    "adaptive maximum": lambda x: functional.adaptive_max_pool2d(x, (5, 1)),
    "first channels": lambda x: x[:, :3],
    "halves swapped": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "channel shuffle": lambda x: x.view(-1, 2, 3, 5, 5).transpose(1, 2).reshape(-1, 6, 5, 5),
    "flipped channels": lambda x: x.flip(1),
    "signal": lambda x: x.flatten(2),
    "upsampled": lambda x: functional.interpolate(x, size=(10, 15)),
    "permuted twice": lambda x: x.permute(0, 2, 3, 1).contiguous().movedim(-1, 1),
    "twice itself": lambda x: x + x,
    "difference": lambda x: x - 0.5 * x,
}


class Between(nn.Module):
    """Quantized maps (6, 5, 5), a function, a quantizer."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.inp, self.conv, self.act, self.out, self.function = identity(4), conv(3, 6, padding=1), relu(4), identity(5), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.function(self.act(self.conv(self.inp(x))))
        return self.after(self.out(x))

    def after(self, x: torch.Tensor) -> torch.Tensor:
        return x


class ThenConv(Between):
    """What comes out is read by a layer that must find each element in its place: then the order of the output is the layer's."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], groups: int) -> None:
        super().__init__(function)
        with torch.no_grad():
            shape = tuple(function(torch.zeros(1, 6, 5, 5)).shape[1:])
        if len(shape) == 1:
            self.layer: nn.Module = qnn.QuantLinear(shape[0], 4, bias=False, weight_bit_width=4)
        else:
            groups = groups if shape[0] % groups == 0 else 1
            cls = qnn.QuantConv2d if len(shape) == 3 else qnn.QuantConv1d
            self.layer = cls(shape[0], shape[0] * 2, min(2, *shape[1:]), groups=groups, bias=False, weight_bit_width=4)

    def after(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.layer(x))


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("name", MOVES)
def test_functions_between_layers(name: str, groups: int) -> None:
    model = prepared(ThenConv(MOVES[name], groups), (3, 5, 5))
    x = torch.tensor(np.random.default_rng(2).integers(0, 256, (2, 3, 5, 5))) / 255.0
    x = x.double()
    try:
        graph = import_brevitas(model, x[:1], name="net", input_scale=Fraction(1 / 255))
    except Exception as error:
        assert groups > 1 and "reordered" in str(error), error
        return
    with torch.no_grad():
        wanted = model(x).numpy()
    for sample, out in zip((x * 255).round().numpy().astype(int), wanted, strict=True):
        reals = [float(real) for real in exact_model.real_outputs(graph, channels_last(sample))]
        np.testing.assert_allclose(channels_last(out), reals, rtol=1e-9, atol=1e-9)


class Parts(nn.Module):
    """Submodules by name, and a forward."""

    def __init__(self, run: Callable[[nn.Module, torch.Tensor], torch.Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.run(self, x)


def fixed(bits: int, signed: bool = True) -> nn.Module:
    """Scales that are powers of two, each its own."""
    return identity(bits, act_quant=Int8ActPerTensorFixedPoint) if signed else relu(bits, act_quant=Uint8ActPerTensorFixedPoint)


def test_scales_that_differ_are_aligned_exactly() -> None:
    """Fixed point of 3 and 6 bits: a sum, a difference, and a concatenation that a convolution reads."""
    model = Parts(
        lambda m, x: m.conv(torch.cat([m.c(m.a(x) + m.b(x)), m.b(x) - 3 * m.a(x)], 1)),
        a=fixed(3), b=nn.Sequential(nn.Hardtanh(0, 0.25), fixed(6, signed=False)),
        c=identity(4, act_quant=Int8ActPerTensorFixedPoint), conv=conv(6, 4),
    )  # fmt: skip
    graph = check(prepared(model, (3, 4, 4)), (3, 4, 4))
    assert "ChannelAffine" in kinds(graph)


def test_sum_of_two_quantizers_of_their_own() -> None:
    """Scales of 24 bits each: the sum is exact over wide integers, and quantized at once."""
    model = Parts(lambda m, x: m.c(m.a(x) + m.b(x)), a=identity(3), b=relu(4), c=identity(4))
    graph = check(prepared(model, (3, 4, 4)).float(), (3, 4, 4))
    (total,) = [op.name for op in graph.ops if isinstance(op, ir.Add)]
    assert 24 < graph.edges[total].type.bits <= 33


def test_quantized_joins_of_brevitas() -> None:
    options = {"input_bit_width": 4, "output_bit_width": 3, "return_quant_tensor": True}
    add = qnn.QuantEltwiseAdd(input_quant=Int8ActPerTensorFloat, output_quant=Int8ActPerTensorFloat, **options)
    model = Parts(lambda m, x: m.pool(m.add(m.a(x), m.b(x))), a=conv(3, 4), b=conv(3, 4), add=add, pool=nn.MaxPool2d(2))
    graph = check(prepared(nn.Sequential(identity(8), model), (3, 6, 6)), (3, 6, 6))
    assert [op.name for op in graph.ops if op.name.startswith("1.add")] == ["1.add.input_quant", "1.add.input_quant@2", "1.add", "1.add.output_quant"]


def test_sum_and_concatenation_of_quant_tensors() -> None:
    model = Parts(
        lambda m, x: m.conv(m.up(torch.cat([m.act(x), functional.max_pool2d(m.act(x), 3, 1, 1)], 1) + torch.cat([m.act(x), m.act(x)], 1))),
        act=identity(4, return_quant_tensor=True), conv=conv(6, 4, 1), up=qnn.QuantUpsample(scale_factor=2),
    )  # fmt: skip
    graph = check(prepared(model, (3, 4, 4)), (3, 4, 4))
    assert kinds(graph).count("Concat") == 2


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_of_every_width(bits: int) -> None:
    """One scale for each output channel, a quantized bias, a groups' input with one of its own for each channel."""
    per_channel = {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": bits, "bias": True, "bias_quant": Int8Bias}
    by_channel = {"scaling_per_output_channel": True, "scaling_stats_permute_dims": (1, 0, 2, 3)}
    model = nn.Sequential(
        identity(8, return_quant_tensor=True), conv(3, 4, padding=1, **per_channel),
        identity(4, per_channel_broadcastable_shape=(1, 4, 1, 1), **by_channel),
        conv(4, 8, groups=4, bits=bits), relu(3, per_channel_broadcastable_shape=(1, 8, 1, 1), **by_channel), nn.AdaptiveAvgPool2d(1),
    )  # fmt: skip
    graph = check(prepared(model, (3, 5, 5)), (3, 5, 5))
    assert all(any(len(piece.mul) > 1 for piece in chain) for chain in (graph.op("2").chain, graph.meaning))
    assert graph.op("1").weight_type.bits == bits


def test_ternary_weights_on_signs() -> None:
    model = nn.Sequential(identity(8), conv(3, 4), nn.BatchNorm2d(4), sign(), conv(4, 4, groups=2, padding=1, **TERNARY))
    graph = check(prepared(model, (3, 5, 5)), (3, 5, 5))
    assert isinstance(graph.op("4").weight_type, ir.Ternary)


def test_zero_points_and_padding() -> None:
    parts = {"act": identity(4, act_quant=ShiftedUint8ActPerTensorFloat), "conv": conv(3, 4, padding=1), "out": identity(4)}
    model = Parts(lambda m, x: m.out(m.conv(m.act(2 * x - 1))), **parts)
    graph = check(prepared(model, (3, 5, 5)), (3, 5, 5))
    assert graph.op("act").quantizer.zero_point != 0
    assert "ChannelAffine" not in kinds(graph)


def test_offset_pixels_straight_into_a_padded_convolution() -> None:
    """2 x - 1 with x = q / 256: a padded 0 is the integer 0 of 2 q - 256, exactly."""
    model = Parts(lambda m, x: m.act(m.conv(2 * x - 1)), conv=conv(3, 4, padding=1), act=relu(4))
    model = prepared(model, (3, 4, 4))
    graph = import_brevitas(model, torch.rand(1, 3, 4, 4).double(), name="net", input_scale=Fraction(1, 256))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4))
    with torch.no_grad():
        codes = (model(torch.tensor(pixels)[None].double() / 256) / model.act.act_quant.scale()).round()[0].numpy()
    assert exact_model.evaluate(graph, channels_last(pixels)) == channels_last(codes)
    (aligned,) = [op for op in graph.ops if isinstance(op, ir.ChannelAffine)]
    assert (aligned.mul.tolist(), aligned.add.tolist()) == ([1] * 3, [-128] * 3)


def test_normalized_pixels_straight_into_a_convolution() -> None:
    """Without padding the offsets move past the weights, channel by channel."""
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).reshape(3, 1, 1)
    model = Parts(lambda m, x: m.act(m.norm(m.conv((x - mean) / 0.25))), conv=conv(3, 4, bits=8), norm=nn.BatchNorm2d(4), act=relu(4))
    graph = check(prepared(model, (3, 5, 5)), (3, 5, 5))
    assert kinds(graph) == ["Input", "Conv", "Requantize"]


def test_linear_layer_on_every_position() -> None:
    """(N, length, features) behind a convolution along the length."""
    model = Parts(
        lambda m, x: m.last(m.act(m.norm(m.fc(m.inp(m.conv(m.first(x))).transpose(1, 2)).transpose(1, 2))).permute(0, 2, 1)).transpose(1, 2),
        first=identity(8), conv=qnn.QuantConv1d(4, 6, 3, weight_bit_width=4, bias=False), inp=relu(4),
        fc=qnn.QuantLinear(6, 5, bias=True, weight_bit_width=4), norm=nn.BatchNorm1d(5), act=identity(3),
        last=qnn.QuantLinear(5, 2, bias=True, weight_bit_width=4),
    )  # fmt: skip
    graph = check(prepared(model, (4, 9)), (4, 9))
    assert graph.edges[graph.output].shape == (1, 7, 2)


def test_normalization_of_flattened_features() -> None:
    """A scale for each feature of a flattened map: it becomes a channel of its own."""
    model = nn.Sequential(identity(4), conv(2, 3), nn.Flatten(), nn.BatchNorm1d(12), sign(), qnn.QuantLinear(12, 4, bias=False, **BINARY))
    graph = check(prepared(model, (2, 4, 4)), (2, 4, 4), flattened={"4": (3, 2, 2)})
    assert kinds(graph) == ["Input", "Requantize", "Conv", "Reshape", "Requantize", "MatMul"]


def test_scale_bias_on_maps() -> None:
    layer = qnn.QuantScaleBias(4, bias=True, weight_bit_width=4)
    layer.weight.data, layer.bias.data = torch.linspace(-1, 1, 4), torch.linspace(-0.3, 1, 4)
    check(prepared(nn.Sequential(identity(8), conv(3, 4), layer, relu(4)), (3, 5, 5)), (3, 5, 5))


def test_flattened_map_as_output() -> None:
    """The accelerator gives maps channels last, so that a label over all their elements would be another one than torch's."""
    model = prepared(nn.Sequential(identity(4), conv(3, 4), nn.Flatten()), (3, 4, 4))
    with pytest.raises(UnsupportedError, match="flattened from a map"):
        import_brevitas(model, torch.rand(1, 3, 4, 4).double(), name="net")
    single = import_brevitas(prepared(nn.Sequential(identity(4), conv(3, 4), nn.Flatten()), (3, 3, 3)), torch.rand(1, 3, 3, 3).double(), name="net")
    assert single.edges[single.output].shape == (4,)
