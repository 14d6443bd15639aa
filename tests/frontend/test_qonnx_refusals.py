"""QONNX files that cannot be imported exactly end in one error that names the node and its op type, or what is wrong with the file."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from qonnx_files import GENERAL, Net
from running import MODELS, Ran

from hwqnn.errors import InputError, UnsupportedError
from hwqnn.frontend import import_qonnx

EYE = np.eye(4)


def net(*shape: int | str) -> Net:
    return Net(*(shape or (1, 4)))


def refuse(path: Path, kind: type[InputError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        import_qonnx(path, name="n")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    assert isinstance(caught.value, UnsupportedError) == (kind is UnsupportedError), message


CORNERS = np.array([1, 1, 2, 2], np.float32)


def parallel(op: str = "Mul", relu: bool = False, other: float | None = None) -> Net:
    """Two quantizers of the input, or a quantizer and the input itself, meet."""
    n = net().quant(0.1, 4)
    first = n.current
    if relu:
        n.node("Relu")
    if other is not None:
        n.current = "x"
        n.quant(other, 8)
    return n.node(op, first if relu or other is not None else "x")


def broadcast() -> Net:
    n = image()
    start = n.current
    return n.node("GlobalMaxPool").node("Add", start)


def image(zero_point: float = 0) -> Net:
    return Net(1, 2, 4, 4).quant(0.1, 4, zero_point=zero_point)


def patches(**attributes: object) -> Net:
    n = Net(1, 4, 4, 2).quant(0.1, 4)
    return n.node("Im2Col", domain=GENERAL, stride=[1, 1], kernel_size=[2, 2], input_shape="(1,4,4,2)", **attributes)


def many_scales() -> Net:
    n = image()
    return n.node("Conv", n.weight(np.ones((2, 2, 2, 2)), np.arange(1, 5).reshape(1, 1, 2, 2)))


def two_heads() -> Net:
    return net().quant(0.1, 4).node("MatMul", EYE).node("ArgMax", axis=1).node("Mul", 2.0)


def dynamic() -> Net:
    n = net()
    n.nodes.append(helper.make_node("ReduceMax", ["x"], ["m"], name="m", keepdims=0))
    n.nodes.append(helper.make_node("Quant", ["x", n.constant(0.5), n.constant(0), n.constant(4)], ["q"], name="q", domain=GENERAL))
    n.current = "q"
    return n


NODES: dict[str, tuple[Callable[[], Net], *tuple[str, ...]]] = {
    "unknown op": (lambda: net().node("Sigmoid"), "node 'Sigmoid_0' (Sigmoid)", "Supported are", "BipolarQuant", "MatMul"),
    "unknown domain": (lambda: net().node("Quant", 1, 0, 4, domain="com.example"), "(Quant)", "domain 'com.example'"),
    "float weights": (lambda: net().quant(0.1, 4).node("MatMul", EYE / 3), "node 'MatMul_1' (MatMul)", "weights are floats", "Quant"),
    "huge weights": (lambda: net().quant(0.1, 4).node("MatMul", EYE * 2**15), "MatMul_1", "32768", "16 bits"),
    "no quantizer between": (lambda: net().quant(0.1, 4).node("MatMul", EYE).node("Relu").node("MatMul", EYE), "node 'MatMul_3' (MatMul)", "(Relu)"),
    "constant first": (lambda: net(1, 4).quant(0.1, 4).node("MatMul", EYE, at=1), "MatMul_1", "second input"),
    "transposed data": (lambda: net(4, 4).quant(0.1, 4).node("Gemm", EYE, transA=1), "Gemm_1", "not transposed"),
    "scales of inputs": (lambda: scaled_weight(np.arange(1, 5)), "MatMul", "differ along the inputs"),
    "product": (parallel, "node 'Mul_1' (Mul)", "joins 2 tensors", "only sums"),
    "residual after a ReLU": (lambda: parallel("Add", relu=True), "node 'Add_2' (Add)", "real-valued", "(Relu)"),
    "residual of other shape": (broadcast, "node 'Add_2' (Add)", "(2, 1, 1)", "(2, 4, 4)"),
    "scales with no common step": (lambda: parallel("Add", other=0.37), "node 'Add_2' (Add)", "common integer scale"),
    "dynamic scale": (dynamic, "ReduceMax"),
    "16 bits": (lambda: net().quant(0.1, 16), "Quant_0", "16 bits", "1 to 8"),
    "fraction of a bit": (lambda: net().quant(0.1, 3.5), "Quant_0", "bit width is 3.5"),
    "rounding": (lambda: net().quant(0.1, 4, rounding_mode="ROUND_TO_ZERO"), "Quant_0", "ROUND_TO_ZERO", "FLOOR"),
    "half up": (lambda: net().quant(0.1, 4, rounding_mode="HALF_UP"), "Quant_0", "HALF_UP"),
    "zero point": (lambda: net().quant(0.1, 4, zero_point=0.5), "Quant_0", "zero point is 0.5"),
    "bipolar zero point": (lambda: net().quant(0.1, 1, zero_point=1), "Quant_0", "1-bit"),
    "scale by feature": (lambda: net(1, 3).node("QuantizeLinear", np.ones(3), np.zeros(3, np.int8), axis=1), "QuantizeLinear_0", "3"),
    "truncation of reals": (
        lambda: net().quant(0.1, 4).node("Trunc", 0.25, 0, 8, 4, domain=GENERAL),
        "node 'Trunc_1' (Trunc)",
        "not an integer times",
    ),
    "truncation to many": (lambda: net().node("Trunc", 1 / 255, 0, 16, 17, domain=GENERAL), "Trunc_0", "at most 8 bits"),
    "truncation with an offset": (lambda: net().node("Trunc", 1, 3, 8, 4, domain=GENERAL), "Trunc_0", "zero point of 3"),
    "minifloat": (lambda: net().node("FloatQuant", 1, 4, 3, domain=GENERAL), "(FloatQuant)"),
    "thresholds for others": (lambda: net().node("MultiThreshold", np.ones((3, 2)), domain=GENERAL), "MultiThreshold_0", "(3, 2)", "(N, 4)"),
    "no out_scale": (lambda: net().node("MultiThreshold", np.ones((1, 2)), domain=GENERAL, out_scale=0.0), "out_scale of 0"),
    "samples mixed": (lambda: net("N", 4).node("Reshape", np.array([2, -1])), "Reshape_0", "(N, 4)", "apart"),
    "other batch": (lambda: net("N", 4).node("Reshape", np.array([2, 4])), "Reshape_0", "(2, 4)", "apart"),
    "batch of one": (lambda: net("N", 4).node("Reshape", np.array([1, -1])), "Reshape_0", "apart"),
    "batch lost": (lambda: net().node("Squeeze", np.array([0])), "Squeeze_0", "apart"),
    "samples moved": (lambda: net(2, 3).node("Transpose", perm=[1, 0]), "Transpose_0", "batch axis", "(N, 3)"),
    "samples left out": (lambda: net(4, 3).node("Slice", np.array([1]), np.array([3])), "Slice_0", "samples"),
    "one sample": (lambda: net(4, 3).node("Gather", np.array([0])), "Gather_0", "samples"),
    "split batch": (lambda: net(4, 3).node("Split", outputs=2), "Split_0", "batch"),
    "rows for channels": (
        lambda: image().node("Transpose", perm=[0, 2, 1, 3]).node("Conv", np.ones((1, 4, 2, 2))),
        "Conv_2",
        "do not lie as the channels",
    ),
    "float kernel": (lambda: image().node("Conv", np.full((1, 2, 2, 2), 0.5)), "node 'Conv_1' (Conv)", "weights are floats"),
    "scales within a kernel": (many_scales, "(Conv)", "differ along the inputs"),
    "kernel from the input": (lambda: image().node("Conv", np.ones((1, 2, 2, 2)), at=1), "Conv_1", "computed from the input"),
    "three dimensions": (lambda: Net(1, 2, 4, 4, 4).quant(0.1, 4).node("MaxPool", kernel_shape=[2, 2, 2]), "MaxPool_1", "3 axes", "(N, 2, 4, 4, 4)"),
    "padding of an offset": (lambda: image(zero_point=2.5), "Quant_0", "2.5"),
    "edge of an average": (lambda: image().node("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]), "AveragePool_1", "count_include_pad"),
    "end of an average": (lambda: image().node("AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), "AveragePool_1", "ceil_mode"),
    "indices of a pool": (lambda: image().node("MaxPool", kernel_shape=[2, 2], outputs=2), "MaxPool_1", "indices"),
    "mean of channels": (lambda: image().node("ReduceMean", axes=[1]), "ReduceMean_1", "channels"),
    "mean of all": (lambda: image().node("ReduceMean"), "ReduceMean_1", "axes [0, 1, 2, 3]"),
    "bilinear": (lambda: image().node("Resize", "", np.array([1, 1, 2, 2], np.float32), mode="linear"), "Resize_1", "linear"),
    "half as large": (lambda: image().node("Resize", "", np.array([1, 1, 0.5, 0.5], np.float32)), "Resize_1", "0.5"),
    "aligned corners": (lambda: image().node("Resize", "", CORNERS, coordinate_transformation_mode="align_corners"), "Resize_1", "align_corners"),
    "other neighbours": (
        lambda: image().node("Resize", "", CORNERS, coordinate_transformation_mode="asymmetric", nearest_mode="ceil"),
        "Resize_1",
        "repeat",
    ),
    "mirrored": (lambda: image().node("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect"), "Pad_1", "only zeros"),
    "padded with ones": (lambda: image().node("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), 1.0), "Pad_1", "only zeros"),
    "padded channels": (lambda: image().node("Pad", np.array([0, 1, 1, 0, 0, 0, 0, 1]), 0.0), "Pad_1", "axes [1, 2, 3]"),
    "windows elsewhere": (lambda: patches().node("Relu"), "node 'Relu_2' (Relu)", "windows of an Im2Col"),
    "windows padded with one": (lambda: patches(pad_value=1), "Im2Col_1", "padding with 1"),
    "joined batch": (lambda: image().node("Concat", "x", axis=0), "Concat_1", "batch"),
    "joined constant": (lambda: image().node("Concat", np.ones((1, 1, 4, 4)), axis=1), "Concat_1", "constant"),
    "from sample to sample": (lambda: net(2, 4).node("Add", np.ones((2, 1))), "Add_0", "sample to sample"),
    "does not fit": (lambda: net().node("Add", np.ones((1, 3))), "Add_0", "(1, 3)", "(N, 4)"),
    "by zero": (lambda: net().node("Div", 0.0), "Div_0", "nonzero"),
    "reciprocal": (lambda: net().node("Div", 2.0, at=1), "Div_0", "division by a nonzero constant"),
    "cast": (lambda: net().node("Cast", to=onnx.TensorProto.INT32), "Cast_0", "float"),
    "training": (lambda: net().node("BatchNormalization", *np.ones((4, 4)), training_mode=1), "BatchNormalization_0", "eval mode"),
    "after the head": (two_heads, "node 'Mul_3' (Mul)", "must come last"),
    "last of ties": (lambda: net().node("ArgMax", axis=1, select_last_index=1), "ArgMax_0", "last index"),
    "over samples": (lambda: net().node("ArgMax", axis=0), "ArgMax_0", "axis 0"),
    "two least": (lambda: net().node("TopK", np.array([2]), outputs=2, largest=0), "TopK_0", "smallest"),
    "part of a tensor": (lambda: image().node("Slice", np.array([1]), np.array([2]), np.array([2])), "output 't1_0'", "(Quant)", "part of a tensor"),
    "int4 codes": (lambda: net().node("QuantizeLinear", 0.5, np.array(0, np.int16)), "QuantizeLinear_0", "int16"),
}


def scaled_weight(scales: np.ndarray) -> Net:
    n = net().quant(0.1, 4)
    return n.node("Gemm", n.weight(EYE, scales.reshape(1, 4).astype(np.float32)), transB=1)


@pytest.mark.parametrize("case", NODES)
def test_unsupported_node(case: str, tmp_path: Path) -> None:
    make, *words = NODES[case]
    refuse(make().save(tmp_path / "n.onnx"), UnsupportedError, *words)


def test_random_numbers(tmp_path: Path) -> None:
    n = net()
    n.nodes.append(helper.make_node("RandomNormal", [], ["r"], name="noise", shape=[4]))
    refuse(n.node("Add", "r").save(tmp_path / "n.onnx"), UnsupportedError, "node 'noise' (RandomNormal)")


BAD: dict[str, tuple[Callable[[], Net], *tuple[str, ...]]] = {
    "NaN": (lambda: net().node("Add", np.float32([np.nan, 1, 1, 1])), "initializer 'c0'", "1 of 4", "NaN"),
    "infinite constant": (lambda: net().node("Add", np.float32([np.inf, 1, 1, 1])), "node 'Add_0' (Add)", "finite"),
    "infinite weight": (lambda: net().quant(0.1, 4).node("MatMul", np.full((4, 4), np.inf)), "MatMul_1", "infinite"),
    "infinite quantized weight": (lambda: infinite_weight(), "(Quant)", "infinity"),
    "scale of zero": (lambda: net().quant(0.0, 4), "Quant_0", "scale of 0"),
    "negative weight scale": (lambda: scaled_weight(np.full(4, -1.0)), "(Quant)", "scale of -1"),
    "wrong width": (lambda: net(1, 5).quant(0.1, 4).node("MatMul", EYE), "MatMul_1", "4 inputs", "(N, 5)"),
    "missing scale": (lambda: net().node("BipolarQuant", domain=GENERAL), "BipolarQuant_0", "scale is missing"),
    "dangling": (lambda: net().node("Add", "missing"), "node 'Add_0' (Add) reads 'missing'"),
    "channels": (lambda: net().node("BatchNormalization", *np.ones((4, 3))), "BatchNormalization_0", "3 values", "4 channels"),
    "variance": (lambda: net().node("BatchNormalization", *np.ones((3, 4)), np.array([1, 1, -1, 1.0])), "BatchNormalization_0", "channel 2"),
    "integers scaled": (lambda: Net(1, 4, kind=onnx.TensorProto.UINT8).node("Cast", to=1), "--input-scale 1"),
    "unknown shape": (lambda: net(1, "width"), "(1, ?)", "fixed"),
    "no batch": (lambda: net(4), "(4)", "(batch, ...)"),
    "constant output": (lambda: constant_output(), "does not depend on its input"),
    "kernel too large": (lambda: image().node("Conv", np.ones((1, 2, 5, 5))), "node 'Conv_1' (Conv)", "larger than the map"),
    "groups": (lambda: image().node("Conv", np.ones((3, 1, 2, 2)), group=2), "node 'Conv_1' (Conv)", "2 groups"),
    "kernel_shape": (lambda: image().node("Conv", np.ones((1, 2, 2, 2)), kernel_shape=[3, 3]), "node 'Conv_1' (Conv)", "[3, 3]"),
    "pads": (lambda: image().node("Conv", np.ones((1, 2, 2, 2)), pads=[1, 1]), "node 'Conv_1' (Conv)", "needs 4"),
    "bias of a Conv": (lambda: image().node("Conv", np.ones((3, 2, 2, 2)), np.ones(2)), "node 'Conv_1' (Conv)", "2 biases for 3 outputs"),
    "weights of windows": (lambda: patches().node("MatMul", np.ones((4, 3))), "node 'MatMul_2' (MatMul)", "4 inputs", "2 channels"),
    "bits": (lambda: net().node("XnorPopcountMatMul", 2 * EYE, domain=GENERAL), "(XnorPopcountMatMul)", "neither 0 nor 1"),
    "out_dtype": (lambda: net().node("MultiThreshold", np.ones((1, 4)), domain=GENERAL, out_dtype="UINT2"), "MultiThreshold_0", "yields 4", "UINT2"),
    "bipolar out_dtype": (lambda: net().node("MultiThreshold", [[1.0]], domain=GENERAL, out_dtype="BIPOLAR"), "yields 0", "BIPOLAR"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), [("INT2", 3), ("BIPOLAR", 0), ("UINT4", -1), ("TERNARY", 2), ("BINARY", 0.5)])
def test_wrong_annotation(kind: str, value: float, tmp_path: Path) -> None:
    """A constant that is not of the datatype with which FINN annotates it; one that is."""
    for values, wrong in ((np.where(EYE > 0, 1, value), True), (np.ones((4, 4)), False)):
        n = net().quant(0.1, 4)
        weight = n.constant(values)
        path = n.node("MatMul", weight).save(tmp_path / "n.onnx")
        model = onnx.load(path)
        model.graph.quantization_annotation.add(
            tensor_name=weight, quant_parameter_tensor_names=[onnx.StringStringEntryProto(key="finn_datatype", value=kind)]
        )
        onnx.save(model, path)
        if wrong:
            refuse(path, InputError, weight, kind, f"{value:g}")
        else:
            import_qonnx(path, name="n")


def infinite_weight() -> Net:
    n = net().quant(0.1, 4)
    return n.node("Gemm", n.weight(np.full((4, 4), np.inf), 1.0))


def constant_output() -> Net:
    n = net()
    n.nodes.append(helper.make_node("Identity", [n.constant([1.0])], ["one"], name="one"))
    n.current = "one"
    return n


@pytest.mark.parametrize("case", BAD)
def test_bad_network(case: str, tmp_path: Path) -> None:
    make, *words = BAD[case]
    n = make()
    if not n.nodes:
        n.node("Relu")
    refuse(n.save(tmp_path / "n.onnx"), InputError, *words)


def test_constants_that_cannot_be_computed(tmp_path: Path) -> None:
    n = net()
    n.nodes.append(helper.make_node("Add", [n.constant(np.ones(3)), n.constant(np.ones(4))], ["c"], name="broken"))
    refuse(n.node("Add", "c").save(tmp_path / "n.onnx"), InputError, "node 'broken' (Add)", "cannot be computed")


def test_values_of_topk(tmp_path: Path) -> None:
    n = net().quant(0.1, 4).node("TopK", np.array([1]), outputs=2)
    n.current = n.nodes[-1].output[0]
    refuse(n.save(tmp_path / "n.onnx"), InputError, "output")


def test_several_outputs_and_inputs(tmp_path: Path) -> None:
    refuse(net().quant(0.1, 4).node("Relu").save(tmp_path / "n.onnx", "t0_0", "t1_0"), InputError, "2 outputs", "t0_0, t1_0")
    model = onnx.load(net().node("Relu").save(tmp_path / "n.onnx"))
    model.graph.input.append(helper.make_tensor_value_info("y", 1, [1, 4]))
    onnx.save(model, tmp_path / "n.onnx")
    refuse(tmp_path / "n.onnx", InputError, "2 inputs (x, y)")


def test_files_that_are_none(tmp_path: Path) -> None:
    refuse(tmp_path / "absent.onnx", InputError, "absent.onnx does not exist")
    refuse(tmp_path, InputError, "is not a file")
    path = net().quant(0.1, 4).node("MatMul", EYE).save(tmp_path / "n.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refuse(path, InputError, "not a readable ONNX file")
    path.write_text("not ONNX at all")
    refuse(path, InputError, "not a readable ONNX file")
    path.write_bytes(b"")
    refuse(path, InputError, "no node")


def test_corrupt_files_never_raise_anything_else(tmp_path: Path) -> None:
    """Bytes changed at random give another network or one error."""
    rng = np.random.default_rng(0)
    whole = scaled_weight(np.ones(4)).node("Relu").quant(0.5, 2).save(tmp_path / "n.onnx").read_bytes()
    refused = 0
    for _ in range(200):
        broken = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            broken[at] = rng.integers(256)
        (tmp_path / "n.onnx").write_bytes(broken)
        try:
            import_qonnx(tmp_path / "n.onnx", name="n")
        except InputError:
            refused += 1
    assert refused > 50


def test_input_scale(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above zero"):
        import_qonnx(net().quant(0.1, 4).save(tmp_path / "n.onnx"), name="n", input_scale=Fraction(0))


def test_command_line(hwqnn: Callable[..., Ran], tmp_path: Path, data: Path) -> None:
    path = net(1, 5).quant(0.1, 4).node("MatMul", np.eye(5)).save(tmp_path / "n.onnx")
    for arguments, words in (
        (("build", path), "Give --data"),
        (("build", path, "--data", data), "takes 5 values"),
        (("build", path, "--data", data, "--weights", path), "carries its own weights"),
        (("build", tmp_path / "absent.onnx", "--data", data), "does not exist"),
        (("import", tmp_path / "absent.onnx"), "does not exist"),
        (("import", f"{MODELS}:binary"), "Give --data"),
    ):
        ran = hwqnn(*arguments)
        assert ran.code == 2
        assert words in ran.err
        assert "Traceback" not in ran.err
