"""What a node does to a symbol: the call that a handler sees, and the handlers by domain and op type. Each file beside this registers its own."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np
import onnx

from hwqnn.errors import InputError, UnsupportedError
from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol
from hwqnn.ir import exact

CUSTOM_DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
STANDARD_DOMAINS = ("", "ai.onnx")
_PARTS_OF_A_LAYER = {"act_quant", "input_quant", "output_quant", "weight_quant", "bias_quant", "export_handler"}


@dataclass(frozen=True)
class Node(Place):
    """A node, as errors name it; `path` is its own name (or its output's), `layer` its op type.

    Attributes:
        user_path: the layer of the exporting torch model that it belongs to, where the file tells.
    """

    user_path: str

    def __str__(self) -> str:
        return f"node {self.path!r} ({self.layer})"

    @property
    def op_name(self) -> str:
        return self.user_path or self.path.strip("/") or self.layer

    def fail(self, why: str) -> UnsupportedError:
        return UnsupportedError(f"{self}: {why}. Supported are {', '.join(sorted({op for _, op in HANDLERS}))}, and any operation on constants.")


def node_of(proto: onnx.NodeProto) -> Node:
    return Node(proto.name or next(iter(proto.output), ""), proto.op_type, user_path(proto))


def user_path(proto: onnx.NodeProto) -> str:
    """The torch layer that a node came from: the TorchScript exporter puts it into the name, the dynamo exporter into the metadata."""
    scopes = next((p.value for p in proto.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), "")
    try:
        parts = list(ast.literal_eval(scopes))[1:-1] if scopes else proto.name.strip("/").split("/")[:-1]
    except (ValueError, SyntaxError, TypeError):
        return ""
    path = ""
    for part in map(str, parts):
        path = part if not path or part.startswith(f"{path}.") else f"{path}.{part}"
    names = path.split(".")
    cut = next((i for i, name in enumerate(names) if name in _PARTS_OF_A_LAYER), len(names))
    return ".".join(names[:cut])


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that does not depend on the input, as ONNX computes it in its own element type.

    Attributes:
        value: the tensor.
        integers, scale: of a quantized tensor, int64 and float arrays of the same shape, with value = integers * scale; else None.
    """

    value: np.ndarray
    integers: np.ndarray | None = None
    scale: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Label:
    """The index of the greatest element of a symbol, ties to the lowest: what a classifying head gives."""

    scores: Symbol


Value = Symbol | Constant | Label


@dataclass(frozen=True, eq=False)
class Call:
    """A node with its inputs.

    Attributes:
        node: what to call it.
        inputs: None where an optional one is left out.
        attributes: as Python values; text as str.
        outputs: how many of its outputs are named.
        batch: samples in a batch, the first axis of every tensor that comes from the input.
        builder: where ops go.
    """

    node: Node
    inputs: tuple[Value | None, ...]
    attributes: dict[str, Any]
    outputs: int
    batch: int
    builder: GraphBuilder

    def fail(self, why: str) -> UnsupportedError:
        return self.node.fail(why)

    def bad(self, why: str) -> NoReturn:
        raise InputError(f"{self.node}: {why}")

    def attribute(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)

    def optional(self, at: int) -> Value | None:
        return self.inputs[at] if at < len(self.inputs) else None

    @property
    def at(self) -> int:
        """Which input is the symbol. Raises `UnsupportedError` unless there is exactly one."""
        found = [i for i, value in enumerate(self.inputs) if isinstance(value, Symbol | Label)]
        if len(found) != 1:
            raise self.fail(f"it joins {len(found)} tensors that depend on the input; residual and parallel paths are not supported yet")
        return found[0]

    @property
    def x(self) -> Symbol:
        """The symbol. Raises `UnsupportedError` when it is a label, or not the only one."""
        value = self.inputs[self.at]
        if not isinstance(value, Symbol):
            raise self.fail("it computes with the label that ArgMax or TopK gives; such a head must come last")
        return value

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the symbol, with the batch axis."""
        return (self.batch, *self.x.shape)

    def constant(self, at: int, what: str) -> Constant:
        value = self.optional(at)
        if value is None:
            self.bad(f"its {what} is missing")
        if not isinstance(value, Constant):
            raise self.fail(f"its {what} is computed from the input; it must be constant")
        return value

    def array(self, at: int, what: str) -> np.ndarray:
        return self.constant(at, what).value

    def number(self, at: int, what: str) -> float | int:
        values = self.array(at, what)
        if values.size != 1:
            raise self.fail(f"its {what} has {values.size} values; one is supported")
        return values.reshape(-1)[0].item()

    def integer(self, at: int, what: str) -> int:
        value = self.number(at, what)
        if value != int(value):
            raise self.fail(f"its {what} is {value:g}, not an integer")
        return int(value)

    def exact(self, values: np.ndarray, what: str) -> np.ndarray:
        """Flat Fractions. Raises `InputError` for NaN and infinity."""
        try:
            return exact(values)
        except ValueError as error:
            self.bad(f"{what}: {error}; constants must be finite")

    def along(self, at: int, what: str) -> np.ndarray:
        """A constant as it meets the symbol's elements: Fractions of length 1 or `x.size`."""
        values = self.array(at, what)
        if values.size == 1:
            return self.exact(values, what)
        batched = values.reshape((1,) * (len(self.shape) - values.ndim) + values.shape)
        if batched.ndim != len(self.shape) or batched.shape[0] != 1:
            raise self.fail(f"its {what} of shape {values.shape} differs from sample to sample")
        try:
            spread = np.broadcast_to(batched, (1, *self.x.shape))
        except ValueError:
            raise self.fail(f"its {what} of shape {values.shape} does not fit a tensor of shape {self.shape_text}") from None
        return self.exact(spread, what)

    @property
    def shape_text(self) -> str:
        return f"(N, {', '.join(map(str, self.x.shape))})"


Handler = Callable[[Call], "Value | tuple[Value | None, ...]"]
"""Gives the node's first output, or several, None for one that cannot be followed."""

_H = TypeVar("_H", bound=Handler)

HANDLERS: dict[tuple[str, str], Handler] = {}
"""For nodes that read a symbol."""

FOLDS: dict[tuple[str, str], Handler] = {}
"""For nodes of the custom domains all of whose inputs are constant; ONNX itself computes the standard ones."""


def standard(*ops: str) -> Callable[[_H], _H]:
    return _register(HANDLERS, STANDARD_DOMAINS, ops)


def custom(*ops: str) -> Callable[[_H], _H]:
    return _register(HANDLERS, CUSTOM_DOMAINS, ops)


def fold(*ops: str, domains: tuple[str, ...] = CUSTOM_DOMAINS) -> Callable[[_H], _H]:
    return _register(FOLDS, domains, ops)


def _register(table: dict[tuple[str, str], Handler], domains: tuple[str, ...], ops: tuple[str, ...]) -> Callable[[_H], _H]:
    def register(handler: _H) -> _H:
        table.update({(domain, op): handler for domain in domains for op in ops})
        return handler

    return register
