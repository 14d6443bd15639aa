"""What the binary search for a value's level costs: `rtl/threshold_search.sv`, counted from the thresholds themselves."""

from __future__ import annotations

import numpy as np

from hwqnn.dataflow import paths
from hwqnn.dataflow.cost import Parts, counters, function_luts, greater, rom_luts
from hwqnn.dataflow.design import Resources
from hwqnn.dataflow.paths import Paths
from hwqnn.gates import delay

_APART = 6
"""Thresholds of so many address bits are looked up apart; of fewer, in the LUTs that compare."""
_ROW = 3
"""LUTs in a row, at most, that compare without a carry chain."""


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


def search_paths(bits: int, stages: int, rows: int, registers: int) -> Paths:
    """Of the same: the last stage's address is the longest; with two registers a stage, looking up and comparing are apart."""
    address = counters(rows).bits + stages - 1
    if registers > 1:
        return {"looked up": {"ns": delay.CLOCK_TO_OUT + paths.rom(1 << address)}, "compared": {"ns": delay.CLOCK_TO_OUT + paths.greater(bits)}}
    digits = 0 if address >= _APART else len(_digits(bits, address))
    if address >= _APART:
        ns = paths.rom(1 << address) + paths.greater(bits)
    elif _chained(bits, address):
        ns = delay.LUT + delay.chain(digits)
    else:
        ns = (0.642, 1.05, 1.52)[digits - 1]
    return {"searched": {"ns": delay.CLOCK_TO_OUT + ns, "digits": digits, "stages": stages > 1}}


def search_parts(
    lanes: int, bits: int, value_bits: int, thresholds: np.ndarray, stages: int, rows: int, registers: int, *, signed: bool = True
) -> Parts:
    """Of `rtl/threshold_search.sv`.

    Args:
        value_bits: those of the values that are not but their sign again, or zeros of a value that is not `signed`.
        thresholds: int64 (rows * lanes, levels), or a row for all.
    """
    row, twice = counters(rows).bits, registers - 1
    levels, entries = thresholds.shape[1], 1 << stages
    table = np.full((rows, lanes, entries), (1 << (bits - 1)) - 1, dtype=np.int64)
    table[:, :, :levels] = np.broadcast_to(thresholds, (rows * lanes, levels)).reshape(rows, lanes, levels)
    cells, matter = Resources(), []  # of the values, the bits that a stage looks at
    for k in range(stages):
        met = table[:, :, (entries >> k + 1) - 1 :: entries >> k].transpose(1, 0, 2).reshape(lanes, rows << k)  # with this stage's address
        if twice or row + k >= _APART:
            words = met[:, np.minimum(np.arange(1 << row + k), met.shape[1] - 1)] & ((1 << bits) - 1)  # as many as the address has
            cells += Resources(lut=rom_luts(words.T, bits, together=bits)) + greater(bits) * lanes
            matter.append(np.ones((lanes, value_bits), dtype=bool))
        else:
            found, looked_at = _reached(met, bits, value_bits, row + k, signed)
            cells += found
            matter.append(looked_at)
    later = [int(np.logical_or.reduce(matter[k:]).sum()) for k in range(stages)]  # bits that stage k and those behind it look at
    ff = sum(later[1:]) + lanes * stages * (stages + 1) // 2 + row * (stages - 1)
    ff += twice * (sum(later) + lanes * bits * stages + lanes * stages * (stages - 1) // 2 + row * stages)
    return Parts(cells + Resources(ff=float(ff)))


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
