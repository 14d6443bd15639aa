"""Bench of rtl/window_parallel.sv: what tb_window's windows are, a whole one a beat. The case carries `bits` (of an element), `channels`, `take` and
`give`, by step."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack
from tb_window import Window


class ParallelWindow:
    def __init__(self, case: dict[str, Any]) -> None:
        self.machine = StepMachine(case["take"], case["give"], 1)
        self.pixel_bits, self.taps = case["BITS"], case["KERNEL_H"] * case["KERNEL_W"]
        channels = case["channels"]
        pixels = {"BITS": case["bits"], "E": channels, "CHANNELS": channels, "TILE": channels, "pad": [0] * channels}
        self.by_tap = Window(case | pixels | {"need": [], "free": [], "capacity": 0, "depth": 1})

    def frame(self, random: Random) -> list[int]:
        return self.by_tap.frame(random)

    def output(self, frame: list[int]) -> list[int]:
        taps = self.by_tap.output(frame)
        return [pack(taps[i : i + self.taps], self.pixel_bits) for i in range(0, len(taps), self.taps)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(ParallelWindow), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(ParallelWindow))
