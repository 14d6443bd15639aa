"""When every beat moves: composes the schedules of a chain of blocks, cycle for cycle.

The rules are those of `docs/architecture.md`, "Blocks are step machines"; the cosimulation demands that the RTL's cycle stamps are
equal to the ones computed here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwqnn.dataflow.design import Design, Schedule
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.kernel import kernel

_SETTLED = 6
"""The design has settled when so many intervals in a row are equal."""
_MOST_FRAMES = 512
_NEVER = np.zeros(1, dtype=bool)
_QUEUE = Schedule(_NEVER, _NEVER, _NEVER, 0)
"""Stands for a FIFO's schedule, which has none."""


@dataclass(frozen=True, eq=False)
class Timing:
    """Cycle numbers with cycle 0 the first transfer into the accelerator; the source never pauses, the sink never stalls.

    Attributes:
        stamps: int64 (frames,), the cycle in which each frame's last output beat is transferred.
        occupancy: int64 (nodes,), the most beats that each FIFO ever held (0 for other blocks).
    """

    stamps: np.ndarray
    occupancy: np.ndarray

    @property
    def latency(self) -> int:
        """Cycles from the first input transfer to the first frame's last output transfer, that one included."""
        return int(self.stamps[0]) + 1

    @property
    def interval(self) -> int:
        """Cycles between frames in the steady state."""
        return int(self.stamps[-1] - self.stamps[-2])


def simulate(design: Design, frames: int | None = None) -> Timing:
    """Runs `frames` frames through the design's schedules; as many as it takes to settle when None."""
    if frames is None:
        frames = 2 * len(design.nodes) + _SETTLED
        while frames < _MOST_FRAMES:
            timing = simulate(design, frames)
            if len(set(np.diff(timing.stamps)[-_SETTLED:])) == 1:
                return timing
            frames *= 2
    blocks = [node.block for node in design.nodes]
    fifo = np.array([isinstance(b, Fifo) for b in blocks])
    schedules = [_QUEUE if isinstance(b, Fifo) else b.schedule for b in blocks]
    start = np.cumsum([0] + [s.cycles for s in schedules])
    flags = np.concatenate([s.need + 2 * s.take + 4 * s.give.astype(np.uint8) for s in schedules])
    depth = np.array([b.depth if isinstance(b, Fifo) else s.depth for b, s in zip(blocks, schedules, strict=True)])
    gives = int(next(s for s in reversed(schedules) if s is not _QUEUE).give.sum())
    stamps, occupancy = _run(flags, start, depth, fifo, gives, frames)
    return Timing(stamps, occupancy)


@kernel
def _run(flags, start, depth, fifo, gives, frames):  # type: ignore[no-untyped-def]
    n = len(depth)
    step = np.zeros(n, dtype=np.int64)
    held = np.zeros(n, dtype=np.int64)  # beats in a FIFO
    pipe = np.zeros((n, max(1, depth.max())), dtype=np.uint8)  # valid bits of the stages; [depth - 1] is m_tvalid
    most = np.zeros(n, dtype=np.int64)
    valid = np.zeros(n + 1, dtype=np.bool_)  # valid[b]: a beat waits at the input of block b
    ready = np.zeros(n + 1, dtype=np.bool_)
    stamps = np.zeros(frames, dtype=np.int64)
    given = cycle = 0
    first = -1
    while given < gives * frames:
        valid[0] = True
        for b in range(n):
            flag = flags[start[b] + step[b]]
            if fifo[b]:
                valid[b + 1] = held[b] > 0
            elif depth[b] > 0:
                valid[b + 1] = pipe[b, depth[b] - 1] != 0
            else:
                valid[b + 1] = flag & 4 != 0 and valid[b]
        ready[n] = True
        for b in range(n - 1, -1, -1):
            if fifo[b]:
                ready[b] = held[b] < depth[b]
                continue
            flag = flags[start[b] + step[b]]
            if depth[b] > 0:
                ready[b] = flag & 2 != 0 and (not valid[b + 1] or ready[b + 1])
            else:
                ready[b] = flag & 2 != 0 and (flag & 4 == 0 or ready[b + 1])
        for b in range(n):
            if fifo[b]:
                held[b] += (valid[b] and ready[b]) - (valid[b + 1] and ready[b + 1])
                most[b] = max(most[b], held[b])
                continue
            flag = flags[start[b] + step[b]]
            if depth[b] > 0:
                if valid[b + 1] and not ready[b + 1]:
                    continue
                fires = valid[b] or flag & 1 == 0
                for k in range(depth[b] - 1, 0, -1):
                    pipe[b, k] = pipe[b, k - 1]
                pipe[b, 0] = 1 if fires and flag & 4 != 0 else 0
            else:
                fires = valid[b] and (flag & 4 == 0 or ready[b + 1])
            if fires:
                step[b] = 0 if step[b] + 1 == start[b + 1] - start[b] else step[b] + 1
        if first < 0 and ready[0]:
            first = cycle
        if valid[n]:
            given += 1
            if given % gives == 0:
                stamps[given // gives - 1] = cycle - first
        cycle += 1
    return stamps, most
