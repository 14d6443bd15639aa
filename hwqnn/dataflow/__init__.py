"""From the canonical graph to a `Design`: hardware blocks, their folding, their exact timing, their estimated cost."""

from hwqnn.dataflow.design import Beat, Block, Design, Memory, Node, Resources, Schedule
from hwqnn.dataflow.fold import solve
from hwqnn.dataflow.timing import Timing, simulate

__all__ = ["Beat", "Block", "Design", "Memory", "Node", "Resources", "Schedule", "Timing", "simulate", "solve"]
