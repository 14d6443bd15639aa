"""Bench of depthwise units; a case as in tb_mvu, with a piece of PE channels for each of `sf` taps of each of `nf` tiles."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, unpack
from tb_mvu import numbers, result


class Depthwise:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.taps, self.tiles, self.bits = case, case["pe"], case["sf"], case["nf"], case["x"][0]
        steps = range(case["pixels"] * self.tiles * self.taps)
        self.machine = StepMachine(need=[True for _ in steps], give=[i % self.taps == self.taps - 1 for i in steps], depth=case["depth"])

    def frame(self, random: Random) -> list[int]:
        """Padding is code 0. A window of PE channels after the other, tap by tap."""
        windows = [self.case["padded"][pixel] for pixel in range(self.case["pixels"]) for _ in range(self.tiles)]
        return [0 if tap in padded else random.getrandbits(self.pe * self.bits) for padded in windows for tap in range(self.taps)]

    def output(self, frame: list[int]) -> list[int]:
        beats = []
        for tile in range(self.case["pixels"] * self.tiles):
            pixel, place = divmod(tile, self.tiles)
            window = [unpack(beat, self.bits, self.pe) for beat in frame[tile * self.taps : (tile + 1) * self.taps]]
            lanes = [numbers([codes[lane] for codes in window], self.case, self.case["padded"][pixel]) for lane in range(self.pe)]
            beats.append(pack([result(self.case, place * self.pe + lane, x) for lane, x in enumerate(lanes)], self.case["out_bits"]))
        return beats


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Depthwise), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Depthwise))
