"""How long the longest paths of a netlist are, pin by pin: what `hwqnn/synth/sta.py` finds when it is synthesized, for primitives stay as they are.
(While a netlist is built, every LUT is charged with its slowest pin, see `delay.py`.)"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
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

_Times = tuple[float, float]
"""After the inputs, and after the registers."""


@dataclass(frozen=True)
class Longest:
    """ns of logic that end at a register or an output, registers' clock to output not counted: from an input, and from a register (0 where none)."""

    from_inputs: float
    from_registers: float


def longest(live: Sequence[tuple[Cell, set[int]]], outputs: Iterable[Wire]) -> Longest:
    """The longest paths.

    Args:
        live: cells and their pins that are used, sources before users.
    """
    times: dict[tuple[Cell, int], _Times] = {}
    ends: list[_Times] = []

    def at(wire: Wire) -> _Times:
        if wire.cell is None:
            return _NEVER, _NEVER
        if isinstance(wire.cell, Input):
            return 0.0, _NEVER
        return (_NEVER, 0.0) if isinstance(wire.cell, Register) else times[wire.cell, wire.pin]

    for cell, pins in live:
        match cell:
            case Lut():
                for pin, found in _through(cell, pins, at).items():
                    times[cell, pin] = found
            case Carry():
                length = cell.length(pins)
                pairs = [_latest((at(s), at(di))) for s, di in zip(cell.s[:length], cell.di[:length], strict=True)]
                cin = at(cell.cin)
                both = [delay.chain_outputs([pair[k] for pair in pairs], cin[k]) for k in (0, 1)]
                for i, ((o0, co0), (o1, co1)) in enumerate(zip(*both, strict=True)):
                    times[cell, i], times[cell, len(cell.s) + i] = (o0, o1), (co0, co1)
            case Register():
                ends.append(at(cell.data))
    ends += [at(wire) for wire in outputs]
    return Longest(*_latest([(0.0, 0.0), *ends]))


def _through(cell: Lut, pins: set[int], at: Callable[[Wire], _Times]) -> dict[int, _Times]:
    """When each output is there. Two outputs are a LUT6 and the LUT5 in it; one is a LUT of its own size."""
    inputs = cell.needs(pins)
    found = {}
    for pin in pins:
        slow = LUT_PINS[len(inputs)] if len(pins) == 1 else LUT_PINS[6 - pin]
        matter = set(cell.needs({pin}))
        arrivals = [(at(wire), ns) for wire, ns in zip(inputs, slow, strict=False) if wire in matter]
        found[pin] = _latest((time[0] + ns, time[1] + ns) for time, ns in arrivals)
    return found


def _latest(times: Iterable[_Times]) -> _Times:
    each = [(_NEVER, _NEVER), *times]
    return max(time[0] for time in each), max(time[1] for time in each)
