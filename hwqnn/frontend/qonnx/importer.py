"""From a QONNX file to an imported graph."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from hwqnn.errors import GraphError, HwqnnError, InputError, UnsupportedError
from hwqnn.frontend.importer import PIXEL, PIXEL_SCALE
from hwqnn.frontend.qonnx import (  # noqa: F401  (they register their handlers)
    arithmetic,
    constants,
    dense,
    head,
    joins,
    quantizers,
    shapes,
    steps,
    truncation,
    windows,
)
from hwqnn.frontend.qonnx.datatypes import check_annotations
from hwqnn.frontend.qonnx.file import OnnxFile, first_line
from hwqnn.frontend.qonnx.registry import CHANNELS_LAST, FOLDS, HANDLERS, STANDARD_DOMAINS, Call, Constant, Followed, Label, Node, Value, node_of
from hwqnn.frontend.symbolic import GraphBuilder, Symbol
from hwqnn.ir import Graph, Type

ANY_BATCH = 7919
"""Stands for a batch of any size: a prime, so that a shape which mixes samples cannot come out right."""
_ELEMENTWISE = (
    "Add", "Sub", "Mul", "Div", "Neg", "Relu", "Clip", "Cast", "Identity", "Dropout", "Sign", "Quant", "IntQuant", "BipolarQuant", "MultiThreshold",
    "QuantizeLinear", "DequantizeLinear",
)  # fmt: skip
"""Nodes that do not care where a tensor's channels are."""
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")


def import_qonnx(path: Path, *, name: str, input_type: Type = PIXEL, input_scale: Fraction = PIXEL_SCALE) -> Graph:
    """What a QONNX file computes at inference, as an imported graph over integers.

    The graph's input carries integers q of `input_type`; the network sees q * `input_scale`. An image is a map (height, width, channels), whether
    the file takes (N, C, H, W) or (N, H, W, C); (N, C, L) is a map (1, L, C) where a node reads it as a signal; all else is flat, in row-major
    order. What a node computes from constants alone is computed as ONNX does, in their own types; all else is exact. A head of ArgMax or TopK is
    left out: the graph ends in the scores.

    Args:
        path: the file; external data lies beside it.
        name: the graph's name.

    Raises:
        UnsupportedError: a node that cannot be imported exactly; names it and its op type.
        InputError: the file is not usable.
    """
    file = OnnxFile.read(path)
    if input_scale <= 0:
        raise InputError(f"the input scale is {input_scale}; it must be above zero")
    if file.input_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE) and input_scale != 1:
        raise InputError(f"{path}: its input is of integers, so a step of the data stands for 1, not {input_scale}: give --input-scale 1")
    check_annotations(file)
    if len(file.shape) == 2:  # a signal's channels, or rows of an image that dense nodes read: those then enter one after the other
        try:
            return imported(file, path, name, input_type, input_scale, flat=True)
        except UnsupportedError:
            pass
    return imported(file, path, name, input_type, input_scale, flat=False)


def imported(file: OnnxFile, path: Path, name: str, input_type: Type, input_scale: Fraction, flat: bool) -> Graph:
    """The graph of a file whose input (C, L) enters `flat` or as a signal."""
    builder = GraphBuilder()
    values: dict[str, Value] = {key: Constant(array) for key, array in file.initializers.items()}
    values[file.input] = source(file, builder, input_type, input_scale, flat)
    opsets = {entry.domain: entry.version for entry in file.model.opset_import}
    for proto in file.model.graph.node:
        try:
            run(proto, values, opsets, file.batch or ANY_BATCH, builder)
        except GraphError as error:
            raise InputError(f"{path}: {node_of(proto)}: {error}") from None
        except HwqnnError:
            raise
        except Exception as error:  # attributes or shapes that break the rules of ONNX can raise anything
            raise InputError(f"{path}: {node_of(proto)} is malformed: {first_line(error)}") from error
    out = values.get(file.output)
    if isinstance(out, Label):  # of one pixel, or none, the scores are a plain vector
        out = out.scores.moved(out.scores.index.reshape(-1)) if out.scores.size == len(out.scores.index) else out.scores
    if not isinstance(out, Symbol):
        raise InputError(f"{path}: its output '{file.output}' does not depend on its input")
    try:
        return builder.graph(name, out)
    except UnsupportedError:
        raise UnsupportedError(
            f"{path}: its output '{file.output}', after {out.last}, is only part of a tensor, or its elements lie neither in the order of "
            "(N, channels, height, width) nor in that of (N, height, width, channels)"
        ) from None
    except GraphError as error:
        raise InputError(f"{path}: {error}") from None


