"""Which counters compress a heap: a beam search over its heights.

Of the tall heap the most efficient counters are taken greedily, as Kumm and Zipf (2014) and Preusser (2017) do: the most bits removed per LUT, then
the fewest CARRY4. As no counter removes more than two bits a LUT, none of these choices is worse than any other until the heap is low; what is lost
is lost there, by counters that no longer fill up. So the low heap, the final adder included, is searched: a beam of partial plans, compared among
those that leave as many bits.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from hwqnn.gates import delay
from hwqnn.gates.counters import MOST, SPAN, Chain, Counter, FullAdder

_BEAM = 20
_LOW = 40
"""Bits of a heap that is low enough to be searched."""
_CARRY4 = 0.1
"""LUTs that a CARRY4 is worth: the board has one for four LUTs."""

Heights = tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """The most columns of a chain, of T links and of others."""

    ternary: int
    binary: int


@cache
def limits(budget_ns: float) -> Limits:
    """Of the chains that fit in one stage; at least one column, for it has to be added somehow."""

    def longest(luts: Callable[[int], int]) -> int:
        return next((n - 1 for n in range(1, 64) if delay.CLOCK_TO_OUT + luts(n) * delay.LUT + delay.chain(n) > budget_ns), 64)

    return Limits(longest(lambda links: links), max(2, longest(lambda _: 1)))


@cache
def plan(heights: Heights, limit: Limits) -> tuple[Counter, ...]:
    """Counters that leave at most one bit in every column of a heap; what goes beyond its columns is dropped.

    Args:
        heights: bits of each column. The sum has as many bits as there are columns.
    """
    done: list[Counter] = []
    made = (0,) * len(heights)  # by this round's counters: not for themselves, so that the depth grows with the logarithm of the height
    while sum(heights) + sum(made) > _LOW:
        moves = [move for move in _moves(heights, limit) if move.removed == 2 * move.luts and move.luts <= 4]
        if not moves and not sum(made):
            break
        if moves:
            best = max(moves, key=lambda move: (move.luts, "T" not in move.links, -move.column))
            done.append(best.counter)
            left = best.left(heights)
            heights, made = left, tuple(m + after - rest for m, after, rest in zip(made, best.after, left, strict=True))
        if not moves:
            heights, made = _sum(heights, made), (0,) * len(heights)
    return (*done, *_search(_sum(heights, made), limit))


def _sum(a: Heights, b: Heights) -> Heights:
    return tuple(x + y for x, y in zip(a, b, strict=True))


class _Move(NamedTuple):
    """A counter that a heap can use: its cells, how many bits it removes, and the heights after it.

    Attributes:
        links: of a chain; empty for a full adder.
        bits, cin: as in `Chain`, or (bits,) of a `FullAdder`.
    """

    luts: int
    carry4: int
    removed: int
    after: Heights
    column: int
    links: str
    bits: tuple[int, ...]
    cin: bool

    @property
    def counter(self) -> Counter:
        return Chain(self.column, self.links, self.bits, self.cin) if self.links else FullAdder(self.column, self.bits[0])

    def left(self, heights: Heights) -> Heights:
        """The heights without the counter's inputs."""
        rest, column = list(heights), self.column
        rest[column] -= self.cin
        for link, bits in zip(self.links or "T", self.bits, strict=True):
            rest[column] -= bits
            column += SPAN[link]
        return tuple(rest)


def _search(heights: Heights, limit: Limits, beam: int = _BEAM) -> tuple[Counter, ...]:
    """Level by level of bits left: of plans that leave as many, the `beam` cheapest go on."""
    columns = len(heights)
    levels: list[dict[Heights, tuple[float, tuple[_Move, ...]]]] = [{} for _ in range(sum(heights) + 1)]
    levels[-1][heights] = 0.0, ()
    best: tuple[float, tuple[_Move, ...]] = math.inf, ()
    for left in reversed(range(len(levels))):
        waiting = [(cost, state) for state, (cost, _) in levels[left].items()]
        heapq.heapify(waiting)
        for _ in range(beam):
            if not waiting:
                break
            cost, state = heapq.heappop(waiting)
            path = levels[left][state][1]
            if max(state) <= 1:
                best = min(best, (cost, path), key=lambda found: found[0])
                continue
            for move in _moves(state, limit):
                spent, after = cost + move.luts + _CARRY4 * move.carry4, left - move.removed
                if spent + (after - columns) / 2 >= best[0]:
                    continue
                following = levels[after]
                if move.after not in following or spent < following[move.after][0]:
                    following[move.after] = spent, (*path, move)
                    if after == left:
                        heapq.heappush(waiting, (spent, move.after))
    if best[0] == math.inf:  # what was cut off was the way out
        return _search(heights, limit, 2 * beam)
    return tuple(move.counter for move in best[1])


def _moves(heights: Heights, limit: Limits) -> list[_Move]:
    """Every counter that this heap can use."""
    moves: list[_Move] = []
    done = True
    for column, height in enumerate(heights):
        if height >= 3 or (done and height == 2):
            bits = min(height, 3)
            after = list(heights)
            after[column] += 1 - bits
            within = column + 1 < len(heights)
            if within:
                after[column + 1] += 1
            moves.append(_Move(1, 0, bits - 1 - within, tuple(after), column, "", (bits,), False))
        done = done and height < 2
        if height >= 2:
            for head, link in _KINDS:
                _chains(moves, heights, column, head, link, limit)
    return moves


_KINDS = (("", "T"), ("", "B"), ("B", "T"), ("H", "T"), ("H", "B"), ("HH", "T"), ("HH", "B"))
"""Chains: their first links, and the kind of all others. A B before T takes the carry in that a T can't."""


def _chains(moves: list[_Move], heights: Heights, start: int, head: str, link: str, limit: Limits) -> None:
    """Adds the chains of the links `head` and then some of the kind `link`."""
    columns = len(heights)
    after = list(heights)  # of the columns that the chain has passed; the sum's highest bits come on top
    column, links, removed = start, "", 0
    passed = cin = False
    counts: tuple[int, ...] = ()
    while True:
        kind = head[len(links)] if len(links) < len(head) else link
        span, most = SPAN[kind], limit.ternary if kind == "T" else limit.binary
        if column + span > min(columns, start + most):
            break
        bits = min(MOST[kind] - passed, heights[column])
        if bits + passed < (5 if kind == "H" else 1):
            break
        if column == start and heights[column] > bits and not (kind == "T" and bits >= 3):
            cin, after[column], removed = True, after[column] - 1, 1
        after[column] -= bits
        removed += bits - span
        for made in range(column, column + span):
            after[made] += 1
        counts = (*counts, bits)
        passed = kind == "T" and bits + passed >= 3
        column, links = column + span, links + kind
        if len(links) < len(head) or (links == head and link == "B"):
            continue
        top = 1 + passed if column < columns else 0
        full = column + 1 > start + most
        if removed > top or (full and removed == top):
            ends = tuple(after) if not top else (*after[:column], after[column] + top, *after[column + 1 :])
            moves.append(_Move(column - start, -(-(column - start) // 4), removed - top, ends, start, links, counts, cin))
