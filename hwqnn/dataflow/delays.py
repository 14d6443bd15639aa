"""How long the paths through parts of the library are, told from their structure: logic delays in ns, registers' clock to output and all. What a
mapper makes of the rest is fitted (`cost.py`): "ns" is what is told here, and weighs about 1."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hwqnn.dataflow.cost import counters
from hwqnn.dataflow.storage import block_ram_banks
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, chain_end, chain_outputs
from hwqnn.gates.longest import LUT_PINS

Paths = Mapping[str, Mapping[str, float]]
"""By name, amounts that make a path long; the longest path is a block's delay."""

RESET, ENABLE = 0.404, 0.109
"""Before the clock's edge, of a flip-flop's synchronous reset and of its enable."""
RAM = 1.18
"""From the clock to a LUT RAM's output."""
SHIFTED = 1.472
"""From the clock to a shift register's output."""
BLOCK = 2.454
"""From the clock to a block RAM's output, without its own register."""
MULTIPLY = 1.416
"""Before the clock's edge, of a DSP48E1's operand in front of its multiplier."""
FIRST, SECOND = 0.631, 0.472
"""Through a LUT of two words' bits, by the first word's pin or by the second's."""
_SLOWEST = (0.0, *(pins[0] for pins in LUT_PINS[1:]))
"""Through a LUT of so many inputs, by its slowest."""
_MUXES = (0.223, 0.104)
"""Through MUXF7 and MUXF8."""


def lut(inputs: int) -> float:
    """Of so many inputs, at most six, from the slowest."""
    return _SLOWEST[inputs]


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
    carried = CLOCK_TO_OUT + 0.127 + added(bits)
    return carried if count.bit_count() == 1 else max(carried, CLOCK_TO_OUT + equal(bits) + 0.472 + RESET)


def control(*counts: int) -> Paths:
    """The handshake, and counters that count when those before them begin again."""
    inner, outer = [n for n in counts[:-1] if n > 1], counts[-1]
    found = {"handshake": {"ns": CLOCK_TO_OUT + lut(6 if max(counts) > 1 else 4)}, "counter": {"ns": max(map(counter, counts))}}
    if inner:
        deepest = max(equal(bits) + (0.534 if bits > 2 and outer > 4 else 0.407) for bits in (counters(n).bits for n in inner))
        steps = 0.15 * (len(inner) - 1)
        end = 0.0 if outer <= 4 else ENABLE if outer.bit_count() == 1 else RESET
        found["counters"] = {"ns": CLOCK_TO_OUT + deepest + steps + end, "outer": outer > 1}
    return found


def greater(bits: int, pin: float = FIRST) -> float:
    """Of `rtl/greater.sv`, from the words that come in on this pin of its LUTs."""
    if bits <= 2:
        return 0.3 * (bits - 1)
    return pin + (0.0 if bits <= 4 else 0.127 if bits == 5 else carried(-(-bits // 2)))


def carried(digits: int) -> float:
    """From the LUTs of so many digits to the end of the carry chain that compares them."""
    return chain_end([0.0] * digits, -math.inf)


def added(bits: int) -> float:
    """From the LUTs of an adder to its sum."""
    return max(o for o, _ in chain_outputs([0.0] * bits, -math.inf))


def choose(words: int) -> float:
    """Of `rtl/choose.sv`."""
    if words <= 2:
        return FIRST if words == 2 else 0.0
    if words > 16:
        return choose(16) + choose(-(-words // 16))
    return LUT + sum(_MUXES[: max(0, (words - 1).bit_length() - 2)])


def lut_ram(words: int) -> float:
    """From the clock to the output of `rtl/lut_ram.sv`."""
    return RAM + choose(-(-words // 64))


def block_ram(bits: int, words: int) -> float:
    """From the clock to the output of a RAM in block RAM, through what chooses among its banks."""
    banks = block_ram_banks(bits, words)
    return BLOCK + (0.0, 0.0, 0.238, 0.472, 0.472)[min(banks, 4)] + 0.267 * (banks > 4)


def shift_register(steps: int) -> float:
    """From the clock to the output of so many beats in shift registers: two are joined by MUXF7, four by MUXF8, and more by LUTs."""
    rows = -(-steps // 128)
    return SHIFTED + sum(_MUXES[: (steps > 32) + (steps > 64)]) + 0.472 * (rows > 1) + 0.127 * (rows > 4)
