"""A step computes one op (or a fused pair) on a batch. The registry says how to make the step of an op on plain integer arrays.

To add an op: one file with its kernel and a function under `@step_of(TheOp)`, and an import of it in `plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from hwqnn.ir import Edge, Op, Type

Step = Callable[..., np.ndarray]
"""From (N, *shape) of each input to (N, *shape) of the output; integers, or packed bits where `plan.py` arranges for them. Changes no input."""

Maker = TypeVar("Maker", bound=Callable[..., Step])
STEPS: dict[type[Op], Callable[..., Step]] = {}
"""Op class -> maker of its step from the op, its input edges one by one, and its output edge."""


def step_of(op: type[Op]) -> Callable[[Maker], Maker]:
    """Registers the maker of an op class's step."""

    def register(make: Maker) -> Maker:
        STEPS[op] = make
        return make

    return register


PACKED_STEPS: dict[type[Op], Callable[..., Step]] = {}
"""Op class -> maker of its step from packed bits to packed bits (N, ..., words), of ops that only move or select bipolar values."""


def packed_step_of(op: type[Op]) -> Callable[[Maker], Maker]:
    """Registers the maker of an op class's step on packed bits."""

    def register(make: Maker) -> Maker:
        PACKED_STEPS[op] = make
        return make

    return register


def make_step(op: Op, sources: tuple[Edge, ...], target: Edge) -> Step:
    """The step of `op` on plain integers. Raises `GraphError` for an op that has none."""
    if type(op) not in STEPS:
        raise op.fail(f"the reference runs canonical graphs, and those have no {op.kind}: lower the graph first (hwqnn.passes.lower)")
    return STEPS[type(op)](op, *sources, target)


def storage(of: Type) -> np.dtype:
    """What holds values of a type between steps: int16, int32, int64, or for wider ones Python integers (object).

    Few kinds, so that few kernels get compiled. A value one past the type's greatest fits too: a threshold nothing reaches.
    """
    for dtype in (np.int16, np.int32, np.int64):
        if np.iinfo(dtype).min <= of.min and of.max < np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(object)


def check_int64(op: Op, edge: Edge) -> None:
    """Raises `GraphError` if a value on the edge may need 64 bits or more."""
    if storage(edge.type).hasobject:
        raise op.fail(f"values of type {edge.type} may need more than 63 bits")
