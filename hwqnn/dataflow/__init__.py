"""From the canonical graph to a `Design`: hardware blocks, their folding, their exact timing, their estimated cost."""

from hwqnn.dataflow.design import Beat, Block, Buffering, Design, Forking, Memory, Node, Resources, Schedule, Source
from hwqnn.dataflow.fold import solve
from hwqnn.dataflow.timing import Timing, simulate

__all__ = [
    "Beat", "Block", "Buffering", "Design", "Forking", "Memory", "Node", "Resources", "Schedule", "Source", "Timing", "simulate", "solve",
]  # fmt: skip
