"""What cannot be imported exactly ends in one error that names the layer and what to do."""

from __future__ import annotations

from collections.abc import Callable

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.core.function_wrapper import RoundToZeroSte
from brevitas.proxy.runtime_quant import DynamicActQuantProxyFromInjector
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)
from brevitas.quant.float import Fp8e4m3WeightPerTensorFloat
from torch import nn

from hwqnn.errors import InputError, UnsupportedError
from hwqnn.frontend import import_brevitas

N = 6


def act(**options: object) -> nn.Module:
    return qnn.QuantIdentity(**options)


def fc(inputs: int = N, **options: object) -> nn.Module:
    return qnn.QuantLinear(inputs, 4, **options)


class Wrap(nn.Module):
    """act, then `function` on the features and itself, then fc."""

    def __init__(self, function: Callable[[nn.Module, torch.Tensor], object], **parts: nn.Module) -> None:
        super().__init__()
        self.function, self.act, self.fc, self.norm = function, act(), fc(), nn.BatchNorm1d(4)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> object:
        return self.function(self, x)


def net(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


def refuse(model: nn.Module, kind: type[Exception], *words: str, shape: tuple[int, ...] = (2, N)) -> None:
    with pytest.raises(kind) as caught:
        import_brevitas(model, torch.rand(shape, generator=torch.Generator().manual_seed(0)), name="n")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    if kind is InputError:
        assert not isinstance(caught.value, UnsupportedError)


class TruncatingAct(Int8ActPerTensorFloat):
    float_to_int_impl = RoundToZeroSte


class DynamicAct(Int8ActPerTensorFloat):
    proxy_class = DynamicActQuantProxyFromInjector


class Opaque(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.sign(x.detach().numpy()))


LAYERS = {
    "float linear": (lambda: net(act(), nn.Linear(N, 4)), "layer '1' (Linear)", "use QuantLinear"),
    "float linear inside": (lambda: net(net(act(), net(fc(), nn.Linear(4, 3)))), "layer '0.1.1' (Linear)"),
    "float convolution": (lambda: net(act(), nn.Unflatten(1, (1, N)), nn.Conv1d(1, 2, 3)), "layer '2' (Conv1d)", "use QuantConv1d"),
    "softmax layer": (lambda: net(act(), fc(), nn.Softmax(1)), "layer '2' (Softmax)"),
    "lstm": (lambda: net(act(), nn.LSTM(N, 2)), "layer '1' (LSTM)"),
    "QuantSigmoid": (lambda: net(qnn.QuantSigmoid(), fc()), "layer '0' (QuantSigmoid)", "Sigmoid"),
    "rounding": (lambda: net(act(act_quant=TruncatingAct), fc()), "layer '0'", "RoundToZeroSte", "FLOOR"),
    "16 bits": (lambda: net(act(bit_width=16), fc()), "layer '0'", "16 bits", "1 to 8"),
    "dynamic scale": (lambda: net(act(act_quant=DynamicAct), fc()), "layer '0'", "Dynamic"),
    "no weight quantizer": (lambda: net(act(), fc(weight_quant=None)), "layer '1' (QuantLinear)", "weight is not quantized"),
    "minifloat weights": (lambda: net(act(), fc(weight_quant=Fp8e4m3WeightPerTensorFloat)), "layer '1'", "not quantized to integers"),
    "delayed": (lambda: net(act(quant_delay_steps=5), fc()), "layer '0'", "quant_delay_steps"),
    "weights not on the grid": (lambda: net(act(), fc(weight_quant_delay_steps=5)), "layer '1'", "integer multiples"),
    "no quantizer between": (lambda: net(act(), fc(), nn.BatchNorm1d(4), fc(4)), "layer '3' (QuantLinear)", "layer '2' (BatchNorm1d)"),
    "relu alone between": (lambda: net(act(), fc(), nn.ReLU(), fc(4)), "layer '3'", "layer '2' (ReLU)", "put a quantizer"),
    "batch statistics": (lambda: net(act(), fc(), nn.BatchNorm1d(4, track_running_stats=False)), "layer '2' (BatchNorm1d)", "track_running_stats"),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYERS)
def test_unsupported_layer(case: str) -> None:
    make, *words = LAYERS[case]
    refuse(make(), UnsupportedError, "Supported are QuantLinear", *words)


def scales_by_channel(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return m.fc(m.act(x) * torch.linspace(0.1, 0.7, N))


def changed_in_place(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    y = m.act(x)
    y.view(2, 2, 3).mul_(2)
    return m.fc(y)


def hidden_in_place(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    y = m.act(x)
    y.detach().numpy()[:] = 0
    return m.fc(y)


FUNCTIONS = {
    "sigmoid": (lambda m, x: torch.sigmoid(m.fc(m.act(x))), "torch.sigmoid", "after layer 'fc' (QuantLinear)"),
    "method": (lambda m, x: m.fc(m.act(x)).softmax(1), "torch.Tensor.softmax"),
    "float function": (lambda m, x: nn.functional.linear(m.act(x), m.fc.weight), "linear", "after layer 'act' (QuantIdentity)"),
    "matmul": (lambda m, x: m.act(x) @ m.fc.weight.T, "matmul"),
    "two scales": (lambda m, x: m.fc(m.act(x)) + m.fc(m.act(x)) * m.act(x).shape[0] / 3e7, "no common integer scale"),
    "two normalizations": (lambda m, x: m.norm(m.fc(m.act(x))) + m.fc(m.act(x)), "layer 'norm' (BatchNorm1d)", "put a quantizer"),
    "two shapes": (lambda m, x: m.act(x) + m.act(x)[:, :1], "(N, 6) and (N, 1)"),
    "two orders": (lambda m, x: m.act(x) + m.act(x).flip(1), "different orders"),
    "constant in a list": (lambda m, x: torch.cat([m.act(x), torch.ones(2, 1)], 1), "1 of the 2 tensors"),
    "batches joined": (lambda m, x: torch.cat([m.act(x), m.act(x)]), "batch axis"),
    "different kinds joined": (lambda m, x: torch.cat([m.norm(m.fc(m.act(x))), m.fc(m.act(x))], 1), "real-valued in different ways"),
    "squared": (lambda m, x: m.fc(m.act(x) * x), "joins 2"),
    "stacked": (lambda m, x: torch.stack([m.act(x), m.act(x)], 1), "torch.stack"),
    "expanded": (lambda m, x: m.act(x).unsqueeze(1).expand(-1, 2, -1), "torch.Tensor.expand"),
    "an element twice": (lambda m, x: m.act(x)[:, [0, 0, 1]], "repeats elements"),
    "transposed": (lambda m, x: m.fc(m.act(x).T.reshape(-1, N)), "torch.Tensor.T"),
    "sliced": (lambda m, x: m.act(x)[:, 2:], "the model itself", "only part of a tensor"),
    "reordered": (lambda m, x: m.act(x).flip(1), "is reordered"),
    "batch mixed": (lambda m, x: m.act(x).view(1, -1), "(1, 12)", "2 samples"),
    "batch lost": (lambda m, x: m.act(x).reshape(-1), "(12,)"),
    "broadcast up": (lambda m, x: m.act(x).unsqueeze(2) * torch.ones(3), "(2, 6, 3)"),
    "per sample": (lambda m, x: m.act(x) + torch.ones(2, 1), "from sample to sample"),
    "reciprocal": (lambda m, x: m.fc(3 / m.act(x)), "__rtruediv__"),
    "by zero": (lambda m, x: m.act(x) / 0.0, "nonzero constant"),
    "control flow": (lambda m, x: m.fc(m.act(x)) if m.act(x).sum() > 0 else x, "torch.Tensor.sum"),
    "value read": (lambda m, x: m.fc(m.act(x) * x.data.max().item()), "data"),
    "to list": (lambda m, x: m.fc(m.act(torch.tensor(x.tolist()))), "torch.Tensor.tolist"),
    "numpy": (hidden_in_place, "torch.Tensor.numpy"),
    "half": (lambda m, x: m.act(x).to(torch.float16), "float16"),
    "integers": (lambda m, x: m.act(x).to(torch.int32), "int32"),
    "always drops": (lambda m, x: m.fc(nn.functional.dropout(m.act(x))), "training=self.training"),
    "scale by channel": (scales_by_channel, "layer 'fc' (QuantLinear)", "the scales of its input's channels", "no common integer scale"),
    "in place behind a view": (changed_in_place, "layer 'fc'", "in place"),
    "tensor bounds": (lambda m, x: torch.clamp(m.act(x), torch.zeros(N), torch.ones(N)), "torch.clamp", "numbers"),
    "keyword": (lambda m, x: torch.add(input=m.act(x), other=1), "by keyword"),
    "three operands": (lambda m, x: torch.div(m.act(x), 2, rounding_mode="floor"), "rounding_mode"),
}  # fmt: skip


def conv(**options: object) -> nn.Module:
    return qnn.QuantConv2d(2, 2, 3, **options)


MAPS = {
    "padding mode": (lambda: conv(padding=1, padding_mode="reflect"), "layer '1' (QuantConv2d)", "padding mode 'reflect'", "'zeros'"),
    "transposed": (lambda: qnn.QuantConvTranspose2d(2, 2, 3), "layer '1' (QuantConvTranspose2d)", "nearest upsampling"),
    "three axes": (lambda: nn.Sequential(nn.Unflatten(1, (2, 1)), qnn.QuantConv3d(2, 2, (1, 2, 2))), "layer '1.1' (QuantConv3d)"),
    "border average": (lambda: nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), "layer '1' (AvgPool2d)", "count_include_pad=True"),
    "cut average": (lambda: nn.AvgPool2d(4, 3, ceil_mode=True), "layer '1' (AvgPool2d)", "ceil_mode"),
    "uneven average": (lambda: nn.AdaptiveAvgPool2d(4), "layer '1' (AdaptiveAvgPool2d)", "(6, 6) to (4, 4)", "divides"),
    "average of clamped reals": (lambda: nn.Sequential(conv(), nn.BatchNorm2d(2), nn.ReLU(), nn.AvgPool2d(2)), "layer '1.3'", "put a quantizer"),
    "padding of reals": (lambda: nn.Sequential(nn.BatchNorm2d(2), conv(padding=1)), "layer '1.1' (QuantConv2d)", "after layer '1.0' (BatchNorm2d)"),
    "zero between the integers": (
        lambda: nn.Sequential(Apply(lambda x: x + 0.1), conv(padding=1)),
        "layer '1.1' (QuantConv2d)", "the zeros that pad its input", "put a quantizer",
    ),
    "indices": (lambda: nn.MaxPool2d(2, return_indices=True), "layer '1' (MaxPool2d)", "torch.int64"),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), "layer '1' (Upsample)", "mode 'bilinear'", "'nearest'"),
    "part of a pixel": (lambda: nn.Upsample(scale_factor=1.5), "layer '1' (Upsample)", "whole factor"),
    "pad with ones": (lambda: nn.ConstantPad2d(1, 1.0), "layer '1' (ConstantPad2d)", "use zeros"),
    "reflection": (lambda: nn.ReflectionPad2d(1), "layer '1' (ReflectionPad2d)"),
    "cut by padding": (lambda: nn.ZeroPad2d(-1), "layer '1' (ZeroPad2d)", "cuts off"),
    "more channels by padding": (lambda: Apply(lambda x: nn.functional.pad(x, (0, 0, 0, 0, 0, 1))), "torch.nn.functional.pad", "along channels"),
    "channels last": (
        lambda: nn.Sequential(Apply(lambda x: x.permute(0, 3, 2, 1)[:, :2]), conv(padding=1)),
        "layer '1.1' (QuantConv2d)", "do not lie as the channels of a map",
    ),
    "features first": (lambda: fc(), "layer '1' (QuantLinear)", "the last axis of (N, 2, 6, 6)", "flatten"),
    "part of the rows": (lambda: Apply(lambda x: nn.functional.max_pool2d(x[:, :, 1:], 2)), "do not lie as the channels of a map"),
    "pixel shuffle": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.MaxPool2d(2)), "layer '1.1' (MaxPool2d)", "do not lie as"),
    "rows joined": (lambda: Apply(lambda x: torch.cat([x, x], 2)), "torch.cat", "do not lie as the channels of a map"),
    "gate": (lambda: Apply(lambda x: x * x.mean((2, 3), keepdim=True)), "joins 2"),
    "mean of channels": (lambda: Apply(lambda x: x.mean(1)), "torch.Tensor.mean", "channel axis must stay"),
    "mean of all": (lambda: Apply(lambda x: x.mean((1, 2, 3))), "torch.Tensor.mean", "channel axis must stay"),
}  # fmt: skip


