"""Bench of rtl/pool_stream.sv. The case carries `minimum` (PE * FOLD), which channels want the least."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import StepMachine
from streams import pack, signed, unpack


class PoolStream:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.pe, self.fold, self.bits = case, case["PE"], case["FOLD"], case["BITS"]
        self.kernel = case["KERNEL_H"], case["KERNEL_W"]
        self.size = case["HEIGHT"], case["WIDTH"]
        steps = [(row, column) for row in range(self.size[0]) for column in range(self.size[1]) for _ in range(self.fold)]
        corners = {tuple((n + 1) * k - 1 for n, k in zip(place, self.kernel, strict=True)) for place in self.places()}
        self.machine = StepMachine(need=[True for _ in steps], give=[step in corners for step in steps], depth=1)

    def places(self) -> list[tuple[int, int]]:
        lines, columns = (n // k for n, k in zip(self.size, self.kernel, strict=True))
        return [(line, column) for line in range(lines) for column in range(columns)]

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.pe * self.bits) for _ in range(len(self.machine.need))]

    def output(self, frame: list[int]) -> list[int]:
        (kh, kw), width = self.kernel, self.size[1]
        beats = []
        for line, column in self.places():
            pixels = [(line * kh + y) * width + column * kw + x for y in range(kh) for x in range(kw)]
            for tile in range(self.fold):
                lanes = zip(*(unpack(frame[pixel * self.fold + tile], self.bits, self.pe) for pixel in pixels), strict=True)
                beats.append(pack([self.chosen(tile * self.pe + p, list(codes)) for p, codes in enumerate(lanes)], self.bits))
        return beats

    def chosen(self, channel: int, codes: list[int]) -> int:
        values = [signed(code, self.bits) for code in codes] if self.case["SIGNED"] else codes
        return min(values) if self.case["minimum"][channel] else max(values)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(PoolStream), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(PoolStream))
