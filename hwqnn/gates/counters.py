"""The counters that compress a heap, as shapes and as gates: full adders, and chains of LUT6_2 + CARRY4 made of three kinds of links.

    T   one column: four bits, three of them through a LUT's majority into the next column (a ternary adder's position); one LUT
    B   one column: two bits (a binary adder's position); one LUT
    H   two columns: six bits of the lower one (Preusser's (0,6) atom); two LUTs

A chain's first column takes one more bit, as carry in, unless it is a T of three bits or more. HH is the (6,0,7;5) counter, H is 7:3, and a chain of
T or B over all columns the final adder.

A slice has one pin, AX, for the carry in and for the first position's DI where that is not the LUT's own O5 (UG474, figure 2-24). So with a carry in,
DI comes from O5: of a T that is the majority, so it takes none; of an H the parity of five bits, equal to the sixth wherever DI counts.
Per LUT two bits vanish, at best: no counter on 7-series does more (Preusser 2017, table 1).

Preusser, "Generic and universal parallel matrix summation with a flexible compression goal for Xilinx FPGAs", FPL 2017.
Kumm and Zipf, "Pipelined compressor tree optimization using integer linear programming", FPL 2014.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hwqnn.gates import delay, tables
from hwqnn.gates.netlist import ZERO, Netlist, Wire

MOST = {"T": 4, "B": 2, "H": 6}
SPAN = {"T": 1, "B": 1, "H": 2}

Take = Callable[[int, int], list[Wire]]
"""Removes up to so many (second) bits from a column (first) of the heap, earliest first."""
Give = Callable[[int, Wire], None]
"""Adds a bit to a column."""


@dataclass(frozen=True)
class FullAdder:
    """Three bits of a column (or two) in, a bit of it and of the next out: one LUT6_2."""

    column: int
    bits: int

    def build(self, n: Netlist, take: Take, give: Give) -> None:
        bits = take(self.column, self.bits)
        total, carry = n.lut2(tables.count_bit(len(bits), 0), tables.count_bit(len(bits), 1), bits)
        give(self.column, total)
        give(self.column + 1, carry)


@dataclass(frozen=True)
class Chain:
    """A carry chain.

    Attributes:
        column: its lowest.
        links: letters, from there up.
        bits: of the heap into each link, besides the majority of the link below.
        cin: a bit more of the lowest column.
    """

    column: int
    links: str
    bits: tuple[int, ...]
    cin: bool

    def build(self, n: Netlist, take: Take, give: Give) -> None:
        parts, column = [], self.column
        for link, most in zip(self.links, self.bits, strict=True):
            parts.append(take(column, most))
            column += SPAN[link]
        cin = next(iter(take(self.column, int(self.cin))), ZERO)
        flat = n.together([cin, *(bit for bits in parts for bit in bits)], self.delay_ns)
        cin, rest = flat[0], flat[1:]
        s: list[Wire] = []
        di: list[Wire] = []
        majority = ZERO
        for link, taken in zip(self.links, parts, strict=True):
            bits, rest = rest[: len(taken)], rest[len(taken) :]
            # DI is no LUT's input, in which an inverter would vanish
            bits = sorted(bits, key=n.inverted) if majority is ZERO else [majority, *bits]
            majority = ZERO
            direct, others = (bits[0], bits[1:]) if bits else (ZERO, [])
            if len(others) >= 2 and link != "H":
                carry = tables.spread(tables.count_bit(len(others), 1), tuple(range(1, len(bits))), len(bits))
                position, majority = n.lut2(tables.count_bit(len(bits), 0), carry, bits, own=True)
            elif cin is not ZERO and not s:
                position, direct = n.parity(bits)
            else:
                position = n.lut(tables.count_bit(len(bits), 0), bits, own=True)
            s.append(position)
            di.append(direct if others else ZERO)
            if link == "H":
                one, two = n.lut2(_half(len(others), 1), _half(len(others), 2), others, own=True)
                s.append(one)
                di.append(two)
        sums, carries = n.carry(s, di, cin)
        for i, bit in enumerate(sums):
            give(self.column + i, bit)
        give(self.column + len(sums), carries[-1])
        give(self.column + len(sums), majority)

    @property
    def delay_ns(self) -> float:
        """From its bits to its sums, at most: a majority passes through the LUT of every T above it, as timing sees it."""
        row = max(map(len, re.findall("T+", self.links)), default=0)
        return delay.LUT * max(1, row) + delay.chain(sum(SPAN[link] for link in self.links))


def _half(inputs: int, value: int) -> int:
    """The table that tells whether half the number of ones, rounded down, is `value`."""
    return tables.table(inputs, lambda bits: sum(bits) // 2 == value)


Counter = FullAdder | Chain
