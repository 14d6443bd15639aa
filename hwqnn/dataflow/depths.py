"""How deep each FIFO must be: enough for the rate that unbounded ones give, and for no deadlock whatever the timing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from hwqnn.dataflow.design import Block, Design
from hwqnn.dataflow.network import Network
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.dataflow.timing import deadlock, paced, simulate, timing
from hwqnn.errors import CheckError

MIN_DEPTH = 2
_SRL = 32
"""Beats that a LUT holds of one bit: up to so many, depth costs next to nothing."""
_DEAR = 48
"""LUTs beyond the first of each bit from which on a FIFO is worth simulations to make it shallower: seconds in a large network."""
_WORTH = 8
"""LUTs that are worth simulations."""
_UNBOUNDED = 1 << 30
_START = 4
"""Frames that show about which rate a design can keep."""


def unbounded_interval(design: Design) -> int:
    """Cycles between the first frames when no FIFO is ever full: less than what `size_fifos` can keep only where buffers fill slowly."""
    fifos = (i for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo))
    return timing(Network.of(design).with_room(dict.fromkeys(fifos, _UNBOUNDED)), _START).interval


def size_fifos(design: Design, *, price: float = 0.0, spare: float = 0.0) -> Design:
    """The least FIFO depths with which the design keeps the rate that unbounded FIFOs give it: powers of two up to 32, then multiples of 32; or block
    RAM, where that is cheaper.

    Frames that arrive at that rate fill unbounded FIFOs to what each needs at most, with all bursts. So much room is enough. A FIFO in a path is
    then made as shallow as the rate allows, by simulation; without the bursts that it let pass, those before joins are measured again, for
    they hold what the other way around takes. Wide ones are tried with one beat or two, for a register is cheaper than any memory. Last, FIFOs
    grow until no pause anywhere can make a deadlock (Parks 1995).

    Args:
        price: LUTs that a BRAM36 counts. spare: BRAM36s that FIFOs may take.
    """
    fifos = [i for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo)]
    network = Network.of(design)
    endless = network.with_room(dict.fromkeys(fifos, _UNBOUNDED))
    pace, wish = max(timing(endless, _START).interval, *(n.block.cycles for n in design.nodes)), 0
    while pace != wish:
        wish = pace
        pace, held = paced(endless, wish)
    depths = {i: _round(int(held[i])) for i in fifos}

    def dear(i: int) -> bool:
        return (depths[i] // _SRL - 1) * (design.nodes[i].block.beat_in.bits + 1) > _DEAR

    joining = _before_joins(design)
    depths |= _shallow(network, depths, [i for i in fifos if dear(i) and i not in joining], pace)
    if deep := [i for i in fifos if dear(i) and i in joining]:
        _, held = paced(network.with_room(depths | dict.fromkeys(deep, _UNBOUNDED)), pace)
        measured = depths | {i: _round(int(held[i])) for i in deep}
        depths = measured if _interval(network, measured) <= pace else depths

    def saved(i: int, depth: int) -> float:
        before, after = (replace(design.nodes[i].block, depth=d).estimate.lut for d in (depths[i], depth))  # type: ignore[call-arg]
        return before - after

    for least in (1, MIN_DEPTH):
        depths |= _at_least(network, depths, [i for i in fifos if i not in joining and saved(i, least) >= _WORTH], least, pace)
    while full := [i for i in deadlock(network.with_room(depths)) if i in depths]:
        least = min(full, key=lambda i: depths[i] * design.nodes[i].block.beat_in.bits)
        depths[least] = _round(depths[least] + 1)
    return _in_block_ram(with_depths(design, depths), pace, price, spare)


def _at_least(network: Network, depths: Mapping[int, int], fifos: list[int], least: int, goal: int) -> dict[int, int]:
    """Those of some FIFOs that can be of the `least` depth at this rate: all of them, or what each half of them can."""
    if not fifos:
        return {}
    tried = dict.fromkeys(fifos, least)
    if _interval(network, {**depths, **tried}) <= goal:
        return tried
    if len(fifos) == 1:
        return {}
    middle = len(fifos) // 2
    found = _at_least(network, depths, fifos[:middle], least, goal)
    return found | _at_least(network, {**depths, **found}, fifos[middle:], least, goal)


def _in_block_ram(design: Design, pace: int, price: float, spare: float) -> Design:
    """With those FIFOs in block RAM that cost less so, the largest first, as long as the rate stays: their beats come two cycles later."""
    deep = {i: n.block for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo) and n.block.depth > _SRL}
    for i, block in sorted(deep.items(), key=lambda item: -item[1].estimate.lut):
        moved = replace(block, depth=1 << (block.depth - 1).bit_length(), bram=True)
        rams = moved.estimate.bram36
        if rams <= spare and moved.estimate.lut + rams * price < block.estimate.lut:
            tried = _with_blocks(design, {i: moved})
            if simulate(tried).interval <= pace and not deadlock(Network.of(tried)):
                design, spare = tried, spare - rams
    return design


def with_depths(design: Design, depths: Mapping[int, int]) -> Design:
    """The design with other depths of FIFOs, by the index of the node."""
    return _with_blocks(design, {i: replace(design.nodes[i].block, depth=depth) for i, depth in depths.items()})  # type: ignore[call-arg]


def _with_blocks(design: Design, blocks: Mapping[int, Block]) -> Design:
    nodes = [replace(n, block=blocks[i]) if i in blocks else n for i, n in enumerate(design.nodes)]
    return replace(design, nodes=tuple(nodes))


def _before_joins(design: Design) -> set[int]:
    """The nodes from which only plumbing leads to an input of a join."""
    index = {n.name: i for i, n in enumerate(design.nodes)}
    found = set()
    for node in reversed(design.nodes):
        if len(node.inputs) > 1 or (index[node.name] in found and node.edge is None):
            found |= {index[s.node] for s in node.inputs if s.node is not None}
    return found


def _shallow(network: Network, depths: Mapping[int, int], fifos: list[int], goal: int) -> dict[int, int]:
    """The least depths of some FIFOs, in LUTs a bit, that keep the rate: all with one LUT, if that does, else each half of them by itself."""
    if not fifos:
        return {}
    shallow = dict.fromkeys(fifos, _SRL)
    if _interval(network, {**depths, **shallow}) <= goal:
        return shallow
    if len(fifos) > 1:
        middle = len(fifos) // 2
        found = _shallow(network, depths, fifos[:middle], goal)
        return found | _shallow(network, {**depths, **found}, fifos[middle:], goal)
    low, high = 1, depths[fifos[0]] // _SRL  # `high` is enough, `low` is not
    while high - low > 1:
        middle = (low + high) // 2
        enough = _interval(network, {**depths, fifos[0]: middle * _SRL}) <= goal
        low, high = (low, middle) if enough else (middle, high)
    return {fifos[0]: high * _SRL}


def _round(beats: int) -> int:
    """The next depth that is worth having."""
    return max(MIN_DEPTH, 1 << (beats - 1).bit_length() if beats <= _SRL else -(-beats // _SRL) * _SRL)


def _interval(network: Network, depths: Mapping[int, int]) -> int:
    """Cycles a frame; very many when the design deadlocks."""
    try:
        return timing(network.with_room(depths)).interval
    except CheckError:
        return sys.maxsize
