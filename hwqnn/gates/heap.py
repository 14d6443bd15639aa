"""Adds bits of any weights, signs and number."""

from __future__ import annotations

from hwqnn.gates.netlist import ONE, ZERO, Netlist, Wire
from hwqnn.gates.plan import limits, plan


class BitHeap:
    """A sum under construction: bits by column, that of weight 2**c in column c, and a constant."""

    def __init__(self, n: Netlist) -> None:
        self._n = n
        self._columns: dict[int, list[Wire]] = {}
        self._constant = 0

    def add(self, column: int, wire: Wire) -> None:
        """Adds wire * 2**column."""
        if wire is not ZERO:
            self._columns.setdefault(column, []).append(wire)

    def add_constant(self, value: int) -> None:
        """Adds an integer of any sign."""
        self._constant += value

    def subtract(self, column: int, wire: Wire) -> None:
        """Subtracts wire * 2**column: adds its complement, and takes away 2**column. The inverter vanishes in the LUT that reads it."""
        self.add(column, self._n.lut(0b01, [wire]))
        self._constant -= 1 << column

    def heights(self, bits: int) -> tuple[int, ...]:
        """How many bits each of the lowest columns holds, not counting `add_constant`'s."""
        return tuple(len(self._columns.get(column, [])) for column in range(bits))

    def sum(self, bits: int, heights: tuple[int, ...] | None = None) -> list[Wire]:
        """The sum modulo 2**bits, as that many wires, lowest first. See `plan` for how.

        Args:
            heights: to be built with the counters of a heap so high, or as high as this one where that is more.
        """
        if heights is None:  # constants together are fewer bits
            ones = sum(wires.count(ONE) << column for column, wires in self._columns.items())
            constant = self._constant + ones
            heap = [[wire for wire in self._columns.get(column, []) if wire is not ONE] + [ONE] * (constant >> column & 1) for column in range(bits)]
            heights = tuple(map(len, heap))
        else:
            heap = [list(self._columns.get(column, [])) for column in range(bits)]
            heights = tuple(max(planned, len(column)) for planned, column in zip(heights, heap, strict=True))

        def take(column: int, most: int) -> list[Wire]:
            # earliest first; a constant is of most use where there is no other bit
            heap[column].sort(key=lambda wire: (wire is ONE, wire.stage, wire.time, wire.index))
            taken, heap[column] = heap[column][:most], heap[column][most:]
            return taken

        def give(column: int, wire: Wire) -> None:
            if column < bits and wire is not ZERO:
                heap[column].append(wire)

        for counter in plan(heights, limits(self._n.budget_ns)):
            counter.build(self._n, take, give)
        assert all(len(column) <= 1 for column in heap), "a plan for a lower heap: bits would be lost"
        return [column[0] if column else ZERO for column in heap]
