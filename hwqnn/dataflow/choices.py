"""All foldings of a network and what joins them, as tables, and the cheapest combination.

What a stage costs depends on the widths of the streams that it reads and of the one that it gives, so a design's price is a sum of small
tables over the streams' widths. `elimination.py` minimizes it exactly under the estimates, FIFOs at their least depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.boards import Board
from hwqnn.dataflow.design import Beat, Block, Design, Node, Resources, Source
from hwqnn.dataflow.elimination import Factor, minimize
from hwqnn.dataflow.joins import ForkBlock
from hwqnn.dataflow.joint import Joint, fifo, joints
from hwqnn.dataflow.pins import Pins
from hwqnn.dataflow.stage import Stage, stages
from hwqnn.ir import Graph, Type

_MAX_INPUT_BITS = 1024
"""The widest input stream that is tried: AXI4-Stream's usual limit."""
_NEVER = np.iinfo(np.int64).max // 4


def scarce(cost: Resources) -> tuple[float, float, float]:
    """The cells that have a price."""
    return cost.lut, cost.bram36, cost.dsp


def prices(board: Board, scarcity: np.ndarray) -> np.ndarray:
    """What a LUT, a BRAM36 and a DSP count: the last two `scarcity` times the LUTs that the board has for each, very much where it has none."""
    have = board.resources
    return np.array([1.0, *(s * have.lut / cells if cells else 1e9 for s, cells in zip(scarcity, (have.bram36, have.dsp), strict=True))])


@dataclass(frozen=True, eq=False)
class _Stream:
    """What a stage gives, or the accelerator's input: a variable, whose values are widths in elements a beat.

    Attributes:
        node: that gives it; None is the accelerator's input.
        readers: how many read it; more than one need a fork.
        last: it leaves the accelerator.
    """

    node: str | None
    layer: str
    type: Type
    widths: tuple[int, ...]
    readers: int
    last: bool

    def beat(self, choice: int) -> Beat:
        return Beat(self.widths[choice], self.type)

    def fork(self, choice: int) -> list[Block]:
        beat = self.beat(choice)
        return [ForkBlock(beat_in=beat, beat_out=beat, copies=self.readers)] if self.readers > 1 else []

    def skid(self, choice: int) -> list[Block]:
        """Cuts the path from m_axis_tready into the blocks."""
        return [fifo(self.beat(choice))] if self.last else []


