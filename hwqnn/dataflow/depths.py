"""How deep each FIFO must be: enough for the rate that unbounded ones give, and for no deadlock whatever the timing."""

from __future__ import annotations

from dataclasses import replace

from hwqnn.dataflow.design import Design
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.dataflow.timing import deadlock, paced, simulate
from hwqnn.errors import CheckError

MIN_DEPTH = 2
_SRL = 32
"""Beats that a LUT holds of one bit: up to so many, depth costs next to nothing."""
_UNBOUNDED = 1 << 30


def size_fifos(design: Design) -> Design:
    """The least FIFO depths with which the design keeps the rate that unbounded FIFOs give it: powers of two up to 32, then multiples of 32.

    Frames that arrive at that rate fill unbounded FIFOs to what each needs at most. So much room is enough; what costs LUTs is then shrunk one
    FIFO after the other, by simulation, while the rate stays. Last, FIFOs grow until no pause anywhere can make a deadlock (Parks 1995).
    """
    fifos = [i for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo)]
    endless = with_depths(design, dict.fromkeys(fifos, _UNBOUNDED))
    pace, wish = max(n.block.cycles for n in design.nodes), 0
    while pace != wish:  # blocks that wait for each other may be slower than each of them
        wish = pace
        pace, held = paced(endless, wish)
    depths = {i: _round(int(held[i])) for i in fifos}
    sized = with_depths(design, depths)
    goal = max(pace, simulate(sized).interval)
    for i in sorted(fifos, key=lambda i: -depths[i] * design.nodes[i].block.beat_in.bits):
        low, high = 0, depths[i] // _SRL  # in LUTs a bit: `high` is enough, `low` is not
        while high - low > 1:
            middle = (low + high) // 2
            smaller = with_depths(design, depths | {i: middle * _SRL})
            if _interval(smaller) <= goal:
                high = middle
            else:
                low = middle
        if high:
            depths[i] = high * _SRL
    sized = with_depths(design, depths)
    while full := [i for i in deadlock(sized) if i in depths]:
        least = min(full, key=lambda i: depths[i] * design.nodes[i].block.beat_in.bits)
        depths[least] = _round(depths[least] + 1)
        sized = with_depths(design, depths)
    return sized


def with_depths(design: Design, depths: dict[int, int]) -> Design:
    """The design with other depths of FIFOs, by the index of the node."""
    nodes = [replace(n, block=replace(n.block, depth=depths[i])) if i in depths else n for i, n in enumerate(design.nodes)]  # type: ignore[call-arg]
    return replace(design, nodes=tuple(nodes))


def _round(beats: int) -> int:
    """The next depth that is worth having."""
    return max(MIN_DEPTH, 1 << (beats - 1).bit_length() if beats <= _SRL else -(-beats // _SRL) * _SRL)


def _interval(design: Design) -> float:
    """Cycles a frame; endless when the design deadlocks."""
    try:
        return simulate(design).interval
    except CheckError:
        return float("inf")
