"""A design as numbers, and the machine that runs it, cycle for cycle.

The rules are those of `dataflow.design` and of `docs/architecture.md`, "Blocks are step machines". Each cycle, valid goes forward through the
nodes and ready backward, which is one pass each because valid never depends on ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction

import numpy as np

from hwqnn.dataflow.design import Buffering, Design, Forking, Node, Schedule
from hwqnn.errors import CheckError
from hwqnn.kernel import kernel

SETTLED = 6
"""Without a proof that it has, a design counts as settled when so many intervals in a row are equal."""
MOST_FRAMES = 512
_MOST_STEPS = 500_000_000
"""Node-cycles after which a proof is no longer waited for: seconds."""

_MACHINE, _BUFFER, _FORK = range(3)
_KIND, _DEPTH, _IN0, _IN1, _OUT, _OUTPUTS, _START, _LENGTH, _TAKES, _CAPACITY = range(10)
_NEED0, _NEED1, _TAKE0, _TAKE1, _GIVE = (1 << i for i in range(5))


class End(IntEnum):
    """Why a run ended.

    Attributes:
        FINISHED: all frames are out. REPEATS: the state was there before. STUCK: nothing moves any more. LATE: frames leave slower than they come.
    """

    FINISHED = 0
    REPEATS = 1
    STUCK = 2
    LATE = 3


_FINISHED, _REPEATS, _STUCK, _LATE = (int(end) for end in End)


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
        node: int64 (nodes, 10), see `_KIND` and so on.
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
            kind, depth, takes, capacity, table = _MACHINE, 0, 0, 0, np.zeros((1, 2), dtype=np.int32)
            match schedule:
                case Schedule():
                    depth, table = schedule.depth, _flags(schedule)
                case Buffering():
                    kind, depth, takes, capacity = _BUFFER, schedule.depth, schedule.takes, schedule.capacity
                    table = np.stack([schedule.need, schedule.free], axis=1).astype(np.int32)
                case Forking():
                    kind = _FORK
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
        node[list(beats), _CAPACITY] = list(beats.values())
        return replace(self, node=node)

    def with_least_pipelines(self) -> Network:
        """All pipelines of one stage."""
        node = self.node.copy()
        node[:, _DEPTH] = np.minimum(node[:, _DEPTH], 1)
        return replace(self, node=node)

    def full(self, run: Run) -> list[int]:
        """The nodes that are buffers without room at the end of a run."""
        return np.flatnonzero((self.node[:, _KIND] == _BUFFER) & (run.held >= self.node[:, _CAPACITY])).tolist()

    def run(self, frames: int, *, settle: bool, pace: int = 0, offered: int = -1) -> Run:
        """Runs until `frames` frames have left, a proven or likely steady state (`settle`), or nothing moves any more.

        Args:
            pace: cycles from one frame's first beat to the next one's, at the least.
            offered: frames that the source has; no end of them when negative.
        """
        streams, nodes = int(self.node[-1, _OUT]) + 1, len(self.node)
        state, held = np.zeros((nodes, 3), dtype=np.int64), np.zeros(nodes, dtype=np.int64)
        valid, ready = np.zeros(streams, dtype=np.bool_), np.zeros(streams, dtype=np.bool_)
        stamps, most = np.zeros(frames, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
        done, status, period = _run(
            self.node, self.table, self.beats_in, self.beats_out, frames, settle, pace, offered, state, held, most, valid, ready, stamps
        )
        return Run(status, stamps[:done], period, most, state, held, valid, ready)

    def blocked(self, run: Run) -> str:
        """Who waits, in words."""
        stopped = []
        for n, row in zip(self.design.nodes, self.node, strict=True):
            waits = [i for i, stream in enumerate(row[_IN0 : _IN1 + 1]) if not run.valid[stream]]
            holds = [i for i, stream in enumerate(row[_IN0 : _IN1 + 1]) if run.valid[stream] and not run.ready[stream]]
            if waits and holds:
                stopped.append(f"'{n.name}' waits at input {waits[0]} and holds back input {holds[0]}")
        return "; ".join(stopped) or "no block can move"


def _flags(schedule: Schedule) -> np.ndarray:
    """int32 (steps, 2): the bits `_NEED0` and so on; how many steps in a row, this one first, have none."""
    need, take = (a.reshape(len(a), -1) for a in (schedule.need, schedule.take))
    bits = (_NEED0, _NEED1)[: need.shape[1]], (_TAKE0, _TAKE1)[: take.shape[1]]
    flags = need @ np.array(bits[0]) + take @ np.array(bits[1]) + schedule.give * _GIVE
    step = np.arange(len(flags))
    busy = np.minimum.accumulate(np.where(flags != 0, step, len(flags))[::-1])[::-1]  # the next step that has one
    return np.stack([flags, busy - step], axis=1).astype(np.int32)


@kernel
def _run(node, table, beats_in, beats_out, frames, settle, pace, offered, state, held, most, valid, ready, stamps):  # type: ignore[no-untyped-def]
    n = len(node)
    last = len(valid) - 1
    can = np.zeros(n, dtype=np.bool_)  # all that the step needs is there
    asleep = np.zeros(n, dtype=np.int64)  # steps that a machine will make whatever happens around it, its pipeline empty
    still = np.zeros(n, dtype=np.bool_)  # nothing changed in the last cycle: nothing will until one of these does
    seen0, seen1, seen = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    snapshots = np.zeros((MOST_FRAMES if settle else 1, 3 * n + 1), dtype=np.int64)
    taken = given = done = cycle = kept = 0
    first = -1
    for b in range(n):
        if node[b, _KIND] == _BUFFER:
            held[b] = -table[node[b, _START], 1]
    while True:
        if settle and pace > 0 and cycle % pace == 0:  # a paced design repeats from one frame's arrival to another's
            found = _snapshot(snapshots, kept, state, taken - cycle // pace * beats_in)
            if found >= 0:
                return done, _REPEATS, kept - found
            kept += 1
            if kept == len(snapshots):
                return done, _LATE, 0
        valid[0] = (offered < 0 or taken < offered * beats_in) and (pace == 0 or taken < (cycle // pace + 1) * beats_in)
        for b in range(n):
            kind, depth, out = node[b, _KIND], node[b, _DEPTH], node[b, _OUT]
            if asleep[b]:
                valid[out] = False
                continue
            if still[b]:
                if valid[node[b, _IN0]] == seen0[b] and valid[node[b, _IN1]] == seen1[b]:
                    continue
                still[b] = False
            if kind == _FORK:
                for k in range(node[b, _OUTPUTS]):
                    valid[out + k] = valid[node[b, _IN0]] and not state[b, 2] >> k & 1
                continue
            entry = table[node[b, _START] + state[b, 0], 0]
            if kind == _BUFFER:
                can[b] = state[b, 2] >= entry
                gives = True
            else:
                can[b] = (entry & _NEED0 == 0 or valid[node[b, _IN0]]) and (entry & _NEED1 == 0 or valid[node[b, _IN1]])
                gives = entry & _GIVE != 0
            valid[out] = state[b, 1] >> (depth - 1) & 1 if depth > 0 else can[b] and gives
        moved = False
        ready[last] = True
        for b in range(n - 1, -1, -1):
            kind, depth, out, in0, in1 = node[b, _KIND], node[b, _DEPTH], node[b, _OUT], node[b, _IN0], node[b, _IN1]
            if asleep[b]:
                asleep[b] -= 1
                ready[in0] = ready[in1] = False
                state[b, 0] = 0 if state[b, 0] + 1 == node[b, _LENGTH] else state[b, 0] + 1
                moved = True
                continue
            if still[b] and ready[out] == seen[b]:
                continue
            before = moved
            moved = False
            if kind == _FORK:
                served = state[b, 2]
                for k in range(node[b, _OUTPUTS]):
                    if valid[out + k] and ready[out + k]:
                        served |= 1 << k
                        moved = True
                ready[in0] = True
                for k in range(node[b, _OUTPUTS]):
                    ready[in0] &= (state[b, 2] >> k & 1) != 0 or ready[out + k]
                if valid[in0]:
                    state[b, 2] = 0 if ready[in0] else served
                moved |= before
                continue
            entry = table[node[b, _START] + state[b, 0], 0]
            gives = kind == _BUFFER or entry & _GIVE != 0
            if depth > 0:
                advance = not valid[out] or ready[out]
                fires = advance and can[b]
                if advance:
                    pipe = (state[b, 1] << 1 | (fires and gives)) & ((1 << depth) - 1)
                    moved |= pipe != state[b, 1]
                    state[b, 1] = pipe
            else:
                advance = not gives or ready[out]
                fires = advance and can[b]
            if kind == _BUFFER:
                ready[in0] = held[b] < node[b, _CAPACITY]
                if ready[in0] and valid[in0]:
                    most[b] = max(most[b], held[b] + 1)
                    state[b, 2] += 1
                    moved = True
            else:
                ready[in0] = advance and entry & _TAKE0 != 0 and (entry & _NEED1 == 0 or valid[in1])
                if in1 != in0:
                    ready[in1] = advance and entry & _TAKE1 != 0 and (entry & _NEED0 == 0 or valid[in0])
            if fires:
                moved = True
                state[b, 0] += 1
                if state[b, 0] == node[b, _LENGTH]:
                    state[b, 0] = 0
                    state[b, 2] -= node[b, _TAKES]
            if kind == _BUFFER:
                held[b] = state[b, 2] - table[node[b, _START] + state[b, 0], 1]
            elif depth > 0 and state[b, 1] == 0:
                asleep[b] = table[node[b, _START] + state[b, 0], 1]
            still[b] = not moved
            if not moved:
                seen0[b], seen1[b], seen[b] = valid[in0], valid[in1], ready[out]
            moved |= before
        if valid[0] and ready[0]:
            taken += 1
            if first < 0:
                first = cycle
        cycle += 1
        if valid[last]:
            given += 1
            if given % beats_out == 0:
                stamps[done] = cycle - 1 - first
                done += 1
                if done == frames:
                    return done, _FINISHED, 1 if settle else 0
                if settle:
                    alike = 0  # intervals at the end that are equal
                    while alike + 2 <= done - 1 and stamps[done - 1 - alike] - stamps[done - 2 - alike] == stamps[done - 1] - stamps[done - 2]:
                        alike += 1
                    if pace > 0:
                        if alike >= SETTLED and stamps[done - 1] - stamps[done - 2] > pace:
                            return done, _LATE, 0
                    else:
                        found = _snapshot(snapshots, kept, state, 0)
                        if found >= 0:
                            return done, _REPEATS, kept - found
                        kept += 1
                        if alike >= SETTLED and cycle * n > _MOST_STEPS:
                            return done, _FINISHED, 1
        if not moved and (pace == 0 or valid[0]):
            return done, _STUCK, 0


@kernel
def _snapshot(snapshots, kept, state, backlog):  # type: ignore[no-untyped-def]
    """Keeps the state; the number of the snapshot that is equal to it, or -1."""
    row = snapshots[kept]
    for b in range(len(state)):
        for k in range(3):
            row[3 * b + k] = state[b, k]
    row[3 * len(state)] = backlog
    for old in range(kept - 1, -1, -1):
        same = True
        for k in range(len(row)):
            if snapshots[old, k] != row[k]:
                same = False
                break
        if same:
            return old
    return -1
