"""The folding solver: how parallel each layer is, for a rate at the least LUTs.

Stages form a chain, and what a choice costs depends only on its neighbour (through the converter between them), so the cheapest
chain is a shortest path (Viterbi 1967): exact under the LUT estimates, in well under a second.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from hwqnn.boards import Board
from hwqnn.dataflow.design import Beat, Block, Design, Node, Resources
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.plumbing import Fifo, convert
from hwqnn.dataflow.stage import Folding, Stage, stages
from hwqnn.dataflow.timing import simulate
from hwqnn.errors import CheckError, InputError
from hwqnn.ir import Graph

DEFAULT_FPS = 1_000_000.0
MAX_UTILIZATION = 0.8
"""The share of the board that the solver uses when the rate is left to it: fuller devices route badly."""
_MIN_FIFO = 2
_MAX_INPUT_BITS = 1024
"""The widest input stream that the solver tries: AXI4-Stream's usual limit."""


@dataclass(frozen=True)
class Pins:
    """What a fold file fixes: foldings by layer name, and the input's elements per beat."""

    layers: dict[str, Folding]
    input_elements: int | None


NO_PINS = Pins({}, None)


def read_pins(path: Path, graph: Graph) -> Pins:
    """Reads a fold file: `{"input": {"elements": 8}, "layers": {"fc1": {"pe": 32, "simd": 16}, ...}}`; layers not named stay free.

    Raises:
        InputError: the file is unreadable, has an unknown key or lacks one, names an unknown layer, or a number does not divide the layer's size.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"fold file {path}: not readable as JSON ({error})") from error
    try:
        top = _table(document, "the file", {"input": dict, "layers": dict}, needs=())
        elements = _table(top["input"], "'input'", {"elements": int})["elements"] if "input" in top else None
        layers = {}
        for name, entry in top.get("layers", {}).items():
            keys = _table(entry, f"layer '{name}'", {"pe": int, "simd": int, "bram": bool}, needs=("pe", "simd"))
            layers[name] = Folding(keys["simd"], keys["pe"], keys.get("bram", False))
    except ValueError as error:
        raise InputError(f"fold file {path}: {error}") from error
    known = {s.layer: s for s in stages(graph)}
    for layer, folding in layers.items():
        if layer not in known:
            raise InputError(f"fold file {path}: no layer '{layer}'; this network has {', '.join(known)}")
        if folding not in known[layer].foldings:
            simd, pe = (sorted({getattr(f, k) for f in known[layer].foldings}) for k in ("simd", "pe"))
            raise InputError(f"fold file {path}: '{layer}' cannot take {folding}: pe is one of {pe}, simd one of {simd}")
    channels = graph.input.shape[-1]
    if elements is not None and (elements < 1 or channels % elements):
        raise InputError(f"fold file {path}: input elements {elements} do not divide {channels}")
    return Pins(layers, elements)


def _table(value: Any, what: str, kinds: dict[str, type], needs: tuple[str, ...] | None = None) -> dict[str, Any]:
    """`value`, once it is known to be a table with these keys: all of them where `needs` does not say which.

    Raises:
        ValueError: it is not; the message calls it `what`.
    """
    words = {dict: "a table {...}", int: "a whole number", bool: "true or false"}
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a table {{...}}, not {json.dumps(value)}")
    for key, entry in value.items():
        if key not in kinds:
            raise ValueError(f"{what} has an unknown key '{key}'; known here are {', '.join(kinds)}")
        if type(entry) is not kinds[key]:  # a bool is an int otherwise
            raise ValueError(f"'{key}' of {what} must be {words[kinds[key]]}, not {json.dumps(entry)}")
    for key in kinds if needs is None else needs:
        if key not in value:
            raise ValueError(f"{what} lacks '{key}'")
    return value


def pins_of(design: Design) -> dict[str, object]:
    """The design's foldings in the form of a fold file."""
    layers = {}
    for n in design.nodes:
        if n.edge is not None:
            layers[n.layer] = {"pe": n.block.beat_out.elements, "simd": n.block.beat_in.elements}
            if isinstance(n.block, Mvu):
                layers[n.layer]["bram"] = n.block.bram
    return {"input": {"elements": design.nodes[0].block.beat_in.elements}, "layers": layers}


