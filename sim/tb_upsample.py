"""Bench of rtl/upsample.sv. The case carries `need`, `free` and `capacity`, in beats."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import Buffering


class Upsample:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.bits = case["E"] * case["BITS"]
        takes = case["HEIGHT"] * case["WIDTH"] * case["CHANNELS"] // case["E"]
        self.machine = Buffering(takes, case["need"], case["free"], case["capacity"], case["depth"])

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.bits) for _ in range(self.machine.takes)]

    def output(self, frame: list[int]) -> list[int]:
        case, given = self.case, []
        beats = case["CHANNELS"] // case["E"]
        for y in range(case["HEIGHT"] * case["FACTOR_H"]):
            for x in range(case["WIDTH"] * case["FACTOR_W"]):
                first = (y // case["FACTOR_H"] * case["WIDTH"] + x // case["FACTOR_W"]) * beats
                given += frame[first : first + beats]
        return given


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Upsample), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Upsample))
