"""What a recorded tensor stands for: the integers of one op, and the exact real pieces that came after them; and the graph under construction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from hwqnn.errors import UnsupportedError
from hwqnn.ir import Affine, Graph, Op, Piece, Quantizer, Requantize, exact

SUPPORTED = (
    "QuantLinear, BatchNorm1d, QuantScaleBias, QuantIdentity / QuantReLU / QuantHardTanh of 1 to 8 bits, ReLU, Hardtanh, Identity, "
    "Dropout, Flatten, view / reshape / flatten, and + - * / with constants"
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
    """A batch of tensors: `chain` applied to the flat integers of the op `producer`, element by element, in row-major order.

    Attributes:
        producer: the op whose integers it starts from.
        shape: of one sample, without the batch axis.
        chain: exact real pieces, in the order in which they apply; every parameter has length 1 or prod(shape).
        last: the layer or function that made it, for error messages.
    """

    producer: str
    shape: tuple[int, ...]
    chain: tuple[Piece, ...]
    last: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def then(self, *pieces: Piece) -> Symbol:
        return replace(self, chain=(*self.chain, *pieces))

    def affine(self, mul: np.ndarray, add: np.ndarray) -> Symbol:
        """mul * self + add; the identity leaves no piece."""
        return self if (mul == 1).all() and (add == 0).all() else self.then(Affine(mul, add))

    def scaled(self, scale: Fraction) -> Symbol:
        return self.affine(exact([scale]), exact([0]))


def as_line(symbol: Symbol, place: Place) -> tuple[Fraction, np.ndarray]:
    """(alpha, delta) with symbol = alpha * q + delta, alpha the same for all elements; delta is a Fraction array of length 1 or `size`.

    Raises:
        UnsupportedError: the chain holds more than that.
    """
    mul, add = exact([1]), exact([0])
    for piece in symbol.chain:
        if not isinstance(piece, Affine):
            raise place.fail(f"its input is real-valued after {symbol.last}; put a quantizer (QuantIdentity, QuantReLU, QuantHardTanh) before it")
        mul, add = piece.mul * mul, piece.mul * add + piece.add
    if (mul != mul[0]).any():
        raise place.fail(f"its input has a different scale in each channel after {symbol.last}; put a quantizer with one scale before it")
    return mul[0], add


@dataclass
class GraphBuilder:
    """Collects ops, gives them unique names, and keeps the size of each."""

    ops: list[Op] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    def fresh(self, name: str) -> str:
        """`name`, or `name@2`, `name@3` ... when it is taken (a module that runs twice)."""
        count, free = 1, name
        while free in self.sizes:
            count += 1
            free = f"{name}@{count}"
        return free

    def add(self, op: Op, size: int) -> str:
        self.ops.append(op)
        self.sizes[op.name] = size
        return op.name

    def requantize(self, name: str, symbol: Symbol, quantizer: Quantizer) -> Symbol:
        """Ends the chain of `symbol` in a `Requantize` op; what comes out is that op's integers times the quantizer's scale."""
        op = Requantize(name=self.fresh(name), inputs=(symbol.producer,), chain=symbol.chain, quantizer=quantizer)
        out = replace(symbol, producer=self.add(op, symbol.size), chain=())
        return out.scaled(quantizer.scale)

    def graph(self, name: str, output: Symbol) -> Graph:
        """The graph that `output` needs; everything else that was recorded is left out."""
        by_name = {op.name: op for op in self.ops}
        needed: set[str] = set()
        todo = [output.producer]
        while todo:
            op = by_name[todo.pop()]
            if op.name not in needed:
                needed.add(op.name)
                todo.extend(op.inputs)
        return Graph(name, tuple(op for op in self.ops if op.name in needed), output.producer, output.chain)


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
