"""QONNX files of maps that Brevitas does not write: what qonnx' own transformations make of a network, FINN's streamlined form, rarer nodes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from qonnx_files import GENERAL, Net, assert_executed, export, same_network
from qonnx_models import SHAPE, trained

from hwqnn import ir
from hwqnn.frontend import import_qonnx
from hwqnn.frontend.qonnx import OnnxFile, execute
from hwqnn.passes import Head, lower
from hwqnn.reference import Executor

LAST = "qonnx.custom_op.channels_last"
CHANNELS, HEIGHT, WIDTH = 3, 6, 7


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def pixels(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, (6, *(shape or (CHANNELS, HEIGHT, WIDTH))))


def net(*shape: int | str, opset: int = 13) -> Net:
    return Net(*(shape or ("N", CHANNELS, HEIGHT, WIDTH)), opset=opset).quant(1 / 15, 4, signed=0)


def small(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-3, 4, shape).astype(np.float32)


def check(n: Net, tmp_path: Path, images: np.ndarray) -> ir.Graph:
    """The import against the executor; the graph."""
    path = n.save(tmp_path / "n.onnx")
    assert len(np.unique(assert_executed(path, images), axis=0)) > 1
    return import_qonnx(path, name="n")


# --- qonnx' own transformations


def transformed(model: onnx.ModelProto, *names: str) -> onnx.ModelProto:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation import (
        batchnorm_to_affine,
        change_batchsize,
        channels_last,
        extract_conv_bias,
        extract_quant_scale_zeropt,
        gemm_to_matmul,
        lower_convs_to_matmul,
        make_input_chanlast,
        qonnx_to_qcdq,
    )
    from qonnx.util.cleanup import cleanup_model

    made: dict[str, Callable[[], object]] = {
        "affine batch norms": batchnorm_to_affine.BatchNormToAffine,
        "channels last": lambda: channels_last.ConvertToChannelsLastAndClean(make_input_channels_last=True),
        "convolutions as products": lower_convs_to_matmul.LowerConvsToMatMul,
        "biases apart": extract_conv_bias.ExtractBiasFromConv,
        "scales apart": extract_quant_scale_zeropt.ExtractQuantScaleZeroPt,
        "Gemm as MatMul": gemm_to_matmul.GemmToMatMul,
        "QCDQ": qonnx_to_qcdq.QuantToQCDQ,
        "input last": make_input_chanlast.MakeInputChannelsLast,
        "batch of four": lambda: change_batchsize.ChangeBatchSize(4),
    }
    wrapped = cleanup_model(ModelWrapper(model))
    for name in names:
        wrapped = wrapped.transform(made[name]())
    return wrapped.model


TRANSFORMED = [
    (model, (name,))
    for model, names in {
        "binary, padded": ("affine batch norms", "channels last", "convolutions as products", "input last"),
        "ternary": ("channels last", "convolutions as products", "QCDQ", "scales apart"),
        "8-bit": ("biases apart", "QCDQ", "batch of four", "Gemm as MatMul"),
        "average": ("channels last", "convolutions as products", "biases apart"),
    }.items()
    for name in names
] + [("ternary", ("affine batch norms", "convolutions as products", "input last"))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "transformations"), TRANSFORMED)
def test_transformed_by_qonnx(name: str, transformations: tuple[str, ...], tmp_path: Path) -> None:
    model, example = trained(name)
    path = export(model, example, tmp_path / "n.onnx")
    before = import_qonnx(path, name="n")
    onnx.save(transformed(onnx.load(path), *transformations), path)
    file = OnnxFile.read(path)
    images = np.random.default_rng(1).integers(0, 256, (4, *SHAPE))
    assert_executed(path, images if file.shape == SHAPE else np.moveaxis(images, 1, -1))
    if "affine batch norms" not in transformations:  # that computes the factors in float32
        assert same_network(lower(import_qonnx(path, name="n"), Head.SCORES), lower(before, Head.SCORES)) is None


# --- FINN's streamlined form


@pytest.mark.parametrize("pixel_labels", [False, True])
def test_streamlined_convolutions(pixel_labels: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    """Integers only, channels last: MultiThreshold, Im2Col with MatMul, pools, and a head; against a few lines of numpy."""
    first, second = np.sort(rng.normal(120, 40, (CHANNELS, 3))), np.sort(rng.integers(-12, 12, (8, 1)))
    kernels, matrix = rng.choice([-1, 1], (8, 3, 3, CHANNELS)), rng.integers(-2, 3, (8, 5))
    n = Net(1, CHANNELS, HEIGHT, WIDTH).node("Transpose", perm=[0, 2, 3, 1])
    n.node("MultiThreshold", first, domain=GENERAL, out_dtype="UINT2", data_layout="NHWC")
    n.node("Im2Col", domain=GENERAL, stride=[1, 1], kernel_size=[3, 3], pad_amount=[1, 1, 1, 1], input_shape="(1,6,7,3)", dilations=[1, 1])
    n.node("MatMul", kernels.reshape(8, -1).T.astype(np.float32))
    n.node("MultiThreshold", second.astype(np.float32), domain=GENERAL, out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0, data_layout="NHWC")
    n.node("MaxPoolNHWC", domain=GENERAL, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    if not pixel_labels:
        n.node("QuantAvgPool2d", domain=GENERAL, kernel=3, stride=1, ibits=1, obits=3, signed=1, data_layout="NHWC")
    n.node("MatMul", matrix.astype(np.float32)).node("Mul", 0.25).node("TopK", np.array([1]), outputs=2, axis=-1)
    path = n.save(tmp_path / "n.onnx")

    images = pixels(rng)
    codes = (images[..., None] >= first[:, None, None]).sum(-1).transpose(0, 2, 3, 1)
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.stack([[padded[:, i : i + 3, j : j + 3] for j in range(WIDTH)] for i in range(HEIGHT)])
    bits = np.where(np.einsum("hwnabc,oabc->nhwo", windows, kernels) >= second[:, 0], 1, -1)
    pooled = bits[:, :6, :6].reshape(-1, 3, 2, 3, 2, 8).max(axis=(2, 4))
    expected = (pooled if pixel_labels else pooled.sum(axis=(1, 2)) >> 1) @ matrix

    graph = import_qonnx(path, name="n", input_scale=Fraction(1))
    lowered = lower(graph)
    found = Executor(lowered, threads=1).run(images.transpose(0, 2, 3, 1))
    assert len(np.unique(expected)) > 5
    assert (found.reshape(expected.shape[:-1]) == expected.argmax(-1)).all()
    assert (execute.labels(OnnxFile.read(path), images.astype(np.float32)) == expected.argmax(-1)).all()


def test_depthwise_as_product(tmp_path: Path, rng: np.random.Generator) -> None:
    """Im2Col and a matrix that is zero between channels are a depthwise convolution."""
    kernels = rng.integers(1, 4, (CHANNELS, 2, 2))
    matrix = np.zeros((2, 2, CHANNELS, CHANNELS), np.float32)
    for channel in range(CHANNELS):
        matrix[:, :, channel, channel] = kernels[channel]
    n = net(1, HEIGHT, WIDTH, CHANNELS)
    n.node("Im2Col", domain=GENERAL, stride=[2, 1], kernel_size=[2, 2], input_shape="(1,6,7,3)", depthwise=1, dilations=[1, 2])
    graph = check(n.node("MatMul", matrix.reshape(-1, CHANNELS)), tmp_path, pixels(rng, HEIGHT, WIDTH, CHANNELS))
    (conv,) = (op for op in graph.ops if isinstance(op, ir.Conv))
    assert (conv.groups, conv.weight.shape) == (CHANNELS, (CHANNELS, 2, 2, 1))


@pytest.mark.parametrize("lowered", [False, True])
def test_xnor_popcounts(lowered: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    shape = (HEIGHT, WIDTH, CHANNELS)
    n = Net(1, *shape).node("MultiThreshold", [[0.4]], domain=GENERAL, out_dtype="BINARY", data_layout="NHWC")
    inputs = CHANNELS
    if lowered:
        n.node("Im2Col", domain=GENERAL, stride=[1, 1], kernel_size=[2, 2], input_shape="(1,6,7,3)", dilations=[1, 1])
        inputs *= 4
    check(
        n.node("XnorPopcountMatMul", rng.integers(0, 2, (inputs, 4)).astype(np.float32), domain=GENERAL),
        tmp_path,
        pixels(rng, HEIGHT, WIDTH, CHANNELS),
    )


@pytest.mark.parametrize("axis", [1, 3])
def test_thresholds_by_channel(axis: int, tmp_path: Path, rng: np.random.Generator) -> None:
    """Behind a batch norm with factors of both signs, channels first and last."""
    table = np.sort(rng.normal(0, 2, (4, 3)))
    n = net().node("Conv", small(rng, 4, CHANNELS, 2, 2)).node("BatchNormalization", np.array([1, -1, 0.5, 0]), *rng.random((3, 4)) + 0.5)
    if axis == 3:
        n.node("Transpose", perm=[0, 2, 3, 1])
    check(n.node("MultiThreshold", table, domain=GENERAL, data_layout="NCHW" if axis == 1 else "NHWC", out_scale=0.5), tmp_path, pixels(rng))


def test_wrapped_channels_last(tmp_path: Path, rng: np.random.Generator) -> None:
    n = net("N", HEIGHT, WIDTH, CHANNELS)
    n.node("Conv", small(rng, 4, 3, 3, CHANNELS), domain=LAST, pads=[1, 0, 1, 0], strides=[1, 1], kernel_shape=[3, 3], group=1, dilations=[1, 1])
    n.node("BatchNormalization", *rng.random((4, 4)) + 0.1, domain=LAST).node("Relu").quant(0.5, 3, signed=0)
    n.node("MaxPool", domain=LAST, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]).node("ReduceMean", axes=[1, 2], keepdims=0)
    check(n.node("MatMul", small(rng, 4, 5)), tmp_path, pixels(rng, HEIGHT, WIDTH, CHANNELS))


# --- windows


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("signal", [False, True])
def test_automatic_padding(auto_pad: str, signal: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    """Of a Conv, by group, and a MaxPool, of maps and of signals; against onnxruntime, too."""
    two = slice(1, None) if signal else slice(None)
    shape = (CHANNELS, 17) if signal else (CHANNELS, HEIGHT, WIDTH)
    n = Net("N", *shape).node("QuantizeLinear", 1 / 15, np.array(0, np.uint8)).node("DequantizeLinear", 1 / 15, np.array(0, np.uint8))
    n.node("Conv", small(rng, 6, 1, *[2, 4][two]), small(rng, 6), auto_pad=auto_pad, strides=[1, 3][two], group=3)
    n.node("MaxPool", kernel_shape=[3, 2][two], strides=[2, 1][two], auto_pad=auto_pad)
    images = pixels(rng, *shape)
    check(n, tmp_path, images)
    (theirs,) = onnxruntime.InferenceSession(tmp_path / "n.onnx").run(None, {"x": (images / 255).astype(np.float32)})
    np.testing.assert_allclose(execute.outputs(OnnxFile.read(tmp_path / "n.onnx"), images / 255), theirs, atol=1e-5)


@pytest.mark.parametrize("falling", [False, True])
def test_ceil_mode(falling: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    n = net().node("Conv", small(rng, 3, CHANNELS, 1, 1)).node("Mul", np.array([-1, 2, -0.5]).reshape(3, 1, 1) if falling else 1.5)
    check(n.node("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 0, 1], ceil_mode=1), tmp_path, pixels(rng))


def test_pools(tmp_path: Path, rng: np.random.Generator) -> None:
    n = net().node("AveragePool", kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1], count_include_pad=1).quant(0.1, 4, signed=0)
    n.node("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 2]), 0.0).node("Conv", small(rng, 4, CHANNELS, 3, 3)).node("GlobalMaxPool")
    check(n.node("Flatten").node("Gemm", small(rng, 5, 4), transB=1), tmp_path, pixels(rng))


@pytest.mark.parametrize(
    ("op", "axes", "keep"), [("ReduceMean", [2, 3], 1), ("ReduceSum", [-1, -2], 0), ("ReduceMax", [3], 1), ("ReduceMean", [2], 0)]
)
def test_reductions(op: str, axes: list[int], keep: int, tmp_path: Path, rng: np.random.Generator) -> None:
    given = {} if op == "ReduceSum" else {"axes": axes}
    n = net().node(op, *([np.array(axes)] if op == "ReduceSum" else []), keepdims=keep, **given)
    check(n, tmp_path, pixels(rng))


@pytest.mark.parametrize(
    ("opset", "attributes"),
    [
        (13, {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
        (13, {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}),
        (13, {"mode": "nearest"}),
        (19, {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}),
    ],
)
@pytest.mark.parametrize("sizes", [False, True])
def test_resizing(opset: int, attributes: dict[str, str], sizes: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    factors = [2, 3]
    n = net(1, CHANNELS, HEIGHT, WIDTH, opset=opset).node("Conv", small(rng, 2, CHANNELS, 3, 3))
    if sizes:
        n.node("Resize", "", "", np.array([1, 2, 4 * factors[0], 5 * factors[1]]), **attributes)
    else:
        n.node("Resize", "", np.array([1, 1, *factors], np.float32), **attributes)
    check(n, tmp_path, pixels(rng))


def test_upsample_of_old(tmp_path: Path, rng: np.random.Generator) -> None:
    graph = check(net(opset=9).node("Upsample", np.array([1, 1, 2, 2], np.float32), mode="nearest"), tmp_path, pixels(rng))
    assert any(isinstance(op, ir.Upsample) for op in graph.ops)


# --- integers


@pytest.mark.parametrize("rounding", ["FLOOR", "CEIL", "ROUND"])
@pytest.mark.parametrize("version", [1, 2])
def test_truncation(version: int, rounding: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Of a sum of four, whose every remainder there is occurs; of scales that float32 rounds."""
    scale = np.float32(0.3) / np.float32(9)
    n = Net("N", CHANNELS, HEIGHT, WIDTH).node("Sub", 0.5).node("Mul", 2.0).quant(0.3, 3, signed=1).node("AveragePool", kernel_shape=[3, 3])
    if version == 1:
        n.node("Trunc", scale, 0, 7, 4, domain=GENERAL, rounding_mode=rounding)
    else:
        n.node("Trunc", scale, 0, 7, scale * np.float32(8), 2, domain=GENERAL, rounding_mode=rounding, signed=1, narrow=1)
    check(n, tmp_path, pixels(rng))


