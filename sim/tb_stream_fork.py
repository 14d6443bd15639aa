"""Bench of rtl/stream_fork.sv. The case carries `beats`, of a frame."""

from __future__ import annotations

from random import Random
from typing import Any

import cocotb
import joints
from bench import models


class StreamFork:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.machine = joints.Fork(case["OUTPUTS"], case["beats"])
        self.inputs, self.outputs = ("s",), tuple(f"m{i}" for i in range(case["OUTPUTS"]))

    def frame(self, random: Random) -> list[list[int]]:
        return [[random.getrandbits(self.case["WIDTH"]) for _ in range(self.case["beats"])]]

    def output(self, frame: list[list[int]]) -> list[int]:
        return frame[0]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await joints.check_streams(dut, models(StreamFork), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await joints.check_reset(dut, models(StreamFork))
