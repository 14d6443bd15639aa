"""Bench of rtl/fifo.sv."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import Buffering, Queue


class Fifo:
    def __init__(self, case: dict[str, Any]) -> None:
        self.bits = case["WIDTH"]
        self.beats = 7
        steps = range(self.beats)
        in_block_ram = Buffering(self.beats, [i + 1 for i in steps], list(steps), case["DEPTH"], 2)
        self.machine = in_block_ram if case["STORE"] == 2 else Queue(case["DEPTH"], self.beats)

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.bits) for _ in range(self.beats)]

    def output(self, frame: list[int]) -> list[int]:
        return frame


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Fifo), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Fifo))
