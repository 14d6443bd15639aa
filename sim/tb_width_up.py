"""Bench of rtl/width_up.sv."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import Converter
from streams import pack


class WidthUp:
    def __init__(self, case: dict[str, Any]) -> None:
        self.bits, self.ratio, self.beats = case["WIDTH"], case["RATIO"], case["BEATS"]
        steps = range(self.beats)
        self.machine = Converter(take=[True for _ in steps], give=[i % self.ratio == self.ratio - 1 for i in steps])

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.bits) for _ in range(self.beats)]

    def output(self, frame: list[int]) -> list[int]:
        return [pack(frame[i : i + self.ratio], self.bits) for i in range(0, self.beats, self.ratio)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(WidthUp), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(WidthUp))
