"""QONNX files written by hand, node by node."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

SHARED = Path(os.environ.get("HWQNN_SHARED") or Path(__file__).resolve().parents[2] / "shared")
GENERAL = "qonnx.custom_op.general"


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
