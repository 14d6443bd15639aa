"""Turns descending thresholds (from negative batch-norm factors) into ascending ones by negating the weights that feed them.

acc <= t is -acc >= -t: hardware then compares in one direction only, and nothing is left of the sign.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqnn.ir import Bipolar, Conv, Graph, MatMul, Op, Ternary, Threshold, smallest


def absorb_signs(graph: Graph) -> Graph:
    """Rewrites each pair of a MatMul or Conv and its Threshold, where nothing else reads the product."""
    changed: dict[str, list[Op]] = {}
    for op in graph.ops:
        if not isinstance(op, Threshold) or not op.descending.any():
            continue
        producer = graph.op(op.inputs[0])
        if not isinstance(producer, MatMul | Conv) or len(graph.consumers(producer.name)) > 1 or graph.output == producer.name:
            continue
        channels = graph.edges[op.name].channels
        flip = np.broadcast_to(op.descending, (channels,))
        weight = np.where(flip.reshape(-1, *[1] * (producer.weight.ndim - 1)), -producer.weight, producer.weight)
        rows = np.broadcast_to(op.thresholds, (channels, op.levels))
        # levels - #{x >= t} = #{x <= t - 1} = #{-x >= 1 - t}
        thresholds = np.where(flip[:, None], 1 - rows[:, ::-1], rows)
        symmetric = isinstance(producer.weight_type, Bipolar | Ternary)
        weight_type = producer.weight_type if symmetric else smallest(int(weight.min()), int(weight.max()))
        changed[producer.name] = [replace(producer, weight=weight, weight_type=weight_type)]
        changed[op.name] = [replace(op, thresholds=thresholds, descending=np.zeros(channels, dtype=bool))]
    return graph.replace(changed)
