"""Integer scale and offset of each channel."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import ChannelAffine, Edge
from hwqnn.reference.step import Step, step_of, storage


@step_of(ChannelAffine)
def channel_affine(op: ChannelAffine, source: Edge, target: Edge) -> Step:
    """Integers (N, ..., C) to integers of the same shape; in Python's integers where a product may not fit 64 bits."""
    largest = max(abs(source.type.min), abs(source.type.max)) * max(map(abs, op.mul.tolist()))
    dtype = np.dtype(object if largest >= 2**63 or storage(target.type).hasobject else np.int64)
    mul, add, result = op.mul.astype(dtype), op.add.astype(dtype), storage(target.type)
    return lambda x: (mul * x.astype(dtype) + add).astype(result)
