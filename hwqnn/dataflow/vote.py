"""The block that counts the votes of an ensemble's members."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.cost import MeasuredBlock, Parts, counters
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Datapath, Resources, Schedule
from hwqnn.gates.delay import CLOCK_TO_OUT
from hwqnn.gates.votes import Count, votes


@dataclass(frozen=True, eq=False, kw_only=True)
class VoteBlock(MeasuredBlock):
    """A beat with the labels of all members, which stays until the votes for every class have left, `beat_out.elements` classes a beat.

    Attributes:
        weight: int64 (members,).
        budget_ns: logic delay allowed between two registers.
    """

    module: ClassVar[str] = "vote"
    weight: np.ndarray
    classes: int
    vectors: int = 1
    budget_ns: float

    @property
    def fold(self) -> int:
        return self.classes // self.beat_out.elements

    @property
    def cycles(self) -> int:
        return self.fold * self.vectors

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, np.arange(self.cycles) % self.fold == self.fold - 1, every, self.datapath.depth)

    @cached_property
    def datapath(self) -> Datapath:
        lanes, weights = self.beat_out.elements, tuple(int(w) for w in self.weight)
        return votes(Count(weights, self.beat_in.type.bits, lanes, self.fold, self.beat_out.type.bits), self.budget_ns)

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "X_BITS": self.beat_in.bits,
            "Y_BITS": self.beat_out.bits,
            "FOLD": self.fold,
            "VECTORS": self.vectors,
            "W_BITS": self.datapath.w_bits,
            "DP_DEPTH": self.datapath.depth,
        }

    @property
    def parts(self) -> Parts:
        steps = counters(self.fold, self.vectors)
        depth, several = self.datapath.depth, self.cycles > 1  # a single step is always the last
        exact = Resources(lut=several and depth > 2, ff=steps.bits + depth + (depth if several and depth < 3 else 0), carry4=steps.carry4)
        return Parts(exact, {"counters": steps.luts})

    @property
    def paths(self) -> Paths:
        assert self.datapath.longest is not None
        longest = self.datapath.longest
        return {
            **delays.control(self.fold, self.vectors),
            "datapath": {"ns": CLOCK_TO_OUT + max(*longest.from_inputs.values(), longest.from_registers)},
        }
