"""The timing engine against a plain simulation, wire by wire and cycle by cycle, of the rules in docs/architecture.md."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from hwqnn.dataflow import Beat, Block, Design, Node, Resources, Schedule, simulate
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.ir import UInt

BEAT = Beat(1, UInt(1))


@dataclass(frozen=True, eq=False, kw_only=True)
class AnyBlock(Block):
    """A block that is nothing but its schedule."""

    steps: Schedule

    @property
    def schedule(self) -> Schedule:
        return self.steps

    @property
    def parameters(self) -> dict[str, int]:
        return {}

    @property
    def estimate(self) -> Resources:
        return Resources()


@dataclass
class Pipeline:
    """depth > 0. `stages` holds the valid bits, the last one is m_tvalid."""

    schedule: Schedule
    step: int = 0
    stages: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stages = [False] * self.schedule.depth

    def m_tvalid(self, s_tvalid: bool) -> bool:
        return self.stages[-1]

    def s_tready(self, m_tready: bool) -> bool:
        advance = not self.stages[-1] or m_tready
        return advance and bool(self.schedule.take[self.step])

    def clock(self, s_tvalid: bool, m_tready: bool) -> None:
        advance = not self.stages[-1] or m_tready
        if not advance:
            return
        step = s_tvalid or not self.schedule.need[self.step]
        self.stages = [step and bool(self.schedule.give[self.step]), *self.stages[:-1]]
        if step:
            self.step = (self.step + 1) % self.schedule.cycles


@dataclass
class Combinational:
    """depth 0."""

    schedule: Schedule
    step: int = 0

    def m_tvalid(self, s_tvalid: bool) -> bool:
        return bool(self.schedule.give[self.step]) and s_tvalid

    def s_tready(self, m_tready: bool) -> bool:
        return bool(self.schedule.take[self.step]) and (m_tready or not self.schedule.give[self.step])

    def clock(self, s_tvalid: bool, m_tready: bool) -> None:
        if s_tvalid and (m_tready or not self.schedule.give[self.step]):
            self.step = (self.step + 1) % self.schedule.cycles


@dataclass
class Queue:
    depth: int
    count: int = 0
    most: int = 0

    def m_tvalid(self, s_tvalid: bool) -> bool:
        return self.count != 0

    def s_tready(self, m_tready: bool) -> bool:
        return self.count < self.depth

    def clock(self, s_tvalid: bool, m_tready: bool) -> None:
        enters, leaves = s_tvalid and self.s_tready(m_tready), self.m_tvalid(s_tvalid) and m_tready
        self.count += int(enters) - int(leaves)
        self.most = max(self.most, self.count)


def slow(design: Design, frames: int) -> tuple[list[int], list[int]]:
    """(stamps, most beats in each FIFO). The source always offers, the sink always takes."""
    machines = []
    for node in design.nodes:
        block = node.block
        machines.append(Queue(block.depth) if isinstance(block, Fifo) else (Pipeline if block.schedule.depth else Combinational)(block.schedule))
    last = next(m for m in reversed(machines) if not isinstance(m, Queue))
    per_frame = int(last.schedule.give.sum())
    stamps, outputs, first, cycle = [], 0, None, 0
    while len(stamps) < frames:
        valid = [True]  # valid[b] enters machine b
        for machine in machines:
            valid.append(machine.m_tvalid(valid[-1]))
        ready = [True]  # and the other way; ready[b] leaves machine b
        for machine in reversed(machines):
            ready.insert(0, machine.s_tready(ready[0]))
        if ready[0] and first is None:
            first = cycle
        if valid[-1]:
            outputs += 1
            if outputs % per_frame == 0:
                stamps.append(cycle - first)
        for b, machine in enumerate(machines):
            machine.clock(valid[b], ready[b + 1])
        cycle += 1
        assert cycle < 20_000, "no progress"
    return stamps, [m.most if isinstance(m, Queue) else 0 for m in machines]


def random_schedule(rng: random.Random, beats_in: int, beats_out: int, depth: int) -> Schedule:
    """Random steps that take `beats_in` beats and then give the last of `beats_out`; with depth 0 every step needs a beat."""
    steps = max(beats_in, beats_out) + (rng.randint(0, 6) if depth else 0)
    take = sorted(rng.sample(range(steps), beats_in))
    if not depth and beats_in < steps:
        take[-1] = steps - 1  # with depth 0 a beat is looked at until it is taken
    give = sorted(rng.sample(range(steps), beats_out))
    need = [i in take or not depth or rng.random() < 0.2 for i in range(steps)]
    if take[-1] < steps - 1 and depth:
        need[take[-1] + 1 :] = [False] * (steps - 1 - take[-1])  # no waiting for the next frame's beat
    return Schedule(np.array(need), np.isin(np.arange(steps), take), np.isin(np.arange(steps), give), depth)


def random_design(seed: int) -> Design:
    rng = random.Random(seed)
    nodes, beats = [], rng.randint(1, 8)
    for i in range(rng.randint(1, 6)):
        out, depth = rng.randint(1, 8), rng.choice([0, 1, 1, 2, 3, 7])
        blocks = [AnyBlock(beat_in=BEAT, beat_out=BEAT, steps=random_schedule(rng, beats, out, depth))]
        if rng.random() < 0.5:
            blocks.insert(rng.randint(0, 1), Fifo(beat_in=BEAT, beat_out=BEAT, depth=rng.choice([2, 2, 3, 8])))
        nodes += [Node(f"{i}.{j}", str(i), b, None) for j, b in enumerate(blocks)]
        beats = out
    return Design("random", tuple(nodes), 100.0)


@pytest.mark.parametrize("seed", range(300))
def test_every_stamp(seed: int) -> None:
    design = random_design(seed)
    stamps, most = slow(design, 12)
    timing = simulate(design, 12)
    assert timing.stamps.tolist() == stamps
    assert timing.occupancy.tolist() == most
    assert timing.latency == stamps[0] + 1 and timing.interval == stamps[-1] - stamps[-2]


@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_settled(seed: int) -> None:
    """Without a number of frames, the interval found is the one that holds from then on."""
    design = random_design(seed)
    timing = simulate(design)
    n = len(timing.stamps)
    later = simulate(design, 4 * n).stamps
    assert later[:n].tolist() == timing.stamps.tolist()
    mean = (later[-1] - later[n - 1]) / (3 * n)
    assert mean == timing.interval


def test_by_hand() -> None:
    """Two beats in, one out, after a pipeline of 3: beats at cycles 0 and 1, the result leaves at 1 + 3."""
    steps = Schedule(np.array([True, True]), np.array([True, True]), np.array([False, True]), 3)
    design = Design("hand", (Node("a", "a", AnyBlock(beat_in=BEAT, beat_out=BEAT, steps=steps), None),), 100.0)
    assert simulate(design, 3).stamps.tolist() == [4, 6, 8]
    assert (simulate(design).latency, simulate(design).interval) == (5, 2)
