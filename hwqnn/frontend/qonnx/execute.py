"""Runs a QONNX file with code that is not ours: ONNX' reference evaluator, with qonnx' own functions for the quantizing nodes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from hwqnn import layout
from hwqnn.errors import InputError
from hwqnn.frontend.qonnx.file import OnnxFile, first_line
from hwqnn.frontend.qonnx.registry import CHANNELS_LAST, CUSTOM_DOMAINS

_AT_ONCE = 200


def available() -> bool:
    """Whether the package qonnx, which defines what the quantizing nodes mean, is installed."""
    try:
        import qonnx.custom_op.general.quant  # noqa: F401
    except ImportError:
        return False
    return True


def labels(file: OnnxFile, x: np.ndarray, double: bool = False) -> np.ndarray:
    """The file's labels, int64 (N,), or (N, H, W) where it labels pixels; of scores, channels first, the greatest, a tie goes to the lowest index.

    Args:
        x: float32 (N, ...), each sample with as many elements as the file takes; images may have their channels last.
        double: compute in float64.

    Raises:
        InputError: the evaluator cannot run the file.
    """
    out = outputs(file, x, double)
    if out.dtype.kind not in "iu":
        out = layout.compact(out)
        return out.argmax(axis=1).astype(np.int64) if out.ndim > 1 else np.zeros(len(out), dtype=np.int64)
    for node in file.model.graph.node:  # of several labels for one sample, the best comes first
        if node.op_type == "TopK":
            axis = next((a.i for a in node.attribute if a.name == "axis"), -1)
            out = out.take([0], axis) if out.ndim > 1 else out
    return layout.compact(out).astype(np.int64)


def outputs(file: OnnxFile, x: np.ndarray, double: bool = False) -> np.ndarray:
    """The file's output for every sample, (N, ...). For arguments and errors see `labels`."""
    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    named = {entry.domain for entry in model.opset_import}  # older exporters leave the custom domains out
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in (*CUSTOM_DOMAINS, CHANNELS_LAST) if domain not in named)
    kind = helper.tensor_dtype_to_np_dtype(file.input_type)
    if double:
        widen(model.graph)
        kind = np.dtype(np.float64) if kind == np.float32 else kind
    from hwqnn.frontend.qonnx.operators import operators

    evaluator = ReferenceEvaluator(model, new_ops=operators())
    x = arranged(x, file.shape).astype(kind)
    step = _AT_ONCE if any_batch(evaluator, file, x) else file.batch or 1
    try:
        missing = -len(x) % (file.batch or 1)  # the last batch is filled up
        x = np.concatenate([x, x[:1].repeat(missing, axis=0)])
        found = [evaluate(evaluator, file, x[start : start + step]) for start in range(0, len(x), step)]
    except Exception as error:  # whatever numpy raises within a node
        raise InputError(f"{file.path} cannot be run: {first_line(error)}") from None
    return np.concatenate(found)[: len(x) - missing]


def arranged(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A batch as the file takes it: (N, *shape)."""
    if x.ndim == 4 and x.shape[1:] != shape and (x.shape[3], *x.shape[1:3]) == shape:
        return np.moveaxis(x, -1, 1)
    return x.reshape(len(x), *shape)


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
    return out


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
