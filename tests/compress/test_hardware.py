"""Hardware sees it: the same frozen layer takes fewer LUTs, counted by yosys, after each method."""

from __future__ import annotations

import pytest
import torch
from brevitas import nn as qnn
from torch import nn

import hwqnn
from hwqnn import compress, quant
from hwqnn.compress import Batches
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.fold import Pin, Pins

INPUTS = 24


def layer() -> nn.Module:
    """24 one-bit inputs, 6 sums of 6-bit weights: normally distributed, as trained weights are."""
    torch.manual_seed(0)
    dense = qnn.QuantLinear(INPUTS, 6, **quant.weight("integer", 6, per_channel=False))
    nn.init.normal_(dense.weight, std=0.3)
    return nn.Sequential(quant.act("dorefa", 1), dense).eval()


def luts(model: nn.Module) -> int:
    """Of the layer alone."""
    made = hwqnn.compile(model, torch.zeros(1, INPUTS), fps=1e5, head="scores", pins=Pins({"1": Pin(store=Store.FROZEN)}), threads=1)
    cells = made.synthesize(jobs=1)
    return round(sum(cells[node.name].lut for node in made.design.nodes if node.block.module == "frozen"))


@pytest.fixture(scope="module")
def before() -> int:
    return luts(layer())


METHODS = {
    "four shared values": compress.make("codebook", values=4, bits=4, curvature="none", rounding="nearest"),
    "three digits": compress.make("signed-digit", digits=3, curvature="none"),
    "powers of two": compress.make("signed-digit", digits=4, terms=1, curvature="none"),
    "ternary, and zeros for a price": compress.make("signed-digit", digits=1, curvature="none", price=0.01),
    "0.6 digits a weight": compress.make("digit-budget", per_weight=0.6, curvature="none"),
    "3-bit fixed point": compress.make("format", kind="fixed", bits=3, curvature="none"),
}


@pytest.mark.parametrize("name", METHODS)
def test_fewer_luts_after_than_before(name: str, before: int) -> None:
    model, method = layer(), METHODS[name]
    done = compress.run(model, [method])
    old, new = done.reports[0].total
    assert new.digits < old.digits
    after = luts(done.model)
    assert after < 0.9 * before, f"{name}: {before} LUTs before, {after} after"
    print(f"{name}: {before} > {after} LUTs, {old.digits} > {new.digits} digits")


def test_batches_are_not_needed_without_curvature(batches: Batches) -> None:
    plans = [compress.make("signed-digit", curvature="none").plan(layer(), data) for data in (None, batches)]
    assert torch.equal(plans[0].layers["1"].fit.values, plans[1].layers["1"].fit.values)
