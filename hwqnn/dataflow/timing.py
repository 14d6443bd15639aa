"""When every beat moves in a design, cycle for cycle; the cosimulation demands that the RTL's cycle stamps are equal to these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwqnn.dataflow.design import Design
from hwqnn.dataflow.engine import MOST_FRAMES, End
from hwqnn.dataflow.network import Network, Run
from hwqnn.errors import CheckError


@dataclass(frozen=True, eq=False)
class Timing:
    """Cycle numbers with cycle 0 the first transfer into the accelerator; the source never pauses, the sink never stalls.

    Attributes:
        stamps: int64 (frames,), the cycle in which each frame's last output beat is transferred.
        occupancy: int64 (nodes,), the room that each buffer needed: beats that it held when one more came, and that one (0 for other blocks).
        period: in the steady state all repeats after so many frames; 0 where `stamps` do not show the steady state.
    """

    stamps: np.ndarray
    occupancy: np.ndarray
    period: int

    @property
    def latency(self) -> int:
        """Cycles from the first input transfer to the first frame's last output transfer, that one included."""
        return int(self.stamps[0]) + 1

    @property
    def interval(self) -> int:
        """Cycles between frames in the steady state: their mean, rounded up."""
        period = max(1, self.period)
        return -(-int(self.stamps[-1] - self.stamps[-1 - period]) // period)

    def first(self, frames: int) -> np.ndarray:
        """The stamps of the first `frames` frames, int64 (frames,); those after the simulated ones repeat the last period."""
        known, period = self.stamps, self.period
        if frames <= len(known) or not period:
            return known[:frames]
        later = np.arange(len(known), frames)
        rounds = (later - len(known)) // period + 1
        return np.concatenate([known, known[later - rounds * period] + rounds * (known[-1] - known[-1 - period])])


def simulate(design: Design, frames: int | None = None) -> Timing:
    """Runs `frames` frames through the design; when None, until it is in the steady state.

    Raises:
        CheckError: the design deadlocks.
    """
    return timing(Network.of(design), frames)


def timing(network: Network, frames: int | None = None) -> Timing:
    """`simulate` for a design that is numbers already.

    The state of all blocks at the end of one frame decides all that follows, so a state that was there before proves a period. Buffers
    that fill by a few beats a frame can put that off for long: then equal intervals count.
    """
    run = _alive(network, network.run(frames or MOST_FRAMES, settle=frames is None))
    return Timing(run.stamps, run.occupancy, run.period)


def paced(network: Network, interval: int) -> tuple[int, np.ndarray]:
    """Runs a design while a frame arrives every `interval` cycles, until it repeats or is seen to lag behind.

    Returns:
        The interval between frames that leave (`interval`, or more), and the `occupancy` of `Timing`.
    Raises:
        CheckError: the design deadlocks.
    """
    run = _alive(network, network.run(MOST_FRAMES, settle=True, pace=interval))
    return interval if run.status == End.REPEATS else int(run.stamps[-1] - run.stamps[-2]), run.occupancy


def _alive(network: Network, run: Run) -> Run:
    if run.status == End.STUCK:
        raise CheckError(f"'{network.design.name}' deadlocks after {len(run.stamps)} frames: {network.blocked(run)}")
    return run


def deadlock(network: Network) -> list[int]:
    """Whether any timing of source and sink can stop the design for ever: the nodes whose buffers are then full; empty when none can.

    A network of deterministic blocks joined by bounded FIFOs either finishes in every timing or in none (Kahn 1974, Parks 1995, chapter 4):
    how far it gets does not depend on when its blocks run. One thing here does: a rigid pipeline holds `depth` beats, or as few as one when
    bubbles came in between. So all are given one stage, the least that can ever be. More room never makes a deadlock, so if two frames then
    pass, and the second leaves every block as the first one did, any number of frames pass, whatever pauses.

    Raises:
        CheckError: it stops though no buffer is full.
    """
    least = network.with_least_pipelines()
    once, run = (least.run(frames + 1, settle=False, offered=frames) for frames in (1, 2))
    if len(once.stamps) == 1 and len(run.stamps) == 2 and np.array_equal(once.state, run.state):
        return []
    if full := least.full(run):
        return full
    raise CheckError(f"'{network.design.name}' deadlocks whatever its buffers hold: {least.blocked(run)}")
