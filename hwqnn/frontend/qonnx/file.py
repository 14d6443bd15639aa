"""The ONNX file: read, checked, and reduced to what matters of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import inliner, numpy_helper

from hwqnn.errors import InputError
from hwqnn.frontend.qonnx.registry import CUSTOM_DOMAINS


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """A network in ONNX.

    Attributes:
        path: where it came from, for messages.
        model: the file's contents, functions inlined.
        input: the name of the one tensor that the network reads.
        input_type: its element type, a TensorProto.DataType.
        shape: of one sample, without the batch axis.
        batch: the samples that the file is made for; None when any number will do.
        output: the name of the one tensor that it gives; constants beside it, as the scale of a quantized output, do not count.
        initializers: constant tensors by name.
    """

    path: Path
    model: onnx.ModelProto
    input: str
    input_type: int
    shape: tuple[int, ...]
    batch: int | None
    output: str
    initializers: dict[str, np.ndarray]

    @staticmethod
    def read(path: Path) -> OnnxFile:
        """Raises `InputError` when the file is missing, corrupt, empty, has more than one input or output, or holds NaN or infinity."""
        if not path.is_file():
            raise InputError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
        try:
            model = onnx.load(path)
            if model.functions:
                own = [(f.domain, f.name) for f in model.functions if f.domain not in CUSTOM_DOMAINS]
                model = inliner.inline_selected_functions(model, own)
            initializers = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        except Exception as error:  # a corrupt file can raise anything
            raise InputError(f"{path} is not a readable ONNX file: {first_line(error)}") from None
        graph = model.graph
        if not graph.node:
            raise InputError(f"{path} holds no node: the export produced an empty graph. Export again (dynamo=False, perhaps)")
        inputs = [i for i in graph.input if i.name not in initializers]
        followed = reached(graph, {i.name for i in inputs})
        outputs = [o for o in graph.output if o.name in followed] or list(graph.output)
        for what, found in (("inputs", inputs), ("outputs", outputs)):
            if len(found) != 1:
                raise InputError(f"{path} has {len(found)} {what} ({', '.join(str(v.name) for v in found)}); exactly one is supported")
        tensor = inputs[0].type.tensor_type
        dims = [d.dim_value if d.WhichOneof("value") == "dim_value" else None for d in tensor.shape.dim]
        shape = tuple(d for d in dims[1:] if d is not None)
        if len(dims) < 2 or len(shape) != len(dims) - 1 or min(shape) < 1:
            shown = ", ".join("?" if d is None else str(d) for d in dims)
            raise InputError(f"{path}: input '{inputs[0].name}' has shape ({shown}); it must be (batch, ...) with all but the batch fixed")
        for name, values in initializers.items():
            if values.dtype.kind == "f" and (bad := int(np.isnan(values).sum())):
                raise InputError(f"{path}: initializer {name!r} has {bad} of {values.size} values that are NaN")
        return OnnxFile(path, model, inputs[0].name, tensor.elem_type, shape, dims[0] or None, outputs[0].name, initializers)


def reached(graph: onnx.GraphProto, start: set[str]) -> set[str]:
    """The tensors that depend on those of `start`, themselves included."""
    found = set(start)
    for node in graph.node:
        if not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def first_line(error: Exception) -> str:
    """An error's message, or its type where it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]