class Apply(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@pytest.mark.parametrize("case", MAPS)
def test_unsupported_on_maps(case: str) -> None:
    make, *words = MAPS[case]
    refuse(net(act(), make()), UnsupportedError, "Supported are QuantLinear", *words, shape=(2, 2, 6, 6))


@pytest.mark.parametrize(("layer", "name"), [(qnn.QuantConv2d(2, 2, 3), "QuantConv2d"), (nn.MaxPool2d(2), "MaxPool2d")])
def test_a_batch_that_passes_for_channels(layer: nn.Module, name: str) -> None:
    """That is the data's fault: other layouts of it can be tried."""
    model = net(act(), nn.Sequential(nn.Flatten(1, 2), layer))
    refuse(model, InputError, f"layer '1.1' ({name})", "(N, 12, 6)", "batch for channels", shape=(2, 2, 6, 6))


@pytest.mark.parametrize("case", FUNCTIONS)
def test_unsupported_function(case: str) -> None:
    function, *words = FUNCTIONS[case]
    refuse(Wrap(function), UnsupportedError, "Supported are QuantLinear", *words)


def test_function_is_located_in_the_users_submodule() -> None:
    inner = Wrap(lambda m, x: torch.tanh(m.act(x)))
    refuse(nn.Sequential(nn.ModuleDict({"x": act()})["x"], nn.Sequential(inner)), UnsupportedError, "layer '1.0' (Wrap)", "torch.tanh")


OUTPUTS = {
    "two outputs": (lambda m, x: (m.fc(m.act(x)), x), "2 values in a tuple"),
    "dictionary": (lambda m, x: {"logits": m.fc(m.act(x))}, "1 values in a dict"),
    "nothing": (lambda m, x: None, "NoneType"),
    "constant": (lambda m, x: m.fc(torch.ones(2, N)), "does not come from its input"),
    "autograd function": (lambda m, x: m.fc(Opaque.apply(m.act(x))), "numpy"),
    "random constant": (lambda m, x: m.fc(m.act(x)) + torch.rand(4), "two runs"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_bad_output(case: str) -> None:
    function, *words = OUTPUTS[case]
    refuse(Wrap(function), UnsupportedError, *words)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda m, x: m.fc(m.script(m.act(x))), ("does not come from its input", "layer 'act'")),
        (lambda m, x: m.fc(m.act(x) + m.script(x)[:1]), ("two runs",)),
    ],
)
def test_scripted_module_is_not_followed(function: Callable[[nn.Module, torch.Tensor], object], words: tuple[str, ...]) -> None:
    scripted = torch.jit.trace(nn.Sequential(nn.Tanh()), torch.rand(2, N))
    refuse(Wrap(function, script=scripted), UnsupportedError, *words)