def source(file: OnnxFile, builder: GraphBuilder, kind: Type, scale: Fraction, flat: bool) -> Symbol:
    """The graph's input: an image has its channels last, wherever the file wants them."""
    if flat or not takes_channels_last(file):
        return builder.input(file.shape, kind, scale, flat)
    x = builder.input((file.shape[-1], *file.shape[:-1]), kind, scale)
    return x.moved(np.moveaxis(x.index, 0, -1))


def takes_channels_last(file: OnnxFile) -> bool:
    """Whether the first node behind the input that cares where the channels are wants them last, or moves them to the front."""
    rank, seen = len(file.shape) + 1, {file.input}
    if rank not in (3, 4):
        return False
    for node in file.model.graph.node:
        if seen.isdisjoint(node.input):
            continue
        attributes = {a.name: plain(helper.get_attribute_value(a)) for a in node.attribute}
        layout = str(attributes.get("data_layout", ""))
        if node.domain == CHANNELS_LAST or node.op_type in ("Im2Col", "MaxPoolNHWC") or len(layout) == rank:
            return node.domain == CHANNELS_LAST or not layout or layout[-1] == "C"
        if node.op_type == "Transpose":
            return attributes.get("perm", []) == [0, rank - 1, *range(1, rank - 1)]
        if node.op_type not in _ELEMENTWISE:
            return False
        seen.update(node.output)
    return False


def run(proto: onnx.NodeProto, values: dict[str, Value], opsets: dict[str, int], batch: int, builder: GraphBuilder) -> None:
    """Adds what one node computes to `values`."""
    node = node_of(proto)
    inputs = tuple(lookup(node, name, values) if name else None for name in proto.input)
    attributes = {a.name: plain(helper.get_attribute_value(a)) for a in proto.attribute}
    call = Call(node, inputs, attributes, sum(map(bool, proto.output)), batch, builder)
    key = (proto.domain, proto.op_type)
    if any(isinstance(value, Followed) for value in inputs):
        if key not in HANDLERS:
            raise node.fail(unsupported(proto))
        results = HANDLERS[key](call)
    elif key in FOLDS:
        results = FOLDS[key](call)
    elif proto.domain in STANDARD_DOMAINS and proto.op_type not in _RANDOM:
        results = constants.evaluate(call, proto, opsets)
    else:
        raise node.fail(unsupported(proto))
    every = [followed(value, node) for value in (results if isinstance(results, tuple) else (results,))]
    values.update({name: value for name, value in zip(proto.output, every, strict=False) if name and value is not None})


def followed(value: Value | None, node: Node) -> Value | None:
    """The value, with the node as the last thing that happened to it; a reshape is nothing to report."""
    return replace(value, last=str(node)) if isinstance(value, Symbol) and node.layer not in constants.MOVES else value


def unsupported(proto: onnx.NodeProto) -> str:
    where = f" of domain '{proto.domain}'" if proto.domain not in STANDARD_DOMAINS else ""
    return f"op type {proto.op_type}{where} is not supported"


def lookup(node: Node, name: str, values: dict[str, Value]) -> Value:
    if name not in values:
        raise InputError(f"{node} reads {name!r}, which no earlier node computes, or which cannot be followed")
    return values[name]


def plain(value: object) -> object:
    """An attribute's text as str."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
