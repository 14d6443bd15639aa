"""Bench of matrix-vector units, rtl/mvu.sv and the datapath beside it. The case carries what the unit should compute, in the model's own terms:
`weights` (outputs of all groups, inputs) as integers, `table`, thresholds (outputs, levels) on the sum of products, and `padded`, the inputs of each
pixel that are padding; `x` is an input's bits and kind (0 bipolar, 1 unsigned, 2 signed)."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, signed, unpack


def decode(code: int, bits: int, kind: int) -> int:
    """The number that a code of this kind means."""
    return (2 * code - 1, code, signed(code, bits))[kind]


def numbers(codes: list[int], case: dict[str, Any], padded: list[int]) -> list[int]:
    """What inputs mean; padding means 0."""
    return [0 if i in padded else decode(code, *case["x"]) for i, code in enumerate(codes)]


def result(case: dict[str, Any], channel: int, inputs: list[int]) -> int:
    """The code of an output: of the sum, or, from -2, of how many thresholds it reaches; of a single one, the bit."""
    total = sum(w * x for w, x in zip(case["weights"][channel], inputs, strict=True))
    table = case["table"][channel]
    reached = sum(total >= t for t in table)
    return reached if len(table) == 1 else reached - 2 if table else total


class Mvu:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.simd, self.bits, self.sf = case, case["pe"], case["simd"], case["x"][0], case["sf"]
        nf, self.vectors = case["nf"], case["pixels"] * case["groups"]
        steps = range(self.vectors * nf * self.sf)
        self.machine = StepMachine(
            need=[i % (nf * self.sf) < self.sf for i in steps], give=[i % self.sf == self.sf - 1 for i in steps], depth=case["depth"]
        )

    def frame(self, random: Random) -> list[int]:
        """Padding is code 0."""
        beats = []
        for vector in range(self.vectors):
            padded = self.case["padded"][vector // self.case["groups"]]
            codes = [0 if i in padded else random.getrandbits(self.bits) for i in range(self.simd * self.sf)]
            beats += [pack(codes[i : i + self.simd], self.bits) for i in range(0, len(codes), self.simd)]
        return beats

    def output(self, frame: list[int]) -> list[int]:
        outputs, results = self.pe * self.case["nf"], []
        for vector in range(self.vectors):
            pixel, group = divmod(vector, self.case["groups"])
            codes = [code for beat in frame[vector * self.sf : (vector + 1) * self.sf] for code in unpack(beat, self.bits, self.simd)]
            inputs = numbers(codes, self.case, self.case["padded"][pixel])
            results += [result(self.case, group * outputs + o, inputs) for o in range(outputs)]
        return [pack(results[i : i + self.pe], self.case["out_bits"]) for i in range(0, len(results), self.pe)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Mvu), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Mvu))
