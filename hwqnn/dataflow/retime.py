"""FIFOs where a clock needs them: a reader's ready passes through every block up to the next one that can store a beat, in one cycle."""

from __future__ import annotations

from dataclasses import replace

from hwqnn.dataflow.design import Buffering, Design, Node, Source
from hwqnn.dataflow.joint import fifo
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, budget_ns

_ENDS = CLOCK_TO_OUT + LUT + 0.109
"""What else is on such a path, in ns: a register says that a beat waits, and the last block's registers are enabled (109 ps of setup, FDRE)."""


def longest_chain(clock_mhz: float) -> int:
    """Blocks that a ready may pass through in a cycle, at a LUT each; at least one."""
    return max(1, int((budget_ns(clock_mhz) - _ENDS) / LUT))


def passes_on(node: Node) -> bool:
    """Whether the ready that it gives depends on the one it gets. What stores beats (FIFOs, windows) looks at its own counters alone."""
    return not isinstance(node.block.schedule, Buffering)


def retimed(design: Design) -> Design:
    """The design with as few more FIFOs as leave no chain of readies longer than `longest_chain`."""
    most = longest_chain(design.clock_mhz)
    readers: dict[str, list[tuple[Node, int]]] = {node.name: [] for node in design.nodes}
    for node in design.nodes:
        for i, source in enumerate(node.inputs):
            if source.node is not None:
                readers[source.node].append((node, i))
    chain: dict[str, int] = {}
    cuts: set[tuple[str, int]] = set()
    for node in reversed(design.nodes):
        if not passes_on(node):
            chain[node.name] = 0
            continue
        cuts |= {(reader.name, i) for reader, i in readers[node.name] if chain[reader.name] >= most}
        chain[node.name] = 1 + max((chain[reader.name] for reader, _ in readers[node.name] if chain[reader.name] < most), default=0)
    return _with_fifos(design, cuts)


def _with_fifos(design: Design, cuts: set[tuple[str, int]]) -> Design:
    """With a FIFO at each of these inputs, by node and number."""
    names, nodes = {node.name for node in design.nodes}, []
    for node in design.nodes:
        inputs = list(node.inputs)
        for i, beat in enumerate(node.block.beats_in):
            if (node.name, i) in cuts:
                name = next(name for k in range(1, len(names) + 2) if (name := f"{node.layer}.fifo{k if k > 1 else ''}") not in names)
                names.add(name)
                nodes.append(Node(name, node.layer, fifo(beat), None, (inputs[i],)))
                inputs[i] = Source(name)
        nodes.append(replace(node, inputs=tuple(inputs)))
    return replace(design, nodes=tuple(nodes))
