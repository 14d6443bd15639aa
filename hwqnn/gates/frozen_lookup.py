"""Functions of a few bits, and comparisons, on a netlist."""

from __future__ import annotations

from collections.abc import Sequence

from hwqnn.gates import delay
from hwqnn.gates.netlist import ONE, ZERO, Netlist, Wire

_LEAF = 6  # inputs of a LUT


def lookup(n: Netlist, inputs: Sequence[Wire], table: Sequence[int]) -> Wire:
    """The bit `table[i]`, where input k is bit k of i: a LUT for each stretch of 64 that is not constant, and LUTs that choose between them."""
    if len(inputs) <= _LEAF:
        return n.lut(sum(bit << i for i, bit in enumerate(table)), inputs)
    low, top = inputs[:_LEAF], inputs[_LEAF:]
    stretches = [tuple(table[i : i + 64]) for i in range(0, len(table), 64)]
    changing = sorted({s for s in stretches if len(set(s)) > 1})
    if len(changing) + len(top) <= _LEAF:
        leaves = [lookup(n, low, s) for s in changing]
        chosen = 0
        for i in range(1 << (len(changing) + len(top))):
            stretch = stretches[i >> len(changing)]
            chosen |= (i >> changing.index(stretch) & 1 if stretch in changing else stretch[0]) << i
        return n.lut(chosen, [*leaves, *top])
    half = len(table) // 2
    return n.lut(0b11_00_10_10, [lookup(n, inputs[:-1], table[:half]), lookup(n, inputs[:-1], table[half:]), inputs[-1]])


def at_least(n: Netlist, a: Sequence[Wire], b: Sequence[Wire], cin: Wire = ONE) -> Wire:
    """a >= b, or a > b where `cin` is 0, of unsigned numbers of equally many bits: two bits of each in a LUT of a carry chain."""
    digits = -(-len(a) // 2)
    a, b = ([*number, ZERO][: 2 * digits] for number in (a, b))
    *wires, cin = n.together([*a, *b, cin], delay.LUT + delay.chain(digits))
    a, b = wires[: 2 * digits], wires[2 * digits :]
    columns = [n.lut2(_EQUAL, _GREATER, [*a[i : i + 2], *b[i : i + 2]], own=True) for i in range(0, 2 * digits, 2)]
    return n.carry([equal for equal, _ in columns], [greater for _, greater in columns], cin)[1][-1]


def rank(n: Netlist, number: Sequence[Wire], thresholds: Sequence[int]) -> list[Wire]:
    """How many of the ascending thresholds an unsigned number has reached, lowest bit first: a binary search, a comparison for each bit.

    What is compared is a constant that the bits decided before choose.
    """
    bits = len(thresholds).bit_length()
    zeros = min([(t & -t).bit_length() - 1 for t in thresholds if t > 0], default=0)  # lower bits of the number decide nothing
    number = number[min(zeros, len(number)) :]
    decided: list[Wire] = []
    for half in (1 << bit for bit in reversed(range(bits))):
        middle = range(half - 1, 1 << bits, 2 * half)
        pivots = [max(0, thresholds[k]) >> zeros if k < len(thresholds) else 1 << len(number) for k in middle]
        decided = [_reached(n, number, pivots, decided), *decided]
    return decided


def _reached(n: Netlist, number: Sequence[Wire], pivots: Sequence[int], chosen: Sequence[Wire]) -> Wire:
    """number >= the pivot at address `chosen`; a pivot that is too large for its bits is never reached."""
    if len(number) + len(chosen) <= _LEAF:
        return n.lut(sum((value >= pivot) << (value + (k << len(number))) for k, pivot in enumerate(pivots) for value in range(1 << len(number))),
                     [*number, *chosen])  # fmt: skip
    piece = _COMPARED - len(chosen)
    if piece < 2:
        bound = [lookup(n, chosen, [min(p, 1 << len(number)) >> bit & 1 for p in pivots]) for bit in range(len(number) + 1)]
        return at_least(n, [*number, ZERO], bound)
    starts = range(0, len(number), piece)
    *wires, cin = n.together([*number, *chosen, ONE], delay.LUT + delay.chain(len(starts)))
    number, chosen, columns = wires[: len(number)], wires[len(number) :], []
    for start in starts:
        part = number[start : start + piece]
        equal = greater = 0
        for k, pivot in enumerate(pivots):
            for value in range(1 << len(part)) if pivot < 1 << len(number) else ():
                digit = pivot >> start & (1 << len(part)) - 1
                equal |= (value == digit) << (value + (k << len(part)))
                greater |= (value > digit) << (value + (k << len(part)))
        columns.append(n.lut2(equal, greater, [*part, *chosen], own=True))
    return n.carry([equal for equal, _ in columns], [greater for _, greater in columns], cin)[1][-1]


_COMPARED = 5  # bits: two functions of them in a LUT6_2
_EQUAL = sum((i % 4 == i // 4) << i for i in range(16))
_GREATER = sum((i % 4 > i // 4) << i for i in range(16))
