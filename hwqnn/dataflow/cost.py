"""What a block costs before it is synthesized: cells that its structure tells, and amounts of which a mapper makes LUTs and delays, fitted on
synthesis runs.

A block of the library states its `Parts`. `exact` are cells that yosys keeps: registers, RAMs, shift registers, DSPs, ROMs of a
LUT6 for 64 words of a bit. `mapped` and `paths` are amounts, such as the bits that are compared: each takes some LUTs, or lengthens the longest
path by some ns. How many is in `costs.json`, for each kind of block: least squares over the yosys 0.70 runs in `benchmarks/data/estimate.json`.
`benchmarks/estimate.py` makes the runs, fits, and measures the error on parameters that no fit has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from math import log2
from pathlib import Path

from hwqnn.dataflow.design import Block, Memory, Resources

COSTS = Path(__file__).with_name("costs.json")
"""For each kind of block: the LUTs, and the ns, for one of each amount."""

Amounts = Mapping[str, float]


@dataclass(frozen=True)
class Parts:
    """What a block is made of.

    Attributes:
        exact: the cells that the structure alone tells.
        mapped: amounts that take LUTs. paths: amounts that lengthen the longest path. "block" is always 1 of either.
    """

    exact: Resources
    mapped: Amounts = field(default_factory=dict)
    paths: Amounts = field(default_factory=dict)

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.exact + other.exact, {**self.mapped, **other.mapped}, {**self.paths, **other.paths})


def weighed(amounts: Amounts, weights: Amounts, otherwise: float) -> float:
    """The sum over all amounts, and the block's own share. What no run had, weighs `otherwise`."""
    return weights.get("block", 0.0) + sum(amount * weights.get(name, otherwise) for name, amount in amounts.items())


@cache
def fitted() -> Mapping[str, Mapping[str, Amounts]]:
    """What `COSTS` holds, by kind and by what is estimated: "lut" or "delay_ns"."""
    found: dict[str, dict[str, dict[str, float]]] = json.loads(COSTS.read_text()) if COSTS.exists() else {}
    return found


def _weights(kind: str, what: str) -> Amounts:
    return fitted().get(kind, {}).get(what, {})


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuredBlock(Block):
    """A block of the library, whose cost is estimated from synthesis runs."""

    @property
    def parts(self) -> Parts:
        """All but its datapath, whose cells are known."""
        raise NotImplementedError

    @property
    def costs(self) -> str:
        """The kind of block in `costs.json`: blocks of one kind share weights."""
        return self.module

    @property
    def estimate(self) -> Resources:
        parts = self.parts
        luts = parts.exact.lut + weighed(parts.mapped, _weights(self.costs, "lut"), otherwise=1.0)
        cells = replace(parts.exact, lut=max(0.0, luts))  # weights may be negative, and blocks larger than any that was measured
        return cells + self.datapath_cells

    @property
    def datapath_cells(self) -> Resources:
        """Of what stands beside the module; counted, not estimated."""
        return self.datapath.cells if self.datapath is not None else Resources()

    @property
    def delay_ns(self) -> float:
        return weighed(self.parts.paths, _weights(self.costs, "delay_ns"), otherwise=0.0)


_CHUNK = 64
"""Bits of a ROM that the mapper sees together (`rtl/cyclic_rom.sv`): of those that are alike it makes one."""


def rom_luts(width: int, depth: int) -> float:
    """LUTs of a ROM in logic, of contents that nobody knows: shallow ones say the same in several bits, or what the address says."""
    if depth <= 1:
        return 0.0
    if depth > 16:
        return width * _deep(depth)
    kinds = 1 << depth
    telling = kinds - 2 - (depth - 1).bit_length()
    return sum(telling * (1 - (1 - 1 / kinds) ** min(_CHUNK, width - start)) for start in range(0, width, _CHUNK))


