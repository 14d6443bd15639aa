"""Counting the votes of an ensemble's members."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import Edge, Vote
from hwqnn.reference.step import Step, step_of, storage


@step_of(Vote)
def vote(op: Vote, source: Edge, target: Edge) -> Step:
    """Labels (N, ..., members) to how much weight voted for each class, (N, ..., classes)."""
    result, classes = storage(target.type), np.arange(op.classes)
    weight = op.weight.astype(result)

    def step(x: np.ndarray) -> np.ndarray:
        counts = np.zeros((*x.shape[:-1], op.classes), dtype=result)
        for member, of in enumerate(weight):
            counts += of * (x[..., member, None] == classes)
        return counts

    return step
