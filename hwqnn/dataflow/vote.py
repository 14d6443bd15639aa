"""The block that counts the votes of an ensemble's members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwqnn.dataflow.cost import MeasuredBlock, Parts, adder_carry4, counters
from hwqnn.dataflow.design import Memory, Resources, Schedule
from hwqnn.dataflow.pack import memory

_COUNTED = (0, 0, 2, 2, 3, 3, 3)
"""LUTs that count so many bits: one for each bit of the count, up to six inputs; more take about 1.8 each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class VoteBlock(MeasuredBlock):
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
    def parts(self) -> Parts:
        """With one beat of classes a vector, labels are compared with constants; else with a counter."""
        lanes, members, bits, out = self.beat_out.elements, self.beat_in.elements, self.beat_in.type.bits, self.beat_out.type.bits
        steps, folded = counters(self.fold, self.vectors), self.fold > 1
        ones = [int((self.weight >> b & 1).sum()) for b in range(self._weight_bits)]
        exact = Resources(
            ff=lanes * (members + out) + steps.bits + bits * folded + 4,
            carry4=lanes * adder_carry4(out) * ((1 + self._weight_bits) // 2) + steps.carry4 + (bits > 3 and folded),
        )
        mapped = {
            "counters": steps.luts,
            "base": bits * folded,
            "compared with constants": 0 if folded or bits == 1 else lanes * members * -(-bits // 6),
            "compared with counters": lanes * members * -(-(2 * bits - 1) // 5) if folded else 0,
            "counted": lanes * sum(_COUNTED[n] if n < len(_COUNTED) else 1.8 * n - 6 for n in ones),
            "added": lanes * out * (sum(n > 0 for n in ones) - 1) if members > 1 else 0,
        }
        return Parts(exact, mapped, {"counters": steps.levels, "counted": out})
