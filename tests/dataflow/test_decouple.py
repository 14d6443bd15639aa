"""FIFOs between blocks that wait for each other in turns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand_made import GRAPHS, Net

from hwqnn import boards
from hwqnn.dataflow import Design, Source, fold, simulate
from hwqnn.dataflow.choices import Choices
from hwqnn.dataflow.decouple import decoupled
from hwqnn.dataflow.depths import size_fifos, unbounded_interval
from hwqnn.dataflow.design import Resources, Store
from hwqnn.dataflow.program import cheapest
from hwqnn.dataflow.stage import stages
from hwqnn.ir import Graph, UInt

BOARD = boards.load("zynq7020")


def pooled(size: int, channels: int) -> Graph:
    """A convolution in bursts, then a pool, then another convolution: what stands still in turns."""
    net = Net(UInt(2), (size, size, channels))
    net.conv(4, 3)
    net.sign()
    net.pool(3, stride=(2, 2), padding=(1, 1, 1, 1))
    net.conv(6, 2)
    return net.graph("pooled")


def blocks_alone(graph: Graph, cycles: int) -> Design:
    """The cheapest design whose blocks, weights in LUTs, make at most so many cycles a frame, each by itself."""
    pins = fold.Pins({stage.layer: fold.Pin(store=Store.LUT) for stage in stages(graph, 100.0) if stage.kind == "mvu"})
    choices, have = Choices.of(graph, 100.0, pins), BOARD.resources
    prices = Resources(lut=1, bram36=0.1 * have.lut / have.bram36, dsp=0.1 * have.lut / have.dsp)
    selection = cheapest(choices, cycles, Resources(*vars(have).values()), prices).selection
    assert selection is not None
    return choices.design(selection)


def without(design: Design, name: str) -> Design:
    source = next(n.inputs[0] for n in design.nodes if n.name == name)
    nodes = [replace(n, inputs=tuple(source if s == Source(name) else s for s in n.inputs)) for n in design.nodes if n.name != name]
    return replace(design, nodes=tuple(nodes))


CASES = [
    (pooled(6, 1), 64),
    (pooled(8, 4), 150),
    (pooled(10, 1), 150),
    (pooled(12, 2), 400),
    (GRAPHS["residual"](), 200),
    (GRAPHS["residual"](), 800),
]


@pytest.mark.parametrize(("graph", "steps"), CASES, ids=lambda value: getattr(value, "name", None))
def test_every_one_of_them_wins_cycles(graph: Graph, steps: int) -> None:
    """None that was added can go without loss, and the others are what they were."""
    design = blocks_alone(graph, steps)
    found = decoupled(design, steps)
    names = {n.name for n in design.nodes}
    added = [n.name for n in found.nodes if n.name not in names]
    interval = unbounded_interval(found)
    assert added
    assert interval <= steps < unbounded_interval(design)
    for name in added:
        assert unbounded_interval(without(found, name)) > steps
    left = found
    for name in added:
        left = without(left, name)
    assert [(n.name, n.block, n.inputs) for n in left.nodes] == [(n.name, n.block, n.inputs) for n in design.nodes]
    assert simulate(size_fifos(found)).interval == interval


def test_none_where_there_is_nothing_to_win() -> None:
    design = blocks_alone(pooled(8, 4), 500)
    assert decoupled(design, 500) is design


@pytest.mark.parametrize(("size", "channels"), [(6, 2), (8, 4), (10, 1), (12, 2)])
def test_the_default_build_waits_for_nothing_but_its_slowest_block(size: int, channels: int) -> None:
    design = fold.solve(pooled(size, channels), boards.load("zynq7020"), clock_mhz=100.0, fps=None).design
    assert simulate(design).interval <= max(100, 1.02 * max(n.block.cycles for n in design.nodes))
