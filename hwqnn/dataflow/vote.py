"""The block that counts the votes of an ensemble's members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.cost import adder_carry4, counters
from hwqnn.dataflow.design import Block, Memory, Resources, Schedule
from hwqnn.dataflow.pack import memory


@dataclass(frozen=True, eq=False, kw_only=True)
class VoteBlock(Block):
    """A beat with the labels of all members, which stays until the votes for every class have left, `beat_out.elements` classes a beat."""

    module: ClassVar[str] = "vote"
    weight: np.ndarray
    """int64 (members,)."""
    classes: int
    vectors: int = 1

    @property
    def fold(self) -> int:
        return self.classes // self.beat_out.elements

    @property
    def cycles(self) -> int:
        return self.fold * self.vectors

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.cycles, dtype=bool)
        return Schedule(every, np.arange(self.cycles) % self.fold == self.fold - 1, every, 2)

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "LABELS": self.beat_in.elements,
            "LABEL_BITS": self.beat_in.type.bits,
            "PE": self.beat_out.elements,
            "FOLD": self.fold,
            "VECTORS": self.vectors,
            "WEIGHT_BITS": self._weight_bits,
            "OUT_BITS": self.beat_out.type.bits,
        }

    @property
    def memories(self) -> dict[str, Memory]:
        return {"WEIGHT_FILE": memory(self.weight.reshape(1, -1), self._weight_bits)}

    @property
    def _weight_bits(self) -> int:
        return max(1, int(self.weight.max()).bit_length())

    @property
    def estimate(self) -> Resources:
        """Within a quarter of what yosys makes of it. With one beat of classes a vector, labels are compared with constants; else with a counter."""
        lanes, members, bits, out = self.beat_out.elements, self.beat_in.elements, self.beat_in.type.bits, self.beat_out.type.bits
        steps, counting = counters(self.fold, self.vectors), bits if self.fold > 1 else 0
        compared = -(-(bits + counting) // 5)
        added = 0.8 * sum(int(w).bit_count() for w in self.weight)
        carried = adder_carry4(out) * ((1 + self._weight_bits) // 2)
        return Resources(
            lut=lanes * (members * compared + added) + steps.luts + counting + 4,
            ff=lanes * (members + out) + steps.bits + counting + 4,
            carry4=lanes * carried + steps.carry4 + (counting > 3),
        )
