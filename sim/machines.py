"""What each kind of block does with its handshakes, cycle by cycle, as docs/architecture.md states it: the yardstick for s_tready and m_tvalid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Machine(Protocol):
    def wires(self, s_valid: bool, m_ready: bool) -> tuple[bool, bool]:
        """(s_tready, m_tvalid) in this cycle."""

    def clock(self, s_valid: bool, m_ready: bool) -> None:
        """The clock edge that ends this cycle."""

    def reset(self) -> None: ...

    def ideal(self, frames: int) -> tuple[list[int], list[int]]:
        """The cycles of the input and of the output transfers when nobody ever waits; the first step is in cycle 0."""


class StepMachine:
    """A block with a rigid pipeline of `depth` > 0 stages. `need` and `give` are by step of a frame; a step takes what it needs."""

    def __init__(self, need: Sequence[bool], give: Sequence[bool], depth: int) -> None:
        self.need, self.give, self.depth = need, give, depth
        self.reset()

    def reset(self) -> None:
        self.step = 0
        self.pipe = [False] * self.depth

    def wires(self, s_valid: bool, m_ready: bool) -> tuple[bool, bool]:
        m_valid = self.pipe[-1]
        advance = not m_valid or m_ready
        return advance and self.need[self.step], m_valid

    def clock(self, s_valid: bool, m_ready: bool) -> None:
        if self.pipe[-1] and not m_ready:
            return
        steps = s_valid or not self.need[self.step]
        self.pipe = [steps and self.give[self.step], *self.pipe[:-1]]
        if steps:
            self.step = (self.step + 1) % len(self.need)

    def ideal(self, frames: int) -> tuple[list[int], list[int]]:
        return _where(self.need, frames), [cycle + self.depth for cycle in _where(self.give, frames)]


class Converter:
    """A block without a pipeline: each step looks at a waiting beat, may take it, may give."""

    def __init__(self, take: Sequence[bool], give: Sequence[bool]) -> None:
        self.take, self.give = take, give
        self.reset()

    def reset(self) -> None:
        self.step = 0

    def wires(self, s_valid: bool, m_ready: bool) -> tuple[bool, bool]:
        give = self.give[self.step]
        return self.take[self.step] and (m_ready or not give), give and s_valid

    def clock(self, s_valid: bool, m_ready: bool) -> None:
        if s_valid and (m_ready or not self.give[self.step]):
            self.step = (self.step + 1) % len(self.take)

    def ideal(self, frames: int) -> tuple[list[int], list[int]]:
        return _where(self.take, frames), _where(self.give, frames)


class Queue:
    """A FIFO of `depth` beats. A frame has `beats` of them."""

    def __init__(self, depth: int, beats: int) -> None:
        self.depth, self.beats = depth, beats
        self.reset()

    def reset(self) -> None:
        self.count = 0

    def wires(self, s_valid: bool, m_ready: bool) -> tuple[bool, bool]:
        return self.count < self.depth, self.count > 0

    def clock(self, s_valid: bool, m_ready: bool) -> None:
        s_ready, m_valid = self.wires(s_valid, m_ready)
        self.count += (s_valid and s_ready) - (m_valid and m_ready)

    def ideal(self, frames: int) -> tuple[list[int], list[int]]:
        pace = 2 if self.depth == 1 else 1  # one that is full takes nothing, even while it gives
        cycles = [pace * i for i in range(frames * self.beats)]
        return cycles, [cycle + 1 for cycle in cycles]


class Buffering:
    """A block that stores its input and reads it in its own order, with the ports' counters as they are defined: `need` and `free` are by reader step
    of a frame of `takes` beats, and the pipeline behind a step has `depth` > 0 stages."""

    def __init__(self, takes: int, need: Sequence[int], free: Sequence[int], capacity: int, depth: int) -> None:
        self.takes, self.need, self.free, self.capacity, self.depth = takes, need, free, capacity, depth
        self.reset()

    def reset(self) -> None:
        self.written = self.made = 0
        self.pipe = [False] * self.depth

    def wires(self, s_valid: bool, m_ready: bool) -> tuple[bool, bool]:
        frame, step = divmod(self.made, len(self.free))
        return self.written - (frame * self.takes + self.free[step]) < self.capacity, self.pipe[-1]

    def clock(self, s_valid: bool, m_ready: bool) -> None:
        s_ready, m_valid = self.wires(s_valid, m_ready)
        frame, step = divmod(self.made, len(self.need))
        have = self.written >= frame * self.takes + self.need[step]
        self.written += s_valid and s_ready
        if not m_valid or m_ready:
            self.made += have
            self.pipe = [have, *self.pipe[:-1]]

    def ideal(self, frames: int) -> tuple[list[int], list[int]]:
        self.reset()
        taken: list[int] = []
        given: list[int] = []
        cycle = 0
        while len(given) < frames * len(self.need):
            more = len(taken) < frames * self.takes
            s_ready, m_valid = self.wires(more, True)
            taken += [cycle] * (more and s_ready)
            given += [cycle] * m_valid
            self.clock(more, True)
            cycle += 1
        self.reset()
        return taken, given


def _where(marked: Sequence[bool], frames: int) -> list[int]:
    return [i for i in range(frames * len(marked)) if marked[i % len(marked)]]
