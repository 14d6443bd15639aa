"""QONNX files: what the import computes, against qonnx's executor, the exact model, and the Brevitas route."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import brevitas.nn as qnn
import exact_model
import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_onnx_qcdq
from brevitas.inject.enum import FloatToIntImplType
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryWeightPerTensorConst,
)
from qonnx_files import GENERAL, SHARED, Net, assert_executed, export, same_network
from running import MODELS, Ran
from torch import nn

from hwqnn import data, ir, layout
from hwqnn.build import Options, build
from hwqnn.frontend import import_brevitas, import_qonnx, load_model
from hwqnn.frontend.qonnx import OnnxFile, execute
from hwqnn.passes import lower
from hwqnn.reference import Executor

FEATURES = 16
EXAMPLE = torch.rand(1, 1, 4, 4)
TFC = SHARED / "data" / "TFC_1W1A.onnx"
with_tfc = pytest.mark.skipif(not TFC.is_file(), reason=f"{TFC} is not there (a third-party file beside the project; $HWQNN_SHARED says where)")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (300, FEATURES))


def labels(graph: ir.Graph, x: np.ndarray) -> np.ndarray:
    """`x` is (N, ...) in the file's layout."""
    return Executor(lower(graph), threads=1).run(layout.to_hardware(x, graph.input.shape))[:, 0]


def executed(path: Path, x: np.ndarray) -> np.ndarray:
    """In float64, where sums of scaled weights tie as exact ones do."""
    return execute.labels(OnnxFile.read(path), (x / 255).astype(np.float32), double=True)


# --- somebody else's file


@with_tfc
def test_tfc_from_the_model_zoo() -> None:
    mnist = data.load("mnist")
    graph = import_qonnx(TFC, name="tfc")
    found = labels(graph, mnist.x.reshape(len(mnist), -1).astype(np.int64))
    assert (found == execute.labels(OnnxFile.read(TFC), mnist.real())).all()
    assert exact_model.label(graph, mnist.x[0].reshape(-1).tolist()) == found[0]
    if len(mnist) == 10_000:
        assert (found == mnist.y).sum() == 9296
    else:
        assert np.mean(found == mnist.y) > 0.9


@with_tfc
def test_tfc_in_rtl(tmp_path: Path) -> None:
    report = build(Options(model=str(TFC), data="mnist", images=20, synth=False, output=tmp_path / "out", jobs=2)).report
    assert report.passed
    assert report.model == "TFC_1W1A"
    assert report.exact.rtl_bits_compared > 20 * 1000
    assert (report.exact.rtl_mismatches, report.exact.software_disagreements) == (0, 0)


# --- what Brevitas exports


WEIGHTS = {
    "binary": {"weight_quant": SignedBinaryWeightPerTensorConst},
    "ternary": {"weight_quant": SignedTernaryWeightPerTensorConst},
    "fixed": {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 5},
    "wide": {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": 4, "weight_narrow_range": False},
} | {
    f"int{bits}": {"weight_quant": Int8WeightPerChannelFloat if bits % 2 else Int8WeightPerTensorFloat, "weight_bit_width": bits}
    for bits in range(2, 9)
}

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sign": lambda: qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst),
    "ceil": lambda: qnn.QuantIdentity(bit_width=3, float_to_int_impl_type=FloatToIntImplType.CEIL),
    "floor": lambda: qnn.QuantIdentity(bit_width=4, float_to_int_impl_type=FloatToIntImplType.FLOOR),
    "hardtanh": lambda: qnn.QuantHardTanh(act_quant=Int8ActPerTensorFloat, bit_width=4, min_val=-1.5, max_val=1.5),
    "narrow unsigned": lambda: qnn.QuantReLU(bit_width=3, narrow_range=True),
    "narrow signed": lambda: qnn.QuantIdentity(bit_width=3, narrow_range=True),
} | {
    f"{'unsigned' if bits % 2 else 'signed'}{bits}": (lambda bits=bits: (qnn.QuantReLU if bits % 2 else qnn.QuantIdentity)(bit_width=bits))
    for bits in range(2, 9)
}  # fmt: skip


