"""Bench of rtl/channel_affine.sv with its datapath. The case carries `mul` and `add` (channels), the type `x` of `bits`, `out_bits`, `pe`, `fold`,
`vectors`, `depth`."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, signed, unpack


class ChannelAffine:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.fold, self.bits = case, case["pe"], case["fold"], case["bits"]
        steps = [True] * (self.fold * case["vectors"])
        self.machine = StepMachine(need=steps, give=steps, depth=case["depth"])

    def frame(self, random: Random) -> list[int]:
        extremes = (0, 1 << (self.bits - 1), (1 << (self.bits - 1)) - 1, (1 << self.bits) - 1)
        codes = [random.choice((*extremes, random.getrandbits(self.bits))) for _ in range(self.pe * self.fold * self.case["vectors"])]
        return [pack(codes[i : i + self.pe], self.bits) for i in range(0, len(codes), self.pe)]

    def value(self, code: int) -> int:
        """Of a bit pattern."""
        if self.case["x"] == "bipolar":
            return 2 * code - 1
        return signed(code, self.bits) if self.case["x"].startswith("int") else code

    def output(self, frame: list[int]) -> list[int]:
        codes = [code for beat in frame for code in unpack(beat, self.bits, self.pe)]
        values = [self.value(code) for code in codes]
        factors = list(zip(self.case["mul"], self.case["add"], strict=True)) * self.case["vectors"]
        results = [x * mul + add for x, (mul, add) in zip(values, factors, strict=True)]
        return [pack(results[i : i + self.pe], self.case["out_bits"]) for i in range(0, len(results), self.pe)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(ChannelAffine), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(ChannelAffine))
