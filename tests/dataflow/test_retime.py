"""FIFOs that cut chains of readies: how long the chains are is counted here path by path."""

from __future__ import annotations

import pytest
from hand_made import GRAPHS

from hwqnn import boards
from hwqnn.dataflow import Design, fold, simulate
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.dataflow.retime import longest_chain, retimed
from hwqnn.dataflow.upsample import UpsampleBlock
from hwqnn.dataflow.window import Window
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, budget_ns


def chain(design: Design, name: str) -> int:
    """Blocks from this one towards the output until one that stores beats, on the longest way."""
    named = {node.name: node for node in design.nodes}
    if isinstance(named[name].block, Fifo | Window | UpsampleBlock):
        return 0
    return 1 + max((chain(design, node.name) for node in design.nodes if name in [source.node for source in node.inputs]), default=0)


@pytest.mark.parametrize("mhz", [100.0, 200.0, 300.0])
@pytest.mark.parametrize("name", ["branches", "flat"])
def test_no_chain_is_too_long(name: str, mhz: float) -> None:
    design = fold.solve(GRAPHS[name](), boards.load("zynq7020"), clock_mhz=mhz, fps=None).design
    assert max(chain(design, node.name) for node in design.nodes) <= longest_chain(mhz)
    assert [node.name for node in retimed(design).nodes] == [node.name for node in design.nodes]  # nothing is left to do
    assert simulate(design).interval > 0  # it runs


def test_a_chain_fits_the_clock() -> None:
    """A register, a LUT for each block, and one for the enable; at 100 MHz five blocks, at 300 MHz each has a FIFO before it."""
    for mhz in (50.0, 100.0, 150.0, 200.0):
        assert CLOCK_TO_OUT + (longest_chain(mhz) + 1) * LUT < budget_ns(mhz)
        assert CLOCK_TO_OUT + (longest_chain(mhz) + 3) * LUT > budget_ns(mhz)
    assert [longest_chain(mhz) for mhz in (100.0, 200.0, 300.0, 1000.0)] == [5, 2, 1, 1]
