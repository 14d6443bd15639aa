"""The checks that every module bench makes, on all its cases at once.

Case k is an instance whose ports begin with `c{k}_`; tests/rtl/bench_runner.py writes the top that holds them all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Protocol

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from machines import Machine
from streams import PERIOD_NS, Port, Sink, Source

FRAMES = 6


class Model(Protocol):
    """What a module should do, for one set of parameters."""

    @property
    def machine(self) -> Machine: ...

    def frame(self, random: Random) -> list[int]:
        """The beats of a random input frame."""

    def output(self, frame: list[int]) -> list[int]:
        """The beats that this frame comes out as."""


def models(make: Callable[[dict[str, Any]], Model]) -> list[Model]:
    """A model for each case of this run."""
    return [make(case) for case in json.loads(Path(os.environ["HWQNN_CASES"]).read_text())]


class Checked:
    """One instance between a source and a sink, with every handshake wire compared with its machine in every cycle."""

    def __init__(self, dut: Any, index: int, model: Model, pause: float) -> None:
        self.dut, self.model, self.name = dut, model, f"case {index}"
        self.random = Random(f"{index} {pause}")
        self.s, self.m = Port(dut, f"c{index}_s"), Port(dut, f"c{index}_m")
        self.source, self.sink = Source(self.s, pause, self.random), Sink(self.m, pause, self.random)
        self.expected: list[tuple[int, bool]] = []
        for run in (self.source.run(dut.clk, dut.rst_n), self.sink.run(dut.clk, dut.rst_n), self.compare_wires()):
            cocotb.start_soon(run)

    def send(self, frames: int) -> None:
        for _ in range(frames):
            frame = self.model.frame(self.random)
            self.source.send(frame)
            output = self.model.output(frame)
            self.expected += [(beat, i == len(output) - 1) for i, beat in enumerate(output)]

    async def compare_wires(self) -> None:
        machine = self.model.machine
        while True:
            await RisingEdge(self.dut.clk)
            if not self.dut.rst_n.value:
                machine.reset()
                continue
            s_valid, m_ready = bool(self.s.valid.value), bool(self.m.ready.value)
            got = bool(self.s.ready.value), bool(self.m.valid.value)
            assert got == machine.wires(s_valid, m_ready), f"{self.name}: (s_tready, m_tvalid) is {got}"
            machine.clock(s_valid, m_ready)

    @property
    def done(self) -> bool:
        return not self.source.queue and len(self.sink.received) >= len(self.expected)

    def compare_data(self) -> None:
        got = [(t.data, t.last) for t in self.sink.received]
        assert not self.source.queue, f"{self.name}: input beats left over"
        assert got == self.expected, f"{self.name}: {got} is not {self.expected}"


async def start(dut: Any, models: list[Model], pause: float) -> list[Checked]:
    Clock(dut.clk, PERIOD_NS, "ns").start()
    dut.rst_n.value = 0
    instances = [Checked(dut, k, model, pause) for k, model in enumerate(models)]
    await release(dut)
    return instances


async def release(dut: Any) -> None:
    """Holds reset for one edge, which is all that the library asks for, then releases it."""
    dut.rst_n.value = 0
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)  # the first write takes effect after the first edge
    dut.rst_n.value = 1
    await RisingEdge(dut.clk)  # the agents see this one still in reset, and forget


async def finish(dut: Any, instances: list[Checked], limit: int) -> None:
    for _ in range(limit):
        await RisingEdge(dut.clk)
        if all(i.done for i in instances):
            break
    for _ in range(20):  # nothing may come after the last beat
        await RisingEdge(dut.clk)
    for instance in instances:
        instance.compare_data()


async def check_streams(dut: Any, models: list[Model], pause: float) -> None:
    """Frames back to back, each side pausing with this probability; with 0, every transfer must come in exactly its cycle."""
    instances = await start(dut, models, pause)
    for instance in instances:
        instance.send(FRAMES)
    await finish(dut, instances, 20_000)
    if pause == 0:
        for instance in instances:
            ideal = instance.model.machine.ideal(FRAMES)
            first = instance.source.sent[0].cycle - ideal[0][0]
            got = tuple([t.cycle - first for t in side] for side in (instance.source.sent, instance.sink.received))
            assert got == ideal, f"{instance.name}: cycles {got}"


async def check_reset(dut: Any, models: list[Model]) -> None:
    """A reset in mid-frame forgets that frame, and the next ones come out right."""
    instances = await start(dut, models, 0.3)
    for stop in (3, 8, 21, 50):
        for instance in instances:
            instance.send(FRAMES)
        for _ in range(stop):
            await RisingEdge(dut.clk)
        dut.rst_n.value = 0
        await release(dut)
        for instance in instances:
            instance.expected.clear()
    for instance in instances:
        instance.send(FRAMES)
    await finish(dut, instances, 20_000)
