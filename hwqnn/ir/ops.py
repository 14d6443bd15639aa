"""The ops of the graph: one dataclass each, with its type rule and its verifier. An op has one output, which carries the op's name.

To add an op: a dataclass here, a kernel in `reference/`, a block in `dataflow/`, a module in `rtl/`, a handler in the frontends.
Each of these registers itself by the op's class; no central chain of `if`s has to change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.errors import GraphError
from hwqnn.ir.real import Piece, Quantizer, SignQuantizer
from hwqnn.ir.types import Bipolar, Type, smallest


@dataclass(frozen=True)
class Edge:
    """The value an op produces: integers of `type`, `shape` without the batch axis, channels last."""

    type: Type
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[-1]


REGISTRY: dict[str, type[Op]] = {}
"""Every op class by its name, for the file form."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """A node. `name` is the user's own layer name where there is one; `inputs` name the producing ops."""

    kind: ClassVar[str]
    name: str
    inputs: tuple[str, ...]

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__
        REGISTRY[cls.kind] = cls

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        """The output edge for these inputs. Raises `GraphError` when they do not fit the op."""
        raise NotImplementedError

    def fail(self, why: str) -> GraphError:
        return GraphError(f"{self.kind} '{self.name}': {why}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Op):
    """The graph's input: integers as they come from outside (pixels, or codes of an input quantizer)."""

    type: Type
    shape: tuple[int, ...]

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        if not self.shape or min(self.shape) < 1:
            raise self.fail(f"shape {self.shape} has no elements")
        return Edge(self.type, self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class MatMul(Op):
    """acc[o] = sum_i weight[o, i] * x[i]. `weight` is int64 of shape (out, in); the output is signed, as an accumulator in hardware is."""

    weight: np.ndarray
    weight_type: Type

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        if self.weight.ndim != 2 or x.shape != (self.weight.shape[1],):
            raise self.fail(f"weight of shape {self.weight.shape} does not fit an input of shape {x.shape}")
        check_values(self, "weight", self.weight, self.weight_type)
        lo, hi = self.channel_range(x.type)
        return Edge(smallest(min(int(lo.min()), -1), int(hi.max())), (self.weight.shape[0],))

    def channel_range(self, x: Type) -> tuple[np.ndarray, np.ndarray]:
        """The least and greatest accumulator of each output channel, int64 (out,), from the weights that are there."""
        positive = np.maximum(self.weight, 0).sum(axis=1)
        negative = np.minimum(self.weight, 0).sum(axis=1)
        return positive * x.min + negative * x.max, positive * x.max + negative * x.min


@dataclass(frozen=True, eq=False, kw_only=True)
class Requantize(Op):
    """quantizer(chain(x)), channel by channel: a stretch of real arithmetic between two integer edges, as the model states it.

    Only an imported graph holds these; `passes/thresholds.py` replaces each by a `Threshold`.
    """

    chain: tuple[Piece, ...]
    quantizer: Quantizer

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        if isinstance(self.quantizer, SignQuantizer):
            return Edge(Bipolar(), x.shape)
        q = self.quantizer
        return Edge(smallest(q.lo - q.zero_point, q.hi - q.zero_point), x.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Threshold(Op):
    """y = base + step * n, where n counts the thresholds that x reaches: n = #{j : x >= thresholds[c, j]}.

    Where `descending[c]`, n is levels - #{...} instead. `thresholds` is int64 (C or 1, levels), each row ascending; `descending` is
    bool (C or 1,). A first axis of 1 serves all channels.
    """

    thresholds: np.ndarray
    descending: np.ndarray
    base: int
    step: int
    type: Type

    @property
    def levels(self) -> int:
        return self.thresholds.shape[1]

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        rows = self.thresholds.shape[0]
        if self.thresholds.ndim != 2 or rows not in (1, x.channels) or self.descending.shape != (rows,):
            raise self.fail(f"thresholds of shape {self.thresholds.shape} do not fit {x.channels} channels")
        if (np.diff(self.thresholds, axis=1) < 0).any():
            raise self.fail("a row of thresholds is not ascending")
        check_values(self, "output", np.array([self.base, self.base + self.step * self.levels]), self.type)
        return Edge(self.type, x.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelAffine(Op):
    """y[c] = mul[c] * x[c] + add[c], in integers; `mul` and `add` are int64 (C,)."""

    mul: np.ndarray
    add: np.ndarray

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        if self.mul.shape != (x.channels,) or self.add.shape != (x.channels,):
            raise self.fail(f"{self.mul.shape} factors do not fit {x.channels} channels")
        ends = [int(m) * v + int(a) for m, a in zip(self.mul, self.add, strict=True) for v in (x.type.min, x.type.max)]
        return Edge(smallest(min(ends), max(ends)), x.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class ArgMax(Op):
    """The indices of the `k` greatest channels, the greatest first; a tie goes to the lower index. The last axis becomes k long."""

    k: int = 1

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        if not 1 <= self.k <= x.channels:
            raise self.fail(f"the {self.k} greatest of {x.channels} channels")
        return Edge(smallest(0, max(1, x.channels - 1)), (*x.shape[:-1], self.k))


def check_values(op: Op, what: str, values: np.ndarray, of: Type) -> None:
    """Raises `GraphError` unless all `values` belong to the type `of`."""
    bad = (values < of.min) | (values > of.max)
    if isinstance(of, Bipolar):
        bad |= values == 0
    if bad.any():
        raise op.fail(f"{what} value {int(values[bad].flat[0])} is not of type {of}")