class Unit(nn.Module):
    """Pixels to [-1, 1], flat."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2.0 * x.flatten(1) - 1.0


def mlp(weights: str, activation: str) -> nn.Module:
    """An input quantizer, two hidden layers and the scores, with trained-looking parameters."""
    torch.manual_seed(5)
    options, act = WEIGHTS[weights], ACTIVATIONS[activation]
    model = nn.Sequential(
        Unit(),
        act(),
        qnn.QuantLinear(FEATURES, 9, bias=True, bias_quant=Int8BiasPerTensorFloatInternalScaling, **options),
        nn.BatchNorm1d(9),
        act(),
        nn.Dropout(),
        qnn.QuantLinear(9, 7, bias=True, **options),
        nn.BatchNorm1d(7, affine=weights != "binary"),
        act(),
        qnn.QuantLinear(7, 4, bias=activation != "sign", **options),
    )
    for layer in model:
        if isinstance(layer, nn.BatchNorm1d):
            layer.momentum = 0.5
            if layer.affine:
                nn.init.uniform_(layer.bias, -0.5, 0.5)
                nn.init.uniform_(layer.weight, -1, 1)
    with torch.no_grad():
        for _ in range(10):  # ranges of activations and batch norms
            model(torch.rand(200, 1, 4, 4))
    return model.eval()


PAIRS = list(zip([*WEIGHTS, "binary", "ternary"], ACTIVATIONS, strict=True))


@pytest.mark.parametrize(("weights", "activation"), PAIRS)
def test_torchscript_export_is_the_module(weights: str, activation: str, tmp_path: Path, pixels: np.ndarray) -> None:
    model = mlp(weights, activation)
    path = export(model, EXAMPLE, tmp_path / "n.onnx")
    graph = import_qonnx(path, name="n")
    assert same_network(lower(graph), lower(import_brevitas(model, EXAMPLE, name="n"))) is None
    found = labels(graph, pixels)
    assert len(set(found.tolist())) > 1
    assert (found == executed(path, pixels)).all()


@pytest.mark.parametrize(("weights", "activation"), [("binary", "sign"), ("int3", "unsigned3"), ("int4", "floor"), ("ternary", "narrow signed")])
def test_dynamo_export_is_the_module(weights: str, activation: str, tmp_path: Path, pixels: np.ndarray) -> None:
    model = mlp(weights, activation)
    path = export(model, EXAMPLE, tmp_path / "n.onnx", dynamo=True)
    graph = import_qonnx(path, name="n")
    assert same_network(lower(graph), lower(import_brevitas(model, EXAMPLE, name="n"))) is None
    assert [op.name for op in graph.ops if not isinstance(op, ir.Reshape)] == ["@input", "1", "2", "4", "6", "8", "9"], (
        "the layers' names in the module"
    )
    assert (labels(graph, pixels) == executed(path, pixels)).all()


@pytest.mark.parametrize(("weights", "activation"), [("int8", "signed8"), ("int3", "unsigned3"), ("wide", "narrow unsigned"), ("ternary", "signed4")])
def test_qcdq_export_is_the_module(weights: str, activation: str, tmp_path: Path) -> None:
    """QuantizeLinear, Clip, DequantizeLinear."""
    model = mlp(weights, activation)
    path = export(model, EXAMPLE, tmp_path / "n.onnx", how=export_onnx_qcdq)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {n.op_type for n in onnx.load(path).graph.node}
    assert same_network(lower(import_qonnx(path, name="n")), lower(import_brevitas(model, EXAMPLE, name="n"))) is None


def test_qonnx_itself_gives_the_same_labels(tmp_path: Path, pixels: np.ndarray) -> None:
    """qonnx's executor as its authors run it, node by node in onnxruntime."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    path = export(mlp("int3", "unsigned3"), EXAMPLE, tmp_path / "n.onnx")
    model = ModelWrapper(str(path)).transform(InferShapes())
    (entry,), (out,) = (
        [i.name for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}],
        [o.name for o in model.graph.output],
    )
    few = pixels[:12]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [execute_onnx(model, {entry: (x / 255).astype(np.float32).reshape(1, 1, 4, 4)})[out].argmax() for x in few]
    assert labels(import_qonnx(path, name="n"), few).tolist() == theirs


# --- FINN's streamlined form


