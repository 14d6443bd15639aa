"""A model meets its data in whatever layout it comes, and what reaches the hardware is what the model itself was given."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

from hwqnn import boards
from hwqnn.accelerator import Port, fold_onto
from hwqnn.data import Dataset
from hwqnn.dataflow import fold
from hwqnn.errors import InputError, UnsupportedError
from hwqnn.passes import Head, lower
from hwqnn.reference import Executor
from hwqnn.software import import_for

N = 60
WEIGHT = {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": 1.0}  # so that floats round nothing
SIGN = {"act_quant": SignedBinaryActPerTensorConst, "scaling_const": 1.0}


def convolution(channels: int, features: int, kernel: tuple[int, ...]) -> nn.Module:
    """A 1-bit convolution of one or two axes, and a 1-bit layer behind it."""
    torch.manual_seed(len(kernel))
    layer = {1: qnn.QuantConv1d, 2: qnn.QuantConv2d}[len(kernel)]
    return nn.Sequential(
        qnn.QuantIdentity(**SIGN),
        layer(channels, 4, kernel, bias=False, **WEIGHT),
        qnn.QuantIdentity(**SIGN),
        nn.Flatten(),
        qnn.QuantLinear(features, 5, bias=False, **WEIGHT),
    ).eval()


def pool_first(channels: int, features: int, kernel: tuple[int, ...]) -> nn.Module:
    """A pool takes (N, H, W) for a single image of N channels, where a convolution would complain."""
    return nn.Sequential(nn.MaxPool2d(2), *convolution(channels, features, kernel))


CASES = {
    "images without channels": (convolution(1, 4 * 3 * 5, (2, 2)), (4, 6), lambda x: x[:, None]),
    "images without channels, pool first": (pool_first(1, 4 * 1 * 2, (2, 2)), (4, 6), lambda x: x[:, None]),
    "channels first": (convolution(3, 4 * 2 * 3, (3, 2)), (3, 4, 4), lambda x: x),
    "channels last": (convolution(3, 4 * 2 * 3, (3, 2)), (4, 4, 3), lambda x: x.transpose(0, 3, 1, 2)),
    "channels first, as many as rows": (convolution(3, 4 * 1 * 4, (3, 2)), (3, 3, 5), lambda x: x),
    "channels last, as many as rows": (convolution(3, 4 * 1 * 4, (3, 2)), (3, 5, 3), lambda x: x.transpose(0, 3, 1, 2)),
    "signals": (convolution(2, 4 * 5, (3,)), (2, 7), lambda x: x),
    "signals, channels last": (convolution(2, 4 * 5, (3,)), (7, 2), lambda x: x.transpose(0, 2, 1)),
    "signals without channels": (convolution(1, 4 * 5, (3,)), (7,), lambda x: x[:, None]),
}


@pytest.mark.parametrize(("model", "shape", "arranged"), CASES.values(), ids=CASES)
def test_layouts(model: nn.Module, shape: tuple[int, ...], arranged) -> None:  # type: ignore[no-untyped-def]
    """Labels from torch, on data arranged by hand; from the software that was found; and from the reference."""
    x = np.random.default_rng(len(shape)).integers(-9, 5, (N, *shape))
    expected = model(torch.from_numpy(arranged(x)).float()).argmax(1).numpy()
    assert len(np.unique(expected)) > 2
    data = Dataset("some", x, np.zeros(N, dtype=np.int64), Fraction(1))
    software = import_for("some", model, data)
    assert (software.labels(False) == expected).all()
    acc = fold_onto(
        software.graph, lower(software.graph, Head.LABEL), boards.load("zynq7020"), fps=1000, clock_mhz=None, port=Port.RAW, input_scale=data.scale,
        pins=fold.NO_PINS,
    )  # fmt: skip
    assert (acc.predict(software.data.x) == expected).all()


def test_images_for_dense_layers_enter_row_by_row() -> None:
    """Without a channel axis they could pass for signals of as many channels as rows, whose elements enter column by column."""
    torch.manual_seed(0)
    layers = (nn.Flatten(), qnn.QuantIdentity(**SIGN), qnn.QuantLinear(24, 5, bias=False, **WEIGHT))
    for model in (nn.Sequential(*layers), nn.Sequential(layers[1], layers[0], layers[2])):
        x = np.random.default_rng(0).integers(-9, 9, (N, 4, 6))
        software = import_for("some", model.eval(), Dataset("some", x, np.zeros(N, dtype=np.int64), Fraction(1)))
        assert software.graph.input.shape == (24,)
        expected = model(torch.from_numpy(x).float()).argmax(1).numpy()
        assert (Executor(lower(software.graph), threads=1).run(x.reshape(N, 24))[:, 0] == expected).all()


def test_a_model_that_takes_the_data_in_no_layout() -> None:
    data = Dataset("some", np.zeros((N, 9, 9), dtype=np.uint8), np.zeros(N, dtype=np.int64), Fraction(1))
    with pytest.raises(InputError, match=r"fails on an input of shape \(2, 9, 9\).*Conv2d") as refused:
        import_for("some", convolution(3, 4, (3, 3)), data)
    assert refused.type is InputError


def test_what_cannot_be_imported_is_named_whatever_the_layout() -> None:
    data = Dataset("some", np.zeros((N, 4, 6), dtype=np.uint8), np.zeros(N, dtype=np.int64), Fraction(1))
    with pytest.raises(UnsupportedError, match=r"layer '0.3' \(Softsign\)"):
        import_for("some", nn.Sequential(nn.Sequential(*pool_first(1, 8, (2, 2))[:3], nn.Softsign()), nn.Flatten()), data)


def test_onnx_with_channels_last(tmp_path: Path) -> None:
    """A file says its input's shape, so that channels last are seen."""
    from brevitas.export import export_qonnx

    model, shape = convolution(3, 4 * 1 * 4, (3, 2)), (3, 5, 3)
    path = tmp_path / "some.onnx"
    export_qonnx(model, torch.rand(1, 3, 3, 5), export_path=str(path), dynamo=False)
    x = np.random.default_rng(1).integers(-9, 9, (N, *shape))
    expected = model(torch.from_numpy(x.transpose(0, 3, 1, 2)).float()).argmax(1).numpy()
    software = import_for("some", path, Dataset("some", x, np.zeros(N, dtype=np.int64), Fraction(1)))
    assert software.data.x.shape == (N, 3, 3, 5)
    assert (software.labels(False) == expected).all()
