"""Bench of rtl/add.sv."""

from __future__ import annotations

from random import Random
from typing import Any

import cocotb
import joints
from bench import models
from streams import pack, unpack
from tb_mvu import decode


class Add:
    inputs, outputs = ("a", "b"), ("m",)

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.machine = joints.Join([[True, True]] * case["BEATS"], 1)

    def frame(self, random: Random) -> list[list[int]]:
        return [[random.getrandbits(self.case["PE"] * self.case[f"{side}_BITS"]) for _ in range(self.case["BEATS"])] for side in "AB"]

    def output(self, frame: list[list[int]]) -> list[int]:
        a, b = ([self.values(beat, side) for beat in beats] for beats, side in zip(frame, "AB", strict=True))
        return [pack([p + q for p, q in zip(x, y, strict=True)], self.case["OUT_BITS"]) for x, y in zip(a, b, strict=True)]

    def values(self, beat: int, side: str) -> list[int]:
        bits, kind = self.case[f"{side}_BITS"], self.case[f"{side}_KIND"]
        return [decode(code, bits, kind) for code in unpack(beat, bits, self.case["PE"])]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await joints.check_streams(dut, models(Add), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await joints.check_reset(dut, models(Add))
