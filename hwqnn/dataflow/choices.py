"""All foldings of a network and what joins them: which ways there are to fill each place of the design, and the design that a selection makes.

What a place can be filled with depends on the widths of the streams at its two ends, so the widths are what the choices have in common.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwqnn.dataflow.design import Beat, Block, Design, Node, Source
from hwqnn.dataflow.joins import ForkBlock
from hwqnn.dataflow.joint import Way, fifo, joints, undominated
from hwqnn.dataflow.pins import Pins
from hwqnn.dataflow.stage import Stage, stages
from hwqnn.ir import Graph, Type

_MAX_INPUT_BITS = 8192
"""The widest input stream that is tried: a frame of 784 bytes in a cycle. Wires inside a chip have no limit; a DMA has a narrower one."""

Hop = dict[tuple[int, int], tuple[Way, ...]]
"""The ways from one width to another, by the numbers of the two widths; none between widths that are not there."""


@dataclass(frozen=True, eq=False)
class Stream:
    """What a stage gives, or the accelerator's input.

    Attributes:
        node: that gives it; None is the accelerator's input.
        widths: that it may have, in elements a beat.
        readers: how many read it; more than one need a fork.
        last: it leaves the accelerator.
    """

    node: str | None
    layer: str
    type: Type
    widths: tuple[int, ...]
    readers: int
    last: bool

    def beat(self, width: int) -> Beat:
        return Beat(self.widths[width], self.type)

    def behind(self, width: int) -> Way:
        """A fork to its readers; behind the last one a FIFO, which cuts the path from m_axis_tready into the blocks."""
        beat = self.beat(width)
        fork: list[Block] = [ForkBlock(beat_in=beat, beat_out=beat, copies=self.readers)] if self.readers > 1 else []
        return Way((*fork, fifo(beat)) if self.last else tuple(fork), 0)


@dataclass(frozen=True, eq=False)
class Table:
    """All choices for one stage.

    Attributes:
        inputs, output: the numbers of its streams.
        widths: that its input beats may have, alike at all inputs.
        joints: for each input, from the stream's width to the beats'.
        blocks: from the input beats' width to the output stream's; each way is one block.
    """

    stage: Stage
    inputs: tuple[int, ...]
    output: int
    widths: tuple[int, ...]
    joints: tuple[Hop, ...]
    blocks: Hop


@dataclass(frozen=True, eq=False)
class Selection:
    """One design among the choices.

    Attributes:
        widths: for each stream, the number of its width.
        blocks: for each table. joints: for each table, for each input.
    """

    widths: tuple[int, ...]
    blocks: tuple[Way, ...]
    joints: tuple[tuple[Way, ...], ...]


@dataclass(frozen=True, eq=False)
class Choices:
    """Everything that can be chosen for a graph under the pins of a fold file."""

    graph: Graph
    clock_mhz: float
    streams: tuple[Stream, ...]
    tables: tuple[Table, ...]

    @classmethod
    def of(cls, graph: Graph, clock_mhz: float, pins: Pins) -> Choices:
        """Raises `UnsupportedError` when an op has no block."""
        found = stages(graph, clock_mhz)
        reads = [source for stage in found for source in stage.inputs]
        foldings = {stage: pins.allowed(stage) for stage in found}
        entry = graph.edges[graph.input.name]
        size, most = math.prod(entry.shape), max(1, _MAX_INPUT_BITS // entry.type.bits)
        fitting = {f.simd for s in found if None in s.inputs for f in foldings[s] if f.simd <= most and size % f.simd == 0}
        elements = (pins.input_elements,) if pins.input_elements else tuple(sorted(fitting)) or (1,)
        streams = [Stream(None, graph.input.name, entry.type, elements, reads.count(None), last=False)]
        number: dict[Stage | None, int] = {None: 0} | {stage: i for i, stage in enumerate(found, 1)}
        tables = []
        for stage in found:
            widths, given = (tuple(sorted({getattr(f, of) for f in foldings[stage]})) for of in ("simd", "pe"))
            made: dict[tuple[int, int], list[Way]] = {}
            for folding in foldings[stage]:
                block = stage.block(folding)
                made.setdefault((widths.index(folding.simd), given.index(folding.pe)), []).append(Way((block,), block.cycles))
            between = []
            for i, source in enumerate(stage.inputs):
                stream = streams[number[source]]
                # a window holds much of its map, so that its reader may pause
                buffered = stream.readers > 1 or len(stage.inputs) > 1 or (stage.vectors > 0 and (source is None or source.edge is not None))
                pairs = ((a, x) for a in range(len(stream.widths)) for x in range(len(widths)))
                between.append({(a, x): joints(stage, i, stream.beat(a), widths[x], buffered=buffered) for a, x in pairs})
            of = block.beat_out.type
            streams.append(Stream(f"{stage.layer}.{stage.kind}", stage.layer, of, given, reads.count(stage), last=stage is found[-1]))
            blocks = {at: undominated(ways) for at, ways in made.items()}
            tables.append(Table(stage, tuple(number[s] for s in stage.inputs), number[stage], widths, tuple(between), blocks))
        return cls(graph, clock_mhz, tuple(streams), tuple(tables))

    @property
    def paces(self) -> list[int]:
        """All numbers of cycles a frame from which on something is possible, rising: a block, what joins two, a block behind what it waits for."""
        found = {1}
        for table in self.tables:
            for hop in (table.blocks, *table.joints):
                found |= {way.cycles for ways in hop.values() for way in ways}
            delays = {way.delay for hop in table.joints for ways in hop.values() for way in ways if way.delay}
            found |= {way.cycles + delay for ways in table.blocks.values() for way in ways for delay in delays}
        return sorted(found - {0})

    def design(self, selection: Selection) -> Design:
        """What a selection makes, FIFOs at their least depth."""
        nodes: list[Node] = []
        names = {s.node for s in self.streams}

        def plumb(layer: str, blocks: Sequence[Block], source: Source) -> Source:
            for block in blocks:
                name, count = f"{layer}.{block.module}", 2
                while name in names:
                    name, count = f"{layer}.{block.module}{count}", count + 1
                names.add(name)
                nodes.append(Node(name, layer, block, None, (source,)))
                source = Source(name)
            return source

        def ports(number: int) -> list[Source]:
            """Where each reader of a stream finds it."""
            stream = self.streams[number]
            source = plumb(stream.layer, stream.behind(selection.widths[number]).blocks, Source(stream.node))
            return [Source(source.node, port) for port in range(stream.readers)]

        free = {0: ports(0)}
        for table, way, between in zip(self.tables, selection.blocks, selection.joints, strict=True):
            stage = table.stage
            sources = [free[number].pop(0) for number in table.inputs]
            sources = [plumb(stage.layer, joint.blocks, source) for joint, source in zip(between, sources, strict=True)]
            nodes.append(Node(str(self.streams[table.output].node), stage.layer, way.blocks[0], stage.edge, tuple(sources)))
            free[table.output] = ports(table.output)
        return Design(self.graph.name, tuple(nodes), self.clock_mhz)
