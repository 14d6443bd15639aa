"""What a network of blocks does, simulated slowly: every wire of every cycle by the equations of docs/architecture.md.

Nothing is ordered here: the wires of a cycle start low and are computed until none changes any more.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from hwqnn.dataflow import Beat, Block, Buffering, Design, Forking, Node, Resources, Schedule, Source
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.ir import UInt

BEAT = Beat(1, UInt(1))


@dataclass(frozen=True, eq=False, kw_only=True)
class AnyBlock(Block):
    """A block that is nothing but its schedule."""

    steps: Schedule | Buffering | Forking

    @property
    def schedule(self) -> Schedule | Buffering | Forking:
        return self.steps

    @property
    def outputs(self) -> int:
        return self.steps.outputs if isinstance(self.steps, Forking) else 1

    @property
    def parameters(self) -> dict[str, int]:
        return {}

    @property
    def estimate(self) -> Resources:
        return Resources()


@dataclass
class Machine:
    """A Schedule with one or two inputs."""

    schedule: Schedule
    step: int = 0
    stages: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stages = [False] * self.schedule.depth
        self.need, self.take = (np.reshape(a, (self.schedule.cycles, -1)) for a in (self.schedule.need, self.schedule.take))

    def runs(self, m_tready: bool) -> bool:
        if self.schedule.depth:
            return not self.stages[-1] or m_tready
        return m_tready or not self.schedule.give[self.step]

    def complete(self, s_tvalid: list[bool], but: int | None = None) -> bool:
        return all(v for i, v in enumerate(s_tvalid) if self.need[self.step, i] and i != but)

    def m_tvalid(self, s_tvalid: list[bool]) -> list[bool]:
        return [self.stages[-1] if self.schedule.depth else bool(self.schedule.give[self.step]) and self.complete(s_tvalid)]

    def s_tready(self, s_tvalid: list[bool], m_tready: list[bool]) -> list[bool]:
        return [self.runs(m_tready[0]) and bool(self.take[self.step, i]) and self.complete(s_tvalid, but=i) for i in range(len(s_tvalid))]

    def clock(self, s_tvalid: list[bool], m_tready: list[bool]) -> None:
        if not self.runs(m_tready[0]):
            return
        step = self.complete(s_tvalid)
        if self.schedule.depth:
            self.stages = [step and bool(self.schedule.give[self.step]), *self.stages[:-1]]
        if step:
            self.step = (self.step + 1) % self.schedule.cycles


@dataclass
class Buffer:
    """A Buffering, with its absolute counters."""

    schedule: Buffering
    written: int = 0
    steps: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        self.stages = [False] * self.schedule.depth

    def at(self, of: np.ndarray) -> int:
        frame, i = divmod(self.steps, len(self.schedule.need))
        return frame * self.schedule.takes + int(of[i])

    def m_tvalid(self, s_tvalid: list[bool]) -> list[bool]:
        return [self.stages[-1] if self.schedule.depth else self.written >= self.at(self.schedule.need)]

    def s_tready(self, s_tvalid: list[bool], m_tready: list[bool]) -> list[bool]:
        return [self.written - self.at(self.schedule.free) < self.schedule.capacity]

    def clock(self, s_tvalid: list[bool], m_tready: list[bool]) -> None:
        have = self.written >= self.at(self.schedule.need)
        writes = s_tvalid[0] and self.s_tready(s_tvalid, m_tready)[0]
        if self.schedule.depth:
            advance = not self.stages[-1] or m_tready[0]
            step = advance and have
            if advance:
                self.stages = [step, *self.stages[:-1]]
        else:
            step = have and m_tready[0]
        if writes:
            self.most = max(self.most, self.written + 1 - self.at(self.schedule.free))
        self.written += writes
        self.steps += step


@dataclass
class Fork:
    """An eager fork."""

    schedule: Forking

    def __post_init__(self) -> None:
        self.done = [False] * self.schedule.outputs

    def m_tvalid(self, s_tvalid: list[bool]) -> list[bool]:
        return [s_tvalid[0] and not d for d in self.done]

    def s_tready(self, s_tvalid: list[bool], m_tready: list[bool]) -> list[bool]:
        return [all(d or r for d, r in zip(self.done, m_tready, strict=True))]

    def clock(self, s_tvalid: list[bool], m_tready: list[bool]) -> None:
        valid, transfer = self.m_tvalid(s_tvalid), s_tvalid[0] and self.s_tready(s_tvalid, m_tready)[0]
        self.done = [not transfer and (d or (v and r)) for d, v, r in zip(self.done, valid, m_tready, strict=True)]


MACHINES = {Schedule: Machine, Buffering: Buffer, Forking: Fork}
IN, OUT = Source(None), Source("sink")


class StuckError(Exception):
    """Nothing moves any more."""


def slow(design: Design, frames: int, beats_in: int, beats_out: int, rng: random.Random | None = None, pace: int = 0) -> tuple[list[int], list[int]]:
    """(stamps, the room that each buffer needed). Source and sink pause when `rng` says so; frames arrive `pace` cycles apart at the least."""
    machines = [MACHINES[type(n.block.schedule)](n.block.schedule) for n in design.nodes]
    outputs = {n.name: [Source(n.name, k) for k in range(n.block.outputs)] for n in design.nodes}
    last = Source(design.nodes[-1].name)
    wires = [IN] + [source for ports in outputs.values() for source in ports]
    stamps: list[int] = []
    sent = received = cycle = quiet = 0
    first = None
    offered = False
    while len(stamps) < frames:
        there = not pace or sent < (cycle // pace + 1) * beats_in
        offered = there and (offered or rng is None or rng.random() < 0.7)
        takes = rng is None or rng.random() < 0.7
        valid, ready = dict.fromkeys(wires, False), dict.fromkeys(wires, False)
        valid[IN], ready[last] = offered, takes
        while True:
            before = (dict(valid), dict(ready))
            for node, machine in zip(design.nodes, machines, strict=True):
                s = [valid[w] for w in node.inputs]
                valid.update(zip(outputs[node.name], machine.m_tvalid(s), strict=True))
                ready.update(zip(node.inputs, machine.s_tready(s, [ready[w] for w in outputs[node.name]]), strict=True))
            if (valid, ready) == before:
                break
        for node, machine in zip(design.nodes, machines, strict=True):
            machine.clock([valid[w] for w in node.inputs], [ready[w] for w in outputs[node.name]])
        moved = any(valid[w] and ready[w] for w in wires)
        if valid[IN] and ready[IN]:
            first = cycle if first is None else first
            sent, offered = sent + 1, False
        if valid[last] and takes:
            received += 1
            if received % beats_out == 0:
                stamps.append(cycle - first)
        cycle += 1
        quiet = 0 if moved else quiet + 1
        if quiet > 200 + pace:
            raise StuckError
    return stamps, [m.most if isinstance(m, Buffer) else 0 for m in machines]


def random_steps(rng: random.Random, beats_in: tuple[int, ...], beats_out: int, depth: int) -> Schedule:
    """Random steps that take `beats_in` of each input and give `beats_out`."""
    steps = max(*beats_in, beats_out) + (rng.randint(0, 6) if depth else 0)
    take = np.zeros((steps, len(beats_in)), dtype=bool)
    for i, beats in enumerate(beats_in):
        take[rng.sample(range(steps), beats), i] = True
    give = np.isin(np.arange(steps), rng.sample(range(steps), beats_out))
    if len(beats_in) == 1:
        take = take[:, 0]
        if not depth and not take[-1]:
            take[np.flatnonzero(take)[-1]], take[-1] = False, True  # with depth 0 a beat is looked at until it is taken
        need = take | np.array([not depth or rng.random() < 0.2 for _ in range(steps)])
        if depth:
            need[np.flatnonzero(take)[-1] + 1 :] = False  # no waiting for the next frame's beat
        return Schedule(need, take, give, depth)
    return Schedule(take.copy(), take, give, depth)


def random_buffering(rng: random.Random, beats_in: int, beats_out: int) -> Buffering:
    """Needs and frees that grow, over a buffer that holds what a step needs and what earlier steps left there."""
    need = sorted(rng.randint(0, beats_in) for _ in range(beats_out))
    free = sorted(min(rng.randint(0, beats_in), need[0] if i == 0 else need[i]) for i in range(beats_out))
    least = max(1, max(n - f for n, f in zip(need, free, strict=True)))
    return Buffering(beats_in, np.array(need), np.array(free), least + rng.choice([0, 0, 1, 3]), rng.choice([0, 1, 1, 2]))


def node(name: str, block: Block, *inputs: Source) -> Node:
    return Node(name, name, block, name, inputs)


def fifo(depth: int) -> Fifo:
    return Fifo(beat_in=BEAT, beat_out=BEAT, depth=depth)


def block(steps: Schedule | Buffering | Forking) -> AnyBlock:
    return AnyBlock(beat_in=BEAT, beat_out=BEAT, steps=steps)


def random_design(seed: int) -> tuple[Design, int, int]:
    """(design, beats in, beats out per frame): streams are forked and joined at random until one is left."""
    rng = random.Random(seed)
    beats_in = rng.randint(1, 8)
    nodes: list[Node] = []
    streams = [(IN, beats_in)]

    def add(made: Block, *inputs: Source) -> str:
        nodes.append(node(f"n{len(nodes)}", made, *inputs))
        return nodes[-1].name

    for _ in range(rng.randint(1, 9)):
        source, beats = streams.pop(rng.randrange(len(streams)))
        choice, out = rng.random(), rng.randint(1, 8)
        if choice < 0.2:
            streams.append((Source(add(fifo(rng.choice([2, 2, 3, 8])), source)), beats))
        elif choice < 0.4:
            streams.append((Source(add(block(random_buffering(rng, beats, out)), source)), out))
        elif choice < 0.6 and len(streams) < 2:
            name = add(block(Forking(copies := rng.randint(2, 3))), source)
            streams += [(Source(name, k), beats) for k in range(copies)]
        else:
            streams.append((Source(add(block(random_steps(rng, (beats,), out, rng.choice([0, 1, 1, 2, 3, 7]))), source)), out))
        if len(streams) > 1 and rng.random() < 0.3:
            join(rng, add, streams)
    while len(streams) > 1:
        join(rng, add, streams)
    source, beats = streams[0]
    add(block(random_steps(rng, (beats,), out := rng.randint(1, 8), rng.choice([0, 1, 3]))), source)
    return Design("random", tuple(nodes), 100.0), beats_in, out


def join(rng: random.Random, add, streams) -> None:
    """Joins two streams, mostly behind FIFOs (many would deadlock without)."""
    rng.shuffle(streams)
    pair = [streams.pop(), streams.pop()]
    sources = [Source(add(fifo(rng.choice([2, 3, 8])), source)) if rng.random() < 0.7 else source for source, _ in pair]
    out = rng.randint(1, 8)
    streams.append((Source(add(block(random_steps(rng, tuple(b for _, b in pair), out, rng.choice([0, 1, 1, 2, 3]))), *sources)), out))