def solve(graph: Graph, board: Board, *, clock_mhz: float, fps: float | None, pins: Pins = NO_PINS) -> Design:
    """The cheapest design that reaches `fps` frames/s at `clock_mhz`, FIFOs sized so that the slowest block sets the rate.

    Without `fps`: one million frames/s, or the best rate whose estimate stays within 80 % of the board.

    Raises:
        CheckError: no folding reaches the rate, or its estimate does not fit the board; the message names the best reachable rate.
        UnsupportedError: an op has no block.
    """
    problem = _Problem(graph, tuple(stages(graph)), board, clock_mhz, pins)
    cycles = int(clock_mhz * 1e6 // (fps or DEFAULT_FPS))
    design = problem.reaching(cycles)
    share = 1.0 if fps else MAX_UTILIZATION
    if design is not None and not problem.overflow(design, share):
        return design
    fastest = problem.fastest(cycles, share)
    if fps is None and fastest is not None:
        return fastest
    wish = f"{graph.name} at {fps or DEFAULT_FPS:,.0f} frames/s and {clock_mhz:g} MHz ({cycles} cycles a frame)"
    if design is None:
        why = "is faster than any folding of its layers" + (" that the fold file allows" if pins is not NO_PINS else "")
    else:
        why = f"does not fit {board.name}: {problem.overflow(design, share)}"
    rate = f"the best reachable rate is about {clock_mhz * 1e6 / simulate(fastest).interval:,.0f} frames/s (--fps)" if fastest else ""
    raise CheckError(f"{wish} {why}; {rate or 'no folding of it fits this board: choose a larger board'}")


@dataclass(frozen=True, eq=False)
class _Path:
    """A cheapest chain so far: its nodes, their price, and the beat it ends in."""

    nodes: tuple[Node, ...]
    price: float
    beat: Beat


@dataclass(frozen=True, eq=False)
class _Problem:
    """What to fold, for which board."""

    graph: Graph
    chain: tuple[Stage, ...]
    board: Board
    clock_mhz: float
    pins: Pins

    def price(self, cost: Resources) -> float:
        """One number for a cost: LUTs, and scarcer cells at the rate at which the board has them; infinite for what it has none of."""
        have = self.board.resources
        scarce = ((cost.bram36, have.bram36), (cost.dsp, have.dsp))
        return cost.lut + sum(need * have.lut / cells if cells else math.inf for need, cells in scarce if need)

    def overflow(self, design: Design, share: float) -> str:
        """Which resource a design's estimate exceeds, and by how much; empty when it fits `share` of the board."""
        need, have = design.estimate, self.board.resources
        for field in fields(need):
            wanted, limit = getattr(need, field.name), getattr(have, field.name) * share
            if wanted > limit:
                return f"it needs about {wanted:,.0f} {field.name.upper()} (estimate) of {limit:,.0f}, {wanted - limit:,.0f} too many"
        return ""

    def reaching(self, cycles: int) -> Design | None:
        """The cheapest design with at most `cycles` cycles between frames, its FIFOs sized."""
        target = cycles
        while target > 0:
            design = self.cheapest(target)
            if design is None:
                return None
            sized = size_fifos(design)
            late = simulate(sized).interval - cycles
            if late <= 0:
                return sized
            target -= late  # blocks that wait for each other lose cycles: ask the blocks for more
        return None

    def fastest(self, cycles: int, share: float) -> Design | None:
        """The design with the fewest cycles a frame, not below `cycles`, that keeps to a share of the board."""

        def fitting(target: int) -> Design | None:
            design = self.cheapest(target)
            return design if design is not None and not self.overflow(design, share) else None

        low = high = max(1, cycles)
        slowest = sum(max(s.block(f).schedule.cycles for f in s.foldings) for s in self.chain)
        best = None
        while best is None and high < 2 * slowest:
            high *= 2
            best = fitting(high)
        while best is not None and high - low > max(1, high // 100):
            middle = (low + high) // 2
            found = fitting(middle)
            best, low, high = (found, low, middle) if found is not None else (best, middle, high)
        return size_fifos(best) if best is not None else None

    def cheapest(self, cycles: int) -> Design | None:
        """The design of the least price in which every block makes at most `cycles` steps a frame; None if there is none."""
        entry, first = self.graph.edges[self.graph.input.name], self.chain[0]
        pinned = self.pins.input_elements
        elements = [pinned] if pinned else sorted({f.simd for f in first.foldings if f.simd * entry.type.bits <= _MAX_INPUT_BITS})
        paths = {e: _Path((), 0.0, Beat(e, entry.type)) for e in elements if entry.channels // e <= cycles}
        for stage in self.chain:
            reached: dict[int, _Path] = {}
            blocks = [(f, stage.block(f)) for f in self._foldings(stage, cycles)]
            priced = [(f, b, self.price(b.estimate)) for f, b in blocks if b.schedule.cycles <= cycles]
            for path in paths.values():
                joints: dict[int, list[_Joint]] = {}
                for folding, block, price in priced:
                    if folding.simd not in joints:
                        joints[folding.simd] = [j for j in _joints(stage, path.beat, folding.simd) if j.cycles <= cycles]
                    for joint in joints[folding.simd]:
                        if block.schedule.cycles + joint.delay > cycles:
                            continue
                        total = path.price + price + self.price(joint.cost)
                        known = reached.get(folding.pe)
                        if known is None or total < known.price:
                            node = Node(f"{stage.layer}.{stage.kind}", stage.layer, block, stage.edge)
                            reached[folding.pe] = _Path((*path.nodes, *joint.nodes, node), total, block.beat_out)
            paths = reached
        if not paths:
            return None
        best = min(paths.values(), key=lambda path: path.price)
        layer = best.nodes[-1].layer
        skid = Node(f"{layer}.output_fifo", layer, _fifo(best.beat), None)  # cuts the path from m_axis_tready into the blocks
        return Design(self.graph.name, (*best.nodes, skid), self.clock_mhz)

    def _foldings(self, stage: Stage, cycles: int) -> tuple[Folding, ...]:
        if stage.layer in self.pins.layers:
            return (self.pins.layers[stage.layer],)
        return stage.foldings


@dataclass(frozen=True, eq=False)
class _Joint:
    """What can go between two stages.

    Attributes:
        cycles: the slowest converter's steps a frame.
        delay: cycles a frame that the next block waits, because a converter without a FIFO behind it only works while the block takes input.
    """

    nodes: tuple[Node, ...]
    cost: Resources
    cycles: int
    delay: int


def _joints(stage: Stage, beat: Beat, simd: int) -> list[_Joint]:
    """The ways to join a stream of `beat` to a stage: converters, with a FIFO before or behind them where the stage pauses its input."""
    converters: list[Block] = list(convert(beat, simd, stage.frame))
    cycles = max((c.schedule.cycles for c in converters), default=0)
    if not stage.decoupled:
        return [_joint(stage, converters, cycles, 0)]
    takes = stage.frame // simd
    # while the block takes nothing, the converter gathers all but the last part of its next beat
    joints = [_joint(stage, [_fifo(beat), *converters], cycles, max(0, (takes - 1) * (cycles // takes - 1)))]
    if converters and simd > beat.elements:
        wide = converters[-1].beat_out
        joints.append(_joint(stage, [*converters, _fifo(wide)], cycles, 0))
    return joints


def _joint(stage: Stage, blocks: list[Block], cycles: int, delay: int) -> _Joint:
    nodes = tuple(Node(f"{stage.layer}.{b.module}", stage.layer, b, None) for b in blocks)
    return _Joint(nodes, sum((b.estimate for b in blocks), Resources()), cycles, delay)


def _fifo(beat: Beat) -> Fifo:
    return Fifo(beat_in=beat, beat_out=beat, depth=_MIN_FIFO)


def size_fifos(design: Design) -> Design:
    """The least FIFO depths, powers of two, with which the design still reaches the rate that unbounded FIFOs give it."""

    def with_depths(depths: dict[int, int]) -> Design:
        nodes = [replace(n, block=replace(n.block, depth=depths[i])) if isinstance(n.block, Fifo) else n for i, n in enumerate(design.nodes)]
        return replace(design, nodes=tuple(nodes))

    fifos = [i for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo)]
    frames = {i: _beats(design, i) for i in fifos}
    depths = {i: max(_MIN_FIFO, 1 << (2 * frames[i]).bit_length()) for i in fifos}
    goal = simulate(with_depths(depths)).interval
    for i in fifos:
        depth = _MIN_FIFO
        while depth < depths[i] and simulate(with_depths(depths | {i: depth})).interval > goal:
            depth *= 2
        depths[i] = depth
    return with_depths(depths)


def _beats(design: Design, i: int) -> int:
    """Beats a frame through node i, from the block that feeds it."""
    for node in reversed(design.nodes[:i]):
        if not isinstance(node.block, Fifo):
            return int(node.block.schedule.give.sum())
    return int(next(n.block for n in design.nodes[i:] if not isinstance(n.block, Fifo)).schedule.take.sum())