@pytest.mark.parametrize("domain", [GENERAL, "finn.custom_op.general"])
@pytest.mark.parametrize("head", ["TopK", "ArgMax"])
def test_streamlined(domain: str, head: str, tmp_path: Path) -> None:
    """Integers all through: thresholds with halves and out of order, bipolar and signed codes, one row or one each; a scale before the head."""
    rng = np.random.default_rng(3)
    first = rng.integers(0, 2 * 255, (1, 1)) / 2
    middle = np.sort(rng.integers(-60, 60, (8, 7)) / 2, axis=1)[:, ::-1]
    middle[2, 0], middle[3, 6] = np.inf, -np.inf
    matrices = [rng.choice([-1, 1], (FEATURES, 8)), rng.integers(-4, 4, (8, 5))]
    net = Net(1, FEATURES).node("MultiThreshold", first, domain=domain, out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0)
    net.node("MatMul", matrices[0].astype(np.float32)).node(
        "MultiThreshold", middle.astype(np.float32), domain=domain, out_dtype="INT3", out_bias=-4.0
    )
    net.node("MatMul", matrices[1].astype(np.float32)).node("Mul", 0.125)
    net = net.node("TopK", np.array([1]), outputs=2, axis=-1) if head == "TopK" else net.node("ArgMax", axis=1, keepdims=0)
    graph = import_qonnx(net.save(tmp_path / "n.onnx"), name="n", input_scale=Fraction(1))
    found = []
    images = rng.integers(0, 256, (40, FEATURES))
    images[:, 0] = int(np.ceil(first[0, 0]))
    for x in images:
        bits = np.where(x >= first[0, 0], 1, -1)
        codes = ((bits @ matrices[0])[:, None] >= middle).sum(axis=1) - 4
        scores = codes @ matrices[1]
        assert exact_model.evaluate(graph, x.tolist()) == scores.tolist()
        found.append(int(scores.argmax()))
    assert labels(graph, images).tolist() == found
    assert [str(graph.edges[op.name].type) for op in graph.ops if isinstance(op, ir.Threshold)] == ["bipolar", "int3"]
    assert execute.labels(OnnxFile.read(tmp_path / "n.onnx"), images.astype(np.float32)).tolist() == found


def test_thresholds_behind_real_arithmetic(tmp_path: Path, pixels: np.ndarray) -> None:
    """MultiThreshold and Sign after batch norms with factors of both signs and zero, and codes that stand for other numbers; two thresholds are
    always and never reached."""
    rng = np.random.default_rng(4)
    gamma = np.array([1, -1, 0, 2, -0.5, 1], np.float32)
    norm = (rng.normal(size=6), rng.normal(size=6), rng.random(6) + 0.1)
    net = Net("batch", FEATURES).quant(1 / 16, 5)
    net.node("MatMul", rng.choice([-1.0, 1.0], (FEATURES, 6))).node("BatchNormalization", gamma, *norm)
    table = np.sort(rng.normal(size=(6, 3)))
    table[:3, 0], table[2:5, 2] = -np.inf, np.inf
    net.node("MultiThreshold", table, domain=GENERAL, out_dtype="FLOAT32", out_scale=-0.5, out_bias=0.3)
    net.node("MatMul", rng.integers(-3, 4, (6, 6)).astype(np.float32)).node("BatchNormalization", gamma, *norm).node("Sign")
    net.node("MatMul", rng.integers(-3, 4, (6, 5)).astype(np.float32))
    assert_scores(net.save(tmp_path / "n.onnx"), pixels)


# --- the other nodes


def assert_scores(path: Path, x: np.ndarray) -> None:
    """The real outputs of the imported graph are those of the executor in float64, and the labels are the greatest."""
    few = x[:40].reshape(40, *OnnxFile.read(path).shape)
    theirs = assert_executed(path, few)
    assert len(np.unique(theirs, axis=0)) > 3
    assert labels(import_qonnx(path, name="n"), few).tolist() == theirs.reshape(40, -1).argmax(axis=1).tolist()


