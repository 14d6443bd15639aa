"""The checks of sim/bench.py for modules with several input or output streams: forks and joins.

Instance k's streams are called `c{k}_` and what the model calls them.
"""

from __future__ import annotations

from random import Random
from typing import Any, Protocol

import bench
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from streams import PERIOD_NS, Port, Sink, Source

Wires = tuple[list[bool], list[bool]]


class Machine(Protocol):
    """As `machines.Machine`, with a wire for each stream."""

    def wires(self, s_valid: list[bool], m_ready: list[bool]) -> Wires:
        """(s_tready, m_tvalid) in this cycle."""

    def clock(self, s_valid: list[bool], m_ready: list[bool]) -> None: ...

    def reset(self) -> None: ...

    def ideal(self, frames: int) -> tuple[list[list[int]], list[list[int]]]:
        """The cycles of each input's and of each output's transfers when nobody ever waits; the first step is in cycle 0."""


class Join:
    """A step machine with several inputs and `depth` > 0. `need` is by step and input; a step takes what it needs, and always gives."""

    def __init__(self, need: list[list[bool]], depth: int) -> None:
        self.need, self.depth = need, depth
        self.reset()

    def reset(self) -> None:
        self.step = 0
        self.pipe = [False] * self.depth

    def wires(self, s_valid: list[bool], m_ready: list[bool]) -> Wires:
        need = self.need[self.step]
        others = [all(s_valid[j] for j in range(len(need)) if need[j] and j != i) for i in range(len(need))]
        return [self._advances(m_ready) and need[i] and others[i] for i in range(len(need))], [self.pipe[-1]]

    def clock(self, s_valid: list[bool], m_ready: list[bool]) -> None:
        if self._advances(m_ready):
            steps = all(valid for valid, need in zip(s_valid, self.need[self.step], strict=True) if need)
            self.pipe = [steps, *self.pipe[:-1]]
            self.step = (self.step + steps) % len(self.need)

    def _advances(self, m_ready: list[bool]) -> bool:
        return not self.pipe[-1] or m_ready[0]

    def ideal(self, frames: int) -> tuple[list[list[int]], list[list[int]]]:
        steps = range(frames * len(self.need))
        inputs = [[i for i in steps if self.need[i % len(self.need)][k]] for k in range(len(self.need[0]))]
        return inputs, [[i + self.depth for i in steps]]


class Fork:
    """An eager fork: each output is done with the present beat once it has taken it."""

    def __init__(self, outputs: int, beats: int) -> None:
        self.outputs, self.beats = outputs, beats
        self.reset()

    def reset(self) -> None:
        self.done = [False] * self.outputs

    def wires(self, s_valid: list[bool], m_ready: list[bool]) -> Wires:
        return [all(done or ready for done, ready in zip(self.done, m_ready, strict=True))], [s_valid[0] and not done for done in self.done]

    def clock(self, s_valid: list[bool], m_ready: list[bool]) -> None:
        (s_ready,), m_valid = self.wires(s_valid, m_ready)
        took = [done or (valid and ready) for done, valid, ready in zip(self.done, m_valid, m_ready, strict=True)]
        self.done = [False] * self.outputs if s_valid[0] and s_ready else took

    def ideal(self, frames: int) -> tuple[list[list[int]], list[list[int]]]:
        cycles = list(range(frames * self.beats))
        return [cycles], [cycles] * self.outputs


class Model(Protocol):
    """What a module should do, for one set of parameters."""

    machine: Machine
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def frame(self, random: Random) -> list[list[int]]:
        """The beats of a random frame, for each input."""

    def output(self, frame: list[list[int]]) -> list[int]:
        """The beats that this comes out as, at every output."""


class Checked:
    """One instance between sources and sinks, with every handshake wire compared with its machine in every cycle."""

    def __init__(self, dut: Any, index: int, model: Model, pause: float) -> None:
        self.dut, self.model, self.name = dut, model, f"case {index}"
        self.random = Random(f"{index} {pause}")
        self.sources = [Source(Port(dut, f"c{index}_{name}"), pause, self.random) for name in model.inputs]
        self.sinks = [Sink(Port(dut, f"c{index}_{name}"), pause, self.random) for name in model.outputs]
        self.expected: list[tuple[int, bool]] = []
        for agent in (*self.sources, *self.sinks):
            cocotb.start_soon(agent.run(dut.clk, dut.rst_n))
        cocotb.start_soon(self.compare_wires())

    def send(self, frames: int) -> None:
        for _ in range(frames):
            frame = self.model.frame(self.random)
            for source, beats in zip(self.sources, frame, strict=True):
                source.send(beats)
            output = self.model.output(frame)
            self.expected += [(beat, i == len(output) - 1) for i, beat in enumerate(output)]

    async def compare_wires(self) -> None:
        machine = self.model.machine
        while True:
            await RisingEdge(self.dut.clk)
            if not self.dut.rst_n.value:
                machine.reset()
                continue
            s_valid = [bool(s.port.valid.value) for s in self.sources]
            m_ready = [bool(s.port.ready.value) for s in self.sinks]
            got = [bool(s.port.ready.value) for s in self.sources], [bool(s.port.valid.value) for s in self.sinks]
            assert got == machine.wires(s_valid, m_ready), f"{self.name}: (s_tready, m_tvalid) is {got}"
            machine.clock(s_valid, m_ready)

    @property
    def done(self) -> bool:
        return all(len(sink.received) >= len(self.expected) for sink in self.sinks)

    def compare_data(self) -> None:
        assert not any(source.queue for source in self.sources), f"{self.name}: input beats left over"
        for sink in self.sinks:
            got = [(t.data, t.last) for t in sink.received]
            assert got == self.expected, f"{self.name}: {sink.port.prefix} gives {got}, not {self.expected}"


async def _start(dut: Any, models: list[Model], pause: float) -> list[Checked]:
    Clock(dut.clk, PERIOD_NS, "ns").start()
    dut.rst_n.value = 0
    instances = [Checked(dut, k, model, pause) for k, model in enumerate(models)]
    await bench.release(dut)
    return instances


async def check_streams(dut: Any, models: list[Model], pause: float) -> None:
    """Frames back to back, each stream pausing on its own with this probability; with 0, every transfer must come in exactly its cycle."""
    instances = await _start(dut, models, pause)
    for instance in instances:
        instance.send(bench.FRAMES)
    await bench.finish(dut, instances, 20_000)
    if pause == 0:
        for instance in instances:
            ideal = instance.model.machine.ideal(bench.FRAMES)
            first = instance.sources[0].sent[0].cycle - ideal[0][0][0]
            got = (
                [[t.cycle - first for t in source.sent] for source in instance.sources],
                [[t.cycle - first for t in sink.received] for sink in instance.sinks],
            )
            assert got == ideal, f"{instance.name}: cycles {got}"


async def check_reset(dut: Any, models: list[Model]) -> None:
    """A reset in mid-frame forgets that frame, and the next ones come out right."""
    instances = await _start(dut, models, 0.3)
    for stop in (3, 8, 21, 50):
        for instance in instances:
            instance.send(bench.FRAMES)
        for _ in range(stop):
            await RisingEdge(dut.clk)
        dut.rst_n.value = 0
        await bench.release(dut)
        for instance in instances:
            instance.expected.clear()
    for instance in instances:
        instance.send(bench.FRAMES)
    await bench.finish(dut, instances, 20_000)
