"""Bench of rtl/threshold.sv. The case carries `thresholds` (channels or 1, levels) and `flip` (channels or 1)."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, signed, unpack


class Threshold:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.fold, self.bits = case, case["PE"], case["FOLD"], case["WIDTH"]
        self.channels = self.pe * self.fold
        steps = [True] * (self.fold * case["VECTORS"])
        self.machine = StepMachine(need=steps, give=steps, depth=case["LEVELS"].bit_length())

    def value(self, code: int) -> int:
        return signed(code, self.bits) if self.case["SIGNED"] else code

    def frame(self, random: Random) -> list[int]:
        """Half of the values lie next to a threshold, where a wrong comparison shows."""
        low, high = (
            sorted((self.value(1 << (self.bits - 1)), self.value((1 << (self.bits - 1)) - 1))) if self.case["SIGNED"] else (0, (1 << self.bits) - 1)
        )
        codes = []
        for i in range(self.channels * self.case["VECTORS"]):
            near = random.choice(self.row("thresholds", i % self.channels)) + random.choice((-1, 0, 1))
            codes.append(near if low <= near <= high and random.random() < 0.5 else random.randint(low, high))
        return [pack(codes[i : i + self.pe], self.bits) for i in range(0, len(codes), self.pe)]

    def row(self, table: str, channel: int) -> Any:
        """A channel's thresholds or flip bit; a single row of lanes serves every step."""
        return self.case[table][channel % len(self.case[table])]

    def level(self, channel: int, value: int) -> int:
        reached = sum(value >= t for t in self.row("thresholds", channel))
        return self.case["LEVELS"] - reached if self.case["FLIP"] and self.row("flip", channel) else reached

    def output(self, frame: list[int]) -> list[int]:
        codes = [code for beat in frame for code in unpack(beat, self.bits, self.pe)]
        levels = [self.case["BASE"] + self.case["STEP"] * self.level(i % self.channels, self.value(code)) for i, code in enumerate(codes)]
        return [pack(levels[i : i + self.pe], self.case["OUT_BITS"]) for i in range(0, len(levels), self.pe)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Threshold), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Threshold))
