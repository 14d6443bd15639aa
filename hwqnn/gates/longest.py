"""How long the longest paths of a netlist are, pin by pin: what `hwqnn/synth/sta.py` finds when it is synthesized, for primitives stay as they are.
(While a netlist is built, every LUT is charged with its slowest pin, see `delay.py`.)"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hwqnn.gates import delay
from hwqnn.gates.cells import Carry, Cell, Input, Lut, Register, Wire

LUT_PINS = (
    (),
    (0.127,),
    (0.238, 0.127),
    (0.407, 0.238, 0.127),
    (0.472, 0.407, 0.238, 0.127),
    (0.631, 0.472, 0.407, 0.238, 0.127),
    (0.642, 0.631, 0.472, 0.407, 0.238, 0.127),
)
"""ns through a LUT of so many inputs, by pin; from the same source as `delay.py`."""
_NEVER = -math.inf

_Times = tuple[float, ...]
"""After each port's inputs, and after the registers."""


@dataclass(frozen=True)
class Longest:
    """ns of logic that end at a register or an output, registers' clock to output not counted: from each input port, and from a register (0 where
    none)."""

    from_inputs: Mapping[str, float]
    from_registers: float


def longest(ports: Sequence[str], live: Sequence[tuple[Cell, set[int]]], outputs: Iterable[Wire]) -> Longest:
    """The longest paths.

    Args:
        live: cells and their pins that are used, sources before users.
    """
    sources = range(len(ports) + 1)
    starts = {port: tuple(0.0 if k == i else _NEVER for k in sources) for i, port in enumerate((*ports, ""))}
    times: dict[tuple[Cell, int], _Times] = {}
    ends: list[_Times] = []

    def at(wire: Wire) -> _Times:
        match wire.cell:
            case None:
                return (_NEVER,) * len(sources)
            case Input():
                return starts[wire.cell.port]
            case Register():
                return starts[""]
        return times[wire.cell, wire.pin]

    for cell, pins in live:
        match cell:
            case Lut():
                arrivals = [at(wire) for wire in cell.needs(pins)]
                for pin in pins:
                    times[cell, pin] = _latest(
                        tuple(time + ns for time in arrival) for arrival, ns in zip(arrivals, _pins(cell, pins, pin), strict=False)
                    )
            case Carry():
                _carry(cell, pins, at, times)
            case Register():
                ends.append(at(cell.data))
    ends += [at(wire) for wire in outputs]
    *from_inputs, from_registers = _latest([(0.0,) * len(sources), *ends])
    return Longest(dict(zip(ports, from_inputs, strict=True)), from_registers)


def _pins(cell: Lut, pins: set[int], pin: int) -> tuple[float, ...]:
    """Through a LUT to one of its used outputs. Two outputs are two LUT5 of the same inputs, or a LUT6 and the LUT5 in it, of all but the last; one
    is a LUT of its own size. Timing asks which pins are connected, not which ones an output depends on."""
    inputs = len(cell.needs(pins))
    return LUT_PINS[inputs if len(pins) == 1 or (pin == 0 and inputs == 6) else 5]


def _carry(cell: Carry, pins: set[int], at: Callable[[Wire], _Times], times: dict[tuple[Cell, int], _Times]) -> None:
    length = cell.length(pins)
    arrivals = [_latest((at(s), at(di))) for s, di in zip(cell.s[:length], cell.di[:length], strict=True)]
    by_source = list(zip(*arrivals, at(cell.cin), strict=True))
    both = [delay.chain_outputs(list(times_), cin) for *times_, cin in by_source]
    for i in range(length):
        times[cell, i], times[cell, len(cell.s) + i] = (tuple(outputs[i][k] for outputs in both) for k in (0, 1))
    times[cell, len(cell.s) + length - 1] = tuple(delay.chain_end(list(times_), cin) for *times_, cin in by_source)


def _latest(times: Iterable[_Times]) -> _Times:
    return tuple(max(each) for each in zip(*times, strict=True))
