"""From a QONNX file to an imported graph."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from hwqnn.errors import GraphError, HwqnnError, InputError
from hwqnn.frontend.importer import PIXEL, PIXEL_SCALE
from hwqnn.frontend.qonnx import arithmetic, constants, dense, head, quantizers, shapes, steps  # noqa: F401  (they register their handlers)
from hwqnn.frontend.qonnx.file import OnnxFile, first_line
from hwqnn.frontend.qonnx.registry import FOLDS, HANDLERS, STANDARD_DOMAINS, Call, Constant, Label, Node, Value, node_of
from hwqnn.frontend.symbolic import GraphBuilder, Symbol
from hwqnn.ir import Graph, Input, Type

ANY_BATCH = 7919
"""Stands for a batch of any size: a prime, so that a shape which mixes samples cannot come out right."""
NOT_YET = {"Conv": "convolutions are", "Trunc": "truncation, which belongs to average pooling, is"}
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")


def import_qonnx(path: Path, *, name: str, input_type: Type = PIXEL, input_scale: Fraction = PIXEL_SCALE) -> Graph:
    """What a QONNX file computes at inference, as an imported graph over integers.

    The graph's input carries integers q of `input_type`, shape (features,): each sample flattened in row-major order; the network sees
    q * `input_scale`. What a node computes from constants alone is computed as ONNX does, in their own types; all else is exact. A head of
    ArgMax or TopK (k = 1) is left out: the graph ends in the scores.

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
    builder = GraphBuilder()
    size = int(np.prod(file.shape))
    source = builder.add(Input(name="@input", inputs=(), type=input_type, shape=(size,)), size)
    values: dict[str, Value] = {key: Constant(array) for key, array in file.initializers.items()}
    values[file.input] = Symbol(source, file.shape, (), "the input").scaled(input_scale)
    opsets = {entry.domain: entry.version for entry in file.model.opset_import}
    for proto in file.model.graph.node:
        try:
            run(proto, values, opsets, file.batch or ANY_BATCH, builder)
        except HwqnnError:
            raise
        except Exception as error:  # attributes or shapes that break the rules of ONNX can raise anything
            raise InputError(f"{path}: {node_of(proto)} is malformed: {first_line(error)}") from error
    out = values.get(file.output)
    if isinstance(out, Label):
        out = out.scores
    if not isinstance(out, Symbol):
        raise InputError(f"{path}: its output '{file.output}' does not depend on its input")
    try:
        return builder.graph(name, out)
    except GraphError as error:
        raise InputError(f"{path}: {error}") from None


def run(proto: onnx.NodeProto, values: dict[str, Value], opsets: dict[str, int], batch: int, builder: GraphBuilder) -> None:
    """Adds what one node computes to `values`."""
    node = node_of(proto)
    inputs = tuple(lookup(node, name, values) if name else None for name in proto.input)
    attributes = {a.name: plain(helper.get_attribute_value(a)) for a in proto.attribute}
    call = Call(node, inputs, attributes, sum(map(bool, proto.output)), batch, builder)
    key = (proto.domain, proto.op_type)
    if any(isinstance(value, Symbol | Label) for value in inputs):
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
    if proto.op_type in NOT_YET:
        return f"{NOT_YET[proto.op_type]} not supported yet"
    where = f" of domain '{proto.domain}'" if proto.domain not in STANDARD_DOMAINS else ""
    return f"op type {proto.op_type}{where} is not supported"


def lookup(node: Node, name: str, values: dict[str, Value]) -> Value:
    if name not in values:
        raise InputError(f"{node} reads {name!r}, which no earlier node computes, or which cannot be followed")
    return values[name]


def plain(value: object) -> object:
    """An attribute's text as str."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
