"""Two edges into one."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Add, Concat, Edge
from hwqnn.reference import bits
from hwqnn.reference.step import Step, packed_step_of, step_of, storage


@step_of(Add)
def add(op: Add, a: Edge, b: Edge, target: Edge) -> Step:
    """Integers (N, ...) twice to their sums, of the same shape."""
    result = storage(target.type)
    return lambda x, y: x.astype(result, copy=False) + y.astype(result, copy=False)


@step_of(Concat)
def concat(op: Concat, a: Edge, b: Edge, target: Edge) -> Step:
    """Integers (N, ..., C) and (N, ..., D) to (N, ..., C + D)."""
    result = storage(target.type)
    return lambda x, y: np.concatenate((x, y), axis=-1, dtype=result, casting="unsafe")


@packed_step_of(Concat)
def concat_of_bits(op: Concat, a: Edge, b: Edge, target: Edge) -> Step:
    """Packed bits (N, ..., words of C) and (N, ..., words of D) to packed bits (N, ..., words of C + D)."""
    if a.channels % bits.WORD == 0:
        return lambda x, y: np.concatenate((x, y), axis=-1)
    return lambda x, y: bits.pack(np.concatenate((bits.unpack(x, a.channels), bits.unpack(y, b.channels)), axis=-1).astype(bool))
