"""Which steps run a canonical graph: one by one on plain integers, or the fast way, on packed bits wherever the network is binary.

Every op has one input and nothing is dead, so a verified graph without joins is a chain: `pairwise` gives each op with its producer.
"""

from __future__ import annotations

from itertools import pairwise

from hwqnn.ir import Bipolar, Graph, MatMul, Op, Threshold
from hwqnn.reference import affine, argmax, dense, threshold  # noqa: F401  (they register their steps)
from hwqnn.reference.pack import pack_signs, pack_threshold
from hwqnn.reference.step import Step, make_step
from hwqnn.reference.xnor import xnor_sum, xnor_threshold


def plain(graph: Graph) -> dict[str, Step]:
    """For each op but the input, by name and in order, its step on plain integers.

    Raises:
        GraphError: an op is not canonical, or its values may need 64 bits or more.
    """
    return {op.name: make_step(op, graph.edges[source.name], graph.edges[op.name]) for source, op in pairwise(graph.ops)}


def fast(graph: Graph) -> list[Step]:
    """The same computation from input to output; an edge between bipolar values and bipolar weights carries packed bits.

    Raises:
        GraphError: as for `plain`.
    """
    ops, edges = graph.ops, graph.edges
    packed = [isinstance(edges[op.name].type, Bipolar) and _binary(reader) for op, reader in pairwise(ops)] + [False]
    steps: list[Step] = [pack_signs(graph.input.shape[0])] if packed[0] else []
    at = 1
    while at < len(ops):
        op, source = ops[at], edges[ops[at - 1].name]
        following = ops[at + 1] if packed[at - 1] and at + 1 < len(ops) and packed[at + 1] else None
        if packed[at - 1] and isinstance(op, MatMul) and isinstance(following, Threshold) and following.levels == 1:
            steps.append(xnor_threshold(op, following))
            at += 1
        elif packed[at - 1] and isinstance(op, MatMul):
            steps.append(xnor_sum(op))
        elif packed[at] and isinstance(op, Threshold) and op.levels == 1:
            steps.append(pack_threshold(op, source))
        else:
            steps.append(make_step(op, source, edges[op.name]))
            if packed[at]:
                steps.append(pack_signs(source.channels))
        at += 1
    return steps


def _binary(op: Op) -> bool:
    return isinstance(op, MatMul) and isinstance(op.weight_type, Bipolar)