def test_scales_by_channel(tmp_path: Path, rng: np.random.Generator) -> None:
    """An activation with one scale a channel, which a depthwise convolution keeps apart and a dense one makes one."""
    n = Net("N", CHANNELS, HEIGHT, WIDTH)
    n.node("Quant", np.array([0.25, 0.5, 0.125]).reshape(1, 3, 1, 1), 0, 4, domain=GENERAL, signed=1, narrow=0, rounding_mode="ROUND")
    n.node("Conv", small(rng, 3, 1, 2, 2), group=3, pads=[1, 1, 0, 0]).quant(0.5, 4)
    n.node("Quant", np.array([0.25, 1.5, 0.125]).reshape(1, 3, 1, 1), 0, 2, domain=GENERAL, signed=0, narrow=0, rounding_mode="FLOOR")
    check(n.node("Conv", small(rng, 4, 3, 2, 2)), tmp_path, pixels(rng))


# --- joins and moves


def test_residual_with_offsets(tmp_path: Path, rng: np.random.Generator) -> None:
    """Differences of scales and offsets, by channel, meet in an Add and a Sub."""
    n = net().node("Conv", small(rng, 3, CHANNELS, 3, 3), pads=[1, 1, 1, 1]).quant(0.5, 3)
    short = n.current
    n.node("Conv", small(rng, 3, 3, 1, 1)).node("Add", rng.integers(0, 9, (1, 3, 1, 1)) / 4).node("Add", short)
    n.quant(0.75, 4).node("Sub", short).quant(1.25, 5, zero_point=3).node("Conv", small(rng, 2, 3, 1, 1))
    check(n, tmp_path, pixels(rng))


