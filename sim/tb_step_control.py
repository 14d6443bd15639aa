"""Bench of rtl/step_control.sv, with {give_i, need_i} on s_tdata, last_i (of a vector) on s_tlast and {step_o, advance_o} on m_tdata."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from streams import PERIOD_NS

CYCLES = 500


@cocotb.test()
@cocotb.parametrize(busy=[0.3, 0.7, 0.95])
async def rules(dut: Any, busy: float) -> None:
    """Every wire in every cycle, under random steps and handshakes and now and then a reset."""
    random = Random(busy)
    cases = bench.models(lambda case: case)
    # What each pipeline holds, youngest first: a beat is whether it is the frame's last, None is no beat. And each one's vectors since reset.
    pipes: list[list[bool | None]] = []
    vectors: list[int] = []
    Clock(dut.clk, PERIOD_NS, "ns").start()
    for cycle in range(CYCLES):
        await FallingEdge(dut.clk)
        reset = cycle == 0 or random.random() < 0.02
        dut.rst_n.value = not reset
        inputs = [[random.random() < busy for _ in range(4)] + [random.random() < 0.5] for _ in cases]
        for k, (need, give, s_valid, m_ready, last) in enumerate(inputs):
            getattr(dut, f"c{k}_s_tdata").value = need + 2 * give
            getattr(dut, f"c{k}_s_tvalid").value = s_valid
            getattr(dut, f"c{k}_m_tready").value = m_ready
            getattr(dut, f"c{k}_s_tlast").value = last
        await ReadOnly()
        for k, pipe in enumerate(pipes):
            need, give, s_valid, m_ready, last = inputs[k]
            out = pipe[-1]
            advance = out is None or m_ready
            step = advance and (s_valid or not need)
            expected = {"m_tvalid": out is not None, "s_tready": advance and need, "m_tdata": advance + 2 * step}
            if out is not None:
                expected["m_tlast"] = out
            got = {wire: int(getattr(dut, f"c{k}_{wire}").value) for wire in expected}
            assert got == expected, f"case {k}, cycle {cycle}: {got} is not {expected}"
            if advance:
                ends = step and give and last
                vectors[k] += ends
                pipes[k] = [ends and vectors[k] % cases[k]["VECTORS"] == 0 if step and give else None, *pipe[:-1]]
        if reset:
            pipes, vectors = [[None] * case["DEPTH"] for case in cases], [0] * len(cases)
