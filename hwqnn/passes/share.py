"""Ops that compute the same from the same are one: members of an ensemble share their input quantizer, so that codes are forked and not pixels."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from hwqnn.ir import Graph, Op


def share_equal_ops(graph: Graph) -> Graph:
    """The canonical graph in which of equal ops with the same inputs only the first is left, and is read by all that read the others."""
    first: dict[Hashable, str] = {}
    instead: dict[str, str] = {}
    ops: list[Op] = []
    for op in graph.ops:
        op = replace(op, inputs=tuple(instead[name] for name in op.inputs))
        instead[op.name] = first.setdefault(_key(op), op.name)
        if instead[op.name] == op.name:
            ops.append(op)
    return Graph(graph.name, tuple(ops), graph.output, graph.meaning)  # no op is equal to the output: nothing would read it


def _key(op: Op) -> Hashable:
    """Equal for ops that are alike in all but their names."""
    return (op.kind, *(_plain(getattr(op, f.name)) for f in fields(op) if f.name != "name"))


def _plain(value: Any) -> Hashable:
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
