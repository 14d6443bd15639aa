"""Bench of rtl/vote.sv with its datapath. The case carries `weights`, of each label, `label_bits`, `out_bits`, `pe`, `fold`, `vectors`, `depth`."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, unpack


class Holding(StepMachine):
    """A step machine whose steps all look at the input beat and all give; the last of each `fold` takes it."""

    def __init__(self, steps: int, fold: int, depth: int) -> None:
        super().__init__([True] * steps, [True] * steps, depth)
        self.takes = [i % fold == fold - 1 for i in range(steps)]

    def wires(self, s_valid: bool, m_ready: bool) -> tuple[bool, bool]:
        advance, m_valid = super().wires(s_valid, m_ready)
        return advance and self.takes[self.step], m_valid

    def ideal(self, frames: int) -> tuple[list[int], list[int]]:
        steps, given = super().ideal(frames)
        return [cycle for cycle in steps if self.takes[cycle % len(self.takes)]], given


class Vote:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.classes = case, case["pe"] * case["fold"]
        self.machine = Holding(case["fold"] * case["vectors"], case["fold"], case["depth"])

    def frame(self, random: Random) -> list[int]:
        """Few different labels, so that votes meet; now and then one that no class has."""
        palette = [random.randrange(self.classes) for _ in range(3)] + [random.getrandbits(self.case["label_bits"])]
        return [pack(random.choices(palette, k=len(self.case["weights"])), self.case["label_bits"]) for _ in range(self.case["vectors"])]

    def output(self, frame: list[int]) -> list[int]:
        beats = []
        for vector in frame:
            votes = [0] * self.classes
            for label, weight in zip(unpack(vector, self.case["label_bits"], len(self.case["weights"])), self.case["weights"], strict=True):
                if label < self.classes:
                    votes[label] += weight
            beats += [pack(votes[i : i + self.case["pe"]], self.case["out_bits"]) for i in range(0, self.classes, self.case["pe"])]
        return beats


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Vote), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Vote))
