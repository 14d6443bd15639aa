"""Which counters compress a heap: a beam search over its heights.

Of the tall heap the most efficient counters are taken greedily, as Kumm and Zipf (2014) and Preusser (2017) do: the most bits removed per LUT, then
the fewest CARRY4. As no counter removes more than two bits a LUT, none of these choices is worse than any other until the heap is low; what is lost
is lost there, by counters that no longer fill up. So the low heap, the final adder included, is searched: a beam of partial plans, ordered by LUTs
spent plus the least that can be left to spend.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from hwqnn.gates import delay
from hwqnn.gates.counters import MOST, SPAN, Chain, Counter, FullAdder

_BEAM = 12
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

    def longest(luts: int) -> int:
        return next((n - 1 for n in range(1, 64) if delay.CLOCK_TO_OUT + luts * delay.LUT + delay.chain(n) > budget_ns), 64)

    return Limits(longest(2), max(2, longest(1)))


@cache
def plan(heights: Heights, limit: Limits) -> tuple[Counter, ...]:
    """Counters that leave at most one bit in every column of a heap; what goes beyond its columns is dropped.

    Args:
        heights: bits of each column. The sum has as many bits as there are columns.
    """
    done: list[Counter] = []
    made = (0,) * len(heights)  # by this round's counters: not for themselves, so that the depth grows with the logarithm of the height
    while sum(heights) + sum(made) > _LOW:
        moves = [move for move in _moves(heights, limit) if move.efficiency == 2 and move.luts <= 4]
        if not moves and not sum(made):
            break
        if moves:
            best = max(moves, key=lambda move: (move.luts, -move.ternary, -move.counter.column))
            done.append(best.counter)
            heights, made = best.left, _sum(made, best.made)
        if not moves:
            heights, made = _sum(heights, made), (0,) * len(heights)
    return (*done, *_search(_sum(heights, made), limit))


def _sum(a: Heights, b: Heights) -> Heights:
    return tuple(x + y for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class _Move:
    counter: Counter
    luts: int
    carry4: int
    ternary: bool
    removed: int
    left: Heights
    made: Heights

    @property
    def after(self) -> Heights:
        return _sum(self.left, self.made)

    @property
    def efficiency(self) -> float:
        return self.removed / self.luts


def _search(heights: Heights, limit: Limits) -> tuple[Counter, ...]:
    columns = len(heights)
    beam: dict[Heights, tuple[float, tuple[Counter, ...]]] = {heights: (0.0, ())}
    best: tuple[float, tuple[Counter, ...]] | None = None
    while beam:
        following: dict[Heights, tuple[float, tuple[Counter, ...]]] = {}
        for state, (cost, path) in beam.items():
            if max(state, default=0) <= 1:
                if best is None or cost < best[0]:
                    best = cost, path
                continue
            for move in _moves(state, limit):
                spent = cost + move.luts + _CARRY4 * move.carry4
                if best is not None and spent + (sum(move.after) - columns) / 2 >= best[0]:
                    continue
                if move.after not in following or spent < following[move.after][0]:
                    following[move.after] = spent, (*path, move.counter)
        ranked = heapq.nsmallest(_BEAM, following.items(), key=lambda item: item[1][0] + sum(item[0]) / 2)
        beam = dict(ranked)
    assert best is not None
    return best[1]


def _moves(heights: Heights, limit: Limits) -> list[_Move]:
    """Every counter that this heap can use."""
    moves = []
    done = True
    for column, height in enumerate(heights):
        if height >= 3 or (done and height == 2):
            moves.append(_move(FullAdder(column, min(height, 3)), 1, 0, False, heights, {column: min(height, 3)}, (column, column + 1)))
        done = done and height < 2
        if height >= 2:
            for head in range(3):
                for link in "TB":
                    moves += _chains(heights, column, head, link, limit)
    return moves


def _chains(heights: Heights, start: int, head: int, link: str, limit: Limits) -> list[_Move]:
    """The chains of `head` H and then some links of another kind."""
    columns = len(heights)
    taken: dict[int, int] = {}
    moves: list[_Move] = []
    column, passed, links = start, False, ""
    counts: tuple[int, ...] = ()
    cin = False
    while True:
        kind = "H" if len(links) < head else link
        span, most = SPAN[kind], limit.ternary if kind == "T" else limit.binary
        if column + span > min(columns, start + most):
            break
        bits = min(MOST[kind] - passed, heights[column])
        if bits + passed < (5 if kind == "H" else 1):
            break
        cin = cin or (column == start and heights[column] > bits)
        taken[column] = bits + (column == start and cin)
        counts = (*counts, bits)
        passed = kind == "T" and bits + passed >= 3
        column, links = column + span, links + kind
        if len(links) < head or (len(links) == head and link == "B"):
            continue
        made = (*range(start, column + 1), *([column] if passed else []))
        move = _move(Chain(start, links, counts, cin), column - start, -(-(column - start) // 4), "T" in links, heights, taken, made)
        full = column + 1 > start + most
        if move.removed > 0 or (full and move.removed == 0):
            moves.append(move)
    return moves


def _move(counter: Counter, luts: int, carry4: int, ternary: bool, heights: Heights, taken: dict[int, int], made: Sequence[int]) -> _Move:
    left, new = list(heights), [0] * len(heights)
    for column, bits in taken.items():
        left[column] -= bits
    for column in made:
        if column < len(new):
            new[column] += 1
    return _Move(counter, luts, carry4, ternary, sum(taken.values()) - sum(new), tuple(left), tuple(new))
