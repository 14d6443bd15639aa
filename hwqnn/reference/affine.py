"""Integer scale and offset of each channel."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import ChannelAffine, Edge
from hwqnn.reference.step import Step, step_of, storage


@step_of(ChannelAffine)
def channel_affine(op: ChannelAffine, source: Edge, target: Edge) -> Step:
    """Integers (N, ..., C) to integers of the same shape; Python's own where the result may need 64 bits or more."""
    result = storage(target.type)
    # |product| is at most the result's whole range, as x can be 0 or has both signs: it fits wherever the result does.
    dtype = np.dtype(object) if result.hasobject else np.dtype(np.int64)
    mul, add = op.mul.astype(dtype), op.add.astype(dtype)
    return lambda x: (mul * x.astype(dtype) + add).astype(result)
