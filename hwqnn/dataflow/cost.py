"""What a block costs before it is synthesized: cells that its structure tells, and amounts of which a mapper makes LUTs and delays, fitted on
synthesis runs.

A block of the library states its `Parts`. `exact` are cells that yosys keeps: registers, RAMs, shift registers, DSPs, the digits of comparators, ROMs
by their very contents. `mapped` are amounts of which a mapper makes LUTs, such as the bits that are compared. Its `paths` are those that may be the
longest, each with amounts that make it long. What one of an amount takes is in `costs.json`, for each kind of block: least squares without negative
weights over the yosys 0.70 runs in `benchmarks/data/estimate.json`.
`benchmarks/estimate.py` makes the runs, fits, and measures the error on parameters that no fit has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hwqnn.dataflow.design import Block, Resources

COSTS = Path(__file__).with_name("costs.json")
"""For each kind of block: the LUTs, and the ns, for one of each amount."""

Amounts = Mapping[str, float]


@dataclass(frozen=True)
class Parts:
    """What a block is made of.

    Attributes:
        exact: the cells that the structure alone tells.
        mapped: amounts that take LUTs; "block" is always 1.
    """

    exact: Resources
    mapped: Amounts = field(default_factory=dict)

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.exact + other.exact, {**self.mapped, **other.mapped})


def weighed(amounts: Amounts, weights: Amounts, otherwise: float) -> float:
    """The sum over all amounts, and the block's own share. What no run had, weighs `otherwise`."""
    return weights.get("block", 0.0) + sum(amount * weights.get(name, otherwise) for name, amount in amounts.items())


@dataclass(frozen=True)
class Weights:
    """Of a kind of block: LUTs of each amount, and ns of each amount of each path."""

    lut: Amounts = field(default_factory=dict)
    delay_ns: Mapping[str, Amounts] = field(default_factory=dict)


@cache
def fitted() -> Mapping[str, Weights]:
    """What `COSTS` holds, by kind."""
    found: dict[str, dict[str, Any]] = json.loads(COSTS.read_text()) if COSTS.exists() else {}
    return {kind: Weights(**weights) for kind, weights in found.items()}


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
        return self._cells(self.parts) + (self.datapath.cells if self.datapath is not None else Resources())

    def _cells(self, parts: Parts) -> Resources:
        return replace(parts.exact, lut=parts.exact.lut + weighed(parts.mapped, self._weights.lut, otherwise=1.0))

    @property
    def paths(self) -> Mapping[str, Amounts]:
        """The paths that may be the longest, and what makes each long: "ns" is what its structure tells, "block" is always 1."""
        raise NotImplementedError

    @property
    def delay_ns(self) -> float:
        """Of the longest path of logic, from registers or inputs to registers or outputs."""
        weights = self._weights.delay_ns
        return max(weighed(amounts, weights.get(name, {"ns": 1.0}), otherwise=0.0) for name, amounts in self.paths.items())

    @property
    def _weights(self) -> Weights:
        return fitted().get(self.costs, Weights())


_CHUNK = 64
"""Bits of a ROM that the mapper sees together (`rtl/cyclic_rom.sv`): of those that are alike it makes one."""


