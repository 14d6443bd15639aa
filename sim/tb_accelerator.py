"""Bench of a whole emitted accelerator on its two AXI4-Stream ports. `HWQNN_FRAMES` names a JSON file: {"inputs": frames, "outputs": frames},
a frame being a list of beats, and a beat an unsigned integer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

PERIOD_NS = 10


class Bench:
    """The accelerator between a source and a sink, each of which pauses with probability `pause` in a cycle."""

    def __init__(self, dut, pause: float) -> None:
        frames = json.loads(Path(os.environ["HWQNN_FRAMES"]).read_text())
        self.dut, self.inputs, self.outputs = dut, frames["inputs"], frames["outputs"]
        cocotb.start_soon(Clock(dut.aclk, PERIOD_NS, "ns").start())
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, False, byte_lanes=1)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, False, byte_lanes=1)
        if pause:
            self.source.set_pause_generator(pauses(pause, 1))
            self.sink.set_pause_generator(pauses(pause, 2))

    async def reset(self) -> None:
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 2)
        self.source.clear()
        self.sink.clear()
        self.dut.aresetn.value = 1

    def send(self) -> None:
        """All frames back to back."""
        for beats in self.inputs:
            self.source.send_nowait(AxiStreamFrame(beats))

    async def compare(self) -> None:
        """Every frame, which ends where tlast does; and nothing comes after the last."""
        for number, expected in enumerate(self.outputs):
            frame = await with_timeout(self.sink.recv(), 1, "ms")
            assert list(frame.tdata) == expected, f"frame {number}: {list(frame.tdata)} is not {expected}"
        await ClockCycles(self.dut.aclk, 50)
        assert self.sink.empty()


def pauses(probability: float, seed: int) -> Iterator[bool]:
    random = Random(seed)
    while True:
        yield random.random() < probability


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.3, 0.8])
async def frames_back_to_back(dut, pause: float) -> None:
    bench = Bench(dut, pause)
    await bench.reset()
    bench.send()
    await bench.compare()


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.3])
async def reset_in_mid_frame(dut, pause: float) -> None:
    """What was under way is forgotten, and the frames after it come out right."""
    bench = Bench(dut, pause)
    await bench.reset()
    beats = len(bench.inputs[0])
    for cycles in (1, beats // 2 + 1, beats + 3, 2 * beats + 7):
        bench.send()
        await ClockCycles(dut.aclk, cycles)
        await bench.reset()
    bench.send()
    await bench.compare()
