"""What can go between two stages: converters between widths, and a FIFO."""

from __future__ import annotations

from dataclasses import dataclass

from hwqnn.dataflow.depths import MIN_DEPTH
from hwqnn.dataflow.design import Beat, Block, Resources
from hwqnn.dataflow.plumbing import Fifo, convert
from hwqnn.dataflow.stage import Stage


@dataclass(frozen=True, eq=False)
class Joint:
    """Blocks in a row.

    Attributes:
        cycles: the slowest converter's steps a frame.
        delay: cycles a frame that the next block waits, because a converter without a FIFO behind it only works while the block takes input.
    """

    blocks: tuple[Block, ...]
    cycles: int
    delay: int

    @property
    def cost(self) -> Resources:
        return sum((b.estimate for b in self.blocks), Resources())


def joints(stage: Stage, i: int, beat: Beat, elements: int, *, buffered: bool) -> tuple[Joint, ...]:
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
    found = [Joint((fifo(beat), *converters), cycles, delay) if buffered else Joint(converters, cycles, delay)]
    if converters and (buffered or stage.vectors):
        found.append(Joint((*converters, fifo(converters[-1].beat_out)), cycles, 0))
    return tuple(found)


def fifo(beat: Beat) -> Fifo:
    return Fifo(beat_in=beat, beat_out=beat, depth=MIN_DEPTH)
