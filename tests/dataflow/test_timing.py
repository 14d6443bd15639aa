"""The timing engine against a slow simulation (`slow_timing.py`), wire by wire, of the rules in docs/architecture.md."""

from __future__ import annotations

import random

import numpy as np
import pytest
from slow_timing import IN, StuckError, block, fifo, node, random_design, slow

from hwqnn.dataflow import Buffering, Design, Forking, Schedule, Source, simulate
from hwqnn.dataflow.network import Network
from hwqnn.dataflow.timing import deadlock, paced
from hwqnn.errors import CheckError

SEEDS = range(80)


def test_every_stamp() -> None:
    stuck = 0
    for seed in SEEDS:
        design, beats_in, beats_out = random_design(seed)
        try:
            stamps, most = slow(design, 8, beats_in, beats_out)
        except StuckError:
            with pytest.raises(CheckError, match="deadlocks after"):
                simulate(design, 8)
            stuck += 1
            continue
        timing = simulate(design, 8)
        assert timing.stamps.tolist() == stamps, seed
        assert timing.occupancy.tolist() == most, seed
        assert timing.latency == stamps[0] + 1
    assert 5 < stuck < 40  # both kinds were there


def test_settled() -> None:
    """Without a number of frames the steady state is the one that holds from then on, to the cycle."""
    for seed in SEEDS:
        design, _, _ = random_design(seed)
        try:
            timing = simulate(design)
        except CheckError:
            continue
        n = len(timing.stamps)
        later = simulate(design, 4 * n).stamps
        assert timing.first(4 * n).tolist() == later.tolist(), seed
        assert timing.first(1).tolist() == later[:1].tolist()
        assert timing.interval == -(-(later[-1] - later[-1 - timing.period]) // timing.period)


def test_paced() -> None:
    """Frames that arrive at the pace that the design keeps: it holds what the slow simulation holds. Any faster, it lags."""
    late = 0
    for seed in SEEDS:
        design, beats_in, beats_out = random_design(seed)
        try:
            natural = simulate(design).interval
        except CheckError:
            continue
        pace = natural + seed % 3
        interval, most = paced(Network.of(design), pace)
        if interval > pace:
            late += 1  # a rigid pipeline may lose by an early beat what a later one would not
            continue
        assert most.tolist() == slow(design, 40, beats_in, beats_out, pace=pace)[1], seed
        if natural > 12:
            assert paced(Network.of(design), natural // 2)[0] > natural // 2
    assert late < 10


def test_deadlock_is_proved_for_every_timing() -> None:
    """A design that `deadlock` passes never stops, however source and sink pause."""
    sound = 0
    for seed in SEEDS:
        design, beats_in, beats_out = random_design(seed)
        try:
            if deadlock(Network.of(design)):
                continue
        except CheckError as error:
            assert "deadlocks whatever" in str(error)
            continue
        sound += 1
        for pauses in range(3):
            slow(design, 5, beats_in, beats_out, random.Random(pauses))
    assert sound > 40


def test_by_hand() -> None:
    """Two beats in, one out, after a pipeline of 3: beats at cycles 0 and 1, the result leaves at 1 + 3."""
    every = np.array([True, True])
    design = Design("hand", (node("a", block(Schedule(every, every, np.array([False, True]), 3)), IN),), 100.0)
    assert simulate(design, 3).stamps.tolist() == [4, 6, 8]
    assert (simulate(design).latency, simulate(design).interval) == (5, 2)


def residual(depth: int) -> Design:
    """A fork into a block that takes 8 beats before it gives the first, and a FIFO of `depth`; then a join of the two."""
    every, first = np.ones(16, dtype=bool), np.arange(16) < 8
    late = Schedule(first, first, ~first, 1)
    both = np.ones((8, 2), dtype=bool)
    nodes = (
        node("fork", block(Forking(2)), IN),
        node("late", block(late), Source("fork", 0)),
        node("skip", fifo(depth), Source("fork", 1)),
        node("join", block(Schedule(both, both, every[:8], 1)), Source("late"), Source("skip")),
    )
    return Design("residual", nodes, 100.0)


def test_a_skip_that_is_too_short_deadlocks() -> None:
    with pytest.raises(CheckError, match=r"'residual' deadlocks after 0 frames: .*'join' waits at input 0 and holds back input 1"):
        simulate(residual(6))
    assert deadlock(Network.of(residual(6))) == [2]
    assert deadlock(Network.of(residual(8))) == []
    assert simulate(residual(8)).interval == 16
    assert paced(Network.of(residual(100)), 16)[1].tolist() == [0, 0, 8, 0]


def test_a_buffer_runs_ahead() -> None:
    """A buffer of four beats that gives the second pair, then the first: with room for two frames it takes one beat every cycle."""
    order = Buffering(4, np.array([4, 4, 4, 4]), np.array([0, 0, 0, 0]), 8, 1)
    design = Design("swap", (node("swap", block(order), IN),), 100.0)
    assert simulate(design, 3).stamps.tolist() == [8, 12, 16]
