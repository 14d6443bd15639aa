"""Bench of rtl/threshold_search.sv, with advance_i on s_tvalid, {row_i, x_i} on s_tdata and n_o on m_tdata.

The case carries `thresholds` (ROWS, PE, LEVELS).
"""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from streams import PERIOD_NS, pack

CYCLES = 300


def value(random: Random, thresholds: list[int], bits: int) -> int:
    """Half of the time next to a threshold, where a wrong comparison shows; never the greatest, which no input may reach."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 2
    near = random.choice(thresholds) + random.choice((-1, 0, 1))
    return near if low <= near <= high and random.random() < 0.5 else random.randint(low, high)


@cocotb.test()
@cocotb.parametrize(busy=[0.3, 0.8, 1.0])
async def counts(dut: Any, busy: float) -> None:
    """As many advancing cycles later as n has bits, n is the number of thresholds reached."""
    random = Random(busy)
    cases = bench.models(lambda case: case)
    # The results under way in each instance, youngest first; None where nothing has come in yet.
    pipes: list[list[int | None]] = [[None] * case["LEVELS"].bit_length() for case in cases]
    Clock(dut.clk, PERIOD_NS, "ns").start()
    for cycle in range(CYCLES):
        await FallingEdge(dut.clk)
        entering, advances = [], [random.random() < busy for _ in cases]
        for k, case in enumerate(cases):
            row, bits = random.randrange(case["ROWS"]), case["T_BITS"]
            lanes = case["thresholds"][row]
            x = [value(random, lane, bits) for lane in lanes]
            reached = [sum(v >= t for t in lane) for v, lane in zip(x, lanes, strict=True)]
            entering.append(pack(reached, case["LEVELS"].bit_length()))
            getattr(dut, f"c{k}_s_tdata").value = (row << (case["PE"] * bits)) | pack(x, bits)
            getattr(dut, f"c{k}_s_tvalid").value = advances[k]
        await ReadOnly()
        for k, pipe in enumerate(pipes):
            if pipe[-1] is not None:
                got = int(getattr(dut, f"c{k}_m_tdata").value)
                assert got == pipe[-1], f"case {k}, cycle {cycle}: n is {got:x}, not {pipe[-1]:x}"
            if advances[k]:
                pipes[k] = [entering[k], *pipe[:-1]]
