"""Hardware sees it: the same frozen layer, trained weights as they are, takes fewer LUTs (yosys') with each quantizer than with 6-bit weights."""

from __future__ import annotations

import pytest
import torch
from brevitas import nn as qnn
from frozen_luts import frozen_luts
from torch import nn

from hwqnn import quant

INPUTS, OUTPUTS = 24, 6

QUANTIZERS = {
    "sign": {},
    "stochastic-sign": {},
    "xnor": {},
    "optimal-binary": {},
    "dorefa": {"bits": 1},
    "ternary": {},
    "optimal-ternary": {},
    "learned-discrete": {"bits": 2},
    "general": {"bits": 2},
    "balanced": {"bits": 2},
    "power-of-two": {"bits": 3},
}
"""Name -> bits, where it has some."""


def network(name: str, bits: int | None = None) -> nn.Module:
    """24 one-bit inputs, 6 sums of normally distributed latent weights, each behind a batch norm and a sign: scales go into thresholds."""
    torch.manual_seed(0)
    layer = qnn.QuantLinear(INPUTS, OUTPUTS, **quant.weight(name, bits))
    start = torch.randn(OUTPUTS, INPUTS) * 0.3
    layer.weight.data.copy_(start)
    norm = nn.BatchNorm1d(OUTPUTS)
    norm.running_mean.copy_(torch.randn(OUTPUTS))
    return nn.Sequential(quant.act("dorefa", 1), layer, norm, quant.act("sign"), qnn.QuantLinear(OUTPUTS, 2, **quant.weight("sign"))).eval()


@pytest.fixture(scope="module")
def before() -> int:
    return frozen_luts(network("integer", 6), INPUTS, head="label")


@pytest.mark.parametrize("name", QUANTIZERS)
def test_fewer_luts_than_six_bits(name: str, before: int) -> None:
    after = frozen_luts(network(name, **QUANTIZERS[name]), INPUTS, head="label")
    print(f"{name}: {before} > {after} LUTs")
    assert after < 0.8 * before
