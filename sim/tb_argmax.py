"""Bench of rtl/argmax.sv."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, signed, unpack


class ArgMax:
    def __init__(self, case: dict[str, Any]) -> None:
        self.pe, self.fold, self.bits, self.signed = case["PE"], case["FOLD"], case["WIDTH"], case["SIGNED"]
        self.machine = StepMachine(need=[True] * self.fold, give=[i == self.fold - 1 for i in range(self.fold)], depth=1)

    def frame(self, random: Random) -> list[int]:
        """Few different values, so that ties for the maximum are common."""
        palette = [random.getrandbits(self.bits) for _ in range(3)]
        return [pack(random.choices(palette, k=self.pe), self.bits) for _ in range(self.fold)]

    def output(self, frame: list[int]) -> list[int]:
        codes = [code for beat in frame for code in unpack(beat, self.bits, self.pe)]
        values = [signed(code, self.bits) if self.signed else code for code in codes]
        return [values.index(max(values))]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(ArgMax), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(ArgMax))