def test_infinite_weight_scale() -> None:
    refuse(net(act(), fc(weight_bit_width=1)), InputError, "layer '1' (QuantLinear)", "scale inf", "SignedBinaryWeightPerTensorConst")


def test_infinite_activation_scale() -> None:
    refuse(net(act(bit_width=1, narrow_range=True), fc()), InputError, "layer '0' (QuantIdentity)", "scale inf", "SignedBinaryActPerTensorConst")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_that_are_not_finite(value: float) -> None:
    model = net(act(), fc())
    model[1].weight.data[2, 3] = value
    refuse(model, InputError, "'1.weight'", "NaN or infinite")
    norm = net(act(), fc(), nn.BatchNorm1d(4))
    norm[2].running_var[1] = value
    refuse(norm, InputError, "'2.running_var'")


def test_variance_below_zero() -> None:
    norm = net(act(), fc(), nn.BatchNorm1d(4))
    norm[2].running_var[3] = -1
    refuse(norm, InputError, "layer '2' (BatchNorm1d)", "channel 3")


def test_nan_constant() -> None:
    refuse(Wrap(lambda m, x: m.act(x) * torch.tensor([float("nan")])), InputError, "not finite")


def test_wrong_input_shape() -> None:
    refuse(net(act(), nn.Flatten(), fc()), InputError, "(2, 1, 2, 2)", "layer '2' (QuantLinear)", "expects 6", "(2, 4)", shape=(2, 1, 2, 2))


