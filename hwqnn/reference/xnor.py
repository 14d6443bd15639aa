"""Products of packed bits: with p of n products +1, a bipolar dot product is 2 p - n (Rastegari et al. 2016).

The micro-kernel counts the ones of x ^ w, so w holds the weights that are -1 as ones: then it counts the products that are +1.
"""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Conv, Edge, MatMul, Threshold
from hwqnn.reference import bits
from hwqnn.reference.pack import packer, rising
from hwqnn.reference.products import Sums, joined, sums_of
from hwqnn.reference.step import Step
from hwqnn.reference.windows import Windows


def xnor_sum(op: MatMul | Conv, source: Edge, target: Edge, then: Step | None = None) -> Step:
    """Packed bits (N, ..., words) to accumulators, int32 (N, *shape); or to what `then`, the step of a threshold, makes of them block by block."""
    counts, less, of = _counts(op, source)

    def step(x: np.ndarray) -> np.ndarray:
        parts = []
        for block in counts(x):
            positions = (block.at + np.arange(len(block.sums))) % len(of)
            found = 2 * block.sums - less[of[positions] if len(less) > 1 else 0]
            parts.append(found if then is None else then(found))
        return joined(parts, (len(x), *target.shape[:-1]))

    return step


def xnor_threshold(op: MatMul | Conv, threshold: Threshold, source: Edge, target: Edge) -> Step:
    """Packed bits (N, ..., words) to packed bits (N, ..., words of the outputs): a product and the one-level bipolar threshold after it."""
    counts, less, of = _counts(op, source)
    above, flip = rising(threshold, op.infer((source,)))
    pack = packer(-(-(above + less) // 2), flip, of)  # 2 p - less >= t, so p >= (t + less) / 2, rounded up
    return lambda x: joined([pack(block.sums, block.at) for block in counts(x)], (len(x), *target.shape[:-1]))


def _counts(op: MatMul | Conv, source: Edge) -> tuple[Sums, np.ndarray, np.ndarray]:
    """Counts p, and what to take from 2 p by class of position, int32 (classes, out), and the class of each position.

    Over taps outside the map the input's bits are all 0, and the weights that are -1 get counted; but padding contributes nothing.
    """
    windows = Windows.of(op, source, bits.words(source.channels))
    negative = (op.weight < 0) if isinstance(op, Conv) else (op.weight < 0)[:, None, None]
    patterns, of = windows.classes
    inside = patterns.sum(axis=1) * source.channels
    outside = (~patterns).astype(np.int64) @ negative.sum(axis=-1).reshape(len(negative), -1).T
    return sums_of(windows, bits.pack(negative)), (inside[:, None] + 2 * outside).astype(np.int32), of
