"""Wires, and the cells that drive them."""

from __future__ import annotations

from dataclasses import dataclass

from hwqnn.gates import tables


@dataclass(frozen=True, eq=False)
class Input:
    """Bits from a port."""

    port: str

    def needs(self, pins: set[int]) -> tuple[Wire, ...]:
        """The wires that these outputs depend on; so for every kind of cell."""
        return ()


@dataclass(frozen=True, eq=False)
class Lut:
    """One physical LUT. Tables: one of at most six inputs, or two (outputs O6 and O5), of the same at most five or of six.

    Of six, O5 is what O6 is where the last input is 0.
    """

    tables: tuple[int, ...]
    inputs: tuple[Wire, ...]

    def needs(self, pins: set[int]) -> tuple[Wire, ...]:
        return tuple(wire for k, wire in enumerate(self.inputs) if any(tables.depends(self.tables[pin], k, len(self.inputs)) for pin in pins))

    def table(self, pin: int, inputs: tuple[Wire, ...]) -> int:
        """The table of an output over these of its inputs, which must hold all that it depends on."""
        return tables.restrict(self.tables[pin], tuple(self.inputs.index(wire) for wire in inputs))


@dataclass(frozen=True, eq=False)
class Carry:
    """A chain of CARRY4: sum i is s[i] ^ carry i-1, carry i is s[i] ? carry i-1 : di[i]. Outputs: all sums, then all carries."""

    s: tuple[Wire, ...]
    di: tuple[Wire, ...]
    cin: Wire

    def length(self, pins: set[int]) -> int:
        """Bits of the chain up to the last that is used."""
        return 1 + max(pin % len(self.s) for pin in pins)

    def needs(self, pins: set[int]) -> tuple[Wire, ...]:
        length = self.length(pins)
        return (*self.s[:length], *self.di[:length], self.cin)


@dataclass(frozen=True, eq=False)
class Register:
    """A flip-flop that loads when advance_i is high."""

    data: Wire

    def needs(self, pins: set[int]) -> tuple[Wire, ...]:
        return (self.data,)


Cell = Input | Lut | Carry | Register


@dataclass(frozen=True, eq=False, slots=True)
class Wire:
    """One bit: output `pin` of a cell, or a constant (no cell; `pin` is its value).

    Attributes:
        stage: registers on every way from the inputs to here.
        time: ns after the clock edge at which it settles.
        index: order of creation in its netlist.
    """

    cell: Cell | None
    pin: int
    stage: int = 0
    time: float = 0.0
    index: int = -1


ZERO = Wire(None, 0)
ONE = Wire(None, 1)
