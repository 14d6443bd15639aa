"""Bench of rtl/mvu.sv. The case carries what the unit should compute, in the model's own terms: `weights` (outputs, inputs) as integers, and
for LEVELS = 1 and more `thresholds` (outputs, LEVELS) on the sum of products."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, signed, unpack


def decode(code: int, bits: int, kind: int) -> int:
    """The number that a code of this kind means: bipolar, unsigned, signed."""
    return (2 * code - 1, code, signed(code, bits))[kind]


class Mvu:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.simd, self.bits = case, case["PE"], case["SIMD"], case["X_BITS"]
        sf, levels = case["SF"], case["LEVELS"]
        steps = range(case["NF"] * sf)
        depth = 2 + (levels.bit_length() if levels > 1 else 0)
        self.machine = StepMachine(need=[i < sf for i in steps], give=[i % sf == sf - 1 for i in steps], depth=depth)

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.simd * self.bits) for _ in range(self.case["SF"])]

    def result(self, channel: int, inputs: list[int]) -> int:
        total = sum(w * x for w, x in zip(self.case["weights"][channel], inputs, strict=True))
        if self.case["LEVELS"] == 0:
            return total
        reached = sum(total >= t for t in self.case["thresholds"][channel])
        return self.case["BASE"] + self.case["STEP"] * reached

    def output(self, frame: list[int]) -> list[int]:
        inputs = [decode(code, self.bits, self.case["X_KIND"]) for beat in frame for code in unpack(beat, self.bits, self.simd)]
        results = [self.result(c, inputs) for c in range(self.pe * self.case["NF"])]
        return [pack(results[i : i + self.pe], self.case["OUT_BITS"]) for i in range(0, len(results), self.pe)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Mvu), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Mvu))
