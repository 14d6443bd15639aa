"""Bench of rtl/cyclic_rom.sv, with next_i on s_tvalid and the word on m_tdata. The case carries `words`."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from streams import PERIOD_NS

CYCLES = 200


@cocotb.test()
@cocotb.parametrize(busy=[0.3, 0.8, 1.0])
async def words_in_order(dut: Any, busy: float) -> None:
    """Around and around, back to the first word at each reset, also when next_i is high in it."""
    random = Random(busy)
    files = bench.models(lambda case: case["words"])
    read: list[int] = []  # words read since reset, per instance
    Clock(dut.clk, PERIOD_NS, "ns").start()
    for cycle in range(CYCLES):
        await FallingEdge(dut.clk)
        reset = cycle == 0 or random.random() < 0.03
        nexts = [random.random() < busy for _ in files]
        dut.rst_n.value = not reset
        for k, moves in enumerate(nexts):
            getattr(dut, f"c{k}_s_tvalid").value = moves
        await ReadOnly()
        for k, count in enumerate(read):
            expected = files[k][count % len(files[k])]
            got = int(getattr(dut, f"c{k}_m_tdata").value)
            assert got == expected, f"case {k}, cycle {cycle}: word {got:x} is not {expected:x}"
        read = [0] * len(files) if reset else [count + moves for count, moves in zip(read, nexts, strict=True)]
