"""Bench of rtl/pool.sv. The case carries `minimum` (PE * FOLD), which channels want the least."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, signed, unpack


class Pool:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.bits, self.taps = case, case["PE"], case["BITS"], case["TAPS"]
        steps = range(case["PIXELS"] * case["FOLD"] * self.taps)
        self.machine = StepMachine(need=[True for _ in steps], give=[i % self.taps == self.taps - 1 for i in steps], depth=1)

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.pe * self.bits) for _ in range(len(self.machine.need))]

    def output(self, frame: list[int]) -> list[int]:
        beats = []
        for n, first in enumerate(range(0, len(frame), self.taps)):
            tile = n % self.case["FOLD"]
            lanes = zip(*(unpack(beat, self.bits, self.pe) for beat in frame[first : first + self.taps]), strict=True)
            beats.append(pack([self.chosen(tile * self.pe + p, list(codes)) for p, codes in enumerate(lanes)], self.bits))
        return beats

    def chosen(self, channel: int, codes: list[int]) -> int:
        values = [signed(code, self.bits) for code in codes] if self.case["SIGNED"] else codes
        return min(values) if self.case["minimum"][channel] else max(values)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Pool), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Pool))