def rom_luts(patterns: np.ndarray, bits: int, together: int = _CHUNK) -> float:
    """LUTs of a ROM in logic, of these contents: bits that are alike in all words share theirs, constants and bits of the address take none.

    Args:
        patterns: int64 (words, elements), whose low `bits` count.
        together: bits of a word among which equal ones are found.
    """
    words = len(patterns)
    if words <= 1:
        return 0.0
    address = (words - 1).bit_length()
    planes = (patterns[:, :, None] >> np.arange(bits) & 1).astype(np.uint8).reshape(words, -1)
    free = np.stack([np.zeros(words), np.ones(words), *(np.arange(words) >> k & 1 for k in range(address))], axis=1).astype(np.uint8)
    chunks = -(-planes.shape[1] // together)
    columns = np.packbits(np.concatenate([*[free] * chunks, planes], axis=1), axis=0).T
    chunk = np.concatenate([np.repeat(np.arange(chunks), free.shape[1]), np.arange(planes.shape[1]) // together]).astype(np.uint32)
    named = np.ascontiguousarray(np.concatenate([columns, chunk.view(np.uint8).reshape(-1, 4)], axis=1))
    first = np.unique(named.view(f"V{named.shape[1]}"), return_index=True)[1]
    if words <= 64:
        return float(len(first) - chunks * free.shape[1])
    every = np.concatenate([*[free] * chunks, planes], axis=1)[:, first]
    return float(sum(deep_rom(words, inputs) for inputs in support(every, address) if inputs > 1))


def support(bits: np.ndarray, address: int) -> np.ndarray:
    """For each bit of the words, uint8 or bool (words, bits), how many bits of the address it depends on; past the last word it may be anything."""
    found, at = np.zeros(bits.shape[1], dtype=np.int64), np.arange(len(bits))
    for k in range(address):
        pairs = at[(at >> k & 1 == 0) & (at + (1 << k) < len(bits))]
        found += (bits[pairs] != bits[pairs + (1 << k)]).any(axis=0)
    return found


def deep_rom(words: int, address: int | None = None) -> float:
    """LUTs of a bit of a ROM: a LUT6 holds 64 words, MUXF7 and MUXF8 join four; where there are more, the mapper finds no such tree.

    Args:
        address: bits of it that tell this one; all if not given.
    """
    lut6 = -(-words // 64) if address is None else min(-(-words // 64), max(1, 1 << address >> 6))
    return (0, 1, 2, 4, 4)[lut6] if lut6 <= 4 else 1.3 * lut6 + 0.5


@dataclass(frozen=True)
class Counters:
    """Counters modulo each of `sizes`, with an enable, that tell their last value: `rtl/counter.sv`."""

    sizes: tuple[int, ...]

    @property
    def bits(self) -> int:
        return sum(_bits(n) for n in self.sizes)

    @property
    def luts(self) -> float:
        """As yosys 0.70 makes them: an inverter, the reset, the comparison."""
        return sum(_counter_luts(n) for n in self.sizes)

    @property
    def untold_luts(self) -> float:
        """Of those whose last value nobody asks for."""
        return sum(_counter_luts(n, told=False) for n in self.sizes)

    @property
    def carry4(self) -> int:
        return sum(adder_carry4(_bits(n)) for n in self.sizes)


def counters(*sizes: int) -> Counters:
    return Counters(sizes)


def _bits(n: int) -> int:
    return (n - 1).bit_length()


def _counter_luts(n: int, told: bool = True) -> float:
    bits = _bits(n)
    if bits <= 2:
        return (0, 1, 3)[bits]
    compared = 1 if bits <= 6 else 2 if bits == 7 else 3 if bits <= 12 else 4
    return 1 + told * compared if n.bit_count() == 1 else 2 + compared  # of a power of two the sum itself starts over


SHORT = 5
"""Bits of two words that `rtl/greater.sv` compares without a carry chain."""


def greater(bits: int) -> Resources:
    """Of `rtl/greater.sv`, for words of at least three bits: fewer melt into what asks."""
    pairs = (bits + 1) // 2
    return Resources(lut=bits // 2, carry4=0) if bits <= SHORT else Resources(lut=pairs, carry4=-(-pairs // 4))


def function_luts(tables: np.ndarray) -> int:
    """LUTs of functions of at most six variables: one each, but none for a constant, or for what is a variable itself.

    Args:
        tables: bool (..., 2**variables), variable k of entry i is bit k of i.
    """
    rows = tables.reshape(-1, tables.shape[-1])
    entry = np.arange(rows.shape[1])
    free = [entry < 0, entry >= 0, *((entry >> k & 1).astype(bool) for k in range((len(entry) - 1).bit_length()))]
    return len(rows) - sum(int((rows == wire).all(axis=1).sum()) for wire in free)


def adder_carry4(bits: int) -> int:
    """CARRY4s of an adder or comparator."""
    return -(-bits // 4) if bits > 2 else 0
