"""From products to the bits of a heap: products are no gates of their own, but part of the first counters' LUTs.

A product has pins of its own (an activation and a weight; or, with the weight's words in the table, an activation) and may share others with all
products (the address of those words). What fits in one LUT6_2 of five inputs decides how products are counted:

    three products                          one LUT6_2: a full adder
    two products and a bit of the column    one LUT6_2: a full adder; plain products, two a LUT, start threads of such full adders
    otherwise                               a full adder in two LUT6

So a product with a variable weight takes half a LUT and, but for the threads' starts, leaves half a bit, of which a LUT removes two (see
`counters`): 0.75 in all. With a 3:2 counter of three products in two LUT6 it would be 1.0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hwqnn.gates import delay, tables
from hwqnn.gates.heap import BitHeap
from hwqnn.gates.netlist import Netlist, Wire

LONGEST = 4
"""Full adders in a row in a thread: more save little."""

Term = tuple[int, tuple[Wire, ...]]
"""A function that is part of a larger one: its table and inputs."""


def add(n: Netlist, heap: BitHeap, column: int, products: Sequence[Term]) -> None:
    """Adds products, all of the same number of pins, to a column of the heap."""
    if not products:
        return
    pins = {wire for _, inputs in products for wire in inputs}
    shared = [wire for wire in products[0][1] if all(wire in inputs for _, inputs in products)] if len(products) > 1 else []
    own = len(products[0][1]) - len(shared)
    if len(products) == 1 or len(pins) == len(products):
        for product in products:
            heap.add(column, n.lut(*product))
    elif len(shared) + 3 * own <= 5:
        _triples(n, heap, column, products, in_one=True)
    elif len(shared) + 2 * own + 1 <= 5:
        _threads(n, heap, column, products)
    else:
        _triples(n, heap, column, products, in_one=False)


def _triples(n: Netlist, heap: BitHeap, column: int, products: Sequence[Term], in_one: bool) -> None:
    whole = len(products) // 3 * 3
    for start in range(0, whole, 3):
        triple = products[start : start + 3]
        total, carry = _full_adder(n, triple) if in_one else (_count(n, triple, 0), _count(n, triple, 1))
        heap.add(column, total)
        heap.add(column + 1, carry)
    for bit in _plain(n, products[whole:]):
        heap.add(column, bit)


def _threads(n: Netlist, heap: BitHeap, column: int, products: Sequence[Term]) -> None:
    # as long as they end in the stage in which they start: else registers hold products' inputs for them
    levels = next((k for k in range(LONGEST, 1, -1) if delay.CLOCK_TO_OUT + (1 + k) * delay.LUT <= n.budget_ns), 1)
    threads = -(-len(products) // (1 + 2 * levels))
    threads += (len(products) - threads) % 2
    bits = deque(_plain(n, products[:threads]))
    for start in range(threads, len(products), 2):
        total, carry = _full_adder(n, [*products[start : start + 2], (0b10, (bits.popleft(),))])
        bits.append(total)
        heap.add(column + 1, carry)
    for bit in bits:
        heap.add(column, bit)


def _plain(n: Netlist, products: Sequence[Term]) -> list[Wire]:
    """The products themselves, two a LUT."""
    bits: list[Wire] = []
    for start in range(0, len(products) - 1, 2):
        inputs, (first, second) = _joined(products[start : start + 2])
        bits += n.lut2(first, second, inputs) if len(inputs) <= 5 else (n.lut(*products[start]), n.lut(*products[start + 1]))
    return bits + [n.lut(*product) for product in products[len(bits) :]]


def _full_adder(n: Netlist, terms: Sequence[Term]) -> tuple[Wire, Wire]:
    inputs, functions = _joined(terms)
    return n.lut2(_counted(functions, len(inputs), 0), _counted(functions, len(inputs), 1), inputs)


def _count(n: Netlist, terms: Sequence[Term], bit: int) -> Wire:
    inputs, functions = _joined(terms)
    return n.lut(_counted(functions, len(inputs), bit), inputs)


def _joined(terms: Sequence[Term]) -> tuple[list[Wire], list[int]]:
    """The inputs of all terms together, and each term's table over them."""
    inputs = list(dict.fromkeys(wire for _, own in terms for wire in own))
    return inputs, [tables.spread(table, tuple(inputs.index(wire) for wire in own), len(inputs)) for table, own in terms]


def _counted(functions: Sequence[int], inputs: int, bit: int) -> int:
    """The table of a bit of how many of the functions are 1."""
    if bit == 0:
        total = 0
        for function in functions:
            total ^= function
        return total
    first, second, *third = functions
    return first & second | (third[0] & (first | second) if third else 0)
