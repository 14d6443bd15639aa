"""The folding solver: how parallel each layer is and what it is built from, for a rate at the least price, or for the best rate that fits a board."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil
from typing import Literal

from hwqnn.boards import Board
from hwqnn.dataflow.choices import Choices
from hwqnn.dataflow.design import Design, Resources
from hwqnn.dataflow.fold_file import pins_of, read_pins
from hwqnn.dataflow.pins import NO_PINS, Pin, Pins
from hwqnn.dataflow.search import Found, Search, Stuck
from hwqnn.errors import CheckError, InputError
from hwqnn.ir import Graph

__all__ = ["DEFAULT_FPS", "MAX_UTILIZATION", "NO_PINS", "Pin", "Pins", "Rate", "Solution", "pins_of", "read_pins", "solve"]

Rate = float | Literal["max"] | None
"""Frames per second to reach; "max": as many as fit; None: `DEFAULT_FPS`, or as many as fit."""
DEFAULT_FPS = 1_000_000.0
MAX_UTILIZATION = 0.8
"""The share of the board that a design may use: fuller devices route badly."""
_SCARCITY = 0.1
"""The price of all other cells, in parts of the LUTs that the board has for each: idle ones save LUTs, but a block RAM is not spent to save three,
nor 100 registers to save five."""
_EXACT = 1e-6


@dataclass(frozen=True, eq=False)
class Solution:
    """A design, and how far it can be from the best. Prices are of estimated cells, FIFOs at their least depth.

    Attributes:
        price: LUTs, and the small prices of the other cells. bound: no design of the rate that was looked for has a lower one.
        fps: frames per second, as simulated. most_fps: no design that fits makes more; None where the rate was given.
        seconds: that it took.
    """

    design: Design
    price: float
    bound: float
    fps: float
    most_fps: float | None
    seconds: float

    @property
    def gap(self) -> float:
        """How far the price may be above the least one, or the rate below the best one, as a part: the greater of the two."""
        return max(0.0, self.price / self.bound - 1, 1 - self.fps / (self.most_fps or self.fps))

    @property
    def optimal(self) -> bool:
        return self.gap < _EXACT

    def __str__(self) -> str:
        if self.optimal:
            return f"folding proved optimal in {self.seconds:.1f} s"
        return f"folding within {max(self.gap, 0.001):.1%} of the bound, in {self.seconds:.1f} s"


def solve(
    graph: Graph,
    board: Board,
    *,
    clock_mhz: float,
    fps: Rate,
    pins: Pins = NO_PINS,
    max_utilization: float = MAX_UTILIZATION,
    limits: Mapping[str, float] | None = None,
) -> Solution:
    """The cheapest design that reaches `fps` frames/s at `clock_mhz`, FIFOs sized so that the slowest block sets the rate.

    Args:
        max_utilization: the share of the board's cells that the estimate may use.
        limits: the most cells of some kinds, by the name of the field of `Resources`, where that is less.
    Raises:
        InputError: `max_utilization` or `limits` make no sense.
        CheckError: no folding reaches the rate within that room; the message names what is missing, and the best reachable rate.
        UnsupportedError: an op has no block.
    """
    start = time.perf_counter()
    search = Search(Choices.of(graph, clock_mhz, pins), _room(board, max_utilization, limits or {}), _prices(board))
    rate = clock_mhz * 1e6
    cycles = 1 if fps == "max" else max(1, int(rate / (fps or DEFAULT_FPS) * (1 + _EXACT / rate)))

    def solution(found: Found, most_fps: float | None) -> Solution:
        return Solution(found.design, found.price, found.bound, rate / found.interval, most_fps, time.perf_counter() - start)

    def too_large(stuck: Stuck) -> str:
        """Empty where room is not what is missing."""
        missing = (f"{ceil(n):,} {name.upper()} of {int(getattr(stuck.room, name)):,}" for name, n in search.missing(stuck).items())
        needs = " or ".join(missing)
        given = "".join(f", --limit {name}={most:g}" for name, most in (limits or {}).items())
        return f"does not fit {board.name} (--max-utilization {max_utilization:g}{given}): it needs at least {needs} (estimate)" if needs else ""

    stuck = Stuck(cycles, search.room)
    if fps != "max":
        found = search.reaching(cycles)
        if isinstance(found, Found):
            return solution(found, None)
        stuck = found
    best = search.fastest(cycles)
    if isinstance(best, Stuck):
        if not (why := too_large(best)):
            raise CheckError(f"no folding of {graph.name} is left: what the fold file fixes of neighbouring layers does not go together")
        raise CheckError(f"no folding of {graph.name} is small enough: it {why}; leave it more room, or choose a larger board")
    if fps is None or fps == "max":
        return solution(best, rate / best.fewest)
    why = too_large(stuck) or "is faster than any folding of its layers" + (" that the fold file allows" if pins is not NO_PINS else "")
    raise CheckError(
        f"{graph.name} at {fps:,.0f} frames/s and {clock_mhz:g} MHz ({cycles} cycles a frame) {why}; "
        f"the best reachable rate is about {int(rate / best.interval):,} frames/s (--fps)"
    )


def _prices(board: Board) -> Resources:
    have = board.resources
    each = {name: _SCARCITY * have.lut / cells if cells else 0.0 for name, cells in vars(have).items()}
    return Resources(**{**each, "lut": 1.0})


def _room(board: Board, share: float, limits: Mapping[str, float]) -> Resources:
    """The most cells of each kind."""
    if not 0 < share <= 1:
        raise InputError(f"--max-utilization {share:g}: it must be above 0 and at most 1")
    names = [f.name for f in fields(Resources)]
    for name, most in limits.items():
        if name not in names:
            raise InputError(f"--limit {name}: there are limits of {', '.join(names)}")
        if not most >= 0:
            raise InputError(f"--limit {name}={most:g}: it must be 0 or more")
    return Resources(**{name: min(share * getattr(board.resources, name), limits.get(name, float("inf"))) for name in names})
