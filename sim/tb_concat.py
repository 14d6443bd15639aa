"""Bench of rtl/concat.sv."""

from __future__ import annotations

from random import Random
from typing import Any

import cocotb
import joints
from bench import models
from streams import pack, unpack
from tb_mvu import decode


class Concat:
    inputs, outputs = ("a", "b"), ("m",)

    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.folds = case, (case["A_FOLD"], case["B_FOLD"])
        pixel = [[True, False]] * self.folds[0] + [[False, True]] * self.folds[1]
        self.machine = joints.Join(pixel * case["VECTORS"], 1)

    def frame(self, random: Random) -> list[list[int]]:
        bits = [self.case["PE"] * self.case[f"{side}_BITS"] for side in "AB"]
        return [[random.getrandbits(n) for _ in range(fold * self.case["VECTORS"])] for n, fold in zip(bits, self.folds, strict=True)]

    def output(self, frame: list[list[int]]) -> list[int]:
        beats = []
        for pixel in range(self.case["VECTORS"]):
            for side, stream, fold in zip("AB", frame, self.folds, strict=True):
                beats += [self.widened(beat, side) for beat in stream[pixel * fold : (pixel + 1) * fold]]
        return beats

    def widened(self, beat: int, side: str) -> int:
        bits, out_bits = self.case[f"{side}_BITS"], self.case["OUT_BITS"]
        if bits == out_bits:
            return beat
        return pack([decode(code, bits, self.case[f"{side}_KIND"]) for code in unpack(beat, bits, self.case["PE"])], out_bits)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await joints.check_streams(dut, models(Concat), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await joints.check_reset(dut, models(Concat))
