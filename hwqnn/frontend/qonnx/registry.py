"""What a node does to a symbol: the call that a handler sees, and the handlers by domain and op type. Each file beside this registers its own."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np
import onnx

from hwqnn.errors import InputError, UnsupportedError
from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol
from hwqnn.ir import Geometry, exact
from hwqnn.passes.ranges import channel_ranges

CUSTOM_DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
CHANNELS_LAST = "qonnx.custom_op.channels_last"
"""Standard operations on tensors whose channels come last."""
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

    def map(self, move: Callable[[np.ndarray], np.ndarray]) -> Constant:
        """The same elements moved to other places."""
        return Constant(*(part if part is None else move(part) for part in (self.value, self.integers, self.scale)))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Label:
    """The indices of the greatest elements along the axis of classes, ties to the lowest: what a classifying head gives.

    Attributes:
        scores: the symbol that it looks at, classes first: of shape (classes, ...).
    """

    scores: Symbol


@dataclass(frozen=True, eq=False)
class Patches:
    """Every window of a map, with its elements side by side in the last axis in the order (row, column, channel): what FINN's Im2Col gives.

    Attributes:
        x: the map, channels first.
        geometry: of the windows.
    """

    x: Symbol
    geometry: Geometry


Followed = Symbol | Label | Patches
"""What depends on the network's input."""

Value = Followed | Constant


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
        if self.joins:
            raise self.fail(f"it joins {len(self.dependent)} tensors that depend on the input; only sums, differences and concatenations may")
        return self.dependent[0]

    @property
    def dependent(self) -> list[int]:
        """Which inputs depend on the network's input."""
        return [i for i, value in enumerate(self.inputs) if isinstance(value, Followed)]

    @property
    def joins(self) -> bool:
        """Whether more than one does."""
        return len(self.dependent) > 1

    def symbol(self, at: int) -> Symbol:
        """Raises `UnsupportedError` when this input is constant or a label."""
        value = self.optional(at)
        if isinstance(value, Label):
            raise self.fail("it computes with the label that ArgMax or TopK gives; such a head must come last")
        if isinstance(value, Patches):
            raise self.fail("it reads the windows of an Im2Col; only MatMul may")
        if not isinstance(value, Symbol):
            raise self.fail(f"its input {at} is constant, the other depends on the network's input; that is not supported")
        return value

    @property
    def x(self) -> Symbol:
        """The symbol. Raises `UnsupportedError` when it is a label, or not the only one."""
        return self.symbol(self.at)

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

    def integers(self, at: int, attribute: str) -> list[int] | None:
        """A list that newer opsets give as an input and older ones as an attribute."""
        if self.optional(at) is not None:
            return [int(v) for v in self.array(at, attribute).reshape(-1)]
        return self.attribute(attribute, None)

    def exact(self, values: np.ndarray, what: str) -> np.ndarray:
        """Flat Fractions. Raises `InputError` for NaN and infinity."""
        try:
            return exact(values)
        except ValueError as error:
            self.bad(f"{what}: {error}; constants must be finite")

    def along(self, at: int, what: str) -> tuple[Symbol, np.ndarray]:
        """The symbol, and a constant that meets its elements: Fractions of length 1 or its edge's channels."""
        values = self.array(at, what)
        if values.size > 1:
            batched = values.reshape((1,) * (len(self.shape) - values.ndim) + values.shape)
            if batched.ndim != len(self.shape) or batched.shape[0] != 1:
                raise self.fail(f"its {what} of shape {values.shape} differs from sample to sample")
            try:
                values = np.broadcast_to(batched, (1, *self.x.shape))[0]
            except ValueError:
                raise self.fail(f"its {what} of shape {values.shape} does not fit a tensor of shape {self.shape_text}") from None
        x, (found,) = self.meeting(what, values)
        return x, found

    def meeting(self, what: str, *values: np.ndarray) -> tuple[Symbol, list[np.ndarray]]:
        """The symbol, and numbers that broadcast to its shape as parameters for its chain. Raises `InputError` for NaN and infinity."""
        try:
            return self.builder.along(self.x, self.node, *values)
        except ValueError as error:
            self.bad(f"{what}: {error}; constants must be finite")

    def reach(self, x: Symbol) -> tuple[np.ndarray, np.ndarray]:
        """The least and greatest integer behind each channel of a symbol's edge, int64 (C,)."""
        whole = Symbol(x.producer, x.edge, np.arange(math.prod(x.edge.shape)).reshape(x.edge.shape), (), x.last)
        return channel_ranges(self.builder.graph("", whole))[x.producer]

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


def custom(*ops: str, domains: tuple[str, ...] = CUSTOM_DOMAINS) -> Callable[[_H], _H]:
    return _register(HANDLERS, domains, ops)


def fold(*ops: str, domains: tuple[str, ...] = CUSTOM_DOMAINS) -> Callable[[_H], _H]:
    return _register(FOLDS, domains, ops)


def _register(table: dict[tuple[str, str], Handler], domains: tuple[str, ...], ops: tuple[str, ...]) -> Callable[[_H], _H]:
    def register(handler: _H) -> _H:
        table.update({(domain, op): handler for domain in domains for op in ops})
        return handler

    return register
