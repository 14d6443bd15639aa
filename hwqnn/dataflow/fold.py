"""The folding solver: how parallel each layer is, for a rate at the least LUTs, or for the best rate that a board has room for."""

from __future__ import annotations

from dataclasses import dataclass, fields

from hwqnn.boards import Board
from hwqnn.dataflow.choices import Choices, prices
from hwqnn.dataflow.depths import size_fifos, unbounded_interval
from hwqnn.dataflow.design import Design
from hwqnn.dataflow.pins import NO_PINS, Pins, pins_of, read_pins
from hwqnn.dataflow.timing import simulate
from hwqnn.errors import CheckError
from hwqnn.ir import Graph

__all__ = ["DEFAULT_FPS", "MAX_UTILIZATION", "NO_PINS", "Pins", "pins_of", "read_pins", "solve"]

DEFAULT_FPS = 1_000_000.0
MAX_UTILIZATION = 0.8
"""The share of the board that the solver uses when the rate is left to it: fuller devices route badly."""
_SCARCITY = (1.0, 0.25, 4.0, 0.0625, 16.0)
"""Prices of block RAM and DSPs that are tried until a design fits, relative to the rate at which the board has them."""


def solve(graph: Graph, board: Board, *, clock_mhz: float, fps: float | None, pins: Pins = NO_PINS) -> Design:
    """The cheapest design that reaches `fps` frames/s at `clock_mhz`, FIFOs sized so that the slowest block sets the rate.

    Without `fps`: one million frames/s, or the best rate whose estimate stays within 80 % of the board.

    Raises:
        CheckError: no folding reaches the rate, or its estimate does not fit the board; the message names the best reachable rate.
        UnsupportedError: an op has no block.
    """
    search = _Search(Choices.of(graph, clock_mhz, pins), board, 1.0 if fps else MAX_UTILIZATION)
    cycles = int(clock_mhz * 1e6 // (fps or DEFAULT_FPS))
    design = search.reaching(cycles)
    if design is not None and not search.overflow(design):
        return design
    fastest = search.fastest(cycles)
    if fps is None and fastest is not None:
        return fastest
    wish = f"{graph.name} at {fps or DEFAULT_FPS:,.0f} frames/s and {clock_mhz:g} MHz ({cycles} cycles a frame)"
    if design is None:
        why = "is faster than any folding of its layers" + (" that the fold file allows" if pins is not NO_PINS else "")
    else:
        why = f"does not fit {board.name}: {search.overflow(design)}"
    rate = f"the best reachable rate is about {clock_mhz * 1e6 / simulate(fastest).interval:,.0f} frames/s (--fps)" if fastest else ""
    raise CheckError(f"{wish} {why}; {rate or 'no folding of it fits this board: choose a larger board'}")


@dataclass(frozen=True, eq=False)
class _Search:
    """Among all foldings, for a share of a board."""

    choices: Choices
    board: Board
    share: float

    def overflow(self, design: Design) -> str:
        """Which resource a design's estimate exceeds, and by how much; empty when it fits."""
        need, have = design.estimate, self.board.resources
        for field in fields(need):
            wanted, limit = getattr(need, field.name), getattr(have, field.name) * self.share
            if wanted > limit:
                return f"it needs about {wanted:,.0f} {field.name.upper()} (estimate) of {limit:,.0f}, {wanted - limit:,.0f} too many"
        return ""

    def filled(self, design: Design) -> float:
        """The share that is used of the scarcest resource that the design may use."""
        need, have = design.estimate, self.board.resources
        return max(getattr(need, f.name) / (getattr(have, f.name) * self.share) for f in fields(need) if getattr(have, f.name))

    def reaching(self, cycles: int) -> Design | None:
        """The cheapest design with at most `cycles` cycles between frames, its FIFOs sized; one that does not fit only where none does."""
        target = cycles
        while target > 0:
            design = self.fitting(target) or self.choices.cheapest(target, prices(self.board))
            if design is None:
                return None
            late = unbounded_interval(design) - cycles
            if late <= 0:
                sized = size_fifos(design)
                late = simulate(sized).interval - cycles
                if late <= 0:
                    return sized
            target -= late  # blocks that wait for each other lose cycles: ask the blocks for more
        return None

    def fastest(self, cycles: int) -> Design | None:
        """The design with the fewest cycles a frame, not below `cycles`, that fits; to about 1 %."""
        low = high = max(1, cycles)
        best = None
        while best is None and high < 2 * self.choices.slowest:
            high *= 2
            best = self.fitting(high)
        while best is not None and high - low > max(1, high // 100):
            middle = (low + high) // 2
            found = self.fitting(middle)
            best, low, high = (found, low, middle) if found is not None else (best, middle, high)
        while best is not None:
            sized = size_fifos(best)
            if not self.overflow(sized):
                return sized
            high = int(high * max(1.05, self.filled(sized))) + 1  # the depth of FIFOs counts too
            best = self.fitting(high) if high < 4 * self.choices.slowest else None
        return None

    def fitting(self, cycles: int) -> Design | None:
        """A design of at most `cycles` steps a frame that fits before its FIFOs grow: the cheapest at the first prices that give one."""
        for scarcity in _SCARCITY:
            design = self.choices.cheapest(cycles, prices(self.board, scarcity))
            if design is None or not self.overflow(design):
                return design
        return None
