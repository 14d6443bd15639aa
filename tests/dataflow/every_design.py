"""Every design of a network, one after another: what the folding solver is compared with. It shares only the stages with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

from hwqnn import boards
from hwqnn.dataflow import Beat, Design, Node, Source
from hwqnn.dataflow.design import Block, Resources, Store
from hwqnn.dataflow.joins import ForkBlock
from hwqnn.dataflow.plumbing import Fifo, convert
from hwqnn.dataflow.stage import Folding, Stage, stages
from hwqnn.ir import Graph

BOARD = boards.load("zynq7020")
CLOCK = 100.0


def price(cost: Resources) -> float:
    """With all but LUTs at a tenth of the rate at which the board has them: what the solver asks while it has plenty."""
    have = BOARD.resources
    others = cost.ff / have.ff + cost.carry4 / have.carry4 + cost.bram36 / have.bram36 + cost.dsp / have.dsp
    return cost.lut + 0.1 * have.lut * others


@cache
def block_of(stage: Stage, folding: Folding) -> Block:
    return stage.block(folding)


@cache
def fifo_of(beat: Beat, depth: int) -> Fifo:
    return Fifo(beat_in=beat, beat_out=beat, depth=depth)


@cache
def converters_of(beat: Beat, elements: int, frame: int) -> tuple[Block, ...]:
    return tuple(convert(beat, elements, frame))


@cache
def estimate_of(block: Block) -> Resources:
    return block.rough_estimate


def estimate(design: Design) -> Resources:
    """`design.rough_estimate`, what the solver goes by, for many designs of the same blocks."""
    return sum((estimate_of(node.block) for node in design.nodes), Resources())


def every_design(graph: Graph, depth: int, *, scarce: bool = False) -> Iterator[Design]:
    """All designs with FIFOs of this depth: foldings (without block RAM unless `scarce`) x input widths x where FIFOs go.

    A stream that a fork gives, that a join takes, or that a block takes which pauses (other than from a window) has one, before or behind its
    converters; there may be one behind the converters between a window and a block that pauses.
    """
    chain, entry = stages(graph, CLOCK), graph.edges[graph.input.name]
    readers = Counter(source for stage in chain for source in stage.inputs)
    widths = sorted({f.simd for s in chain if None in s.inputs for f in s.foldings if entry.channels % f.simd == 0})
    places = []  # for each input of each stage: where its FIFO can be
    for stage in chain:
        for source in stage.inputs:
            needed = readers[source] > 1 or len(stage.inputs) > 1 or (stage.vectors > 0 and (source is None or source.edge is not None))
            places.append(("before", "behind") if needed else ("none", "behind") if stage.vectors else ("none",))
    for elements, foldings in product(widths, product(*([f for f in s.foldings if scarce or f.store is not Store.BRAM] for s in chain))):
        for chosen in product(*places):
            if (design := built(graph, chain, readers, foldings, elements, list(chosen), depth)) is not None:
                yield design


def built(
    graph: Graph, chain: tuple[Stage, ...], readers: Counter, foldings: tuple[Folding, ...], elements: int, places: list[str], depth: int
) -> Design | None:
    """One of them; None where a FIFO has no converter to be behind, or a converter would be where none may."""
    nodes: list[Node] = []
    beats = {None: Beat(elements, graph.edges[graph.input.name].type)}
    free = {None: [Source(None)]}

    def add(block: Block, edge: str | None, *inputs: Source) -> Source:
        nodes.append(Node(f"n{len(nodes)}", "n", block, edge, inputs))
        return Source(nodes[-1].name)

    def fork(stage: Stage | None, source: Source) -> None:
        if (copies := readers[stage]) > 1:
            source = add(ForkBlock(beat_in=beats[stage], beat_out=beats[stage], copies=copies), None, source)
        free[stage] = [Source(source.node, port) for port in range(copies)]

    fork(None, Source(None))
    for stage, folding in zip(chain, foldings, strict=True):
        sources = []
        for frame, giver in zip(stage.frame, stage.inputs, strict=True):
            place, blocks = places.pop(0), list(converters_of(beats[giver], folding.simd, frame))
            if (place == "behind" and not blocks) or (stage.locked and blocks):
                return None
            if place != "none":
                beat = blocks[-1].beat_out if place == "behind" else beats[giver]
                blocks.insert(len(blocks) if place == "behind" else 0, fifo_of(beat, depth))
            source = free[giver].pop(0)
            for block in blocks:
                source = add(block, None, source)
            sources.append(source)
        block = block_of(stage, folding)
        beats[stage] = block.beat_out
        fork(stage, add(block, stage.edge, *sources))
    add(fifo_of(beats[chain[-1]], depth), None, Source(nodes[-1].name))
    return Design("brute", tuple(nodes), CLOCK)


def with_depth(design: Design, depth: int) -> Design:
    return replace(
        design, nodes=tuple(replace(n, block=replace(n.block, depth=depth)) if isinstance(n.block, Fifo) else n for n in design.nodes)
    )  # fmt: skip
