"""Logic delays of 7-series primitives in ns, the `specify` values of yosys' `xilinx/cells_sim.v` (speed grade 1, from prjxray's artix7 timings)."""

from __future__ import annotations

import math

ROUTING_RANGE = (1.7, 2.6)
"""Routed delay / logic delay of a path. Measured (`shared/toolchain.md`) on a registered 64-bit XNOR population count, 3.5 ns of logic: 155 to
169 MHz when placed and routed with one timing model of the part, 107 to 109 MHz with a stricter one; that is 1.70 to 1.85 times, and 2.63
to 2.68. Pure carry chains route better (64-bit adder, 32-bit counter: 1.56 and 1.58 times in the first model), as CARRY4s join without
wires."""
ROUTING = 2.1
"""What an estimate of the clock and the depth of pipelines reckon with: the geometric mean of the range."""

CLOCK_TO_OUT = 0.303
"""Of a flip-flop. Its setup time is negative, and counts as 0."""

LUT = 0.642
"""Through a LUT6's slowest pin. All LUTs are charged so: the wires between them are, level for level, most of the delay, whichever pin they reach."""

# CARRY4, from pin i to output j (of the pins: i <= j for CO, i <= j or i < j for O of S and DI).
_S_O = ((0.223, 0.400, 0.523, 0.582), (0.205, 0.558, 0.618), (0.226, 0.330), (0.227,))
_S_CO = ((0.340, 0.433, 0.512, 0.508), (0.469, 0.548, 0.528), (0.292, 0.378), (0.380,))
_CYINIT_O = (0.482, 0.598, 0.584, 0.642)
_CYINIT_CO = (0.536, 0.494, 0.592, 0.580)
_CI_O = (0.222, 0.334, 0.239, 0.313)
_CI_CO = (0.271, 0.157, 0.228, 0.114)


def budget_ns(clock_mhz: float) -> float:
    """The logic delay that fits between registers at this clock: the rest of the period is for the wires."""
    return 1000 / clock_mhz / ROUTING


def chain(length: int) -> float:
    """At most this long from any input of a chain of CARRY4 for `length` bits to any of its outputs. (DI is charged as S, within 40 ps.)"""
    return max(max(pair) for pair in chain_outputs([0.0] * length, 0.0))


def chain_outputs(arrivals: list[float], cin: float) -> list[tuple[float, float]]:
    """When each bit's sum and carry are there.

    Args:
        arrivals: of each bit's S and DI.
        cin: of the carry into the chain.
    """
    outputs: list[tuple[float, float]] = []
    carry, first = cin, True
    for start in range(0, len(arrivals), 4):
        four = arrivals[start : start + 4]
        to_o, to_co = (_CYINIT_O, _CYINIT_CO) if first else (_CI_O, _CI_CO)
        for j in range(len(four)):
            o = max(carry + to_o[j], *(four[i] + _S_O[i][j - i] for i in range(j + 1)))
            co = max(carry + to_co[j], *(four[i] + _S_CO[i][j - i] for i in range(j + 1)))
            outputs.append((o, co))
        carry, first = outputs[-1][1], False
    return outputs


def chain_end(arrivals: list[float], cin: float) -> float:
    """When the last carry is there. Inside a CARRY4 yosys takes it as the sum of one more place, whose S is 0."""
    if len(arrivals) % 4 == 0:
        return chain_outputs(arrivals, cin)[-1][1]
    return chain_outputs([*arrivals, -math.inf], cin)[-1][0]
