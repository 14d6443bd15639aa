"""Around the integer program: what it knows of blocks alone becomes a design that reaches a rate, as simulated, or makes the best one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import inf

from hwqnn.dataflow.choices import Choices, Selection
from hwqnn.dataflow.decouple import decoupled, settled_interval
from hwqnn.dataflow.depths import size_fifos, unbounded_interval
from hwqnn.dataflow.design import Design, Resources
from hwqnn.dataflow.joint import fifo
from hwqnn.dataflow.program import Answer, cheapest
from hwqnn.dataflow.retime import retimed
from hwqnn.dataflow.timing import simulate

_FREE = Resources()
_TRIES = 8
"""Answers of the program that are tried for a rate."""
_CLOSE = 1.005
"""A design that is so near to the bound is not improved further."""
_SLACK = 1e-3
"""Cells that are lost in rounding."""
_ENDLESS = Resources(*(inf for _ in fields(Resources)))


@dataclass(frozen=True, eq=False)
class Found:
    """A design whose FIFOs are sized.

    Attributes:
        interval: cycles between frames, as simulated.
        fewest: none that fits needs fewer.
        price: with FIFOs at their least depth. bound: no design has a lower one.
    """

    design: Design
    interval: int
    fewest: int
    price: float
    bound: float


@dataclass(frozen=True, eq=False)
class Stuck:
    """No selection of blocks that make at most so many cycles a frame has room."""

    cycles: int
    room: Resources


@dataclass(frozen=True, eq=False)
class Search:
    """Among all choices, for some room and at some prices."""

    choices: Choices
    room: Resources
    prices: Resources

    def reaching(self, cycles: int) -> Found | Stuck:
        """The cheapest design with at most `cycles` cycles between frames.

        The program knows blocks alone. Those that wait for each other lose cycles, which FIFOs win back at a price or not at all; and deep FIFOs may
        be too large. So its answers are tried in the order of their prices, until one is right and none before it was cheaper; of a few of them
        that is known. Where the first is not right, haste finds a design: less room, and fewer cycles for the blocks.
        """
        best: Found | Stuck = Stuck(cycles, self.room)
        tried: list[Selection] = []
        bound = 0.0
        while len(tried) < _TRIES and not (isinstance(best, Found) and best.price <= bound * _CLOSE):
            answer = cheapest(self.choices, cycles, self.room, self.prices, tried)
            bound = max(bound, answer.bound)
            if answer.selection is None:
                break
            made = self._made(answer, cycles)
            found: Found | Stuck = made
            if not self._right(made, cycles):
                found = best if tried else self._hasty(made, cycles)
            if not isinstance(best, Found) or (isinstance(found, Found) and found.price < best.price):
                best = found
            tried.append(answer.selection)
        return replace(best, bound=min(bound, best.price)) if isinstance(best, Found) else best

    def _right(self, found: Found, cycles: int) -> bool:
        return found.interval <= cycles and self._fits(found.design)

    def _hasty(self, found: Found, cycles: int) -> Found | Stuck:
        """A design in time and in the room, after one that is not."""
        target, room = cycles, self.room
        while True:
            late = found.interval - cycles
            if late > 0:
                target -= late
            else:
                room = self._without(room, found.design)
            answer = cheapest(self.choices, target, room, self.prices) if target > 0 else None
            if answer is None or answer.selection is None:
                return Stuck(target, room)
            found = self._made(answer, cycles)
            if self._right(found, cycles):
                return found

    def _made(self, answer: Answer, cycles: int) -> Found:
        """The answer's design, with as many and as deep FIFOs as make a frame every `cycles` cycles, or come nearest to that."""
        assert answer.selection is not None
        alone = self.choices.design(answer.selection)
        design = retimed(decoupled(alone, cycles))
        sized = self._sized(design)
        interval = simulate(sized).interval
        if interval > cycles >= unbounded_interval(design):
            sized = self._sized(decoupled(sized, cycles, settled_interval))
            interval = simulate(sized).interval
        names = {node.name for node in alone.nodes}
        added = sum((fifo(n.block.beat_in).estimate for n in sized.nodes if n.name not in names), Resources())
        return Found(sized, interval, cycles, answer.price + float(added.vector @ self.prices.vector), answer.bound)

    def _sized(self, design: Design) -> Design:
        """With FIFOs as deep as they must be, in the block RAM that is left where that is cheaper."""
        return size_fifos(design, price=self.prices.bram36, spare=max(0.0, self.room.bram36 - design.rough_estimate.bram36))

    def fastest(self, cycles: int) -> Found | Stuck:
        """The design with the fewest cycles between frames, not below `cycles`; of those the cheapest."""
        paces = [cycles, *(pace for pace in self.choices.paces if pace > cycles)]
        room, fewest, start = self.room, 0, 0
        while (first := self._first(paces, start, room)) is not None:
            start, ruled_out = first
            fewest = fewest or paces[ruled_out + 1]
            found = self.reaching(paces[start])
            if isinstance(found, Stuck):  # late, then
                found = self._made(cheapest(self.choices, paces[start], room, self.prices), paces[start])
            if self._fits(found.design):
                return replace(found, fewest=fewest)
            room = self._without(room, found.design)
        return Stuck(paces[-1], room)

    def _first(self, paces: list[int], start: int, room: Resources) -> tuple[int, int] | None:
        """The first pace, not before `start`, that there is room for, by its number; and the last one that is proved to have none."""
        none, step, ruled_out = start - 1, 1, start - 1

        def possible(number: int) -> bool:
            nonlocal ruled_out
            answer = cheapest(self.choices, paces[number], room, _FREE)
            if answer.selection is None and answer.proved:
                ruled_out = max(ruled_out, number)
            return answer.selection is not None

        while not possible(some := min(none + step, len(paces) - 1)):
            if some == len(paces) - 1:
                return None
            none, step = some, 2 * step
        while some - none > 1:
            middle = (none + some) // 2
            none, some = (none, middle) if possible(middle) else (middle, some)
        return some, ruled_out

    def missing(self, stuck: Stuck) -> dict[str, float]:
        """The least that a design would need of each kind of cell, with the room there is of the others; of those that there is not room for together
        where more of one alone does not help. Empty where no room is enough."""
        if cheapest(self.choices, stuck.cycles, _ENDLESS, _FREE).selection is None:
            return {}
        found = {}
        for name in vars(stuck.room):
            answer = cheapest(self.choices, stuck.cycles, replace(stuck.room, **{name: inf}), Resources(**{name: 1.0}))
            if answer.selection is not None:
                found[name] = answer.bound
        if not found:
            each = Resources(*(1 / max(most, 1.0) for most in vars(stuck.room).values()))
            answer = cheapest(self.choices, stuck.cycles, _ENDLESS, each)
            assert answer.selection is not None
            needed = self.choices.design(answer.selection).rough_estimate
            found = {name: getattr(needed, name) for name, most in vars(stuck.room).items() if getattr(needed, name) > most}
        return found

    def _fits(self, design: Design) -> bool:
        return bool((design.rough_estimate.vector <= self.room.vector + _SLACK).all())

    def _without(self, room: Resources, design: Design) -> Resources:
        """`room` less what a design is too large by."""
        return Resources(*(room.vector - (design.rough_estimate.vector - self.room.vector).clip(min=0.0)).tolist())
