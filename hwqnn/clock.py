"""How fast the accelerator's clock can be, estimated: static timing of all blocks' netlists joined as the top module joins them, and an allowance for
routing. Nothing is placed, so this is no sign-off (`synth/place.py` is, where a vendor's tool is at hand). How many cells a net drives counts not:
a frozen layer's one enable, which moves tens of thousands of flip-flops, is taken to be as fast as any net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from hwqnn.dataflow import Design
from hwqnn.dataflow.design import Node
from hwqnn.gates.delay import ROUTING, ROUTING_RANGE
from hwqnn.synth import Netlist, sta
from hwqnn.synth.gates import gates


@dataclass(frozen=True)
class Step:
    """A part of the critical path: through `cells` of one block, the last of which drives `net`, in so many ns."""

    layer: str
    block: str
    cells: tuple[str, ...]
    net: str
    ns: float


@dataclass(frozen=True)
class ClockEstimate:
    """Attributes:
    logic_ns: of the critical path, wires taking no time. path: that path, block by block.
    mhz: with the wires that a path has on average. range_mhz: with the worst and the best that were measured.
    blocks: by node name, the ns of logic of the longest path that ends in it.
    """

    logic_ns: float
    path: tuple[Step, ...]
    mhz: float
    range_mhz: tuple[float, float]
    blocks: Mapping[str, float]

    def __str__(self) -> str:
        low, high = self.range_mhz
        return f"{self.mhz:.0f} MHz ({low:.0f} to {high:.0f}, not placed or routed)"


def estimate(design: Design, netlists: Mapping[str, Netlist]) -> ClockEstimate:
    """The clock that a design can be expected to reach.

    Args:
        netlists: of each node, by its name.
    Raises:
        ToolError: no timing is known of a cell; CheckError: the netlists hold a combinational loop.
    """
    paths = joined(design, netlists, wires=ROUTING - 1).longest_into()
    critical = max(paths.values(), key=lambda path: path.routed_ps(ROUTING - 1))
    best, mhz, worst = (1e6 / critical.routed_ps(routing - 1) for routing in (ROUTING_RANGE[0], ROUTING, ROUTING_RANGE[1]))
    steps = tuple(_steps(critical, {node.name: node for node in design.nodes}))
    return ClockEstimate(critical.ps / 1000, steps, mhz, (worst, best), {name: path.ps / 1000 for name, path in paths.items()})


def joined(design: Design, netlists: Mapping[str, Netlist], *, wires: float) -> sta.Netlists:
    """All blocks as one netlist; `wires` as there."""
    return sta.Netlists({node.name: _gates(netlists[node.name].verilog) for node in design.nodes}, tuple(_joins(design)), wires)


_gates = lru_cache(maxsize=1024)(gates)  # equal blocks have equal netlists


def _joins(design: Design) -> Iterator[tuple[sta.Bit, sta.Bit]]:
    """What drives what between blocks, as `emit` writes it into the top module."""
    named = {node.name: node for node in design.nodes}
    for node in design.nodes:
        offset = 0
        for k, (source, beat) in enumerate(zip(node.inputs, node.block.beats_in, strict=True)):
            if source.node is not None:
                producer = named[source.node].name
                yield from (((producer, "m_tdata_o", i), (node.name, "s_tdata_i", offset + i)) for i in range(beat.bits))
                yield (producer, "m_tvalid_o", source.port), (node.name, "s_tvalid_i", k)
                yield (producer, "m_tlast_o", 0), (node.name, "s_tlast_i", k)
                yield (node.name, "s_tready_o", k), (producer, "m_tready_i", source.port)
            offset += beat.bits


def _steps(path: sta.Path, named: Mapping[str, Node]) -> Iterator[Step]:
    """The path block by block."""
    hops = list(path.hops)
    while hops:
        node = named[hops[0].instance]
        count = next((i for i, hop in enumerate(hops) if hop.instance != node.name), len(hops))
        part, hops = hops[:count], hops[count:]
        yield Step(node.layer, node.block.module, tuple(hop.cell for hop in part), part[-1].net, sum(hop.ps for hop in part) / 1000)
