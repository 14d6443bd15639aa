"""FIFO depths: they keep the rate of unbounded FIFOs, no pause makes a deadlock, and no FIFO that costs much is deeper than it must be."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hand_made import GRAPHS
from slow_timing import slow

from hwqnn import boards
from hwqnn.dataflow import Design, fold, simulate
from hwqnn.dataflow.depths import size_fifos, with_depths
from hwqnn.dataflow.design import Resources
from hwqnn.dataflow.network import Network
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.dataflow.timing import deadlock
from hwqnn.errors import CheckError

CASES = [("residual", 5e4), ("residual", 1e4), ("branches", 1.1e5), ("branches", 2e4), ("flat", 2e6), ("flat", 1e5)]


def fifos(design: Design) -> dict[int, int]:
    return {i: n.block.depth for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo)}


@pytest.mark.parametrize(("name", "fps"), CASES)
def test_the_rate_of_unbounded_fifos(name: str, fps: float) -> None:
    design = fold.solve(GRAPHS[name](), boards.load("zynq7020"), clock_mhz=100.0, fps=fps).design
    deep = with_depths(design, dict.fromkeys(fifos(design), 4096))
    assert simulate(design).interval <= simulate(deep).interval
    assert simulate(design).interval <= 1e8 / fps


@pytest.mark.parametrize(("name", "fps"), CASES)
def test_none_that_costs_is_deeper_than_it_must_be(name: str, fps: float) -> None:
    """Halved, any FIFO of more than 64 beats costs the rate, or stops the design."""
    design = fold.solve(GRAPHS[name](), boards.load("zynq7020"), clock_mhz=100.0, fps=fps).design
    for i, depth in fifos(design).items():
        assert (depth <= 32 and depth.bit_count() == 1) or depth % 32 == 0
        if (depth // 32 - 1) * design.nodes[i].block.beat_in.bits > 100 and not design.nodes[i].block.bram:
            try:
                assert simulate(with_depths(design, {i: depth // 2})).interval > simulate(design).interval
            except CheckError as error:
                assert "deadlocks" in str(error)


@pytest.mark.parametrize(("name", "fps"), CASES[:2])
def test_deep_fifos_go_to_block_ram(name: str, fps: float) -> None:
    """As many as there are RAMs for, at the same rate; none when they are dear."""
    cells = {}
    for spare in (0.0, 0.5, 100.0):
        design = size_fifos(deepened(name, fps), price=1.0, spare=spare)
        cells[spare] = sum((n.block.estimate for n in design.nodes if isinstance(n.block, Fifo)), Resources())
        assert cells[spare].bram36 <= spare and deadlock(Network.of(design)) == []
        assert simulate(design).interval <= 1e8 / fps
    assert cells[0.0].bram36 == 0 < cells[0.5].bram36 <= cells[100.0].bram36
    assert cells[0.0].lut > cells[0.5].lut >= cells[100.0].lut
    assert size_fifos(deepened(name, fps), price=1e4, spare=100.0).estimate.bram36 == deepened(name, fps).estimate.bram36


def deepened(name: str, fps: float) -> Design:
    """A design whose FIFOs are not sized yet."""
    design = fold.solve(GRAPHS[name](), boards.load("zynq7020"), clock_mhz=100.0, fps=fps).design
    nodes = [replace(n, block=replace(n.block, bram=False)) if isinstance(n.block, Fifo) else n for n in design.nodes]
    return replace(design, nodes=tuple(nodes))


@pytest.mark.parametrize(("name", "fps"), CASES[:2])
def test_wide_fifos_of_a_beat_keep_the_rate(name: str, fps: float) -> None:
    """And one that keeps more than a beat, though that costs, needs it."""
    design = size_fifos(deepened(name, fps))
    for i, depth in fifos(design).items():
        if depth == 2 and design.nodes[i].block.beat_in.bits >= 16:
            less = with_depths(design, {i: 1})
            assert deadlock(Network.of(less)) or simulate(less).interval > simulate(design).interval


def test_pauses_do_not_stop_it() -> None:
    """The smallest network with windows on one side of a fork, under random pauses of source and sink, simulated slowly."""
    design = fold.solve(GRAPHS["flat"](), boards.load("zynq7020"), clock_mhz=100.0, fps=2e6).design
    beats_in = 24 // design.nodes[0].block.beat_in.elements
    for seed in range(4):
        stamps, _ = slow(design, 4, beats_in, design.result.block.schedule.gives, random.Random(seed))
        assert len(stamps) == 4


def test_fifos_grow_until_no_pause_can_stop_the_design() -> None:
    """Full speed alone passes with fewer: the pipelines hold beats that they hold no longer with bubbles between them."""
    design = size_fifos(fold.solve(GRAPHS["residual"](), boards.load("zynq7020"), clock_mhz=100.0, fps=5e4).design)
    network = Network.of(design)
    assert deadlock(network) == []
    skips = [i for i, n in enumerate(design.nodes) if isinstance(n.block, Fifo) and n.layer.startswith("add")]
    stopped = 0
    for i in skips:
        full = deadlock(network.with_room({i: 2}))
        stopped += full == [i] or i in full
    assert stopped >= 2  # the identity, and the way through a single 1x1 convolution
