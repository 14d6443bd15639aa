"""Runs a QONNX file with code that is not ours: ONNX' reference evaluator, with qonnx' own functions for the quantizing nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from hwqnn.errors import InputError
from hwqnn.frontend.qonnx.file import OnnxFile, first_line
from hwqnn.frontend.qonnx.registry import CUSTOM_DOMAINS

_AT_ONCE = 1000


def available() -> bool:
    """Whether the package qonnx, which defines what the quantizing nodes mean, is installed."""
    try:
        import qonnx.custom_op.general.quant  # noqa: F401
    except ImportError:
        return False
    return True


def labels(file: OnnxFile, x: np.ndarray, double: bool = False) -> np.ndarray:
    """The file's labels, int64 (N,); of scores, the greatest, a tie goes to the lowest index.

    Args:
        x: float32 (N, ...), each sample with as many elements as the file takes.
        double: compute in float64.

    Raises:
        InputError: the evaluator cannot run the file.
    """
    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    named = {entry.domain for entry in model.opset_import}  # older exporters leave the custom domains out
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in CUSTOM_DOMAINS if domain not in named)
    kind = helper.tensor_dtype_to_np_dtype(file.input_type)
    if double:
        widen(model.graph)
        kind = np.dtype(np.float64) if kind == np.float32 else kind
    evaluator = ReferenceEvaluator(model, new_ops=operators())
    x = x.reshape(len(x), *file.shape).astype(kind)
    step = _AT_ONCE if any_batch(evaluator, file, x) else file.batch or 1
    try:
        missing = -len(x) % (file.batch or 1)  # the last batch is filled up
        x = np.concatenate([x, x[:1].repeat(missing, axis=0)])
        found = [evaluate(evaluator, file, x[start : start + step]) for start in range(0, len(x), step)]
    except Exception as error:  # whatever numpy raises within a node
        raise InputError(f"{file.path} cannot be run: {first_line(error)}") from None
    return np.concatenate(found)[: len(x) - missing]


def any_batch(evaluator: ReferenceEvaluator, file: OnnxFile, x: np.ndarray) -> bool:
    """Whether many samples can go at once; not when a batch of 1 is baked into a reshape."""
    if file.batch != 1:
        return file.batch is None
    try:
        return len(evaluate(evaluator, file, x[:2])) == len(x[:2])
    except Exception:
        return False


def evaluate(evaluator: ReferenceEvaluator, file: OnnxFile, x: np.ndarray) -> np.ndarray:
    (out,) = evaluator.run([file.output], {file.input: x})
    assert isinstance(out, np.ndarray)
    if out.dtype.kind in "iu" and out.size == len(out):  # ArgMax or TopK ends the file
        return out.reshape(-1).astype(np.int64)
    return out.reshape(len(out), -1).argmax(axis=1)


def operators() -> list[type[OpRun]]:
    """qonnx' functions as operators of the evaluator, in every domain that they go by; and batch norm."""
    from qonnx.custom_op.general.bipolar_quant import binary_quant
    from qonnx.custom_op.general.multithreshold import multithreshold
    from qonnx.custom_op.general.quant import quant

    def run_quant(x: Any, scale: Any, zero_point: Any, bits: Any, signed: int = 1, narrow: int = 0, rounding_mode: str = "ROUND") -> Any:
        return quant(x, scale, zero_point, bits, signed, narrow, rounding_mode)

    def run_steps(x: Any, table: Any, out_scale: float = 1.0, out_bias: float = 0.0, out_dtype: str = "", data_layout: str = "") -> Any:
        return multithreshold(x, table, x.dtype.type(out_scale), x.dtype.type(out_bias))

    def run_norm(x: Any, scale: Any, bias: Any, mean: Any, variance: Any, epsilon: float = 1e-5, **_: Any) -> Any:
        """ONNX' own trains on the batch for files of opset 13 and earlier."""
        scale, bias, mean, variance = (v.reshape(-1, *[1] * (x.ndim - 2)) for v in (scale, bias, mean, variance))
        return scale * (x - mean) / np.sqrt(variance + x.dtype.type(epsilon)) + bias

    functions = {"Quant": run_quant, "IntQuant": run_quant, "BipolarQuant": binary_quant, "MultiThreshold": run_steps}
    return [operator("", "BatchNormalization", run_norm), *(operator(d, name, run) for d in CUSTOM_DOMAINS for name, run in functions.items())]


def operator(domain: str, name: str, function: Callable[..., Any]) -> type[OpRun]:
    """The evaluator reads an operator's domain and type off its class."""

    class Operator(OpRun):
        op_domain = domain

        def run(self, *inputs: Any, **_: Any) -> tuple[np.ndarray]:
            attributes = {a.name: helper.get_attribute_value(a) for a in self.onnx_node.attribute}
            plain = {key: value.decode() if isinstance(value, bytes) else value for key, value in attributes.items()}
            return (np.asarray(function(*inputs, **plain)),)

        def _run(self, *inputs: Any, **_: Any) -> tuple[np.ndarray]:
            raise NotImplementedError

    Operator.__name__ = name
    return Operator


def widen(graph: onnx.GraphProto) -> None:
    """Makes every float32 tensor and cast of a graph float64."""
    for entry in (*graph.input, *graph.output, *graph.value_info):
        if entry.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            entry.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for tensor in (*graph.initializer, *(a.t for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.TENSOR)):
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.DOUBLE
