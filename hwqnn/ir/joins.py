"""Ops that join two edges."""

from __future__ import annotations

from dataclasses import dataclass

from hwqnn.ir.ops import Edge, Op
from hwqnn.ir.types import smallest


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Op):
    """Element by element, a + b, of two edges of the same shape."""

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        a, b = inputs
        if a.shape != b.shape:
            raise self.fail(f"shapes {a.shape} and {b.shape} differ")
        return Edge(smallest(a.type.min + b.type.min, a.type.max + b.type.max), a.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Op):
    """The channels of the first edge, then those of the second. The type is the inputs' own where they agree, else the smallest that holds both."""

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        a, b = inputs
        if a.shape[:-1] != b.shape[:-1]:
            raise self.fail(f"shapes {a.shape} and {b.shape} differ in more than their channels")
        shape = (*a.shape[:-1], a.channels + b.channels)
        if a.type == b.type:
            return Edge(a.type, shape)
        return Edge(smallest(min(a.type.min, b.type.min), max(a.type.max, b.type.max)), shape)
