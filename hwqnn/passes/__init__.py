"""Rewrites of the graph, one file each. `lower` runs them in order, from an imported graph to the canonical one."""

from __future__ import annotations

import enum

from hwqnn.ir import Graph
from hwqnn.passes.absorb_signs import absorb_signs
from hwqnn.passes.argmax import append_argmax
from hwqnn.passes.expose_codes import expose_codes
from hwqnn.passes.thresholds import lower_requantize


class Head(enum.Enum):
    """What leaves the accelerator: the winning class, or every class's integer."""

    LABEL = "label"
    SCORES = "scores"


def lower(graph: Graph, head: Head = Head.LABEL) -> Graph:
    """The canonical graph: integer thresholds instead of real arithmetic, one direction of comparison, the head at the end."""
    graph = absorb_signs(lower_requantize(graph))
    return append_argmax(graph) if head is Head.LABEL else graph


__all__ = ["Head", "absorb_signs", "append_argmax", "expose_codes", "lower", "lower_requantize"]
