"""The netlist of a block, from the Verilog that yosys wrote: nets by number, and what their timing is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from hwqnn.errors import ToolError
from hwqnn.synth.arcs import CONFIGURED, Arcs, Pin, arcs

CONSTANT = -1
"""The number of a net that never changes."""

_CELL = re.compile(r"^  (\w+) (?:#\(\n(.*?)\n  \) )?(\S+) +\(\n(.*?)\n  \);$", re.S | re.M)
_PORT = re.compile(r"^    \.(\w+)\((.*)\),?$", re.M)
_PARAMETER = re.compile(r"^    \.(\w+)\((?:\d+'s?[hd](\w+)|\"(\w*)\")\),?$", re.M)
_DECLARED = re.compile(r"^  (wire|input|output) (?:signed )?(?:\[(\d+):(\d+)\] )?(\\\S+|\w+) *;$", re.M)
_ASSIGN = re.compile(r"^  assign (.*?) = (.*);$", re.M)
_FRAME = re.compile(r"^(?:/\*.*?\*/|module .*?\);|endmodule)$", re.S | re.M)
_PART = re.compile(r"(\d+)'[sS]?[bodhBODH]\w+|(\\\S+|[A-Za-z_]\w*) *(?:\[(\d+)(?::(\d+))?\])?")


@dataclass(frozen=True, eq=False)
class Gates:
    """A block's netlist as timing sees it. Nets and cells are numbered from 0.

    Attributes:
        nets: how many. names: of the wires, with their first net, in order.
        inputs, outputs: the nets of each port, least significant bit first.
        cells: the type and the name of each cell.
        through: int64 (arcs, 4): input net, output net, ps, cell. launch, setup: int64 (arcs, 3): net, ps, cell.
    """

    nets: int
    names: tuple[tuple[str, int], ...]
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    cells: tuple[tuple[str, str], ...]
    through: np.ndarray
    launch: np.ndarray
    setup: np.ndarray

    def name(self, net: int) -> str:
        """What the RTL calls a net, or yosys: "i_fifo.full_q", "_081_[1]"."""
        name, first, width = next(
            (name, first, after - first)
            for (name, first), after in zip(self.names, [*(start for _, start in self.names[1:]), self.nets], strict=True)
            if first <= net < after
        )
        return name if width == 1 else f"{name}[{net - first}]"


def gates(verilog: str) -> Gates:
    """Reads a netlist (`Netlist.verilog`).

    Raises:
        ToolError: it is of a form that yosys is not known to write, or no timing is known of one of its cells.
    """
    if verilog.count("\nendmodule") != 1:
        raise ToolError("netlist: it is to be a single module")
    if unread := _unread(verilog):
        raise ToolError(f"netlist: {unread!r} is no wire, cell or assignment in the words that yosys is known to use")
    return _Reader(verilog).gates


def _unread(verilog: str) -> str:
    """The first line that `_Reader` would pass over; empty where it reads all."""
    for understood in (_CELL, _DECLARED, _ASSIGN, _FRAME):
        verilog = understood.sub("", verilog)
    return next((line for line in verilog.splitlines() if line.strip()), "")


@dataclass(eq=False)
class _Reader:
    """Reads the text once, from the wires to the assignments."""

    text: str
    wires: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    known: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nets = 0
        names: list[tuple[str, int]] = []
        ports: dict[str, list[str]] = {"input": [], "output": []}
        for kind, high, low, name in _DECLARED.findall(self.text):
            if kind != "wire":
                ports[kind].append(name)
                continue
            msb, lsb = (int(high), int(low)) if high else (0, 0)
            if msb < lsb:
                raise ToolError(f"netlist: wire {name} runs upwards, which yosys is not known to write")
            self.wires[name] = nets, lsb, msb - lsb + 1
            names.append((name.removeprefix("\\"), nets))
            nets += msb - lsb + 1
        through: list[tuple[int, int, int, int]] = []
        launch: list[tuple[int, int, int]] = []
        setup: list[tuple[int, int, int]] = []
        cells: list[tuple[str, str]] = []
        for kind, parameters, name, connections in _CELL.findall(self.text):
            pins = {port: self.bits(expression) for port, expression in _PORT.findall(connections)}
            for timing, renamed in _timings(kind, parameters, pins):
                for source, sink, ps in timing.through:
                    through += [
                        (a, b, ps, len(cells))
                        for a in _nets(pins, source, renamed)
                        if a != CONSTANT
                        for b in _nets(pins, sink, renamed)
                        if b != CONSTANT
                    ]
                launch += [(b, ps, len(cells)) for pin, ps in timing.launch for b in _nets(pins, pin, renamed) if b != CONSTANT]
                setup += [(a, ps, len(cells)) for pin, ps in timing.setup for a in _nets(pins, pin, renamed) if a != CONSTANT]
            cells.append((kind, name.removeprefix("\\")))
        for left, right in _ASSIGN.findall(self.text):
            sinks, sources = self.bits(left), self.bits(right)
            if len(sinks) != len(sources):
                raise ToolError(f"netlist: 'assign {left} = {right}' joins {len(sources)} bits to {len(sinks)}")
            through += [(a, b, 0, -1) for b, a in zip(sinks, sources, strict=True) if a != CONSTANT]
        self.gates = Gates(
            nets,
            tuple(names),
            {name: self.bits(name) for name in ports["input"]},
            {name: self.bits(name) for name in ports["output"]},
            tuple(cells),
            np.array(through, dtype=np.int64).reshape(-1, 4),
            np.array(launch, dtype=np.int64).reshape(-1, 3),
            np.array(setup, dtype=np.int64).reshape(-1, 3),
        )

    def bits(self, expression: str) -> tuple[int, ...]:
        """The nets of an expression, least significant first."""
        if (found := self.known.get(expression)) is not None:
            return found
        bits: list[int] = []
        for width, name, high, low in reversed(_PART.findall(expression)):
            if width:
                bits += [CONSTANT] * int(width)
                continue
            if name not in self.wires:
                raise ToolError(f"netlist: {name} is no wire of it")
            first, lsb, size = self.wires[name]
            start, stop = (int(low or high) - lsb, int(high) - lsb + 1) if high else (0, size)
            bits += range(first + start, first + stop)
        return self.known.setdefault(expression, tuple(bits))


def _timings(kind: str, parameters: str, pins: dict[str, tuple[int, ...]]) -> list[tuple[Arcs, dict[str, str]]]:
    """The timing of a cell, and what its ports are called there.

    A LUT6_2 with I5 = 1 is two LUT5 of the same inputs; else its O6 is a LUT6.
    """
    if kind.startswith("$"):
        return []
    if kind == "LUT6_2":
        whole = "LUT5" if set(pins["I5"]) == {CONSTANT} else "LUT6"
        return [(_fixed(whole), {"O": "O6"}), (_fixed("LUT5"), {"O": "O5"})]
    if kind not in CONFIGURED:
        return [(_fixed(kind), {})]
    values = {name: text or int(number, 16) for name, number, text in _PARAMETER.findall(parameters) if name in CONFIGURED[kind]}
    return [(arcs(kind, values), {})]


@lru_cache
def _fixed(kind: str) -> Arcs:
    return arcs(kind, {})


def _nets(pins: dict[str, tuple[int, ...]], pin: Pin, renamed: dict[str, str]) -> tuple[int, ...]:
    """The nets at a pin; none where it is not connected."""
    port, bit = pin
    nets = pins.get(renamed.get(port, port), ())
    return nets if bit is None else nets[bit : bit + 1]
