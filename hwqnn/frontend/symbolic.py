"""What a recorded tensor stands for: the integers of one op, and the exact real pieces that came after them; and the graph under construction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction

import numpy as np

from hwqnn.errors import UnsupportedError
from hwqnn.ir import Affine, Edge, Graph, Input, Op, Piece, Quantizer, Requantize, Reshape, Type, exact

SUPPORTED = (
    "QuantLinear, QuantConv1d, QuantConv2d, BatchNorm1d, BatchNorm2d, QuantScaleBias, QuantIdentity / QuantReLU / QuantHardTanh of 1 to 8 bits, "
    "QuantEltwiseAdd, max, average and truncating pools, means over height and width, nearest upsampling, zero padding, ReLU, Hardtanh, "
    "Identity, Dropout, what only moves elements (view, flatten, permute, chunk ...), + and - of two tensors, cat, and + - * / with constants"
)


@dataclass(frozen=True)
class Place:
    """A layer in the user's module: its path there (empty for the model itself) and its class."""

    path: str
    layer: str

    def __str__(self) -> str:
        return f"layer '{self.path}' ({self.layer})" if self.path else f"the model itself ({self.layer})"

    @property
    def op_name(self) -> str:
        return self.path or self.layer

    def fail(self, why: str) -> UnsupportedError:
        """The error for something here that cannot be lowered."""
        return UnsupportedError(f"{self}: {why}. Supported are {SUPPORTED}.")


@dataclass(frozen=True, eq=False)
class Symbol:
    """A batch of tensors: element `e` of a sample is `chain` applied to integer `index[e]` of the op `producer`.

    So what only moves elements (view, flatten, permute, transpose, chunk) does the same to `index`, and whatever reads the symbol sees in
    `index` where its elements lie.

    Attributes:
        producer: the op whose integers it starts from.
        edge: what that op yields; channels last.
        index: int64, of the shape of one sample in torch (no batch axis): the row-major position of each element in `edge`.
        chain: exact real pieces, in the order in which they apply; every parameter has length 1 or `edge.channels`.
        last: the layer or function that made it, for error messages.
    """

    producer: str
    edge: Edge
    index: np.ndarray
    chain: tuple[Piece, ...]
    last: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape

    @property
    def size(self) -> int:
        return self.index.size

    @property
    def whole(self) -> bool:
        """Whether it holds each element of its edge, in the edge's own order."""
        return np.array_equal(self.index.reshape(-1), np.arange(math.prod(self.edge.shape)))

    def then(self, *pieces: Piece) -> Symbol:
        return replace(self, chain=(*self.chain, *pieces))

    def affine(self, mul: np.ndarray, add: np.ndarray) -> Symbol:
        """mul * self + add, Fractions of length 1 or `edge.channels`; the identity leaves no piece."""
        return self if (mul == 1).all() and (add == 0).all() else self.then(Affine(mul, add))

    def scaled(self, scale: Fraction) -> Symbol:
        return self.affine(exact([scale]), exact([0]))

    def moved(self, index: np.ndarray) -> Symbol:
        """The elements at other places: `index` is a view, permutation or part of `self.index`."""
        return replace(self, index=index)


def shape_text(x: Symbol) -> str:
    return f"(N, {', '.join(map(str, x.shape))})"


def channels_first(shape: tuple[int, ...]) -> np.ndarray:
    """The index of a map (height, width, channels) as torch sees it: int64 (channels, height, width)."""
    return np.arange(math.prod(shape)).reshape(shape).transpose(2, 0, 1)


