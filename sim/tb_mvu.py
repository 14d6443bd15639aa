"""Bench of rtl/mvu.sv. The case carries what the unit should compute, in the model's own terms: `weights` (outputs of all groups, inputs) as
integers, for LEVELS = 1 and more `thresholds` (outputs, LEVELS) on the sum of products, and `padded`, the inputs of each pixel that are padding."""

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


def numbers(codes: list[int], case: dict[str, Any], padded: list[int]) -> list[int]:
    """What inputs mean; padding means 0."""
    return [0 if i in padded else decode(code, case["X_BITS"], case["X_KIND"]) for i, code in enumerate(codes)]


def result(case: dict[str, Any], channel: int, inputs: list[int]) -> int:
    """An output of a matrix block."""
    total = sum(w * x for w, x in zip(case["weights"][channel], inputs, strict=True))
    if case["LEVELS"] == 0:
        return total
    return case["BASE"] + case["STEP"] * sum(total >= t for t in case["thresholds"][channel])


def depth(levels: int) -> int:
    """Cycles from a matrix block's step to its output."""
    return 2 + (levels.bit_length() if levels > 1 else 0)


class Mvu:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.simd, self.bits = case, case["PE"], case["SIMD"], case["X_BITS"]
        nf, sf = case["NF"], case["SF"]
        steps = range(case["VECTORS"] * nf * sf)
        self.machine = StepMachine(need=[i % (nf * sf) < sf for i in steps], give=[i % sf == sf - 1 for i in steps], depth=depth(case["LEVELS"]))

    def frame(self, random: Random) -> list[int]:
        """Padding is code 0."""
        beats = []
        for vector in range(self.case["VECTORS"]):
            padded = self.case["padded"][vector // self.case["GROUPS"]]
            codes = [0 if i in padded else random.getrandbits(self.bits) for i in range(self.simd * self.case["SF"])]
            beats += [pack(codes[i : i + self.simd], self.bits) for i in range(0, len(codes), self.simd)]
        return beats

    def output(self, frame: list[int]) -> list[int]:
        sf, outputs, results = self.case["SF"], self.pe * self.case["NF"], []
        for vector in range(self.case["VECTORS"]):
            pixel, group = divmod(vector, self.case["GROUPS"])
            codes = [code for beat in frame[vector * sf : (vector + 1) * sf] for code in unpack(beat, self.bits, self.simd)]
            inputs = numbers(codes, self.case, self.case["padded"][pixel])
            results += [result(self.case, group * outputs + o, inputs) for o in range(outputs)]
        return [pack(results[i : i + self.pe], self.case["OUT_BITS"]) for i in range(0, len(results), self.pe)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Mvu), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Mvu))
