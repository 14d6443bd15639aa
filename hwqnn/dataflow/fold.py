"""The folding solver: how parallel each layer is, for a rate at the least LUTs, or for the best rate that a board has room for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product

import numpy as np

from hwqnn.boards import Board
from hwqnn.dataflow.choices import Choices, prices, scarce
from hwqnn.dataflow.decouple import decoupled
from hwqnn.dataflow.depths import size_fifos, unbounded_interval
from hwqnn.dataflow.design import Design, Resources
from hwqnn.dataflow.pins import NO_PINS, Pins, pins_of, read_pins
from hwqnn.dataflow.timing import simulate
from hwqnn.errors import CheckError
from hwqnn.ir import Graph

__all__ = ["DEFAULT_FPS", "MAX_UTILIZATION", "NO_PINS", "Pins", "pins_of", "read_pins", "solve"]

DEFAULT_FPS = 1_000_000.0
MAX_UTILIZATION = 0.8
"""The share of the board that the solver uses when the rate is left to it, or when that is enough for the rate: fuller devices route badly."""
_SCARCITY = (0.1, 0.01)
"""The least prices of block RAM and DSPs, in parts of the LUTs that the board has for each; the second where LUTs are too few with the first.
So idle cells save LUTs, and are not spent to save three of them."""
_SCARCE = ("bram36", "dsp")
_SOLVES = 10
"""Prices that are tried to fit a design into a share of the board."""


def solve(graph: Graph, board: Board, *, clock_mhz: float, fps: float | None, pins: Pins = NO_PINS) -> Design:
    """The cheapest design that reaches `fps` frames/s at `clock_mhz`, FIFOs sized so that the slowest block sets the rate.

    Without `fps`: one million frames/s, or the best rate whose estimate stays within 80 % of the board.

    Raises:
        CheckError: no folding reaches the rate, or its estimate does not fit the board; the message names the best reachable rate.
        UnsupportedError: an op has no block.
    """
    search = _Search(Choices.of(graph, clock_mhz, pins), board, (MAX_UTILIZATION, 1.0) if fps else (MAX_UTILIZATION,))
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
    """Among all foldings, for a share of a board: the first of `shares` that is enough."""

    choices: Choices
    board: Board
    shares: tuple[float, ...]

    def room(self, share: float) -> dict[str, float]:
        """Cells of each kind."""
        return {field.name: getattr(self.board.resources, field.name) * share for field in fields(Resources)}

    def overflow(self, design: Design) -> str:
        """Which resource a design's estimate exceeds, and by how much; empty when it fits."""
        for name, limit in self.room(self.shares[-1]).items():
            wanted = getattr(design.estimate, name)
            if wanted > limit:
                return f"it needs about {wanted:,.0f} {name.upper()} (estimate) of {limit:,.0f}, {wanted - limit:,.0f} too many"
        return ""

    def filled(self, design: Design) -> float:
        """The share that is used of the scarcest resource that the design may use."""
        return max(getattr(design.estimate, name) / limit for name, limit in self.room(self.shares[-1]).items() if limit)

    def reaching(self, cycles: int) -> Design | None:
        """The cheapest design with at most `cycles` cycles between frames, its FIFOs sized; one that does not fit only where none does."""
        target = cycles
        while target > 0:
            design = self.fitting(target) or self.choices.cheapest(target, prices(self.board, np.ones(2)))
            if design is None:
                return None
            design = decoupled(design, cycles)
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
            best = self.fitting(high, refined=False)
        while best is not None and high - low > max(1, high // 100):
            middle = (low + high) // 2
            found = self.fitting(middle, refined=False)
            best, low, high = (found, low, middle) if found is not None else (best, middle, high)
        best = self.fitting(high) if best is not None else None
        while best is not None:
            sized = size_fifos(decoupled(best, high))
            if not self.overflow(sized):
                return sized
            high = int(high * max(1.05, self.filled(sized))) + 1  # the depth of FIFOs counts too
            best = self.fitting(high) if high < 4 * self.choices.slowest else None
        return None

    def fitting(self, cycles: int, *, refined: bool = True) -> Design | None:
        """A design of at most `cycles` steps a frame that fits before its FIFOs grow, with about the least LUTs.

        Args:
            refined: look for it; else any that fits will do.
        """
        for share, least in product(self.shares, _SCARCITY):
            if (design := self._within(share, cycles, np.full(2, least), refined)) is not None:
                return design
        return None

    def _within(self, share: float, cycles: int, least: np.ndarray, refined: bool) -> Design | None:
        """One that fits into a share of the board, where the price of a kind of cell that the design has too many of is raised until it fits.

        What is cheapest at raised prices is cheapest at the `least` ones, too, among all designs that use no more of the cells whose price was
        raised (Everett 1963). Bisection finds about the lowest prices that do. Designs in the gaps between those that some prices give are not
        found, so the best of these need not be the best of all.
        """
        room = self.room(share)
        low, high, scarcity = least, np.full(2, np.inf), least
        best = None
        for _ in range(_SOLVES):
            design = self.choices.cheapest(cycles, prices(self.board, scarcity))
            if design is None:
                return None
            over = {name for name, limit in room.items() if getattr(design.estimate, name) > limit}
            if not over and (best is None or self._price(design, least) < self._price(best, least)):
                best = design
            missing = np.array([name in over for name in _SCARCE])
            low, high = np.where(missing, scarcity, low), np.where(~missing & (scarcity > least), scarcity, high)
            settled = ~missing & ((scarcity <= least) | (high < 1.1 * low))
            if settled.all() or (best is not None and not refined):
                break
            scarcity = np.where(settled, scarcity, np.where(np.isinf(high), 4 * low, np.sqrt(low * np.minimum(high, 1e9))))
        return best

    def _price(self, design: Design, scarcity: np.ndarray) -> float:
        return float(np.dot(scarce(design.estimate), prices(self.board, scarcity)))
