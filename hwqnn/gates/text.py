"""Prints a netlist as SystemVerilog."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from hwqnn.gates.cells import ZERO, Carry, Cell, Lut, Register, Wire

_UNUSED = "/* verilator lint_off UNUSEDSIGNAL */ {} /* verilator lint_on UNUSEDSIGNAL */"


def module(
    name: str,
    title: str,
    inputs: Mapping[str, Sequence[Wire]],
    outputs: Mapping[str, Sequence[Wire]],
    cells: Sequence[tuple[Cell, set[int]]],
    depth: int,
    behaviour: str,
) -> str:
    """The module of `Netlist.verilog`.

    Args:
        outputs: the registered wires of each port.
        cells: what they depend on, and which pins of it; sources before users.
    """
    body = _Body(inputs, cells)
    ports = ["input  logic clk_i", "input  logic advance_i"]
    if not any(isinstance(cell, Register) for cell, _ in cells):  # all outputs are constant
        ports = [_UNUSED.format(line) for line in ports]
    for port, wires in inputs.items():
        line = f"input  logic [{len(wires) - 1}:0] {port}"
        ports.append(line if body.all_used(wires) else _UNUSED.format(line))
    ports += [f"output logic [{len(wires) - 1}:0] {port}" for port, wires in outputs.items()]
    assigns = "\n".join(f"  assign {port} = {body.word(wires)};" for port, wires in outputs.items())
    comment = "".join(f"// {line}\n" for line in title.splitlines())
    return f"""{comment}module {name} (
  {", ".join(ports[:2])},
  {("," + chr(10) + "  ").join(ports[2:])}
);
`ifdef HWQNN_XC7
{body.text()}{assigns}
`else
{"".join(f"  logic [{len(wires) - 1}:0] {port.removesuffix('_o')};{chr(10)}" for port, wires in outputs.items())}{behaviour}
{"".join(_registers(port, len(wires), depth) for port, wires in outputs.items())}`endif
endmodule
"""


def named(prefix: str, text: str) -> tuple[str, str]:
    """(name, text) of a module whose text says @ for its name: that is a hash of the rest."""
    name = f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return name, text.replace("module @ (", f"module {name} (", 1)


def _registers(port: str, bits: int, depth: int) -> str:
    signal = port.removesuffix("_o")
    shift = f"{{{signal}_q[{(depth - 1) * bits - 1}:0], {signal}}}" if depth > 1 else signal
    return f"""  logic [{depth * bits - 1}:0] {signal}_q;
  always_ff @(posedge clk_i) if (advance_i) {signal}_q <= {shift};
  assign {port} = {signal}_q[{depth * bits - 1}:{(depth - 1) * bits}];
"""


class _Body:
    """Names for all wires, and the instances."""

    def __init__(self, inputs: Mapping[str, Sequence[Wire]], cells: Sequence[tuple[Cell, set[int]]]) -> None:
        self._names = {(wire.cell, wire.pin): f"{port}[{bit}]" for port, wires in inputs.items() for bit, wire in enumerate(wires)}
        self._used = {(cell, pin) for cell, pins in cells for pin in pins}
        self._bits: list[str] = []
        self._registers: list[str] = []  # a shift register would save flip-flops, of which there are enough, for LUTs
        self._chains: list[str] = []
        self._instances: list[str] = []
        self._loads: list[str] = []
        for number, (cell, pins) in enumerate(cells):
            match cell:
                case Lut():
                    self._lut(number, cell, pins)
                case Carry():
                    self._carry(number, cell, pins)
                case Register():
                    self._names[cell, 0] = f"q{number}"
                    self._registers.append(f"q{number}")
                    self._loads.append(f"q{number} <= {self.name(cell.data)};")

    def all_used(self, wires: Sequence[Wire]) -> bool:
        return all((wire.cell, wire.pin) in self._used for wire in wires)

    def name(self, wire: Wire) -> str:
        return f"1'b{wire.pin}" if wire.cell is None else self._names[wire.cell, wire.pin]

    def word(self, wires: Sequence[Wire]) -> str:
        """Wires side by side, the first in the least significant bit."""
        return f"{{{', '.join(self.name(wire) for wire in reversed(wires))}}}"

    def text(self) -> str:
        lines = [f"  logic {names};" for names in _wrap(self._bits)]
        lines += [f'  (* shreg_extract = "no" *) logic {names};' for names in _wrap(self._registers)]
        lines += [f"  {_UNUSED.format(f'logic [3:0] {names};')}" for names in _wrap(self._chains)]
        lines += [f"  {instance};" for instance in self._instances]
        if self._loads:
            lines += ["`ifdef YOSYS", "  (* keep *)  // or it makes shift registers in LUTs of them", "`endif"]
            lines += ["  always_ff @(posedge clk_i) if (advance_i) begin", *(f"    {loads}" for loads in _wrap(self._loads, " ")), "  end"]
        return "".join(f"{line}\n" for line in lines)

    def _lut(self, number: int, cell: Lut, pins: set[int]) -> None:
        inputs = cell.needs(pins)
        for pin in pins:
            self._names[cell, pin] = name = f"n{number}" if pin == 0 else f"m{number}"
            self._bits.append(name)
        tables_ = [cell.table(pin, inputs) for pin in sorted(pins)]
        connected = [f".I{k}({self.name(wire)})" for k, wire in enumerate(inputs)]
        if len(pins) == 1:
            output = self._names[cell, min(pins)]
            size = len(inputs)
            self._instances.append(f"LUT{size} #({1 << size}'h{tables_[0]:x}) i{number} (.O({output}), {', '.join(connected)})")
        else:
            connected += [*(f".I{k}(1'b0)" for k in range(len(inputs), 5)), *([".I5(1'b1)"] if len(inputs) < 6 else [])]
            init = tables_[0] if len(inputs) == 6 else tables_[0] << 32 | tables_[1]
            self._instances.append(f"LUT6_2 #(64'h{init:x}) i{number} (.O6(n{number}), .O5(m{number}), {', '.join(connected)})")

    def _carry(self, number: int, cell: Carry, pins: set[int]) -> None:
        length, all_bits = cell.length(pins), len(cell.s)
        for start in range(0, length, 4):
            four = f"{number}_{start // 4}"
            self._chains += [f"o{four}", f"c{four}"]
            for k in range(min(4, length - start)):
                self._names[cell, start + k] = f"o{four}[{k}]"
                self._names[cell, all_bits + start + k] = f"c{four}[{k}]"
            s, di = ((*wires[start : min(start + 4, length)], ZERO, ZERO, ZERO)[:4] for wires in (cell.s, cell.di))
            first, later = (self.name(cell.cin), "1'b0") if start == 0 else ("1'b0", f"c{number}_{start // 4 - 1}[3]")
            ports = f".O(o{four}), .CO(c{four}), .CI({later}), .CYINIT({first}), .DI({self.word(di)}), .S({self.word(s)})"
            self._instances.append(f"CARRY4 i{four} ({ports})")


def _wrap(items: Sequence[str], separator: str = ", ") -> list[str]:
    """The items in few lines."""
    return [separator.join(items[start : start + 12]) for start in range(0, len(items), 12)]