@dataclass(frozen=True, eq=False)
class _Table:
    """All choices for one stage.

    Attributes:
        streams: the numbers of its inputs and, last, of its output.
        widths: of its input beats, alike at all inputs. outputs: how many widths its output has.
        blocks: every choice.
        at: int64 (choices, 2), the choice's index in `widths` and among its output's widths.
        cycles: int64 (choices,). costs: float64 (choices, 3), LUTs, BRAM36, DSPs.
        joints: for each input, for each width of its stream, for each of its beat: what can go between.
    """

    stage: Stage
    streams: tuple[int, ...]
    widths: tuple[int, ...]
    outputs: int
    blocks: tuple[Block, ...]
    at: np.ndarray
    cycles: np.ndarray
    costs: np.ndarray
    joints: tuple[tuple[tuple[tuple[Joint, ...], ...], ...], ...]

    @cached_property
    def between(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each input: costs (options, stream's widths, beat's widths, 3), cycles and delays (without the 3); endless where there is none."""
        found = []
        for by_width in self.joints:
            most = max(1, *(len(options) for row in by_width for options in row))
            shape = (most, len(by_width), len(self.widths))
            costs, cycles, delay = np.zeros((*shape, 3)), np.full(shape, _NEVER), np.zeros(shape, dtype=np.int64)
            for a, row in enumerate(by_width):
                for b, options in enumerate(row):
                    for o, joint in enumerate(options):
                        costs[o, a, b], cycles[o, a, b], delay[o, a, b] = scarce(joint.cost), joint.cycles, joint.delay
            found.append((costs, cycles, delay))
        return found

    def priced(self, cycles: int, each: np.ndarray) -> _Priced:
        """The table for a number of cycles a frame and the price of each kind of cell."""
        shape = (len(self.widths), self.outputs)
        total, steps, choice = np.full(shape, np.inf), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        price = np.where(self.cycles <= cycles, self.costs @ each, np.inf)
        order = np.argsort(-price, kind="stable")  # the cheapest is written last
        rows, columns = self.at[order].T
        total[rows, columns], steps[rows, columns], choice[rows, columns] = price[order], self.cycles[order], order
        options = []
        for i, (costs, slowest, delay) in enumerate(self.between):
            ready = (slowest <= cycles)[..., None] & (delay[..., None] + steps <= cycles)
            ways = np.where(ready, (costs @ each)[..., None], np.inf)  # (options, stream's widths, beat's, output's)
            options.append(ways.argmin(axis=0))
            best = ways.min(axis=0)
            total = total + best.reshape(*(len(best) if k == i else 1 for k in range(len(self.between))), *best.shape[1:])
        return _Priced(self, total, choice, options)


@dataclass(frozen=True, eq=False)
class _Priced:
    """A table of prices.

    Attributes:
        total: (widths of each input stream..., widths of its beats, widths of its output), inf where it is too slow.
        choice: (widths of its beats, widths of its output), of the block.
        options: for each input (widths of the stream, of its beats, of the output), which joint.
    """

    table: _Table
    total: np.ndarray
    choice: np.ndarray
    options: list[np.ndarray]

    @property
    def factor(self) -> Factor:
        streams, costs = self.table.streams, self.total.min(axis=-2)
        if len(streams) == 3 and streams[0] == streams[1]:  # a stream joined with itself
            return Factor(streams[1:], np.moveaxis(np.diagonal(costs), -1, 0))
        return Factor(streams, costs)

    def pick(self, values: Sequence[int]) -> tuple[Block, list[Joint]]:
        """The block and what goes before each of its inputs, for these widths of all streams."""
        *inputs, output = (values[s] for s in self.table.streams)
        x = int(self.total[..., output][tuple(inputs)].argmin())
        between = [self.table.joints[i][a][x][self.options[i][a, x, output]] for i, a in enumerate(inputs)]
        return self.table.blocks[self.choice[x, output]], between


@dataclass(frozen=True, eq=False)
class Choices:
    """Everything that can be chosen for a graph under the pins of a fold file."""

    graph: Graph
    clock_mhz: float
    streams: tuple[_Stream, ...]
    tables: tuple[_Table, ...]

    @classmethod
    def of(cls, graph: Graph, clock_mhz: float, pins: Pins) -> Choices:
        """Raises `UnsupportedError` when an op has no block."""
        found = stages(graph)
        reads = [source for stage in found for source in stage.inputs]
        entry = graph.edges[graph.input.name]
        size, most = math.prod(entry.shape), max(1, _MAX_INPUT_BITS // entry.type.bits)
        fitting = {f.simd for s in found if None in s.inputs for f in s.foldings if f.simd <= most and size % f.simd == 0}
        elements = (pins.input_elements,) if pins.input_elements else tuple(sorted(fitting))
        streams = [_Stream(None, graph.input.name, entry.type, elements, reads.count(None), last=False)]
        foldings = [stage.foldings if (pin := pins.of(stage)) is None else (pin,) for stage in found]
        blocks = [tuple(stage.block(f) for f in choices) for stage, choices in zip(found, foldings, strict=True)]
        for stage, choices, made in zip(found, foldings, blocks, strict=True):
            widths = tuple(sorted({f.pe for f in choices}))
            of = made[0].beat_out.type
            streams.append(_Stream(f"{stage.layer}.{stage.kind}", stage.layer, of, widths, reads.count(stage), last=stage is found[-1]))
        number: dict[Stage | None, int] = {None: 0} | {stage: i for i, stage in enumerate(found, 1)}
        tables = []
        for stage, choices, made in zip(found, foldings, blocks, strict=True):
            widths, given = tuple(sorted({f.simd for f in choices})), streams[number[stage]].widths
            between = []
            for i, source in enumerate(stage.inputs):
                stream = streams[number[source]]
                # a window holds much of its map, so that its reader may pause
                buffered = stream.readers > 1 or len(stage.inputs) > 1 or (stage.vectors > 0 and (source is None or source.edge is not None))
                ways = [tuple(joints(stage, i, stream.beat(a), e, buffered=buffered) for e in widths) for a in range(len(stream.widths))]
                between.append(tuple(ways))
            tables.append(
                _Table(
                    stage=stage,
                    streams=tuple(number[s] for s in (*stage.inputs, stage)),
                    widths=widths,
                    outputs=len(given),
                    blocks=made,
                    at=np.array([[widths.index(f.simd), given.index(f.pe)] for f in choices]),
                    cycles=np.array([b.cycles for b in made]),
                    costs=np.array([scarce(b.estimate) for b in made]),
                    joints=tuple(between),
                )
            )
        return cls(graph, clock_mhz, tuple(streams), tuple(tables))

    @property
    def slowest(self) -> int:
        """Cycles a frame that no folding exceeds: all blocks and converters one after another."""
        between = sum(
            max((j.cycles + j.delay for row in ways for joints in row for j in joints), default=0) for t in self.tables for ways in t.joints
        )
        return sum(int(t.cycles.max()) for t in self.tables) + between

    def cheapest(self, cycles: int, each: np.ndarray) -> Design | None:
        """The design of the least price in which every block makes at most `cycles` steps a frame; None if there is none.

        Args:
            each: the prices of a LUT, a BRAM36 and a DSP.
        """
        priced = [table.priced(cycles, each) for table in self.tables]
        factors = [p.factor for p in priced]
        for i, s in enumerate(self.streams):
            plumbing = [sum((b.estimate for b in s.fork(a) + s.skid(a)), Resources()) for a in range(len(s.widths))]
            factors.append(Factor((i,), np.array([np.dot(scarce(cost), each) for cost in plumbing])))
        values = minimize([len(s.widths) for s in self.streams], factors)
        return self._build(priced, values) if values is not None else None

    def _build(self, priced: list[_Priced], values: tuple[int, ...]) -> Design:
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
            source = plumb(stream.layer, stream.fork(values[number]), Source(stream.node))
            return [Source(source.node, port) for port in range(stream.readers)]

        free = {0: ports(0)}
        for number, (stream, table) in enumerate(zip(self.streams[1:], priced, strict=True), 1):
            block, between = table.pick(values)
            stage = table.table.stage
            sources = [free[s].pop(0) for s in table.table.streams[:-1]]
            sources = [plumb(stage.layer, joint.blocks, source) for joint, source in zip(between, sources, strict=True)]
            nodes.append(Node(str(stream.node), stage.layer, block, stage.edge, tuple(sources)))
            free[number] = ports(number)
        result = self.streams[-1]
        plumb(result.layer, result.skid(values[-1]), Source(result.node))
        return Design(self.graph.name, tuple(nodes), self.clock_mhz)
