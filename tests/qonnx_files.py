"""QONNX files: exported from Brevitas, written by hand node by node, compared and run."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import exact_model
import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from onnx import helper, numpy_helper

from hwqnn import ir, layout
from hwqnn.frontend import import_qonnx
from hwqnn.frontend.qonnx import OnnxFile, execute

SHARED = Path(os.environ.get("HWQNN_SHARED") or Path(__file__).resolve().parents[2] / "shared")
GENERAL = "qonnx.custom_op.general"


def export(
    model: torch.nn.Module, example: torch.Tensor, path: Path | None = None, dynamo: bool = False, how: Callable[..., object] = export_qonnx
) -> Path:
    """The file that one of Brevitas' exporters writes. Without `path`, it goes where the next such file of this process will go, too."""
    path = path or Path(tempfile.gettempdir()) / f"hwqnn-export-{os.getpid()}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        how(model, example, str(path), dynamo=dynamo)
    return path


def same_network(a: ir.Graph, b: ir.Graph) -> str | None:
    """None when two canonical graphs are one network: the same ops on the same integers. Names, the order of the ops, and whether a row of
    thresholds is stated once or for each channel may differ. Otherwise where they differ.
    """
    pairs, todo = {a.output: b.output}, [a.output]
    while todo:
        one = a.op(todo.pop())
        two = b.op(pairs[one.name])
        where = f"'{one.name}' and '{two.name}'"
        if type(one) is not type(two):
            return f"{where} are a {one.kind} and a {two.kind}"
        edge = a.edges[one.name]
        if edge != b.edges[two.name]:
            return f"{where} ({one.kind}) yield {edge} and {b.edges[two.name]}"
        for field, value in vars(one).items():
            other = getattr(two, field)
            if isinstance(value, np.ndarray):
                rows = (edge.channels, *value.shape[1:])
                if value.shape[1:] != other.shape[1:] or (np.broadcast_to(value, rows) != np.broadcast_to(other, rows)).any():
                    return f"{where} ({one.kind}) differ in {field}"
            elif field not in ("name", "inputs") and value != other:
                return f"{where} ({one.kind}) differ in {field}: {value} and {other}"
        for mine, its in zip(one.inputs, two.inputs, strict=True):
            if pairs.setdefault(mine, its) != its:
                return f"{where} read '{mine}' and '{its}', but '{mine}' is '{pairs[mine]}' elsewhere"
            if pairs[mine] == its and mine not in todo:
                todo.append(mine)
    for integer in (0, 1, 1000):
        meant = [[float(v) for v in exact_model.apply_chain(g.meaning, [integer] * g.edges[g.output].channels)] for g in (a, b)]
        if not np.allclose(*meant, rtol=1e-6, atol=1e-9):
            return f"an output of {integer} means {meant[0]} and {meant[1]}"
    return None


def assert_executed(path: Path, images: np.ndarray, graph: ir.Graph | None = None) -> np.ndarray:
    """Asserts that the imported graph, evaluated exactly, gives what the executor gives in float64; returns that, (N, ...).

    Args:
        images: integers (N, ...) in the file's own layout.
        graph: the import, where it is not that of pixels / 255.
    """
    graph, scale = (graph, 1) if graph is not None else (import_qonnx(path, name="n"), 255)
    theirs = execute.outputs(OnnxFile.read(path), images / scale, double=True)
    shape = graph.edges[graph.output].shape
    inputs = layout.to_hardware(images, graph.input.shape)
    ours = np.array([[float(real) for real in exact_model.real_outputs(graph, image.reshape(-1).tolist())] for image in inputs])
    ours = ours.reshape(len(images), *shape)
    if theirs.shape[1:] != shape:  # channels first
        ours = np.moveaxis(ours, -1, 1).reshape(theirs.shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    return theirs


class Net:
    """A file under construction: `node` adds a node to the end and makes its first output the current tensor."""

    def __init__(self, *shape: int | str, kind: int = onnx.TensorProto.FLOAT, opset: int = 13) -> None:
        self.shape, self.kind, self.opset = shape, kind, opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.current = "x"

    def constant(self, values: object, dtype: type | None = None) -> str:
        """float32, unless told otherwise."""
        name = f"c{len(self.initializers)}"
        dtype = np.float32 if dtype in (None, np.float64) else dtype
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op: str, *inputs: object, domain: str = "", outputs: int = 1, at: int = 0, **attributes: object) -> Net:
        """`inputs` besides the current tensor, which comes as number `at`: names, or values for new constants."""
        names = [i if isinstance(i, str) else self.constant(i, getattr(i, "dtype", None)) for i in inputs]
        names.insert(at, self.current)
        out = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, names, out, name=f"{op}_{len(self.nodes)}", domain=domain, **attributes))
        self.current = out[-1] if op == "TopK" else out[0]
        return self

    def weight(self, values: object, scale: object = 1.0, zero_point: float = 0, bits: int = 4, domain: str = GENERAL) -> str:
        """A quantized weight's name."""
        out = f"w{len(self.nodes)}"
        inputs = [self.constant(values), self.constant(scale), self.constant(zero_point), self.constant(bits)]
        self.nodes.append(helper.make_node("Quant", inputs, [out], name=out, domain=domain, signed=1, narrow=0, rounding_mode="ROUND"))
        return out

    def quant(self, scale: float, bits: int, zero_point: float = 0, domain: str = GENERAL, **attributes: object) -> Net:
        return self.node("Quant", scale, zero_point, bits, domain=domain, **{"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} | attributes)

    def save(self, path: Path, *outputs: str) -> Path:
        results = [helper.make_empty_tensor_value_info(name) for name in outputs or (self.current,)]
        entry = helper.make_tensor_value_info("x", self.kind, list(self.shape))
        graph = helper.make_graph(self.nodes, "net", [entry], results, self.initializers)
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(d, 1) for d in {n.domain for n in self.nodes} - {""})]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
        return path
