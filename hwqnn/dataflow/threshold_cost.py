"""What the binary search for a value's level costs: `rtl/threshold_search.sv`, counted from the thresholds themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import Parts, counters, function_luts, greater, rom_luts
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Resources
from hwqnn.gates import delay
from hwqnn.gates.longest import LUT_PINS

_APART = 6
"""Thresholds of so many address bits are looked up apart; of fewer, in the LUTs that compare."""
_ROW = 3
"""LUTs in a row, at most, that compare without a carry chain."""
_SHARED = 0.25
"""Of ROMs of more than 64 words in several lanes, the mapper may make a bit out of another by one more LUT: half of it, for it may not."""


def _digits(bits: int, address: int) -> list[tuple[int, int]]:
    """What `rtl/reached.sv` cuts a value into: from bit, to bit."""
    digit = _APART - address
    if bits <= digit + (_ROW - 1) * (digit - 1):  # LUTs in a row: the result of one takes a bit of the next
        return [(0, min(digit, bits)), *((start, min(start + digit - 1, bits)) for start in range(digit, bits, max(digit - 1, 1)))]
    return [(start, min(start + digit, bits)) for start in range(0, bits, digit)]


def _chained(bits: int, address: int) -> bool:
    """Whether the digits meet in a carry chain."""
    digit = _APART - address
    return bits > digit + (_ROW - 1) * (digit - 1)


def comparison_ns(bits: int, address: int) -> float:
    """Logic delay from the address to whether the threshold is reached."""
    if address >= _APART:
        return delay.LUT * (2 if address == _APART else 3) + delay.chain(-(-bits // 2))
    digits = len(_digits(bits, address))
    return delay.LUT + delay.chain(digits) if _chained(bits, address) else digits * delay.LUT


@dataclass(frozen=True, eq=False, kw_only=True)
class Search:
    """`rtl/threshold_search.sv`.

    Attributes:
        bits: of a value and of a threshold.
        value_bits: those of the values that are not but their sign again, or zeros of a value that is not `signed`.
        thresholds: int64 (rows * lanes, levels), or a row for all.
        registers: of a stage.
        outside: the values come from outside of the block, or out of a DSP48.
        passing: so many low bits of the values come straight through the two registers before, which load whenever the search's do.
    """

    lanes: int
    bits: int
    value_bits: int
    thresholds: np.ndarray
    stages: int
    rows: int
    registers: int
    signed: bool = True
    outside: bool = False
    passing: int = 0

    @property
    def parts(self) -> Parts:
        row, twice, lanes, stages = counters(self.rows).bits, self.registers - 1, self.lanes, self.stages
        cells, matter = sum((found for found, _ in self._compared), Resources()), [looked_at for _, looked_at in self._compared]
        later = [int(np.logical_or.reduce(matter[k:]).sum()) for k in range(stages)]  # bits that stage k and those behind it look at
        ff = sum(later[1:]) + lanes * stages * (stages + 1) // 2 + row * (stages - 1)
        ff += twice * (sum(later) + lanes * self.bits * stages + lanes * stages * (stages - 1) // 2 + row * stages)
        return Parts(cells + Resources(ff=float(ff)))

    @property
    def paths(self) -> Paths:
        """Of the slowest stage; with two registers a stage, looking up and comparing are apart."""
        row, words = counters(self.rows).bits, self.rows << self.stages - 1  # of the last stage
        rom = delays.rom(words) + (_SHARED * min(self.lanes, 4) / 4 if words > 64 else 0.0)
        if self.registers > 1:
            looked_up = {"ns": delay.CLOCK_TO_OUT + rom}
            start = delays.SHIFTED if self._late(0).any() else delay.CLOCK_TO_OUT
            return {"looked up": looked_up, "compared": {"ns": start + delays.greater(self.bits)}}
        apart = max(0, _APART - row)  # the first stage that is
        found: dict[str, dict[str, float]] = {}
        if apart > 0:
            found["searched"] = {"ns": max(self._reached_ns(k, row) for k in range(min(apart, self.stages)))}
        if apart < self.stages:
            late = any(self._late(k).any() for k in range(apart, self.stages))
            ns = delay.CLOCK_TO_OUT + rom + delays.greater(self.bits, delays.SECOND)
            found["looked up"] = {"ns": max(ns, delays.SHIFTED + delays.greater(self.bits) if late else 0.0)}
        return found

    @cached_property
    def _compared(self) -> list[tuple[Resources, np.ndarray]]:
        """Of each stage, the cells that compare; and bool (lanes, value_bits), the bits of the values that it looks at."""
        row, bits, lanes, found = counters(self.rows).bits, self.bits, self.lanes, []
        levels, entries = self.thresholds.shape[1], 1 << self.stages
        table = np.full((self.rows, lanes, entries), (1 << (bits - 1)) - 1, dtype=np.int64)
        table[:, :, :levels] = np.broadcast_to(self.thresholds, (self.rows * lanes, levels)).reshape(self.rows, lanes, levels)
        for k in range(self.stages):
            met = table[:, :, (entries >> k + 1) - 1 :: entries >> k].transpose(1, 0, 2).reshape(lanes, self.rows << k)  # with this stage's address
            if self.registers > 1 or row + k >= _APART:
                words = met[:, np.minimum(np.arange(1 << row + k), met.shape[1] - 1)] & ((1 << bits) - 1)  # as many as the address has
                cells = Resources(lut=rom_luts(words.T, bits, together=bits)) + greater(bits) * lanes
                found.append((cells, np.ones((lanes, self.value_bits), dtype=bool)))
            else:
                found.append(_reached(met, bits, self.value_bits, row + k, self.signed))
        return found

    def _late(self, k: int) -> np.ndarray:
        """bool (value_bits,): bits that come to stage k from a shift register in some lane: three registers in a row that nothing else reads."""
        unseen = np.where(np.arange(self.value_bits) < self.passing, 2, 0) * np.ones((self.lanes, 1))  # registers since the last that was read
        for _, looked_at in self._compared[:k]:
            unseen = np.where(looked_at, 0, unseen + self.registers - 1) + 1
        return np.logical_or.reduce(self._compared[k][1] & (unseen + self.registers - 1 >= 3))

    def _reached_ns(self, k: int, row: int) -> float:
        """Of `rtl/reached.sv` in stage k. In LUTs in a row, pins go by the order in which the mapper meets the wires: those of the value, then the
        result of the digit below, then the row's; but a value from outside comes behind that result."""
        address, late, (_, looked_at) = row + k, self._late(k), self._compared[k]
        digits, own, arrivals = _digits(self.bits, address), [], []
        for start, stop in digits:
            start = min(start, self.value_bits - 1)
            own.append(int(looked_at[:, start:stop].sum(axis=1).max()))
            lut = delays.lut(min(6, own[-1] + address))
            arrivals.append(max(delay.CLOCK_TO_OUT + lut, delays.SHIFTED + delays.SECOND if late[start:stop].any() else 0.0))
        if _chained(self.bits, address):
            if digits[-1][0] >= self.value_bits and not self.signed:  # whose last place passes on what comes: yosys inverts the sum beside it
                return delay.chain_outputs(arrivals[1:], arrivals[0])[-1][0] + delays.lut(1)
            return delay.chain_end(arrivals[1:], arrivals[0])
        ns = arrivals[0]
        for bits, arrival in zip(own[1:], arrivals[1:], strict=True):
            behind = row + (bits if self.outside and k == 0 else 0)
            ns = max(arrival, ns + LUT_PINS[6][5 - min(behind, 5)])
        return ns


