"""Bench of rtl/lut_ram.sv: words at random places, against a dictionary. The input beat is read address, write address and word, highest first."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from streams import PERIOD_NS


@cocotb.test()
@cocotb.parametrize(busy=[0.3, 1.0])
async def keeps(dut: Any, busy: float) -> None:
    """A word is there from the clock on that wrote it, until the next one is written in its place. Banks' first and last words come often."""
    random = Random(busy)
    cases = bench.models(lambda case: case)
    kept: list[dict[int, int]] = [{} for _ in cases]
    Clock(dut.clk, PERIOD_NS, "ns").start()
    for cycle in range(4 * max(case["DEPTH"] for case in cases)):
        await FallingEdge(dut.clk)
        reads, writes = [], []
        for k, case in enumerate(cases):
            depth, width = case["DEPTH"], case["WIDTH"]
            bits = max((depth - 1).bit_length(), 1)
            edges = [a for bank in range(0, depth, 32) for a in (bank, bank + 31) if a < depth]
            place, word = random.choice(edges) if random.random() < 0.3 else random.randrange(depth), random.getrandbits(width)
            reads.append(random.choice(list(kept[k])) if kept[k] else 0)
            writes.append((place, word) if random.random() < busy else None)
            getattr(dut, f"c{k}_s_tdata").value = (reads[k] << bits | place) << width | word
            getattr(dut, f"c{k}_s_tvalid").value = writes[k] is not None
        await ReadOnly()
        for k, read in enumerate(reads):
            if read in kept[k]:
                got = int(getattr(dut, f"c{k}_m_tdata").value)
                assert got == kept[k][read], f"case {k}, cycle {cycle}: word {read} is {got:x}, not {kept[k][read]:x}"
        for k, write in enumerate(writes):
            if write is not None:
                kept[k][write[0]] = write[1]
