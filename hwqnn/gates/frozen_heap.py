"""A bit heap in which about half of the bits are inverted."""

from __future__ import annotations

from hwqnn.gates.cells import Lut, Wire
from hwqnn.gates.netlist import ONE, ZERO, Netlist
from hwqnn.gates.plan import limits, plan


def compress(n: Netlist, columns: list[list[Wire]], constant: int) -> list[Wire]:
    """The sum of bits by column and a constant, modulo 2**len(columns).

    A carry chain's DI and carry input come straight from wires, where an inverter would be a LUT; so those are handed out to bits that are not
    inverted, and the others to LUTs, which invert for nothing.
    """
    heap = [[*bits, *[ONE] * (constant >> c & 1)] for c, bits in enumerate(columns)]

    def take(column: int, most: int) -> list[Wire]:
        bits = sorted(heap[column], key=lambda wire: (_free(wire), wire.stage, wire.time, wire.index))
        if most > 1:  # one that is not inverted, for DI; then those that are
            bits[1:] = sorted(bits[1:], key=lambda wire: (not _free(wire) or wire is ONE, wire.stage, wire.time, wire.index))
        taken, heap[column] = bits[:most], bits[most:]
        return taken

    def give(column: int, wire: Wire) -> None:
        if column < len(heap) and wire is not ZERO:
            heap[column].append(wire)

    for counter in plan(tuple(len(bits) for bits in heap), limits(n.budget_ns)):
        counter.build(n, take, give)
    assert all(len(bits) <= 1 for bits in heap)
    return [bits[0] if bits else ZERO for bits in heap]


def _free(wire: Wire) -> bool:
    """Whether it costs nothing in a LUT but one by itself."""
    return wire is ONE or (isinstance(wire.cell, Lut) and len(wire.cell.inputs) == 1)
