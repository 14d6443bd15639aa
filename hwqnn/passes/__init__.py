"""Rewrites of the graph, one file each. `lower` runs them in order, from an imported graph to the canonical one."""

from __future__ import annotations

import enum

from hwqnn.ir import Graph
from hwqnn.passes.absorb_signs import absorb_signs
from hwqnn.passes.argmax import append_argmax, lower_decisions
from hwqnn.passes.dead_channels import remove_dead_channels
from hwqnn.passes.expose_codes import expose_codes
from hwqnn.passes.merge_thresholds import merge_thresholds
from hwqnn.passes.share import share_equal_ops
from hwqnn.passes.thresholds import lower_requantize
from hwqnn.passes.thresholds_before_pools import thresholds_before_pools


class Head(enum.Enum):
    """What leaves the accelerator: the winning class (or the k best), or every class's integer."""

    LABEL = "label"
    SCORES = "scores"


def lower(graph: Graph, head: Head = Head.LABEL, k: int = 1) -> Graph:
    """The canonical graph: integer thresholds for real arithmetic, right after their products, one direction of comparison,
    nothing computed twice, the head at the end, and no channel that makes no difference.

    Args:
        k: how many of the best classes a label head tells.

    Raises:
        UnsupportedError, GraphError: as each pass says.
    """
    graph = share_equal_ops(lower_decisions(absorb_signs(merge_thresholds(thresholds_before_pools(lower_requantize(graph))))))
    return remove_dead_channels(append_argmax(graph, k) if head is Head.LABEL else graph)


__all__ = [
    "Head", "absorb_signs", "append_argmax", "expose_codes", "lower", "lower_decisions", "lower_requantize", "merge_thresholds",
    "remove_dead_channels", "share_equal_ops", "thresholds_before_pools",
]  # fmt: skip
