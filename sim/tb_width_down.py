"""Bench of rtl/width_down.sv."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import unpack


class WidthDown:
    def __init__(self, case: dict[str, Any]) -> None:
        self.bits, self.ratio = case["WIDTH"], case["RATIO"]
        self.beats = 3
        steps = range(self.beats * self.ratio)
        self.machine = StepMachine(need=[i % self.ratio == 0 for i in steps], give=[True for _ in steps], depth=1)

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.bits * self.ratio) for _ in range(self.beats)]

    def output(self, frame: list[int]) -> list[int]:
        return [part for beat in frame for part in unpack(beat, self.bits, self.ratio)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(WidthDown), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(WidthDown))
