"""A design as numbers, which `engine.py` runs cycle for cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from hwqnn.dataflow.design import Buffering, Design, Forking, Node, Schedule
from hwqnn.dataflow.engine import BUFFER, CAPACITY, DEPTH, FORK, GIVE, IN0, IN1, KIND, MACHINE, NEED0, NEED1, OUT, TAKE0, TAKE1, run
from hwqnn.errors import CheckError


def balance(design: Design) -> dict[str, Fraction]:
    """How many frames of its own schedule each node makes in one frame of the design, by name."""
    named = {n.name: n for n in design.nodes}
    readers: dict[str, list[tuple[Node, int]]] = {}
    for node in design.nodes:
        for i, source in enumerate(node.inputs):
            if source.node is not None:
                readers.setdefault(source.node, []).append((node, i))
    count = {design.result.name: Fraction(1)}
    waiting = [design.result]
    while waiting:
        node = waiting.pop()
        frames, gives = count[node.name], node.block.schedule.gives
        before = [(named[s.node], frames * _takes(node, i) / named[s.node].block.schedule.gives) for i, s in enumerate(node.inputs) if s.node]
        after = [(reader, frames * gives / _takes(reader, i)) for reader, i in readers.get(node.name, ())]
        for other, frames in before + after:
            if other.name not in count:
                count[other.name] = frames
                waiting.append(other)
            elif count[other.name] != frames:
                raise CheckError(f"'{design.name}': the streams between '{node.name}' and '{other.name}' do not balance")
    return count


def _takes(node: Node, i: int) -> int:
    """Beats that a node takes at input `i` per frame of its own schedule."""
    match node.block.schedule:
        case Schedule(take=take):
            return int((take if take.ndim == 1 else take[:, i]).sum())
        case Buffering(takes=takes):
            return takes
        case Forking():
            return 1


@dataclass(frozen=True, eq=False)
class Run:
    """How a simulation ended.

    Attributes:
        state: int64 (nodes, 3): step; valid bits of the pipeline; beats in a buffer, or outputs that a fork has served.
        held: int64 (nodes,), beats in each buffer that are still to be read.
        valid, ready: bool (streams,) in the last cycle.
    """

    status: int
    stamps: np.ndarray
    period: int
    occupancy: np.ndarray
    state: np.ndarray
    held: np.ndarray
    valid: np.ndarray
    ready: np.ndarray


@dataclass(frozen=True, eq=False)
class Network:
    """A design as numbers. Stream 0 enters it, the last one leaves it.

    Attributes:
        node: int64 (nodes, 10), see `KIND` and so on.
        table: int32 (steps, 2), the blocks' schedules one after another: flags of a machine's step and how many steps from there on have none, or
            a buffer's need and free.
        beats_in, beats_out: per frame, of the accelerator.
    """

    design: Design
    node: np.ndarray
    table: np.ndarray
    beats_in: int
    beats_out: int

    @staticmethod
    def of(design: Design) -> Network:
        rows, tables, start, stream = [], [], 0, 1
        first: dict[str | None, int] = {None: 0}
        for n in design.nodes:
            schedule, inputs = n.block.schedule, [first[s.node] + s.port for s in n.inputs]
            kind, depth, takes, capacity, table = MACHINE, 0, 0, 0, np.zeros((1, 2), dtype=np.int32)
            match schedule:
                case Schedule():
                    depth, table = schedule.depth, _flags(schedule)
                case Buffering():
                    kind, depth, takes, capacity = BUFFER, schedule.depth, schedule.takes, schedule.capacity
                    table = np.stack([schedule.need, schedule.free], axis=1).astype(np.int32)
                case Forking():
                    kind = FORK
            rows.append([kind, depth, inputs[0], inputs[-1], stream, n.block.outputs, start, len(table), takes, capacity])
            tables.append(table)
            first[n.name] = stream
            start += len(table)
            stream += n.block.outputs
        head, last, count = design.nodes[0], design.nodes[-1], balance(design)
        beats_in, beats_out = int(count[head.name] * _takes(head, 0)), int(count[last.name] * last.block.schedule.gives)
        return Network(design, np.array(rows, dtype=np.int64), np.concatenate(tables), beats_in, beats_out)

    def with_room(self, beats: Mapping[int, int]) -> Network:
        """Buffers of other capacities, by the index of the node."""
        node = self.node.copy()
        node[list(beats), CAPACITY] = list(beats.values())
        return replace(self, node=node)

    def with_least_pipelines(self) -> Network:
        """All pipelines of one stage."""
        node = self.node.copy()
        node[:, DEPTH] = np.minimum(node[:, DEPTH], 1)
        return replace(self, node=node)

    def full(self, run: Run) -> list[int]:
        """The nodes that are buffers without room at the end of a run."""
        return np.flatnonzero((self.node[:, KIND] == BUFFER) & (run.held >= self.node[:, CAPACITY])).tolist()

    def run(self, frames: int, *, settle: bool, pace: int = 0, offered: int = -1) -> Run:
        """Runs until `frames` frames have left, a proven or likely steady state (`settle`), or nothing moves any more.

        Args:
            pace: cycles from one frame's first beat to the next one's, at the least.
            offered: frames that the source has; no end of them when negative.
        """
        streams, nodes = int(self.node[-1, OUT]) + 1, len(self.node)
        state, held = np.zeros((nodes, 3), dtype=np.int64), np.zeros(nodes, dtype=np.int64)
        valid, ready = np.zeros(streams, dtype=np.bool_), np.zeros(streams, dtype=np.bool_)
        stamps, most = np.zeros(frames, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
        done, status, period = run(
            self.node, self.table, self.beats_in, self.beats_out, frames, settle, pace, offered, state, held, most, valid, ready, stamps
        )
        return Run(status, stamps[:done], period, most, state, held, valid, ready)

    def blocked(self, run: Run) -> str:
        """Who waits, in words."""
        stopped = []
        for n, row in zip(self.design.nodes, self.node, strict=True):
            waits = [i for i, stream in enumerate(row[IN0 : IN1 + 1]) if not run.valid[stream]]
            holds = [i for i, stream in enumerate(row[IN0 : IN1 + 1]) if run.valid[stream] and not run.ready[stream]]
            if waits and holds:
                stopped.append(f"'{n.name}' waits at input {waits[0]} and holds back input {holds[0]}")
        return "; ".join(stopped) or "no block can move"


def _flags(schedule: Schedule) -> np.ndarray:
    """int32 (steps, 2): the bits `NEED0` and so on; how many steps in a row, this one first, have none."""
    need, take = (a.reshape(len(a), -1) for a in (schedule.need, schedule.take))
    bits = (NEED0, NEED1)[: need.shape[1]], (TAKE0, TAKE1)[: take.shape[1]]
    flags = need @ np.array(bits[0]) + take @ np.array(bits[1]) + schedule.give * GIVE
    step = np.arange(len(flags))
    busy = np.minimum.accumulate(np.where(flags != 0, step, len(flags))[::-1])[::-1]  # the next step that has one
    return np.stack([flags, busy - step], axis=1).astype(np.int32)