def rom_luts_of(memory: Memory) -> float:
    """LUTs of a ROM in logic, of these contents."""
    words = len(memory.words)
    if words <= 1:
        return 0.0
    free = {sum((at >> bit & 1) << at for at in range(words)) for bit in range((words - 1).bit_length())} | {0, (1 << words) - 1}
    columns = [sum((word >> bit & 1) << at for at, word in enumerate(memory.words)) for bit in range(memory.width)]
    chunks = [set(columns[start : start + _CHUNK]) - free for start in range(0, memory.width, _CHUNK)]
    return sum(map(len, chunks)) * _deep(words)


def _deep(words: int) -> float:
    """A LUT6 holds 64 words of a bit, MUXF7 and MUXF8 join four."""
    lut6 = -(-words // 64)
    return 1 if lut6 == 1 else 2 if lut6 == 2 else 4 * -(-lut6 // 4) + 0.5 * (-(-lut6 // 4) - 1)


def choose_luts(bits: int, words: int) -> int:
    """LUTs of `rtl/choose.sv`: a LUT6 for four words of a bit, what joins four of these lies beside them; two words share LUTs."""
    if words <= 1:
        return 0
    if words == 2:
        return -(-bits // 2)
    if words <= 16:
        return bits * -(-words // 4)
    slices, rest = divmod(words, 16)
    return slices * choose_luts(bits, 16) + choose_luts(bits, rest) + choose_luts(bits, slices + (rest > 0))


_SMALL_COUNTERS = (0.0, 0.0, 3.0, 5.0, 5.0, 6.0, 6.0, 7.0, 3.0)
"""LUTs of a counter of up to 8."""


@dataclass(frozen=True)
class Counters:
    """Counters modulo each of `sizes`, with an enable, that tell their last value."""

    sizes: tuple[int, ...]

    @property
    def bits(self) -> int:
        return sum(_bits(n) for n in self.sizes)

    @property
    def luts(self) -> float:
        """As synthesized alone: carries are in CARRY4, each bit that is 0 again after the last value takes a LUT, the comparison with that some."""
        return sum(_counter_luts(n) for n in self.sizes)

    @property
    def carry4(self) -> int:
        return sum(-(-_bits(n) // 4) - (_bits(n) == 5) for n in self.sizes if _bits(n) > 3)

    @property
    def levels(self) -> float:
        """Of the longest: its carry and its comparison."""
        return log2(max(2, *self.sizes))


def counters(*sizes: int) -> Counters:
    return Counters(sizes)


def _bits(n: int) -> int:
    return (n - 1).bit_length()


def _counter_luts(n: int) -> float:
    if n < len(_SMALL_COUNTERS):
        return _SMALL_COUNTERS[n]
    return 4.0 if n.bit_count() == 1 else n.bit_count() + 0.55 * _bits(n) + 1.3


def comparator_carry4(bits: int) -> int:
    """CARRY4s of a comparison of two words: a LUT compares two bits of each."""
    return -(-(bits - 4) // 8) if bits > 6 else 0


def adder_carry4(bits: int) -> int:
    """CARRY4s of an adder or comparator."""
    return -(-bits // 4) if bits > 2 else 0


KNOTS = (*range(2, 17), 18, 20, 21, 24, 25, 27, 28, 30, 32, 36, 40, 42, 48, 49, 50, 54, 56, 60, 63, 64)
"""The sizes for which `between` has weights; of other sizes it takes the two nearest."""


def between(name: str, size: int, amount: float) -> Amounts:
    """`amount` of things whose LUTs depend on `size` in no regular way: shared out to the two nearest sizes for which there is a weight."""
    above = next((i for i, knot in enumerate(KNOTS) if knot >= size), len(KNOTS) - 1)
    if KNOTS[above] <= size or above == 0:
        return {f"{name} {KNOTS[above]}": amount * max(1.0, size / KNOTS[above])}
    low, high = KNOTS[above - 1], KNOTS[above]
    share = (size - low) / (high - low)
    return {f"{name} {low}": amount * (1 - share), f"{name} {high}": amount * share}
