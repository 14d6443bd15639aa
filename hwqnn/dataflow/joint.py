"""What can stand in one place of a design: blocks in a row, and those that join two stages, converters between widths and a FIFO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.dataflow.depths import MIN_DEPTH
from hwqnn.dataflow.design import Beat, Block, Resources
from hwqnn.dataflow.plumbing import Fifo, convert
from hwqnn.dataflow.stage import Stage


@dataclass(frozen=True, eq=False)
class Way:
    """Blocks in a row, one of the ways to fill a place.

    Attributes:
        cycles: the slowest block's steps a frame.
        delay: cycles a frame that the next block waits, because a converter without a FIFO behind it only works while the block takes input.
    """

    blocks: tuple[Block, ...]
    cycles: int
    delay: int = 0

    @cached_property
    def cells(self) -> np.ndarray:
        """float64 (kinds of `Resources`,)."""
        return sum((b.rough_estimate for b in self.blocks), Resources()).vector


def undominated(ways: Sequence[Way]) -> tuple[Way, ...]:
    """Those that no other one matches in cycles, delay and every kind of cell; of equal ones the first."""
    if len(ways) < 2:
        return tuple(ways)
    costs = np.array([(*way.cells, way.cycles, way.delay) for way in ways])
    kept: list[int] = []
    for i in np.lexsort(costs.T[::-1]):  # what dominates another comes before it
        if not (costs[kept] <= costs[i]).all(axis=1).any():
            kept.append(int(i))
    return tuple(ways[i] for i in sorted(kept))


def joints(stage: Stage, i: int, beat: Beat, elements: int, *, buffered: bool) -> tuple[Way, ...]:
    """The ways to bring a stream of `beat` to input `i` of a stage in beats of `elements`.

    Args:
        buffered: a FIFO is needed, before or behind the converters. It may also go behind those that fill in while the stage pauses.
    """
    if stage.locked and beat.elements != elements:
        return ()
    converters = tuple(convert(beat, elements, stage.frame[i]))
    cycles = max((c.cycles for c in converters), default=0)
    delay = 0
    if stage.vectors:
        # while the block takes nothing, the converter gathers all but the last part of its next beat
        takes = stage.frame[i] // elements
        delay = (takes - stage.vectors) * max(0, cycles // takes - 1)
    found = [Way((fifo(beat), *converters), cycles, delay) if buffered else Way(converters, cycles, delay)]
    if converters and (buffered or stage.vectors):
        found.append(Way((*converters, fifo(converters[-1].beat_out)), cycles))
    return tuple(found)  # the dearer one too: blocks may wait less for each other with it, which only simulation tells


def fifo(beat: Beat) -> Fifo:
    return Fifo(beat_in=beat, beat_out=beat, depth=MIN_DEPTH)
