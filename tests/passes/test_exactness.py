"""The campaign of benchmarks/exactness.py on small random networks, and that it would notice a threshold that is off by one."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import Builder, Network, networks

from hwqnn.ir import Bipolar, Graph, Input, Requantize, Rounding, SignQuantizer, UniformQuantizer
from hwqnn.passes import lower_requantize

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import exactness


@pytest.mark.parametrize("kinds", [(), ("norm",), ("affine", "norm"), ("norm", "norm")], ids=str)
@pytest.mark.parametrize("bits", [0, 2, 4])
def test_no_mismatch(kinds: tuple[str, ...], bits: int) -> None:
    """Sign (0 bits) or signed activations; sums of 60 signs, or of 12 codes."""
    quantizer = UniformQuantizer(Fraction(1), 0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, Rounding.HALF_EVEN) if bits else SignQuantizer(Fraction(1))
    builder = Builder(np.random.default_rng(len(kinds)), [Input(name="x", inputs=(), type=Bipolar(), shape=(60,))])
    for i, outputs in enumerate((12, 8), 1):
        builder.matmul(f"fc{i}", outputs, Bipolar())
        builder.requantize(f"act{i}", kinds, quantizer)
    layers = exactness.compare(builder.graph())
    assert [(layer.name, layer.channels, layer.mismatches) for layer in layers] == [("act1", 12, 0), ("act2", 8, 0)]
    assert layers[0].pairs == 12 * 61  # 60 values of -1 or +1 have 61 sums


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(st.just(1)))
def test_it_notices(network: Network) -> None:
    def spoiled(imported: Graph) -> Graph:
        graph = lower_requantize(imported)
        lowered = [op for op in graph.ops if isinstance(imported.op(op.name), Requantize)]
        return graph.replace({op.name: [replace(op, base=op.base + op.step, step=-op.step)] for op in lowered if op.levels == 1})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exactness, "lower_requantize", spoiled)
        spoilt = [op.name for op in lower_requantize(network.imported).ops if getattr(op, "levels", 0) == 1]
        layers = {layer.name: layer for layer in exactness.compare(network.imported)}
    assert all(layers[name].mismatches == layers[name].pairs for name in spoilt)