def test_model_that_raises() -> None:
    def fail(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        raise KeyError("oops")

    refuse(Wrap(fail), InputError, "oops", "(Wrap)")


def test_misconfigured_return_quant_tensor() -> None:
    refuse(net(fc(weight_quant=Int8WeightPerTensorFloat, return_quant_tensor=True)), InputError, "layer '0'", "not correctly configured")


@pytest.mark.parametrize("example", [None, torch.ones(6), torch.ones(2, 6, dtype=torch.int64), torch.ones(0, 6)])
def test_bad_example(example: object) -> None:
    with pytest.raises(InputError, match="example input"):
        import_brevitas(net(act(), fc()), example, name="n")


def test_not_a_module() -> None:
    with pytest.raises(InputError, match="not a torch"):
        import_brevitas(lambda x: x, torch.ones(1, N), name="n")


def test_compiled_quantizers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brevitas.config.JIT_ENABLED", True)
    refuse(net(act(), fc()), InputError, "BREVITAS_JIT=0")


def test_hooks_are_gone_after_a_refusal() -> None:
    model = net(act(act_quant=SignedBinaryActPerTensorConst), fc(weight_quant=SignedBinaryWeightPerTensorConst), nn.Tanh())
    refuse(model.train(), UnsupportedError, "Tanh")
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
