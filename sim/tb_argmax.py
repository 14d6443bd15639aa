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
        self.case, self.pe, self.fold, self.bits, self.signed = case, case["PE"], case["FOLD"], case["WIDTH"], case["SIGNED"]
        self.steps = self.fold * case["VECTORS"]
        depth = 1 + ((self.pe - 1).bit_length() + case["X_REGISTER"] if case["K"] == 1 else 0)  # a tree finds the greatest of a beat
        self.machine = StepMachine(need=[True] * self.steps, give=[i % self.fold == self.fold - 1 for i in range(self.steps)], depth=depth)

    def frame(self, random: Random) -> list[int]:
        """Few different values, so that ties are common."""
        palette = [random.getrandbits(self.bits) for _ in range(3)]
        return [pack(random.choices(palette, k=self.pe), self.bits) for _ in range(self.steps)]

    def output(self, frame: list[int]) -> list[int]:
        return [self.label(frame[i : i + self.fold]) for i in range(0, self.steps, self.fold)]

    def label(self, vector: list[int]) -> int:
        codes = [code for beat in vector for code in unpack(beat, self.bits, self.pe)]
        values = [signed(code, self.bits) if self.signed else code for code in codes]
        best = sorted(range(len(values)), key=lambda i: (-values[i], i))[: self.case["K"]]
        return pack(best, self.case["OUT_BITS"])


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(ArgMax), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(ArgMax))
