"""Steps that only move elements; they serve plain integers and, where channels keep their places, packed bits too."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Edge, Reshape, Upsample
from hwqnn.reference import bits
from hwqnn.reference.step import Step, packed_step_of, step_of


@packed_step_of(Upsample)
@step_of(Upsample)
def upsample(op: Upsample, source: Edge, target: Edge) -> Step:
    """(N, H, W, C) to (N, down * H, across * W, C)."""
    down, across = op.factor
    return lambda x: x.repeat(down, axis=1).repeat(across, axis=2)


@step_of(Reshape)
def reshape(op: Reshape, source: Edge, target: Edge) -> Step:
    """Integers (N, *shape) to (N, *new shape)."""
    return lambda x: np.reshape(x, (len(x), *op.shape))


@packed_step_of(Reshape)
def reshape_of_bits(op: Reshape, source: Edge, target: Edge) -> Step:
    """Packed bits (N, ..., words) to packed bits (N, ..., words), whose pixels begin a new word each."""
    if source.channels % bits.WORD == 0 == target.channels % bits.WORD or source.channels == target.channels:
        return lambda x: np.reshape(x, (len(x), *op.shape[:-1], bits.words(target.channels)))
    return lambda x: bits.pack(bits.unpack(x, source.channels).reshape(len(x), *op.shape).astype(bool))
