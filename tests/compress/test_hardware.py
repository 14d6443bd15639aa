"""Hardware sees it: the same frozen layer takes fewer LUTs, counted by yosys, after each method."""

from __future__ import annotations

import pytest
import torch
from brevitas import nn as qnn
from frozen_luts import frozen_luts
from torch import nn

from hwqnn import compress, quant
from hwqnn.compress import Batches

INPUTS = 24


def layer() -> nn.Module:
    """24 one-bit inputs, 6 sums of 6-bit weights: normally distributed, as trained weights are."""
    torch.manual_seed(0)
    dense = qnn.QuantLinear(INPUTS, 6, **quant.weight("integer", 6, per_channel=False))
    nn.init.normal_(dense.weight, std=0.3)
    return nn.Sequential(quant.act("dorefa", 1), dense).eval()


@pytest.fixture(scope="module")
def before() -> int:
    return frozen_luts(layer(), INPUTS)


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
    after = frozen_luts(done.model, INPUTS)
    assert after < 0.9 * before, f"{name}: {before} LUTs before, {after} after"
    print(f"{name}: {before} > {after} LUTs, {old.digits} > {new.digits} digits")


def test_batches_are_not_needed_without_curvature(batches: Batches) -> None:
    plans = [compress.make("signed-digit", curvature="none").plan(layer(), data) for data in (None, batches)]
    assert torch.equal(plans[0].layers["1"].fit.values, plans[1].layers["1"].fit.values)