def test_arithmetic_and_shapes(tmp_path: Path, pixels: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    axis = np.array([1])
    net = Net("N", 1, 4, 4).node("Unsqueeze", axis).node("Squeeze", axis).node("Transpose", perm=[0, 2, 3, 1]).node("Flatten", axis=-3)
    net.node("Identity").node("Cast", to=onnx.TensorProto.FLOAT).node("Dropout").node("Mul", rng.normal(size=(1, FEATURES))).node("Sub", 0.3, at=1)
    net.quant(0.1, 4, zero_point=2, signed=0, narrow=1)
    net.node("Add", rng.normal(size=(1, FEATURES)))
    weight = net.weight(rng.normal(size=(8, FEATURES)), np.full((8, 1), 0.2))
    net.node("Gemm", weight, rng.normal(size=8), transB=1, alpha=0.5, beta=-2.0).node("Neg").node("Div", rng.normal(size=8)).node("Clip", -2.5, 3.0)
    net.quant(0.25, 5, rounding_mode="FLOOR", domain="onnx.brevitas").node("Reshape", np.array([0, 2, -1])).node("Reshape", np.array([-1, 8]))
    weight = net.weight(rng.normal(size=(6, 8)), 0.3, zero_point=-2)
    net.nodes.append(onnx.helper.make_node("Transpose", [weight], ["wt"], name="wt", perm=[1, 0]))
    net.node("MatMul", "wt").node("Add", rng.normal(size=(1, 6))).node("Relu").quant(0.5, 3, signed=0, rounding_mode="CEIL")
    net.node("MatMul", rng.integers(-2, 3, (6, 4)).astype(np.float32)).node("Mul", 0.75)
    assert_scores(net.save(tmp_path / "n.onnx"), pixels)


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_batch_taken_from_the_input(batch: str | int, tmp_path: Path, pixels: np.ndarray) -> None:
    """x.view(x.shape[0], -1), as exporters write it."""
    net = Net(batch, 4, 4, opset=9)
    constants = [net.constant(0, np.int64), net.constant([-1], np.int64)]
    for op, inputs, out, attributes in (
        ("Shape", ["x"], "s", {}), ("Gather", ["s", constants[0]], "n", {"axis": 0}), ("Unsqueeze", ["n"], "u", {"axes": [0]}),
        ("Concat", ["u", constants[1]], "to", {"axis": 0}),
    ):  # fmt: skip
        net.nodes.append(onnx.helper.make_node(op, inputs, [out], **attributes))
    net.node("Reshape", "to").quant(0.01, 8).node("MatMul", np.eye(FEATURES)[:, :5])
    path = net.save(tmp_path / "n.onnx")
    assert (labels(import_qonnx(path, name="n"), pixels) == executed(path, pixels)).all()


def test_batch_baked_in(tmp_path: Path, pixels: np.ndarray) -> None:
    path = Net(1, 4, 4).node("Reshape", np.array([1, FEATURES])).quant(0.01, 8).node("MatMul", np.eye(FEATURES)[:, :5]).save(tmp_path / "n.onnx")
    assert (labels(import_qonnx(path, name="n"), pixels[:20]) == executed(path, pixels[:20])).all()


def test_quantizing_ties(tmp_path: Path) -> None:
    """Quant rounds (x / s + z) half to even, QuantizeLinear x / s, before an odd z is added."""
    quant = Net(1, 4).quant(2.0, 4, zero_point=1).node("MatMul", np.eye(4)).save(tmp_path / "a.onnx")
    linear = Net(1, 4).node("QuantizeLinear", 2.0, np.int8(1)).node("DequantizeLinear", 2.0, np.int8(1)).node("MatMul", np.eye(4))
    codes = [
        exact_model.evaluate(import_qonnx(path, name="n", input_scale=Fraction(1)), [1, 3, 5, 7])
        for path in (quant, linear.save(tmp_path / "b.onnx"))
    ]
    assert codes == [[1, 1, 3, 3], [0, 2, 2, 4]]


def test_integer_input(tmp_path: Path) -> None:
    path = Net(1, 4, kind=onnx.TensorProto.UINT8).node("Cast", to=onnx.TensorProto.FLOAT).node("MatMul", np.eye(4)).save(tmp_path / "n.onnx")
    assert exact_model.evaluate(import_qonnx(path, name="n", input_scale=Fraction(1)), [1, 0, 255, 7]) == [1, 0, 255, 7]


# --- on the command line


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(load_model(f"{MODELS}:mixed"), EXAMPLE, tmp_path_factory.mktemp("export") / "small mixed.onnx")


def test_build_and_import(exported: Path, data: Path, hwqnn: Callable[..., Ran]) -> None:
    ran = hwqnn("build", exported, "--data", data, "--no-synth", "--images", 10, "-o", "out")
    assert ran.code == 0, ran.err
    report = json.loads(Path("out/report.json").read_text())
    assert report["accuracy"]["software"] == report["accuracy"]["reference"]
    assert report["exact"]["software_disagreements"] == 0
    printed = hwqnn("import", exported)
    assert printed.code == 0
    assert "%relu: uint2[6] = Requantize(%first)" in printed.out
    factory = hwqnn("import", f"{MODELS}:mixed", "--data", data)
    file_ops, factory_ops = ([op for op in re.findall(r" = (\w+)\(", ran.out) if op != "Reshape"] for ran in (printed, factory))
    assert len(file_ops) > 3
    assert file_ops == factory_ops, "but for the shape in which the data come"


def test_build_without_an_executor(exported: Path, data: Path, hwqnn: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that nothing was compared, and claims no accuracy and no faithful import."""
    for module in [name for name in sys.modules if name.split(".")[0] == "qonnx"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "qonnx", None)
    ran = hwqnn("build", exported, "--data", data, "--no-synth", "--images", 10, "-o", "out")
    assert ran.code == 0, ran.err
    assert "software not run" in ran.out
    assert "not compared with other software" in ran.out
    assert "faithfully" not in ran.out
    report = json.loads(Path("out/report.json").read_text())
    assert (report["accuracy"]["software"], report["exact"]["software_disagreements"]) == (None, None)
    assert "No software ran the model" in Path("out/report.html").read_text()