@dataclass
class GraphBuilder:
    """Collects ops, gives them unique names, and keeps the edge of each."""

    ops: list[Op] = field(default_factory=list)
    edges: dict[str, Edge] = field(default_factory=dict)

    def fresh(self, name: str) -> str:
        """`name`, or `name@2`, `name@3` ... when it is taken (a module that runs twice)."""
        count, free = 1, name
        while free in self.edges:
            count += 1
            free = f"{name}@{count}"
        return free

    def add(self, op: Op, index: np.ndarray | None = None, last: str = "") -> Symbol:
        """Appends an op; its integers as a symbol, in the edge's own order and shape unless `index` says otherwise.

        Raises:
            GraphError: the op does not fit its inputs.
        """
        self.edges[op.name] = op.infer(tuple(self.edges[name] for name in op.inputs))
        self.ops.append(op)
        out = self.symbol(op.name, last)
        return out if index is None else out.moved(index)

    def symbol(self, name: str, last: str = "") -> Symbol:
        """The integers of an op that is there, in its edge's own order and shape."""
        edge = self.edges[name]
        return Symbol(name, edge, np.arange(math.prod(edge.shape)).reshape(edge.shape), (), last)

    def input(self, shape: tuple[int, ...], kind: Type, scale: Fraction, flat: bool = False) -> Symbol:
        """The graph's input for samples of torch's `shape`: (C, H, W) becomes a map (H, W, C), (C, L) one (1, L, C) unless `flat`, all else flat."""
        size = math.prod(shape)
        edge: tuple[int, ...] = (size,)
        match shape:
            case (channels, height, width):
                edge = (height, width, channels)
            case (channels, length) if not flat:
                edge = (1, length, channels)
        index = (channels_first(edge) if len(edge) == 3 else np.arange(size)).reshape(shape)
        return self.add(Input(name="@input", inputs=(), type=kind, shape=edge), index, "the input").scaled(scale)

    def requantize(self, name: str, symbol: Symbol, quantizer: Quantizer) -> Symbol:
        """Ends the chain of `symbol` in a `Requantize` op; what comes out is that op's integers times the quantizer's scale."""
        op = Requantize(name=self.fresh(name), inputs=(symbol.producer,), chain=symbol.chain, quantizer=quantizer)
        return self.add(op, symbol.index, symbol.last).scaled(quantizer.scale)

    def reshape(self, symbol: Symbol, shape: tuple[int, ...], place: Place) -> Symbol:
        """The same symbol on an edge of another shape. Raises `UnsupportedError` when its chain then is not one of channels."""
        if shape == symbol.edge.shape:
            return symbol
        chain = tuple(rechanneled(piece, symbol.edge, shape[-1], place) for piece in symbol.chain)
        name = f"{symbol.producer}@{'x'.join(map(str, shape))}"
        if name not in self.edges:
            self.add(Reshape(name=name, inputs=(symbol.producer,), shape=shape))
        return replace(symbol, producer=name, edge=self.edges[name], chain=chain)

    def flat(self, symbol: Symbol, place: Place) -> Symbol:
        """The same symbol on a flat edge, where each element is a channel of its own."""
        return self.reshape(symbol, (math.prod(symbol.edge.shape),), place)

    def along(self, symbol: Symbol, place: Place, *values: np.ndarray) -> tuple[Symbol, list[np.ndarray]]:
        """Numbers that meet the elements of `symbol`, as parameters for its chain: Fractions of length 1 or its edge's channels.

        Each of `values` has one number, or broadcasts to `symbol.shape`. Where they differ within a channel, the edge becomes flat.

        Raises:
            ValueError: a number is NaN or infinite.
        """
        channel = (symbol.index % symbol.edge.channels).reshape(-1)
        found = []
        for value in values:
            if value.size == 1:
                found.append(exact(value))
                continue
            spread = np.broadcast_to(value, symbol.shape).reshape(-1)
            row = np.full(symbol.edge.channels, spread[0])  # channels that the symbol does not read get any number
            row[channel] = spread
            if (row[channel] != spread).any() and len(symbol.edge.shape) > 1:
                return self.along(self.flat(symbol, place), place, *values)
            found.append(exact(row))
        return symbol, found

    def op(self, name: str) -> Op:
        return next(op for op in self.ops if op.name == name)

    def finished(self, output: Symbol) -> Symbol:
        """The model's output as the accelerator gives it: in torch's order, or channels last where torch has a map's channels first.

        Raises:
            UnsupportedError: it lies in some other order.
        """
        place = Place("", "model")
        if output.whole:
            return self.flat(output, place) if output.index.ndim == 1 else output
        if (
            len(output.edge.shape) == 3
            and output.index.ndim > 1
            and np.array_equal(output.index.reshape(-1), channels_first(output.edge.shape).reshape(-1))
        ):
            return output
        raise place.fail(
            f"its output, after {output.last}, is reordered, flattened from a map or only part of a tensor; return a layer's whole tensor"
        )

    def graph(self, name: str, output: Symbol) -> Graph:
        """The graph that `output` needs; everything else that was recorded is left out.

        Raises:
            UnsupportedError: the output lies in an order that the accelerator cannot give (see `finished`).
        """
        output = self.finished(output)
        by_name = {op.name: op for op in self.ops}
        needed: set[str] = set()
        todo = [output.producer]
        while todo:
            op = by_name[todo.pop()]
            if op.name not in needed:
                needed.add(op.name)
                todo.extend(op.inputs)
        return Graph(name, tuple(op for op in self.ops if op.name in needed), output.producer, output.chain)


def rechanneled(piece: Piece, edge: Edge, channels: int, place: Place) -> Piece:
    """`piece` with its parameters by the channels of a reshaped edge."""

    def parameter(values: np.ndarray) -> np.ndarray:
        if len(values) == 1:
            return values
        rows = np.tile(values, math.prod(edge.shape) // len(values)).reshape(-1, channels)
        if (rows != rows[0]).any():
            raise place.fail("its input's scales, offsets or normalization differ from place to place within a channel; put a quantizer before it")
        return rows[0]

    return with_parameters(piece, {name: parameter(values) for name, values in parameters(piece).items()})


def parameters(piece: Piece) -> dict[str, np.ndarray]:
    """What a piece holds for each channel."""
    return {f.name: values for f in fields(piece) if isinstance(values := getattr(piece, f.name), np.ndarray)}


def with_parameters(piece: Piece, values: dict[str, np.ndarray]) -> Piece:
    return replace(piece, **values)  # type: ignore[arg-type]


def as_line(symbol: Symbol, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """(mul, add) with symbol = mul * q + add, Fractions of length 1 or the edge's channels.

    Raises:
        UnsupportedError: the chain holds more than that.
    """
    mul, add = exact([1]), exact([0])
    for piece in symbol.chain:
        if not isinstance(piece, Affine):
            raise place.fail(f"its input is real-valued after {symbol.last}; put a quantizer (QuantIdentity, QuantReLU, QuantHardTanh) before it")
        mul, add = piece.mul * mul, piece.mul * add + piece.add
    return (mul[:1] if (mul == mul[0]).all() else mul), (add[:1] if (add == add[0]).all() else add)


def dot_rows(weight: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """sum_i weight[o, i] * vector[i] as Fractions (out,); `weight` int64 (out, in), `vector` Fractions of length 1 or in."""
    if len(vector) == 1:
        return exact(weight.sum(axis=1)) * vector[0]
    common = math.lcm(*(int(v.denominator) for v in vector))
    numerators = as_objects(int(v * common) for v in vector)
    return as_objects(Fraction(int(total), common) for total in weight.astype(object) @ numerators)


def as_objects(values: Iterable[object]) -> np.ndarray:
    """A one-dimensional object array; numpy leaves each value alone."""
    items = list(values)
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out