def _reached(met: np.ndarray, bits: int, value_bits: int, address: int, signed: bool) -> tuple[Resources, np.ndarray]:
    """Of `rtl/reached.sv` in all lanes; and bool (lanes, value_bits), the bits of the values that it looks at.

    Args:
        met: int64 (lanes, addresses).
    """
    lanes, digits, chained = len(met), _digits(bits, address), _chained(bits, address)
    known = met[:, np.minimum(np.arange(1 << address), met.shape[1] - 1)]  # past the last row there are no addresses
    order = (known & ((1 << bits) - 1)) ^ 1 << bits - 1  # as unsigned numbers
    luts, matter = 0, np.zeros((lanes, value_bits), dtype=bool)
    for i, (start, stop) in enumerate(digits):
        own = max(0, min(stop, value_bits) - start)  # bits; the others are copies of the sign, or 0
        varying = own or int(signed)
        x = np.arange(1 << varying)
        value = x - ((x >> varying - 1) << varying) if signed and start + varying < stop + (own == 0) else x
        value = (value ^ (1 << stop - start - 1 if stop == bits else 0)) & ((1 << stop - start) - 1)
        value, threshold = value[None, :, None], (order >> start & ((1 << stop - start) - 1))[:, None, :]
        if i == 0:
            functions = [value >= threshold]
        elif not chained:  # of the result of the digit below, too
            functions = [np.concatenate([value > threshold, value >= threshold], axis=1)]
        else:
            functions = [value == threshold]
            if stop == bits:  # where a chain's end is sure to pass on what comes, yosys takes the sum beside it and inverts that
                luts += int(functions[0].all(axis=(1, 2)).sum())
            if address < _APART - 1:
                functions.append(value > threshold)
            elif stop == bits:
                functions.append(threshold == np.zeros_like(value))
        for function in functions:
            luts += function_luts(function.reshape(lanes, -1))
            for k in range(varying):
                without, having = np.moveaxis(function.reshape(lanes, -1, 2, 1 << k, 1 << address), 2, 0)
                matter[:, min(start + k, value_bits - 1)] |= (without != having).any(axis=(1, 2, 3))
    return Resources(lut=luts, carry4=lanes * -(-(len(digits) - 1) // 4) if chained else 0), matter
