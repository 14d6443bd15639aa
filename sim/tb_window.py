"""Bench of rtl/window.sv. The case carries `need`, `free`, `capacity` and `depth`, all in beats, and `pad` (CHANNELS), the codes outside the map."""

from __future__ import annotations

from random import Random
from typing import Any

import bench
import cocotb
from machines import Buffering
from streams import pack, unpack


class Window:
    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.bits, self.e, self.channels = case["BITS"], case["E"], case["CHANNELS"]
        self.height, self.width = case["HEIGHT"], case["WIDTH"]
        takes = self.height * self.width * self.channels // self.e
        self.machine = Buffering(takes, case["need"], case["free"], case["capacity"], case["depth"])

    def frame(self, random: Random) -> list[int]:
        return [random.getrandbits(self.e * self.bits) for _ in range(self.machine.takes)]

    def output(self, frame: list[int]) -> list[int]:
        """The map with its padding written out, then every window of it."""
        case, channels, tile = self.case, self.channels, self.case["TILE"]
        codes = [code for beat in frame for code in unpack(beat, self.bits, self.e)]
        pixels = [codes[i : i + channels] for i in range(0, len(codes), channels)]
        rows = [pixels[i : i + self.width] for i in range(0, len(pixels), self.width)]
        across = case["LEFT"] + self.width + case["RIGHT"]
        padded = [[case["pad"]] * across for _ in range(case["TOP"])]
        padded += [[case["pad"]] * case["LEFT"] + row + [case["pad"]] * case["RIGHT"] for row in rows]
        padded += [[case["pad"]] * across for _ in range(case["BOTTOM"])]
        rows_under = [y * case["DILATION_H"] for y in range(case["KERNEL_H"])]
        columns_under = [x * case["DILATION_W"] for x in range(case["KERNEL_W"])]
        found = []
        for y in range(0, len(padded) - rows_under[-1], case["STRIDE_H"]):
            for x in range(0, across - columns_under[-1], case["STRIDE_W"]):
                for first in range(0, channels, tile):
                    for dy in rows_under:
                        for dx in columns_under:
                            found += padded[y + dy][x + dx][first : first + tile]
        return [pack(found[i : i + self.e], self.bits) for i in range(0, len(found), self.e)]


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.2, 0.7])
async def streams(dut: Any, pause: float) -> None:
    await bench.check_streams(dut, bench.models(Window), pause)


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    await bench.check_reset(dut, bench.models(Window))