@pytest.mark.parametrize("last", [False, True])
def test_concatenation(last: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    """Of three, with their own scales."""
    n = net()
    parts = []
    start = n.current
    for scale in (0.5, 0.25, 1.0):
        n.current = start
        n.node("Conv", small(rng, 2, CHANNELS, 1, 1)).quant(scale, 3)
        if last:
            n.node("Transpose", perm=[0, 2, 3, 1])
        parts.append(n.current)
    n.current = parts[0]
    n.node("Concat", *parts[1:], axis=-1 if last else 1)
    if last:
        n.node("Transpose", perm=[0, 3, 1, 2])
    check(n.node("Conv", small(rng, 3, 6, 2, 2)), tmp_path, pixels(rng))


def test_channels_split_and_shuffled(tmp_path: Path, rng: np.random.Generator) -> None:
    n = (
        Net(1, 4, HEIGHT, WIDTH)
        .quant(1 / 15, 4, signed=0)
        .node("Reshape", np.array([1, 2, 2, HEIGHT, WIDTH]))
        .node("Transpose", perm=[0, 2, 1, 3, 4])
    )
    n.node("Reshape", np.array([0, 4, HEIGHT, WIDTH])).node("Gather", np.array([3, 0, 1, 2]), axis=1)
    n.node("Slice", np.array([1]), np.array([4]), np.array([1])).node("Conv", small(rng, 4, 3, 2, 2)).quant(2.0, 3)
    n.node("Split", axis=1, outputs=2)
    left, right = n.nodes[-1].output
    n.current = right
    n.node("Conv", small(rng, 2, 2, 1, 1)).quant(1.5, 3).node("Concat", left, axis=1, at=1)
    check(n.node("Conv", small(rng, 2, 4, 1, 1)), tmp_path, pixels(rng, 4, HEIGHT, WIDTH))


@pytest.mark.parametrize("head", [{"axis": 1}, {"axis": -3, "keepdims": 0}])
def test_labels_of_pixels(head: dict[str, int], tmp_path: Path, rng: np.random.Generator) -> None:
    path = net().node("Conv", small(rng, 4, CHANNELS, 2, 2)).node("ArgMax", **head).save(tmp_path / "n.onnx")
    images = pixels(rng)
    theirs = execute.labels(OnnxFile.read(path), images / 255, double=True)
    assert theirs.shape == (6, HEIGHT - 1, WIDTH - 1)
    found = Executor(lower(import_qonnx(path, name="n")), threads=1).run(np.moveaxis(images, 1, -1))
    assert (found[..., 0] == theirs).all()


def test_best_three(tmp_path: Path, rng: np.random.Generator) -> None:
    path = (
        net()
        .node("Flatten")
        .node("MatMul", small(rng, CHANNELS * HEIGHT * WIDTH, 6))
        .node("TopK", np.array([3]), outputs=2)
        .save(tmp_path / "n.onnx")
    )
    images = pixels(rng)
    out = execute.outputs(OnnxFile.read(path), images / 255, double=True)
    found = Executor(lower(import_qonnx(path, name="n"), k=3), threads=1).run(np.moveaxis(images, 1, -1))
    assert (found == out).all()
    assert (execute.labels(OnnxFile.read(path), images / 255, double=True) == out[:, 0]).all()


def test_images_may_come_channels_last(tmp_path: Path, rng: np.random.Generator) -> None:
    path = net().node("Conv", small(rng, 4, CHANNELS, 2, 2)).save(tmp_path / "n.onnx")
    images = pixels(rng) / 255
    file = OnnxFile.read(path)
    assert (execute.outputs(file, np.moveaxis(images, 1, -1)) == execute.outputs(file, images)).all()
