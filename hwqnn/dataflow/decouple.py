"""Where FIFOs win cycles: between blocks that else wait for each other in turns."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from hwqnn.dataflow.depths import unbounded_interval
from hwqnn.dataflow.design import Design, Node, Source
from hwqnn.dataflow.joint import fifo
from hwqnn.dataflow.network import Network
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.dataflow.timing import timing

_DEPTH = 64


def decoupled(design: Design, cycles: int, interval: Callable[[Design], int] = unbounded_interval) -> Design:
    """The design with as few more FIFOs as make a frame every `cycles` cycles, by `interval`, or come nearest to that; itself where none help.

    A block alone may make a frame in fewer cycles than it does between others: one that gives in bursts and one that takes in bursts stand still in
    turns. FIFOs everywhere show what there is to win; those without which it is won all the same are left out, as many at a time as go.
    """
    named = {n.name: n for n in design.nodes}
    places = [
        n.name
        for n in design.nodes
        if [s.node for s in n.inputs] != [None] and len(n.inputs) == 1 and Fifo not in (type(n.block), type(named[str(n.inputs[0].node)].block))
    ]
    now = interval(design)
    goal = max(cycles, interval(_with_fifos(design, places))) if now > cycles else now
    if goal >= now:
        return design

    def needed(kept: list[str], doubtful: list[str]) -> list[str]:
        """`kept` without those of the `doubtful` that can go."""
        rest = [name for name in kept if name not in doubtful]
        if interval(_with_fifos(design, rest)) <= goal:
            return rest
        if len(doubtful) == 1:
            return kept
        middle = len(doubtful) // 2
        return needed(needed(kept, doubtful[:middle]), doubtful[middle:])

    return _with_fifos(design, needed(places, places))


def settled_interval(design: Design) -> int:
    """Cycles between frames in the steady state, FIFOs of some depth each: what shows where a block runs ahead for long before it must wait."""
    fifos = {i: max(n.block.depth, _DEPTH) for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo)}
    return timing(Network.of(design).with_room(fifos)).interval


def _with_fifos(design: Design, places: Collection[str]) -> Design:
    """With a FIFO before each of these nodes."""
    names, nodes = {n.name for n in design.nodes}, []
    for node in design.nodes:
        if node.name in places:
            name, count = f"{node.layer}.fifo", 2
            while name in names:
                name, count = f"{node.layer}.fifo{count}", count + 1
            names.add(name)
            nodes.append(Node(name, node.layer, fifo(node.block.beat_in), None, node.inputs))
            node = replace(node, inputs=(Source(name),))
        nodes.append(node)
    return replace(design, nodes=tuple(nodes))
