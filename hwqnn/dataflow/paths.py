"""How long the paths through parts of the library are, told from their structure: logic delays in ns, registers' clock to output and all. What a
mapper makes of the rest is fitted (`cost.py`): "ns" is what is told here, and weighs about 1."""

from __future__ import annotations

from collections.abc import Mapping

from hwqnn.dataflow.cost import counters
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, chain
from hwqnn.gates.longest import LUT_PINS

Paths = Mapping[str, Mapping[str, float]]
"""By name, amounts that make a path long; the longest path is a block's delay."""

RESET = 0.404
"""Before the clock's edge, of a flip-flop's synchronous reset; of its enable 0.109."""
RAM = 1.18
"""From the clock to a LUT RAM's output."""
SHIFTED = 1.472
"""From the clock to a shift register's output."""
BLOCK = 2.454
"""From the clock to a block RAM's output, without its own register."""
MULTIPLY = 1.416
"""Before the clock's edge, of a DSP48E1's operand in front of its multiplier."""
_SLOWEST = (0.0, *(pins[0] for pins in LUT_PINS[1:]))
"""Through a LUT of so many inputs, by its slowest."""
_MUXES = (0.223, 0.104)
"""Through MUXF7 and MUXF8."""


def rom(words: int) -> float:
    """From the address to a bit."""
    bits = (words - 1).bit_length()
    return _SLOWEST[bits] if bits <= 6 else LUT + sum(_MUXES[: bits - 6]) + (LUT if bits > 8 else 0)


def equal(bits: int) -> float:
    """From a word to whether it is a constant."""
    return _SLOWEST[bits] if bits <= 6 else LUT + (0.07 if bits > 10 else 0)


def counter(count: int) -> float:
    """Of `rtl/counter.sv` alone."""
    bits = counters(count).bits
    if bits <= 2:
        return CLOCK_TO_OUT + (0.0, 0.407, 0.472)[bits]
    carried = CLOCK_TO_OUT + 0.127 + chain(bits)
    return carried if count.bit_count() == 1 else max(carried, CLOCK_TO_OUT + equal(bits) + 0.407 + RESET)


def control(*counts: int) -> Paths:
    """The handshake, and counters that count when those before them begin again."""
    inner, outer = [n for n in counts[:-1] if n > 1], counts[-1]
    found = {"handshake": {"ns": 1.0}, "counter": {"ns": max(map(counter, counts))}}
    if inner:
        deepest = max(equal(counters(n).bits) for n in inner)
        steps = 0.3 * (len(inner) - 1)
        found["counters"] = {"ns": CLOCK_TO_OUT + deepest + steps + (0.407 + RESET if outer > 4 else 0.407), "outer": outer > 1}
    return found


def greater(bits: int) -> float:
    """Of `rtl/greater.sv`."""
    if bits <= 2:
        return 0.3 * (bits - 1)
    return 0.64 + (0.0 if bits <= 3 else 0.3 if bits <= 5 else chain(-(-bits // 2)))


def choose(words: int) -> float:
    """Of `rtl/choose.sv`."""
    levels = 0.4 if words <= 2 else LUT + sum(_MUXES[: max(0, (min(words, 16) - 1).bit_length() - 2)])
    return levels + (LUT if words > 16 else 0)


def lut_ram(words: int) -> float:
    """From the clock to the output of `rtl/lut_ram.sv`."""
    return RAM + (choose(-(-words // 64)) if words > 64 else 0)
