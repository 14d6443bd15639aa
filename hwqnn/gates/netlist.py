"""Builds a pipelined netlist of 7-series primitives, and prints it.

Every wire has a stage (registers between it and the inputs) and an arrival time in that stage. An operation happens in the earliest stage in which
it ends within the budget; inputs from earlier stages reach it through registers, which all operations that need them share. So pipelining costs
flip-flops, and never a LUT. Only what outputs depend on is counted and printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from hwqnn.gates import delay, tables, text
from hwqnn.gates.cells import ONE, ZERO, Carry, Cell, Input, Lut, Register, Wire
from hwqnn.gates.longest import Longest, longest
from hwqnn.resources import Resources

__all__ = ["ONE", "ZERO", "Netlist", "Wire"]


@dataclass
class Netlist:
    """A netlist under construction.

    Attributes:
        budget_ns: logic delay allowed between registers; math.inf is for a single stage.
    """

    budget_ns: float
    _inputs: dict[str, list[Wire]] = field(default_factory=dict)
    _outputs: dict[str, list[Wire]] = field(default_factory=dict)
    _cells: list[Cell] = field(default_factory=list)
    _wires: int = 0
    _least_depth: int = 1
    _functions: dict[tuple[int, tuple[Wire, ...]], Wire] = field(default_factory=dict)
    _delayed: dict[Wire, Wire] = field(default_factory=dict)

    def input(self, port: str, bits: int, late_ns: float = 0.0) -> list[Wire]:
        """A port of `bits` bits, registered outside, and so much later there than a register's output: through logic."""
        cell = self._add(Input(port))
        self._inputs[port] = [self._wire(cell, pin, 0, delay.CLOCK_TO_OUT + late_ns) for pin in range(bits)]
        return list(self._inputs[port])

    def output(self, port: str, wires: Sequence[Wire], depth: int = 1) -> None:
        """A port that shows the wires, all of the same cycle, so many cycles after the inputs or as many more as they need."""
        self._outputs[port] = list(wires)
        self._least_depth = max(self._least_depth, depth)

    def lut(self, table: int, inputs: Sequence[Wire], *, own: bool = False) -> Wire:
        """A function of at most six wires: bit i of `table` is its value where wire k is bit k of i.

        Constant, repeated, inverted and unused inputs fold into the table. Equal functions are built once.

        Args:
            own: a LUT of its own, be it of one wire: a carry chain's S has no other source.
        """
        table, wires = self._reduce(table, inputs)
        if not wires:
            return ONE if table else ZERO
        if len(wires) == 1 and table == 0b10 and not own:
            return wires[0]
        stage, ready = self._place(wires, delay.LUT)
        key = table, wires = self._sort(table, wires, stage)
        if own:
            return self._wire(self._add(Lut((table,), wires)), 0, stage, ready)
        if key not in self._functions:
            self._functions[key] = self._wire(self._add(Lut((table,), wires)), 0, stage, ready)
        return self._functions[key]

    def lut2(self, table6: int, table5: int, inputs: Sequence[Wire], *, own: bool = False) -> tuple[Wire, Wire]:
        """Two functions of the same at most five wires in one LUT (LUT6_2), as two calls of `lut` would give them."""
        functions = [self._reduce(table, inputs) for table in (table6, table5)]
        wires = tuple(dict.fromkeys((*functions[0][1], *functions[1][1])))
        stage, ready = self._place(wires, delay.LUT)
        keys = [self._sort(*function, stage) for function in functions]
        simple = any(len(wires) < 2 for _, wires in keys) or keys[0] == keys[1]
        if simple or (not own and any(key in self._functions for key in keys)):
            return self.lut(table6, inputs, own=own), self.lut(table5, inputs)
        shared = tuple(sorted((self.delayed(wire, stage) for wire in wires), key=lambda wire: (wire.time, wire.index)))
        places = {wire: place for place, wire in enumerate(shared)}
        cell = self._add(Lut(tuple(tables.spread(table, tuple(places[w] for w in ws), len(shared)) for table, ws in keys), shared))
        made = self._wire(cell, 0, stage, ready), self._wire(cell, 1, stage, ready)
        if not own:
            self._functions.update(zip(keys, made, strict=True))
        return made

    def parity(self, inputs: Sequence[Wire]) -> tuple[Wire, Wire]:
        """The parity of at most six wires in a LUT of its own, and from its O5 a wire that equals the first of them wherever the parity is even.

        Of up to five distinct wires O5 is that one; of six, the parity of the others, which no inverter on the first can do: then it is left alone.
        """
        table, wires = self._reduce(tables.count_bit(len(inputs), 0), inputs)
        if len(wires) < 6:
            first, source = self._reduce(0b10, inputs[:1])
            if not source or source[0] not in wires or len(wires) == 1:
                return self.lut(table, wires, own=True), inputs[0]
            second = tables.spread(first, (wires.index(source[0]),), len(wires))
        elif self.inverted(inputs[0]):
            return self.lut(table, wires, own=True), inputs[0]
        else:
            table, wires = tables.spread(table, (5, 0, 1, 2, 3, 4), 6), (*wires[1:], wires[0])
            second = tables.spread(table & (1 << 32) - 1, (0, 1, 2, 3, 4), 6)
        stage, ready = self._place(wires, delay.LUT)
        cell = self._add(Lut((table, second), tuple(self.delayed(wire, stage) for wire in wires)))
        return self._wire(cell, 0, stage, ready), self._wire(cell, 1, stage, ready)

    def carry(self, s: Sequence[Wire], di: Sequence[Wire], cin: Wire = ZERO) -> tuple[list[Wire], list[Wire]]:
        """A carry chain: (sums, carries), bit by bit.

        In the stage of its latest input, whatever the budget: in a slice its S come straight from LUTs (made with `own`), no register fits between.
        Let `together` find the stage for the whole.
        """
        stage = max(wire.stage for wire in (*s, *di, cin))
        s, di, cin = [self.delayed(w, stage) for w in s], [self.delayed(w, stage) for w in di], self.delayed(cin, stage)
        arrivals = [max(a.time, b.time) for a, b in zip(s, di, strict=True)]
        times = delay.chain_outputs(arrivals, cin.time)
        cell = self._add(Carry(tuple(s), tuple(di), cin))
        sums = [self._wire(cell, i, stage, time) for i, (time, _) in enumerate(times)]
        return sums, [self._wire(cell, len(s) + i, stage, time) for i, (_, time) in enumerate(times)]

    def together(self, wires: Sequence[Wire], delay_ns: float) -> list[Wire]:
        """The wires in the first stage in which something that takes so long ends within the budget, after registers where needed."""
        stage, _ = self._place(wires, delay_ns)
        return [self.delayed(wire, stage) for wire in wires]

    def delayed(self, wire: Wire, stage: int) -> Wire:
        """The wire in this or, if it is there, its own stage."""
        if wire.stage < stage and _is_inverter(wire.cell):
            return self.lut(0b01, [self.delayed(wire.cell.inputs[0], stage)])  # behind a register it could not vanish in what reads it
        while wire.cell is not None and wire.stage < stage:
            if wire not in self._delayed:
                self._delayed[wire] = self._wire(self._add(Register(wire)), 0, wire.stage + 1, delay.CLOCK_TO_OUT)
            wire = self._delayed[wire]
        return wire

    def inverted(self, wire: Wire) -> bool:
        """Whether it is an inverter's output: LUTs that read it read the inverter's input instead."""
        return isinstance(wire.cell, Lut) and wire.cell.tables == (0b01,)

    @property
    def depth(self) -> int:
        """Advancing cycles from inputs to outputs: at least 1."""
        return max(self._least_depth, *(1 + wire.stage for wires in self._outputs.values() for wire in wires))

    @property
    def cells(self) -> Resources:
        """What it takes: primitives pass through yosys unchanged, flip-flops are inferred one for one."""
        lut = ff = carry4 = 0
        for cell, pins in self._live():
            lut += isinstance(cell, Lut)
            ff += isinstance(cell, Register)
            carry4 += -(-cell.length(pins) // 4) if isinstance(cell, Carry) else 0
        return Resources(lut=lut, ff=ff, carry4=carry4)

    def longest(self) -> Longest:
        """Its longest paths."""
        return longest(list(self._inputs), self._live(), [self._last(wire) for wires in self._outputs.values() for wire in wires])

    @property
    def counted(self) -> str:
        """`cells` and `depth` in words."""
        cells = self.cells
        return f"{cells.lut} LUTs, {cells.ff} flip-flops, {cells.carry4} CARRY4; {self.depth} cycles"

    def verilog(self, name: str, behaviour: str, title: str = "") -> str:
        """The SystemVerilog module `name`, with ports clk_i, advance_i, the inputs and the outputs.

        Args:
            behaviour: portable SystemVerilog which drives, from the inputs, a signal for every output, called like it less its `_o`. The registers
                behind it are added here.
            title: of the comment on top.
        """
        outputs = {port: [self._last(wire) for wire in wires] for port, wires in self._outputs.items()}
        return text.module(name, title, self._inputs, outputs, self._live(), self.depth, behaviour)

    def _live(self) -> list[tuple[Cell, set[int]]]:
        """The cells that outputs depend on and their pins that are used, sources before users."""
        used: dict[Cell, set[int]] = {}

        def use(wire: Wire) -> None:
            if wire.cell is not None:
                used.setdefault(wire.cell, set()).add(wire.pin)

        for wires in self._outputs.values():
            for wire in wires:
                use(self._last(wire))
        live = []
        for cell in reversed(self._cells):
            if cell in used:
                live.append((cell, used[cell]))
                for wire in cell.needs(used[cell]):
                    use(wire)
        return live[::-1]

    def _reduce(self, table: int, inputs: Sequence[Wire]) -> tuple[int, tuple[Wire, ...]]:
        """The table over only the wires that matter, none of them constant or an inverter's output."""
        codes, distinct = [], dict[Wire, int]()
        for wire in inputs:
            if wire.cell is None:
                codes.append(wire.pin)
                continue
            inverted = _is_inverter(wire.cell)
            source = wire.cell.inputs[0] if _is_inverter(wire.cell) else wire
            codes.append(2 + 2 * distinct.setdefault(source, len(distinct)) + inverted)
        reduced, kept = tables.simplify(table, tuple(codes), len(distinct))
        wires = list(distinct)
        return reduced, tuple(wires[v] for v in kept)

    def _place(self, wires: Iterable[Wire], delay_ns: float) -> tuple[int, float]:
        """The first stage in which all wires are there and what they feed ends in time, and when that is. Longer than a whole stage is not cut."""
        stage = max((wire.stage for wire in wires), default=0)
        ready = max((wire.time for wire in wires if wire.stage == stage and wire.cell is not None), default=delay.CLOCK_TO_OUT)
        if any(wire.stage < stage for wire in wires):
            ready = max(ready, delay.CLOCK_TO_OUT)
        if ready > delay.CLOCK_TO_OUT and ready + delay_ns > self.budget_ns:
            stage, ready = stage + 1, delay.CLOCK_TO_OUT
        return stage, ready + delay_ns

    def _sort(self, table: int, wires: Sequence[Wire], stage: int) -> tuple[int, tuple[Wire, ...]]:
        """The same function of the wires in this stage, latest last: a LUT6's last pin is its fastest, and functions are equal if they look so."""
        ready = [self.delayed(wire, stage) for wire in wires]
        order = sorted(range(len(ready)), key=lambda k: (ready[k].time, ready[k].index))
        places = [0] * len(order)
        for place, k in enumerate(order):
            places[k] = place
        return tables.spread(table, tuple(places), len(ready)), tuple(ready[k] for k in order)

    def _last(self, wire: Wire) -> Wire:
        return self.delayed(wire, self.depth)

    def _add(self, cell: Cell) -> Cell:
        self._cells.append(cell)
        return cell

    def _wire(self, cell: Cell, pin: int, stage: int, time: float) -> Wire:
        self._wires += 1
        return Wire(cell, pin, stage, time, self._wires)


def _is_inverter(cell: Cell | None) -> TypeGuard[Lut]:
    return isinstance(cell, Lut) and cell.tables == (0b01,) and len(cell.inputs) == 1
